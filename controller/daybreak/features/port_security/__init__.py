"""rules: a port sends only from its own addresses and its allowed address pairs.

MAC, IPv4 and IPv6 source, ARP sender and neighbour-discovery fields are checked where the packet enters. DHCP and
address detection pass; router advertisements and DHCP answers of VMs do not. A port without any address is held to
its MAC alone, in ARP and neighbour discovery too: then the cloud (CloudStack, say) knows the addresses and we do not,
and the VM may be the network's router and DHCP server. A port whose port security is off passes unchecked.
"""

from collections.abc import Iterator

from daybreak.engine.pipeline import Shape, Stage, Table, goto
from daybreak.engine.rule import Output, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import FABRIC, PLACED, SOURCE, Place, PortKey, host_topic
from daybreak.model import Port
from daybreak.model.address import Prefix, link_local, mac_bytes, prefix
from daybreak.wire.openflow.actions import Move
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
UDP, ICMPV6 = 17, 58
DHCP_SERVER, DHCP_CLIENT = 67, 68
DHCPV6_CLIENT, DHCPV6_SERVER = 546, 547
ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = 134, 135, 136, 137
MLD_REPORTS = (131, 132, 143)

SPOOF = Table("SPOOF", Stage.SPOOF, "does the port own the source addresses?")
UNADDRESSED = Table("UNADDRESSED", Stage.SPOOF, "what a port may say before it has an address")
SAID = Table("SAID", Stage.SPOOF, "may the port say this: neighbour discovery of its own addresses, nothing of routers")
NAMED = Table("NAMED", Stage.SPOOF, "the link-layer address that neighbour discovery names is the sender's")

NEXT = goto(Stage.RESPOND)
FROM_PORT = (SOURCE, Var("port"))
FROM_MAC = (FIELDS["eth_src"], Var("mac"))
IS_IPV4, IS_ARP, IS_IPV6 = (FIELDS["eth_type"], IPV4), (FIELDS["eth_type"], ARP), (FIELDS["eth_type"], IPV6)
IS_UDP, IS_ICMPV6 = (FIELDS["ip_proto"], UDP), (FIELDS["ip_proto"], ICMPV6)
IS_SOLICITATION = (FIELDS["icmpv6_type"], SOLICITATION)
IS_ADVERTISEMENT = (FIELDS["icmpv6_type"], ADVERTISEMENT)

# -- who may send: one flow for each address --------------------------------------------------------------------------

UNCHECKED = Shape("unchecked", SPOOF, 10, [FROM_PORT], [NEXT], "port", "port security is off")
MAC_ONLY = Shape("mac_only", SPOOF, 20, [FROM_PORT, FROM_MAC], [NEXT], "port mac", "a port without known addresses")
MAC_ONLY_ARP = Shape(
    "mac_only_arp",
    SPOOF,
    30,
    [FROM_PORT, FROM_MAC, IS_ARP],
    [],
    "port mac",
    "an ARP message that names another MAC than the port's",
)
MAC_ONLY_ND = Shape(
    "mac_only_nd",
    SPOOF,
    30,
    [FROM_PORT, FROM_MAC, IS_IPV6, IS_ICMPV6, (FIELDS["icmpv6_type"], Var("type"))],
    [goto(SAID)],
    "port mac type",
    "neighbour discovery names the port's MAC, or none",
)
FOREIGN_MAC = Shape("foreign_mac", SPOOF, 5, [FROM_PORT], [], "port", "it comes from a MAC that is not the port's")
NO_ADDRESS = Shape(
    "no_address",
    SPOOF,
    50,
    [FROM_PORT, FROM_MAC],
    [goto(UNADDRESSED)],
    "port mac",
    "the right MAC, but none of the port's addresses",
)
IPV4_SOURCE = Shape(
    "ipv4_source",
    SPOOF,
    100,
    [FROM_PORT, FROM_MAC, IS_IPV4, (FIELDS["ipv4_src"], Var("ip"), Var("mask"))],
    [goto(SAID)],
    "port mac ip mask",
    "an IPv4 address of the port",
)
ARP_SENDER = Shape(
    "arp_sender",
    SPOOF,
    100,
    [FROM_PORT, FROM_MAC, IS_ARP, (FIELDS["arp_spa"], Var("ip"), Var("mask")), (FIELDS["arp_sha"], Var("mac"))],
    [NEXT],
    "port mac ip mask",
    "an ARP message from an address of the port",
)
IPV6_SOURCE = Shape(
    "ipv6_source",
    SPOOF,
    100,
    [FROM_PORT, FROM_MAC, IS_IPV6, (FIELDS["ipv6_src"], Var("ip"), Var("mask"))],
    [goto(SAID)],
    "port mac ip mask",
    "an IPv6 address of the port, or the link-local one that its MAC gives",
)

FOREIGN_ADDRESS = Shape(
    "foreign_address", UNADDRESSED, 0, [FROM_PORT], [], "port", "it comes from an address that is not the port's"
)

# -- before there is an address: the same for all ports ---------------------------------------------------------------

ARP_PROBE = Shape(
    "arp_probe", UNADDRESSED, 100, [IS_ARP, (FIELDS["arp_spa"], 0)], [NEXT], doc="is this address free? (RFC 5227)"
)
DHCP_REQUEST = Shape(
    "dhcp_request",
    UNADDRESSED,
    100,
    [IS_IPV4, IS_UDP, (FIELDS["ipv4_src"], 0), (FIELDS["udp_src"], DHCP_CLIENT), (FIELDS["udp_dst"], DHCP_SERVER)],
    [NEXT],
    doc="a DHCP client (RFC 2131)",
)
ND_PROBE = Shape(
    "nd_probe",
    UNADDRESSED,
    100,
    [IS_IPV6, IS_ICMPV6, (FIELDS["ipv6_src"], 0), IS_SOLICITATION, (FIELDS["nd_sll"], 0)],
    [NEXT],
    doc="is this address free? (RFC 4862, section 5.4)",
)
MULTICAST_REPORT = Shape(
    "multicast_report",
    UNADDRESSED,
    100,
    [IS_IPV6, IS_ICMPV6, (FIELDS["ipv6_src"], 0), (FIELDS["icmpv6_type"], Var("type"))],
    [NEXT],
    "type",
    "multicast listener reports (RFC 3590, section 4)",
)

# -- what may be said -------------------------------------------------------------------------------------------------

OWN_ADVERTISEMENT = Shape(
    "own_advertisement",
    SAID,
    100,
    [FROM_PORT, IS_IPV6, IS_ICMPV6, IS_ADVERTISEMENT, (FIELDS["nd_target"], Var("ip"), Var("mask"))],
    [goto(NAMED)],
    "port ip mask",
    "an advertisement of the port's own address; of another one it could say that it is no router any more",
)
ANY_SOLICITATION = Shape(
    "any_solicitation", SAID, 100, [IS_IPV6, IS_ICMPV6, IS_SOLICITATION], [goto(NAMED)], doc="a question"
)
ND_MALFORMED = Shape(
    "nd_malformed",
    SAID,
    200,
    [IS_IPV6, IS_ICMPV6, (FIELDS["icmpv6_type"], Var("type")), (FIELDS["nd_target"], 0)],
    [],
    "type",
    "Open vSwitch sees no target and no MAC where an option stands twice; a VM's kernel may well take one of the two",
)
ND_REFUSED = Shape(
    "nd_refused",
    SAID,
    50,
    [IS_IPV6, IS_ICMPV6, (FIELDS["icmpv6_type"], Var("type"))],
    [],
    "type",
    "advertisements of others' addresses, and what only routers say",
)
DHCP_ANSWER = Shape(
    "dhcp_answer",
    SAID,
    50,
    [IS_IPV4, IS_UDP, (FIELDS["udp_src"], DHCP_SERVER), (FIELDS["udp_dst"], DHCP_CLIENT)],
    [],
    doc="a VM is no DHCP server",
)
DHCPV6_ANSWER = Shape(
    "dhcpv6_answer",
    SAID,
    50,
    [IS_IPV6, IS_UDP, (FIELDS["udp_src"], DHCPV6_SERVER), (FIELDS["udp_dst"], DHCPV6_CLIENT)],
    [],
    doc="nor a DHCPv6 server (RFC 8415)",
)
ANYTHING_ELSE = Shape("anything_else", SAID, 0, [], [NEXT], doc="from an address of the port")

# -- which MAC is named: it is made the sender's, which was checked; where it is that already, nothing changes ---------

BARE_SOLICITATION = Shape(
    "bare_solicitation",
    NAMED,
    100,
    [IS_IPV6, IS_ICMPV6, IS_SOLICITATION, (FIELDS["nd_sll"], 0)],
    [NEXT],
    doc="a solicitation that names no MAC",
)
BARE_ADVERTISEMENT = Shape(
    "bare_advertisement",
    NAMED,
    100,
    [IS_IPV6, IS_ICMPV6, IS_ADVERTISEMENT, (FIELDS["nd_tll"], 0)],
    [NEXT],
    doc="an advertisement that names no MAC, as the answer to a unicast solicitation may be",
)
NAMED_SOLICITATION = Shape(
    "named_solicitation",
    NAMED,
    50,
    [IS_IPV6, IS_ICMPV6, IS_SOLICITATION],
    [Move(FIELDS["eth_src"], FIELDS["nd_sll"]), NEXT],
    doc="a solicitation names its sender's MAC",
)
NAMED_ADVERTISEMENT = Shape(
    "named_advertisement",
    NAMED,
    50,
    [IS_IPV6, IS_ICMPV6, IS_ADVERTISEMENT],
    [Move(FIELDS["eth_src"], FIELDS["nd_tll"]), NEXT],
    doc="an advertisement names its sender's MAC",
)


@rule(None)
def defaults(view: View) -> Iterator[Output]:
    """What holds for every port that is checked."""
    for shape in (ARP_PROBE, DHCP_REQUEST, ND_PROBE, ANY_SOLICITATION, DHCP_ANSWER, DHCPV6_ANSWER, ANYTHING_ELSE):
        yield FABRIC, shape, ()
    for shape in (BARE_SOLICITATION, BARE_ADVERTISEMENT, NAMED_SOLICITATION, NAMED_ADVERTISEMENT):
        yield FABRIC, shape, ()
    for kind in (SOLICITATION, ADVERTISEMENT):
        yield FABRIC, ND_MALFORMED, (kind,)
    for kind in MLD_REPORTS:
        yield FABRIC, MULTICAST_REPORT, (kind,)
    for kind in (ROUTER_ADVERTISEMENT, ADVERTISEMENT, REDIRECT):
        yield FABRIC, ND_REFUSED, (kind,)


@rule(PLACED, reads=(Port, PortKey))
def allowed_sources(port_id: str, places: tuple[Place, ...], view: View) -> Iterator[Output]:
    """Which sources a port may use."""
    port, key = view.get(Port, port_id), view.get(PortKey, port_id)
    if port is None or key is None or port.admin_state_up is False:
        return
    for place in places:
        if place.ofport:
            yield from allowed_sources_on(host_topic(place.host), port, key)


def allowed_sources_on(topic: str, port: Port, key: PortKey) -> Iterator[Output]:
    """The sources that a port may use, on one host."""
    if port.port_security_enabled is False or not port.mac_address:
        yield topic, UNCHECKED, (key.value,)
        return
    yield topic, FOREIGN_MAC, (key.value,)
    yield topic, FOREIGN_ADDRESS, (key.value,)
    for mac, networks in sources(port).items():
        if not networks:
            yield topic, MAC_ONLY, (key.value, mac)
            yield topic, ARP_SENDER, (key.value, mac, 0, 0)
            yield topic, MAC_ONLY_ARP, (key.value, mac)
            yield topic, OWN_ADVERTISEMENT, (key.value, bytes(16), bytes(16))
            for kind in (SOLICITATION, ADVERTISEMENT):
                yield topic, MAC_ONLY_ND, (key.value, mac, kind)
            continue
        yield topic, NO_ADDRESS, (key.value, mac)
        for address, mask in dict.fromkeys(networks):
            if isinstance(address, int):
                yield topic, IPV4_SOURCE, (key.value, mac, address, mask)
                yield topic, ARP_SENDER, (key.value, mac, address, mask)
            else:
                yield topic, IPV6_SOURCE, (key.value, mac, address, mask)
                yield topic, OWN_ADVERTISEMENT, (key.value, address, mask)


def sources(port: Port) -> dict[bytes, list[Prefix]]:
    """MAC → addresses that may be used with it. An empty list: any address."""
    own = mac_bytes(port.mac_address or "")
    allowed: dict[bytes, list[Prefix]] = {own: [prefix(ip.ip_address) for ip in port.fixed_ips or ()]}
    for pair in port.allowed_address_pairs or ():
        mac = mac_bytes(pair.mac_address) if pair.mac_address else own
        if mac == own and not port.fixed_ips:
            continue
        allowed.setdefault(mac, []).append(prefix(pair.ip_address))
    for mac, networks in allowed.items():
        if networks:
            networks.append(link_local(mac))
    return allowed
