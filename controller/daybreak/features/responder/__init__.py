"""rules: the switch answers ARP requests and neighbour solicitations for the addresses of ports.

A question for an address of the model never leaves the host where it is asked. All other questions are flooded:
addresses that a port may use beside its own (a virtual router's, say) are answered by who has them now. So is
duplicate address detection: it must reach the owner, and nobody else may answer.

Neighbour advertisements need a datapath that can set their flags (`nd_ext`; the userspace datapath can, Linux's
cannot): elsewhere solicitations are flooded. RFC 826 (ARP), RFC 4861 section 7.2.4 (advertisements), RFC 5227 (ARP
probes).
"""

from collections.abc import Iterator

from daybreak.engine.pipeline import Shape, Stage, Table, goto
from daybreak.engine.rule import Output, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import (
    DATAPATH,
    FABRIC,
    FACTS,
    PLACED,
    RESPOND,
    SOURCE,
    SWITCH,
    PortKey,
    capable,
    host_topic,
    network_topic,
)
from daybreak.model import Location, Port
from daybreak.model.address import ipv4_number, ipv6_bytes, mac_bytes
from daybreak.wire.openflow.actions import IN_PORT, Move, SetField
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var

ARP, IPV6, ICMPV6 = 0x0806, 0x86DD, 58
ARP_REQUEST, ARP_REPLY = 1, 2
SOLICITATION, ADVERTISEMENT = 135, 136
SOLICITED_OVERRIDE = 0x60000000
TARGET_LINK_LAYER_ADDRESS = 2
ND_EXT = "nd_ext"

ND_FINISH = Table("ND_FINISH", Stage.RESPOND, "the last step of a neighbour advertisement")

ANSWER_ARP = Shape(
    "answer_arp",
    RESPOND,
    100,
    [
        (DATAPATH, Var("network")),
        (FIELDS["eth_type"], ARP),
        (FIELDS["arp_op"], ARP_REQUEST),
        (FIELDS["arp_tpa"], Var("ip")),
    ],
    [
        Move(FIELDS["eth_src"], FIELDS["eth_dst"]),
        SetField(FIELDS["eth_src"], Var("mac")),
        SetField(FIELDS["arp_op"], ARP_REPLY),
        Move(FIELDS["arp_sha"], FIELDS["arp_tha"]),
        Move(FIELDS["arp_spa"], FIELDS["arp_tpa"]),
        SetField(FIELDS["arp_sha"], Var("mac")),
        SetField(FIELDS["arp_spa"], Var("ip")),
        Send(IN_PORT),
    ],
    "network ip mac",
    "who has this address?",
)
ASK_OWN_ARP = Shape(
    "ask_own_arp",
    RESPOND,
    200,
    [(SOURCE, Var("port")), (FIELDS["eth_type"], ARP), (FIELDS["arp_tpa"], Var("ip"))],
    [goto(SWITCH)],
    "port ip",
    "a port that asks for its own address (a probe, or gratuitous ARP) asks the others",
)
ANSWER_ND = Shape(
    "answer_nd",
    RESPOND,
    100,
    [
        (DATAPATH, Var("network")),
        (FIELDS["eth_type"], IPV6),
        (FIELDS["ip_proto"], ICMPV6),
        (FIELDS["icmpv6_type"], SOLICITATION),
        (FIELDS["nd_target"], Var("ip")),
    ],
    [
        Move(FIELDS["eth_src"], FIELDS["eth_dst"]),
        SetField(FIELDS["eth_src"], Var("mac")),
        Move(FIELDS["ipv6_src"], FIELDS["ipv6_dst"]),
        SetField(FIELDS["ipv6_src"], Var("ip")),
        SetField(FIELDS["icmpv6_type"], ADVERTISEMENT),
        SetField(FIELDS["nd_options_type"], TARGET_LINK_LAYER_ADDRESS),
        SetField(FIELDS["nd_reserved"], SOLICITED_OVERRIDE),
        goto(ND_FINISH),
    ],
    "network ip mac",
    "who has this address? The link-layer address can be set only once the packet is an advertisement: next table",
)
FINISH_ND = Shape(
    "finish_nd",
    ND_FINISH,
    100,
    [(FIELDS["eth_type"], IPV6), (FIELDS["ip_proto"], ICMPV6), (FIELDS["icmpv6_type"], ADVERTISEMENT)],
    [Move(FIELDS["eth_src"], FIELDS["nd_tll"]), Send(IN_PORT)],
    doc="the answer carries the owner's MAC",
)
PROBE_ND = Shape(
    "probe_nd",
    RESPOND,
    200,
    [
        (FIELDS["eth_type"], IPV6),
        (FIELDS["ip_proto"], ICMPV6),
        (FIELDS["ipv6_src"], 0),
        (FIELDS["icmpv6_type"], SOLICITATION),
    ],
    [goto(SWITCH)],
    doc="duplicate address detection (RFC 4862, section 5.4) is answered by the owner alone",
)
NOTHING_TO_ANSWER = Shape("nothing_to_answer", RESPOND, 0, [], [goto(Stage.EGRESS_POLICY)], doc="everything else")


@rule(None)
def defaults(view: View) -> Iterator[Output]:
    """What holds on every host."""
    yield FABRIC, NOTHING_TO_ANSWER, ()
    yield FABRIC, PROBE_ND, ()
    yield capable(FABRIC, ND_EXT), FINISH_ND, ()


@rule(Port, reads=(Location, FACTS, PLACED, PortKey))
def answers(port: Port, view: View) -> Iterator[Output]:
    """The addresses of a port that is somewhere are answered for everywhere, but not to itself."""
    if port.admin_state_up is False or not port.mac_address or not port.fixed_ips:
        return
    facts = view.one(FACTS, port.network_id)
    if facts is None or not facts.up or view.get(Location, port.id) is None:
        return
    topic, mac = network_topic(port.network_id), mac_bytes(port.mac_address)
    places, key = view.all(PLACED, port.id), view.get(PortKey, port.id)
    for fixed in port.fixed_ips:
        address = fixed.ip_address
        if ":" in address:
            yield capable(topic, ND_EXT), ANSWER_ND, (facts.key, ipv6_bytes(address), mac)
            continue
        number = ipv4_number(address)
        yield topic, ANSWER_ARP, (facts.key, number, mac)
        for place in places:
            if place.ofport and key is not None:
                yield host_topic(place.host), ASK_OWN_ARP, (key.value, number)
