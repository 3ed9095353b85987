"""Sub-ports follow their trunk's parent from host to host, and the trunk's status says what is so."""

import pytest

from daybreak_lab import Hypervisor, wait_for
from daybreak_lab.openstack import SERVICE, Client, member

from ..cloud import DEADLINE, Cloud, Controller
from .ways import arrives

pytestmark = pytest.mark.ovs


def binding(client: Client, port: str) -> tuple[str, str]:
    shown = client.get("ports", port)
    return shown["binding:host_id"], shown["binding:vif_type"]


def test_sub_ports_are_where_their_parent_is(
    cloud: Cloud, controller: Controller, admin: Client, hosts: dict[str, Hypervisor]
) -> None:
    tenant, nova = cloud.client(member("trunks")), cloud.client(SERVICE)
    outer, inner = (tenant.create("networks", name=name)["id"] for name in ("outer", "inner"))
    tenant.create("subnets", network_id=outer, ip_version=4, cidr="10.31.0.0/24")
    parent = tenant.create("ports", network_id=outer, name="parent")
    one, two = (tenant.create("ports", network_id=inner)["id"] for _ in range(2))
    tag = {"segmentation_type": "vlan", "segmentation_id": 101}
    trunk = tenant.create("trunks", port_id=parent["id"], sub_ports=[{"port_id": one, **tag}])["id"]
    assert tenant.get("trunks", trunk)["status"] == "DOWN"

    # Nova binds the parent, and the VM starts.
    nova.update("ports", parent["id"], **{"binding:host_id": "h1"})
    assert binding(admin, one) == ("h1", "ovs")
    assert tenant.get("trunks", trunk)["status"] == "BUILD"
    arrives(controller, "ports", one, host_id="h1", device_owner="trunk:subport")
    vm = cloud.boot("trunked", parent, hosts["h1"])
    tenant.wait_for_status("ports", parent["id"], "ACTIVE", DEADLINE)

    # A sub-port more while it runs. What is not on the switch yet keeps the trunk from being ACTIVE.
    more = {"port_id": two, "segmentation_type": "vlan", "segmentation_id": 102}
    tenant.call("PUT", f"trunks/{trunk}/add_subports", {"sub_ports": [more]})
    assert binding(admin, two) == ("h1", "ovs")
    _, document = controller.request("GET", "/v1/openapi.json")
    acts = document["x-daybreak-kinds"]["trunk"]["in_effect"]
    tenant.wait_for_status("trunks", trunk, "ACTIVE" if acts else "BUILD", DEADLINE)

    # The VM moves, and its sub-ports with it.
    cloud.lab.delete_vm(vm)
    nova.update("ports", parent["id"], **{"binding:host_id": "h2"})
    assert (binding(admin, one), binding(admin, two)) == (("h2", "ovs"), ("h2", "ovs"))
    arrives(controller, "ports", two, host_id="h2")

    # A sub-port that is taken off is nowhere; so are all when the VM is gone.
    tenant.call("PUT", f"trunks/{trunk}/remove_subports", {"sub_ports": [{"port_id": one}]})
    assert binding(admin, one) == ("", "unbound")
    nova.update("ports", parent["id"], **{"binding:host_id": ""})
    assert binding(admin, two) == ("", "unbound")
    wait_for("DOWN", lambda: tenant.get("trunks", trunk)["status"] == "DOWN", DEADLINE)
    tenant.delete("trunks", trunk)
    for port in (parent["id"], one, two):
        tenant.delete("ports", port)
    for network in (outer, inner):
        tenant.delete("networks", network)
