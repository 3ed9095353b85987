"""Which ports can be bound to which hosts, and what is said of the others."""

import pytest
from networking_daybreak.ml2.binding import Bound, Refused, allowed, bind
from networking_daybreak.ml2.host import Host, VhostUser, configurations, of_agent

PORT = {"id": "0ccd8fa9-c919-4e0a-8e24-7bd0a3e8bd7c", "binding:vnic_type": "normal", "binding:profile": {}}
VXLAN = {"id": "s1", "network_type": "vxlan", "physical_network": None}
VLAN = {"id": "s2", "network_type": "vlan", "physical_network": "physnet1"}
HOST = Host("h1", tunnel_address="10.0.0.1", tunnel_types=("vxlan", "geneve"), bridge_mappings={"physnet2": "br-ex"})


def reason(outcome: Bound | Refused) -> str:
    assert isinstance(outcome, Refused)
    return outcome.reason


def test_a_port_is_bound_by_the_first_segment_that_its_host_can_carry() -> None:
    bound = bind(PORT, "h1", [VLAN, VXLAN], HOST)
    assert bound == Bound(
        "s1",
        "ovs",
        {
            "connectivity": "l2",
            "port_filter": True,
            "ovs_hybrid_plug": False,
            "bridge_name": "br-int",
            "datapath_type": "system",
        },
    )


def test_a_host_with_dpdk_has_sockets() -> None:
    host = Host("h1", tunnel_address="10.0.0.1", tunnel_types=("vxlan",), vhost_user=VhostUser(directory="/run/ovs"))
    bound = bind(PORT, "h1", [VXLAN], host)
    assert isinstance(bound, Bound)
    assert bound.vif_type == "vhostuser"
    assert bound.vif_details["vhostuser_socket"] == "/run/ovs/vhu0ccd8fa9-c9"  # 14 characters, as Nova has it
    assert bound.vif_details["vhostuser_mode"] == "server"
    switchdev = {**PORT, "binding:vnic_type": "direct", "binding:profile": {"capabilities": ["switchdev"]}}
    direct = bind(switchdev, "h1", [VXLAN], host)
    assert isinstance(direct, Bound)
    assert direct.vif_type == "ovs"


@pytest.mark.parametrize(
    ("port", "segment", "host", "words"),
    [
        ({}, VXLAN, None, "knows no host h1"),
        ({}, VXLAN, Host("h1", gone=True), "is not connected"),
        ({"binding:vnic_type": "macvtap"}, VXLAN, HOST, "macvtap is not Open vSwitch's"),
        ({"binding:vnic_type": "direct"}, VXLAN, HOST, "without the capability switchdev"),
        ({}, VLAN, HOST, "no bridge for physical network physnet1 (it has: physnet2)"),
        ({}, {**VXLAN, "network_type": "gre"}, HOST, "no gre port yet (it has: vxlan, geneve)"),
        ({}, VXLAN, Host("h1"), "set other_config:local_ip"),
        ({}, VXLAN, Host("h1", network_types=("vlan",)), "allows networks of type vlan, not vxlan"),
        ({}, {**VXLAN, "network_type": "evpn"}, HOST, "type evpn are not known"),
    ],
)
def test_a_refusal_says_what_to_do(port: dict, segment: dict, host: Host | None, words: str) -> None:
    assert words in reason(bind({**PORT, **port}, "h1", [segment], host))


def test_a_port_with_addresses_goes_by_the_segments_of_their_subnets() -> None:
    assert allowed([VLAN, VXLAN], [{"segment_id": "s1"}]) == [VXLAN]
    assert allowed([VLAN, VXLAN], [{"segment_id": None}]) == [VLAN, VXLAN]
    assert "none of the network's segments" in reason(bind(PORT, "h1", allowed([VLAN], [{"segment_id": "s1"}]), HOST))


def test_what_a_host_tells_stands_in_its_row() -> None:
    told = {
        "vtep": "10.0.0.1",
        "tunnels": ["vxlan"],
        "bridge_mappings": [["physnet1", "br-ex"]],
        "datapath_type": "netdev",
        "vhost_user": ["dpdkvhostuser", "dpdkvhostuserclient"],
    }
    row = {"host": "h1", "alive": True, "configurations": configurations(told, connected=True)}
    assert of_agent(row) == Host(
        "h1",
        tunnel_address="10.0.0.1",
        tunnel_types=["vxlan"],
        bridge_mappings={"physnet1": "br-ex"},
        datapath_type="netdev",
        vhost_user=VhostUser("server", "/var/run/openvswitch", "vhu"),
    )
    # A hostconfig, as networking-odl's tool writes it, has the last word on how VMs are connected.
    text = (
        '{"allowed_network_types": ["vlan"], "supported_vnic_types": [{"vnic_type": "normal", "vif_type": "vhostuser",'
        ' "vif_details": {"vhostuser_mode": "client", "vhostuser_socket_dir": "/run/vhu", "port_prefix": "vho"}}]}'
    )
    row["configurations"] = configurations({**told, "hostconfigs": [["ODL L2", text]]}, connected=True)
    assert of_agent(row).network_types == ["vlan"]
    assert of_agent(row).vhost_user == VhostUser("client", "/run/vhu", "vho")


def test_a_host_is_gone_only_if_the_controller_says_so() -> None:
    """While the controller or the status worker is away no row is alive, and ports can be bound all the same."""
    told = {"vtep": "10.0.0.1"}
    for alive, connected, gone in (
        (True, True, False),
        (False, True, False),
        (True, False, False),
        (False, False, True),
    ):
        row = {"host": "h1", "alive": alive, "configurations": configurations(told, connected=connected)}
        assert of_agent(row).gone is gone


def test_more_physical_networks_than_neutron_has_room_for() -> None:
    told = {"vtep": "10.0.0.1", "bridge_mappings": [[f"physnet{n}", f"br-{n}"] for n in range(500)]}
    row = configurations(told, connected=True)
    assert (row["bridge_mappings"], row["too_many_bridge_mappings"]) == ({}, 500)
