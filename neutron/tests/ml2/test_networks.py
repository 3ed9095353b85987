"""Networks that are changed while they are in use."""

from daybreak_lab import Hypervisor
from daybreak_lab.openstack import Client

from ..cloud import Controller
from ..services.ways import arrives
from ..status.ways import until

NUMBER = 160
MAPPINGS = "other_config:provider_mappings=physnet1:br-ex"


def test_a_network_with_bound_ports_is_renumbered(
    admin: Client, controller: Controller, hosts: dict[str, Hypervisor]
) -> None:
    hosts["h1"].ovs.vsctl("set", "Open_vSwitch", ".", MAPPINGS)
    until(
        "h1 has the physical network",
        lambda: any(agent["configurations"].get("bridge_mappings") for agent in admin.list("agents", host="h1")),
    )
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    network = admin.create("networks", **vlan, **{"provider:segmentation_id": NUMBER})["id"]
    port = admin.create("ports", network_id=network, **{"binding:host_id": "h1"})
    assert port["binding:vif_type"] == "ovs"
    arrives(controller, "networks", network, segmentation_id=str(NUMBER))

    admin.update("networks", network, **{"provider:segmentation_id": NUMBER + 1})
    arrives(controller, "networks", network, segmentation_id=str(NUMBER + 1))

    admin.delete("ports", port["id"])
    admin.delete("networks", network)
    hosts["h1"].ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
