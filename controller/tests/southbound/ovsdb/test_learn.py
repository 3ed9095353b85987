"""What is learned from a database: rows in, host and interfaces out."""

import pytest

from daybreak.model import Host, Interface
from daybreak.southbound.ovsdb.learn import learn
from daybreak.southbound.ovsdb.names import patch_ports
from daybreak.wire.ovsdb import Replica

HOSTCONFIG = '{"allowed_network_types": ["vxlan"], "datapath_type": "netdev", "bridge_mappings": {"physnet9": "br-9"}}'


def strings(pairs: dict[str, str]) -> list:
    return ["map", [[key, value] for key, value in pairs.items()]]


def replica(external_ids=None, other_config=None, ports=(), capabilities=None, bridge=None) -> Replica:
    """A database with br-int; each of `ports` is an interface's columns."""
    result = Replica()
    rows = {f"i{number}": {"initial": columns} for number, columns in enumerate(ports)}
    port_rows = {f"p{number}": {"initial": {"interfaces": ["uuid", f"i{number}"]}} for number in range(len(ports))}
    bridge_row = {
        "name": "br-int",
        "datapath_id": "00000000000000ab",
        "datapath_type": "netdev",
        "ports": ["set", [["uuid", name] for name in port_rows]],
    }
    root = {
        "external_ids": strings(external_ids or {}),
        "other_config": strings(other_config or {}),
        "datapaths": ["map", [["netdev", ["uuid", "d1"]]]],
        "ovs_version": "3.1.0",
    }
    result.update2(
        {
            "Open_vSwitch": {"8a290ad8-0c2c-4e11-800f-bd1a2dad280c": {"initial": root}},
            "Bridge": {"b1": {"initial": bridge_row if bridge is None else bridge}},
            "Port": port_rows,
            "Interface": rows,
            "Datapath": {"d1": {"initial": {"capabilities": strings(capabilities or {})}}},
        }
    )
    return result


@pytest.mark.parametrize(
    ("external_ids", "name"),
    [
        (
            {"odl_os_hostconfig_hostid": "compute-1", "hostname": "c1.example.org", "system-id": "5ec1"},
            "compute-1",
        ),
        ({"hostname": "c1.example.org", "system-id": "5ec1"}, "c1.example.org"),
        ({"odl_os_hostconfig_hostid": "", "hostname": "", "system-id": "5ec1"}, "5ec1"),
        ({}, "ovs-8a290ad8"),
    ],
)
def test_a_host_has_the_name_that_clouds_know(external_ids, name):
    assert learn(replica(external_ids), None).host.id == name


@pytest.mark.parametrize(
    ("local_ip", "remote", "vtep"),
    [
        ({"local_ip": "192.0.2.1"}, "198.51.100.7", "192.0.2.1"),
        ({}, "198.51.100.7", "198.51.100.7"),
        ({}, "2001:db8::7", "2001:db8::7"),
        ({}, "127.0.0.1", None),  # nobody else could send there
        ({}, None, None),
    ],
)
def test_tunnels_end_where_the_host_says_or_else_where_it_calls_from(local_ip, remote, vtep):
    assert learn(replica(other_config=local_ip), remote).host.vtep == vtep


def test_a_database_without_its_root_describes_no_host():
    learned = learn(Replica(), "192.0.2.1")
    assert learned.host is None
    assert "Open_vSwitch" in learned.reason


def test_a_host_is_known_before_it_has_a_bridge():
    host, interfaces, _ = learn(replica(bridge={"name": "br-ex"}), None)
    assert (host.dpid, host.datapath_type, host.capabilities, interfaces) == (None, None, (), {})


def test_a_bridge_keeps_its_datapath_id_while_its_database_was_restarted():
    """datapath_id is ephemeral: ovs-vswitchd writes it anew, some time later."""
    bridge = {"name": "br-int", "other_config": strings({"datapath-id": "00000000000000ab"})}
    assert learn(replica(bridge=bridge), None).host.dpid == 0xAB


@pytest.mark.parametrize(
    ("text", "dpid"),
    [
        ("0xab", 0xAB),
        ("0x00000000000000AB", 0xAB),
        ("ab", None),  # Open vSwitch takes no such thing, and makes an id of its own
        ("1234567890abcdef12", None),  # nor this: no datapath has an id of 72 bits
        ("0x1234567890abcdef12", None),
        ("nonsense", None),
    ],
)
def test_a_datapath_id_that_open_vswitch_would_not_take_is_none(text, dpid):
    """One of 72 bits could not be stored, and with it nothing that any host reported from then on."""
    bridge = {"name": "br-int", "other_config": strings({"datapath-id": text})}
    assert learn(replica(bridge=bridge), None).host.dpid == dpid


def test_everything_about_a_host():
    near, _ = patch_ports("physnet1", "br-ex")
    database = replica(
        external_ids={
            "hostname": "h1",
            "availability-zone": "east",
            "odl_os_hostconfig_config_odl_l2": HOSTCONFIG,
            "odl_os_hostconfig_config_odl_toolongname": "{}",
        },
        other_config={"provider_mappings": "physnet1:br-ex, physnet2:br-x,nonsense,:,physnet3:"},
        capabilities={"ct_zone": "true", "nd_ext": "false", "max_vlan_headers": "1", "max_hash_alg": "0"},
        ports=[
            {"name": near, "type": "patch", "ofport": 7},
            {"name": "daybreak-vxlan", "type": "vxlan", "ofport": 65001},
            {"name": "daybreak-geneve", "type": "geneve", "ofport": 12},  # not the number that flows name
            {"name": "daybreak-gre", "type": "gre", "ofport": -1, "error": "could not add network device"},
        ],
    )
    assert learn(database, "192.0.2.1").host == Host(
        id="h1",
        ovs_uuid="8a290ad8-0c2c-4e11-800f-bd1a2dad280c",
        vtep="192.0.2.1",
        dpid=0xAB,
        ovs_version="3.1.0",
        datapath_type="netdev",
        capabilities=("ct_zone", "max_vlan_headers"),
        bridge_mappings=(("physnet1", "br-ex"), ("physnet2", "br-x")),
        patches=(("physnet1", 7),),
        tunnels=("vxlan",),
        hostconfigs=(("ODL L2", HOSTCONFIG), ("ODL TOOLONGN", "{}")),
        availability_zone="east",
    )


@pytest.mark.parametrize(
    ("hostconfig", "mappings"),
    [
        (HOSTCONFIG, (("physnet9", "br-9"),)),
        ('{"bridge_mappings": ["physnet9"]}', ()),
        ('{"bridge_mappings": {"physnet9": 9}}', ()),
        ("not JSON", ()),
        ("[" * 100_000, ()),
        ("[]", ()),
    ],
)
def test_bridge_mappings_may_be_in_the_hostconfig(hostconfig, mappings):
    database = replica(external_ids={"odl_os_hostconfig_config_odl_l2": hostconfig})
    assert learn(database, None).host.bridge_mappings == mappings


def test_interfaces_claim_ports_by_their_iface_id():
    claim = {"external_ids": strings({"iface-id": "port-1", "attached-mac": "FA:16:3E:00:00:01"})}
    database = replica(
        external_ids={"hostname": "h1"},
        ports=[
            {"name": "tap1", "ofport": 1, "admin_state": "up", "link_state": "up", **claim},
            {"name": "tap2", "ofport": 2, "admin_state": "up", "link_state": "down", **claim},
            {"name": "tap3", "ofport": -1, "error": "could not open network device tap3", **claim},
            {"name": "tap4", "ofport": 4},
            {"name": "tap5", "ofport": 5, "external_ids": strings({"iface-id": ""})},
        ],
    )
    mac = "fa:16:3e:00:00:01"
    assert learn(database, None).interfaces == {
        "tap1": Interface(host="h1", name="tap1", iface_id="port-1", ofport=1, attached_mac=mac),
        "tap2": Interface(host="h1", name="tap2", iface_id="port-1", ofport=2, attached_mac=mac, link_up=False),
        "tap3": Interface(
            host="h1", name="tap3", iface_id="port-1", attached_mac=mac, error="could not open network device tap3"
        ),
    }


def test_interfaces_of_other_bridges_claim_nothing():
    database = replica(
        bridge={"name": "br-ex", "ports": ["uuid", "p0"]},
        ports=[{"name": "tap1", "ofport": 1, "external_ids": strings({"iface-id": "port-1"})}],
    )
    assert learn(database, None).interfaces == {}
