"""The whole way, in one story: what a tenant asks of Neutron is what VMs on two hypervisors see."""

import pytest

from daybreak_lab import Hypervisor
from daybreak_lab.openstack import SERVICE, member

from .cloud import DEADLINE, Cloud, Controller, by_id

pytestmark = pytest.mark.ovs


def test_from_the_api_to_ping(cloud: Cloud, controller: Controller, hosts: dict[str, Hypervisor]) -> None:
    red, nova = cloud.client(member("story")), cloud.client(SERVICE)
    network = red.create("networks", name="red")
    red.create("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    ports = [red.create("ports", network_id=network["id"], name=name) for name in ("one", "two")]
    assert {port["status"] for port in ports} == {"DOWN"}

    # Nova says where the VMs run, and plugs them in there.
    bound = [
        nova.update("ports", port["id"], **{"binding:host_id": host})
        for port, host in zip(ports, ("h1", "h2"), strict=True)
    ]
    assert [port["binding:vif_type"] for port in bound] == ["ovs", "ovs"]
    one, two = (cloud.boot(port["name"], port, hosts[port["binding:host_id"]]) for port in bound)

    for port in ports:
        red.wait_for_status("ports", port["id"], "ACTIVE", DEADLINE)
    one.wait_until_reaches(two, timeout=DEADLINE)

    # The controller has just what Neutron has.
    on_the_controller = controller.objects("ports")
    for id, port in by_id(red.list("ports", network_id=network["id"])).items():
        assert on_the_controller[id]["mac_address"] == port["mac_address"]

    one.unplug()
    red.wait_for_status("ports", ports[0]["id"], "DOWN", DEADLINE)
    for port in ports:
        red.delete("ports", port["id"])
    red.delete("networks", network["id"])
    cloud.lab.delete_vm(one)
    cloud.lab.delete_vm(two)
