"""data: a small cloud, and one in which much is wrong; made by hand, with no switch behind it."""

from daybreak.model import (
    FixedIp,
    Host,
    Interface,
    Location,
    Network,
    NetworkLog,
    Port,
    PortStatus,
    Record,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)

BLUE, RED = "b1be0000-0000-4000-8000-000000000001", "4ed00000-0000-4000-8000-000000000002"
BLUE_SUBNET, RED_SUBNET = "b1be5000-0000-4000-8000-000000000001", "4ed05000-0000-4000-8000-000000000002"
WEB, DB, IDLE = (
    "3eb00000-0000-4000-8000-000000000011",
    "db000000-0000-4000-8000-000000000012",
    "1d1e0000-0000-4000-8000-000000000013",
)


def port(id: str, name: str | None, network: str, number: int, **fields: object) -> Port:
    """A port whose MAC and address end with its number."""
    subnet = {BLUE: BLUE_SUBNET, RED: RED_SUBNET}.get(network)
    ips = (FixedIp(f"10.0.{0 if network == BLUE else 7}.{number}", subnet),)
    return Port(id, network, name=name, mac_address=f"fa:16:3e:00:00:{number:02x}", fixed_ips=ips, **fields)  # type: ignore[arg-type]


SERVERS, CLIENTS = "5ec50000-0000-4000-8000-000000000031", "5ecc0000-0000-4000-8000-000000000032"


def allows(
    id: str,
    direction: str,
    protocol: str | None = None,
    ports: tuple[int | None, int | None] = (None, None),
    prefix: str | None = None,
    group: str | None = None,
) -> SecurityGroupRule:
    """A rule of the servers' group."""
    return SecurityGroupRule(
        id=id,
        security_group_id=SERVERS,
        direction=direction,
        ethertype="IPv4",
        protocol=protocol,
        port_range_min=ports[0],
        port_range_max=ports[1],
        remote_ip_prefix=prefix,
        remote_group_id=group,
    )


HEALTHY: tuple[Record, ...] = (
    Host(
        "h1",
        "ovs-h1",
        vtep="192.0.2.1",
        dpid=0x0000_1234_5678_9ABC,
        ovs_version="3.1.0",
        datapath_type="system",
        tunnels=("vxlan", "geneve", "gre"),
        bridge_mappings=(("physnet1", "br-ex"), ("physnet2", "br-lab")),
        patches=(("physnet1", 7),),
    ),
    Host("h2", "ovs-h2", vtep="192.0.2.2", ovs_version="3.1.0"),
    Network(BLUE, name="blue", network_type="vxlan", segmentation_id="5000", mtu=1450),
    Network(RED, name="red", network_type="vlan", physical_network="physnet1", segmentation_id="7"),
    Subnet(BLUE_SUBNET, BLUE, name="blue4", cidr="10.0.0.0/24", gateway_ip="10.0.0.254"),
    Subnet(RED_SUBNET, RED, cidr="10.0.7.0/24"),
    port(WEB, "web", BLUE, 1, host_id="h1", device_owner="compute:nova"),
    port(DB, "db", BLUE, 2, host_id="h2"),
    port(IDLE, None, RED, 3, host_id="h1"),
    Interface("h1", "tap3eb00000-00", WEB, 5),
    Interface("h2", "tapdb000000-00", DB, 6),
    Location(WEB, "h1"),
    Location(DB, "h2"),
    PortStatus(WEB, True, "h1"),
    PortStatus(DB, False, "h2", "its interface is down"),
    PortStatus(IDLE, False, None, "no interface on h1 carries its id"),
    SecurityGroup(id=SERVERS, name="servers"),
    SecurityGroup(id=CLIENTS, name="clients"),
    allows("5ec00001-0000-4000-8000-000000000041", "ingress", protocol="tcp", ports=(80, 89), group=CLIENTS),
    allows("5ec00002-0000-4000-8000-000000000042", "ingress", protocol="icmp", ports=(8, 0), prefix="10.0.0.0/8"),
    allows("5ec00003-0000-4000-8000-000000000043", "egress"),
)

FRONT, BACK = "f4070000-0000-4000-8000-000000000031", "bac00000-0000-4000-8000-000000000032"
TO_DB, OUT = "a0000000-0000-4000-8000-000000000042", "a1000000-0000-4000-8000-000000000043"
MUTE, EDGE = "3ad00000-0000-4000-8000-000000000014", "ed9e0000-0000-4000-8000-000000000015"

GUARDED: tuple[Record, ...] = (
    *(record for record in HEALTHY if record.key not in (WEB, DB) or isinstance(record, Location)),
    SecurityGroup(id=FRONT, name="front"),
    SecurityGroup(id=BACK, name="back"),
    SecurityGroupRule(id=OUT, security_group_id=FRONT, direction="egress", ethertype="IPv4"),
    SecurityGroupRule(
        id=TO_DB,
        security_group_id=BACK,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=5432,
        port_range_max=5432,
        remote_group_id=FRONT,
    ),
    port(WEB, "web", BLUE, 1, host_id="h1", security_groups=(FRONT,)),
    port(DB, "db", BLUE, 2, host_id="h2", security_groups=(BACK,)),
    port(MUTE, "mute", BLUE, 4, host_id="h1", security_groups=()),
    Interface("h1", "tap3ad00000-00", MUTE, 6),
    Location(MUTE, "h1"),
    NetworkLog(id="10900000-0000-4000-8000-000000000061", target_id=DB, resource_type="security_group"),
    port(EDGE, "edge", RED, 5, host_id="h1"),
    Interface("h1", "taped9e0000-00", EDGE, 8),
    Location(EDGE, "h1"),
)
"""Two security groups: front may do what it likes, and reaches back by PostgreSQL's port alone; mute may do nothing.
And edge, on a VLAN of a physical network."""

WRONG: tuple[Record, ...] = (
    *HEALTHY,
    # Two networks of one name, one of them with a VLAN and nothing to put it on.
    Network("b1be0000-0000-4000-8000-000000000003", name="blue", network_type="vlan", segmentation_id="9"),
    # References that lead nowhere.
    port("10570000-0000-4000-8000-000000000021", "lost", "90000000-0000-4000-8000-000000000000", 21),
    Subnet("10570000-0000-4000-8000-000000000022", "90000000-0000-4000-8000-000000000000", cidr="10.9.0.0/24"),
    Port(
        "10570000-0000-4000-8000-000000000023",
        BLUE,
        fixed_ips=(FixedIp("10.0.0.23", "50000000-0000-4000-8000-000000000000"),),
    ),
    # A tenant's idea of a name.
    Port("ba1df00d-0000-4000-8000-000000000025", RED, name="\x1b[31mpaint\r\nroot#\u202e"),
    # A second claim, one where the cloud does not want the port at all, and one to no port.
    Interface("h2", "tap-second", WEB, 8),
    Interface("h2", "tap-elsewhere", IDLE, 9),
    Interface("h2", "tap-nobody", "n0b0d7", 10),
    # An OpenFlow port that two interfaces have.
    port("7314000c-0000-4000-8000-000000000024", "twin", BLUE, 24, host_id="h1"),
    Interface("h1", "tap-twin", "7314000c-0000-4000-8000-000000000024", 5),
)
