"""A tenant's ports, from Neutron's API to the switches and back."""

from typing import Any

import pytest

from daybreak_lab import Hypervisor
from daybreak_lab.openstack import ADMIN, Client, member

from ..cloud import Cloud
from ..status.ways import DEADLINE, until

pytestmark = pytest.mark.ovs


@pytest.fixture
def tenant(cloud: Cloud) -> Client:
    return cloud.client(member("ml2"))


def rules(cloud: Cloud) -> list[dict[str, Any]]:
    return [*cloud.controller.objects("security-group-rules").values()]


def test_what_a_tenant_creates_is_on_the_controller(cloud: Cloud, tenant: Client) -> None:
    network = tenant.create("networks", name="blue")
    subnet = tenant.create("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    port = tenant.create("ports", network_id=network["id"], name="web")
    (group,) = port["security_groups"]
    objects = cloud.controller.objects
    until("the port is there", lambda: port["id"] in objects("ports"))
    assert objects("networks")[network["id"]]["name"] == "blue"
    assert objects("subnets")[subnet["id"]]["cidr"] == "10.0.0.0/24"
    assert objects("ports")[port["id"]]["security_groups"] == [group]
    until("its rules are", lambda: group in {rule["security_group_id"] for rule in rules(cloud)})

    # Whatever is deleted goes there, too, with what belonged to it.
    tenant.delete("ports", port["id"])
    tenant.delete("networks", network["id"])
    until(
        "all is gone",
        lambda: (
            not {network["id"], subnet["id"], port["id"]}
            & {*objects("networks"), *objects("subnets"), *objects("ports")}
        ),
    )


def test_a_port_is_active_when_its_flows_are_there(cloud: Cloud, tenant: Client, hosts: dict[str, Hypervisor]) -> None:
    network = tenant.create("networks", name="plugged")
    tenant.create("subnets", network_id=network["id"], ip_version=4, cidr="10.1.0.0/24")
    admin = cloud.client(ADMIN)
    ports = [
        admin.create("ports", network_id=network["id"], project_id="ml2", **{"binding:host_id": name})
        for name in ("h1", "h2")
    ]
    for port in ports:
        assert port["binding:vif_type"] == "ovs"
        assert port["status"] == "DOWN"
    a, b = (
        cloud.boot(f"vm{n}", port, hosts[name]) for n, (port, name) in enumerate(zip(ports, ("h1", "h2"), strict=True))
    )
    for port in ports:
        tenant.wait_for_status("ports", port["id"], "ACTIVE", DEADLINE)
    a.wait_until_reaches(b)
    cloud.lab.delete_vm(b)
    tenant.wait_for_status("ports", ports[1]["id"], "DOWN", DEADLINE)
    cloud.lab.delete_vm(a)
    for port in ports:
        admin.delete("ports", port["id"])
    tenant.delete("networks", network["id"])
