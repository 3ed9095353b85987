"""data: the tables and flows of security groups; `__init__` says how they work together."""

from typing import Any, cast

from daybreak.engine.pipeline import Counts, Shape, Stage, Table, goto, load, resubmit
from daybreak.features.security_group.asked import EGRESS, ICMP, ICMPV6, INGRESS, IPV4, IPV6, SCTP, TCP, UDP
from daybreak.features.vocabulary import (
    ADMITTED,
    ASKED,
    DENIED,
    GROUP,
    HELD,
    HOLDING,
    INBOUND,
    REMOTE,
    SOURCE,
    SUBJECT,
    TARGET,
    VERDICT,
    ZONE,
)
from daybreak.wire.openflow.actions import Ct, CtClear, Move
from daybreak.wire.openflow.fields import FIELDS, Field
from daybreak.wire.openflow.layout import Var

FROM_PORT = Table("FROM_PORT", Stage.EGRESS_POLICY, "which packets that ports send are judged")
TRACKED = Table("TRACKED", Stage.EGRESS_POLICY, "what conntrack says of a packet")
HOLDERS = Table("HOLDERS", Stage.POLICY, "which ports have which groups")
MEMBERS = Table("MEMBERS", Stage.POLICY, "addresses of groups that rules name as the other side")
RULES = Table("RULES", Stage.POLICY, "what rules allow; of one group and one other side, all of them together")
JUDGE = Table("JUDGE", Stage.POLICY, "asks all groups of a port")
QUESTIONS = Table("QUESTIONS", Stage.POLICY, "asks a group: its rules for anybody, and those for members of each group")
DECIDE = Table("DECIDE", Stage.POLICY, "did a rule allow it?")
PASS = Table("PASS", Stage.VERDICT, "on its way, in its direction")
TO_PORT = Table("TO_PORT", Stage.INGRESS_POLICY, "which packets for ports are judged")

NEW, ESTABLISHED, RELATED, REPLY, INVALID, IS_TRACKED = (1 << bit for bit in range(6))
STATE, ETH_TYPE, PROTOCOL = FIELDS["ct_state"], FIELDS["eth_type"], FIELDS["ip_proto"]
LABEL = FIELDS["ct_label"]
LABEL_RULE = (1 << 32) - 1
"""The bits of a label that hold the key of the rule that admitted the connection."""

LATER = (FIELDS["ip_frag"], 2, 2)
"""A fragment that is not the first: it has no ports."""
TRACKED_AND_VALID = (STATE, IS_TRACKED, IS_TRACKED | INVALID)
NOT_TRACKED = (STATE, 0, IS_TRACKED)
OUT, IN = (INBOUND, 0), (INBOUND, 1)
AWAY = {0: goto(Stage.ROUTE), 1: goto(Stage.OUTPUT)}
"""Where a packet goes on that may pass, by INBOUND."""

RULE = Var("rule")

# -- which packets are judged -----------------------------------------------------------------------------------------

NOT_JUDGED_OUT = Shape("not_judged_out", FROM_PORT, 0, [], [AWAY[0]], doc="no security groups, or no IP")
NOT_JUDGED_IN = Shape("not_judged_in", TO_PORT, 0, [], [AWAY[1]], doc="no security groups, or no IP")

_START = [load(SUBJECT, Var("port")), load(ZONE, Var("zone")), load(VERDICT, 0)]
TRACK_OUT = Shape(
    "track_out",
    FROM_PORT,
    100,
    [(SOURCE, Var("port")), (ETH_TYPE, Var("ethertype"))],
    [*_START, load(INBOUND, 0), Ct(Var("zone"), table=cast(int, TRACKED))],
    "port zone ethertype",
    "IP of a port with security groups, through the port's own conntrack zone",
)
TRACK_IN = Shape(
    "track_in",
    TO_PORT,
    100,
    [(TARGET, Var("port")), (ETH_TYPE, Var("ethertype"))],
    [*_START, load(INBOUND, 1), CtClear(), Ct(Var("zone"), table=cast(int, TRACKED))],
    "port zone ethertype",
    "IP for a port with security groups; what its sender's zone said is forgotten",
)
_UNTRACKED = [load(SUBJECT, Var("port")), load(ZONE, 0), load(VERDICT, 0), load(HOLDING, 0)]
ASK_OUT = Shape(
    "ask_out",
    FROM_PORT,
    100,
    [(SOURCE, Var("port")), (ETH_TYPE, Var("ethertype"))],
    [*_UNTRACKED, load(INBOUND, 0), load(ASKED, EGRESS), resubmit(JUDGE)],
    "port ethertype",
    "IP of a port whose groups are all stateless: each packet by itself",
)
ASK_IN = Shape(
    "ask_in",
    TO_PORT,
    100,
    [(TARGET, Var("port")), (ETH_TYPE, Var("ethertype"))],
    [*_UNTRACKED, load(INBOUND, 1), load(ASKED, INGRESS), CtClear(), resubmit(JUDGE)],
    "port ethertype",
    "IP for a port whose groups are all stateless",
)


def _free(name: str, inbound: int, protocol: str, doc: str) -> Shape:
    table = TO_PORT if inbound else FROM_PORT
    if protocol == "icmpv6":
        match: list[tuple[Any, ...]] = [(ETH_TYPE, IPV6), (PROTOCOL, ICMPV6), (FIELDS["icmpv6_type"], Var("type"))]
        return Shape(name, table, 200, match, [AWAY[inbound]], "type", doc)
    match = [(ETH_TYPE, Var("ethertype")), (PROTOCOL, UDP)]
    match += [(FIELDS["udp_src"], Var("source")), (FIELDS["udp_dst"], Var("target"))]
    return Shape(name, table, 200, match, [AWAY[inbound]], "ethertype source target", doc)


FREE_ICMPV6_OUT = _free("free_icmpv6_out", 0, "icmpv6", "neighbour discovery and multicast listeners, without a rule")
FREE_ICMPV6_IN = _free("free_icmpv6_in", 1, "icmpv6", "neighbour discovery and multicast listeners, without a rule")
FREE_DHCP_OUT = _free("free_dhcp_out", 0, "udp", "a DHCP client's questions, without a rule")
FREE_DHCP_IN = _free("free_dhcp_in", 1, "udp", "a DHCP server's answers, without a rule")

# -- what conntrack says ----------------------------------------------------------------------------------------------

INVALID_STATE = Shape(
    "invalid_state",
    TRACKED,
    100,
    [(STATE, IS_TRACKED | INVALID, IS_TRACKED | INVALID)],
    [],
    doc="conntrack can't tell what connection it belongs to",
)


def _known(name: str, state: int, reply: int, doc: str) -> dict[str, Shape]:
    match = (STATE, IS_TRACKED | state | reply, IS_TRACKED | INVALID | REPLY | state)
    return {
        f"{name}_{word}": Shape(
            f"{name}_{word}",
            TRACKED,
            90,
            [match, (INBOUND, inbound)],
            [load(ASKED, inbound ^ (reply != 0)), load(HOLDING, 1), goto(HELD)],
            doc=doc,
        )
        for inbound, word in ((0, "out"), (1, "in"))
    }


KNOWN = {
    **_known("established", ESTABLISHED, 0, "a packet of a connection that was admitted"),
    **_known("answer", ESTABLISHED, REPLY, "an answer in a connection that was admitted"),
    **_known("related", RELATED, 0, "an ICMP error about a connection"),
    **_known("related_answer", RELATED, REPLY, "an ICMP error about a connection, from its other side"),
}


def _sctp(name: str, state: int, reply: int) -> dict[str, Shape]:
    match = (STATE, IS_TRACKED | state | reply, IS_TRACKED | INVALID | REPLY | state)
    return {
        f"{name}_{word}": Shape(
            f"{name}_{word}",
            TRACKED,
            95,
            [match, (INBOUND, inbound), (ETH_TYPE, Var("ethertype")), (PROTOCOL, SCTP)],
            [load(ASKED, inbound ^ (reply != 0)), load(HOLDING, 0), goto(JUDGE)],
            "ethertype",
            "the userspace datapath's conntrack knows no ports of SCTP: every packet is put to the rules",
        )
        for inbound, word in ((0, "out"), (1, "in"))
    }


SCTP_KNOWN = {**_sctp("sctp", ESTABLISHED, 0), **_sctp("sctp_answer", ESTABLISHED, REPLY)}
NEW_CONNECTION = {
    word: Shape(
        f"new_{word}",
        TRACKED,
        50,
        [(STATE, IS_TRACKED | NEW, IS_TRACKED | INVALID | NEW), (INBOUND, inbound)],
        [load(ASKED, inbound), load(HOLDING, 0), goto(JUDGE)],
        doc="the first packet of a connection",
    )
    for inbound, word in ((0, "out"), (1, "in"))
}

# -- established connections ------------------------------------------------------------------------------------------

HELD_BY_RULE = Shape(
    "held_by_rule",
    HELD,
    100,
    [(LABEL, Var("label"), LABEL_RULE)],
    [load(GROUP, Var("group")), load(REMOTE, Var("remote")), goto(HOLDERS)],
    "label group remote",
    "the rule is there; is the port still in its group, and the other side in the group that it names?",
    Counts.PACKETS,
)
_AGAIN = [load(HOLDING, 0), goto(JUDGE)]
RULE_GONE = Shape("rule_gone", HELD, 0, [], _AGAIN, doc="the rule is gone: judged as its first packet would be")
PORT_LEFT = Shape("port_left", HOLDERS, 0, [], _AGAIN, doc="the port left the group: the same")
PEER_LEFT = Shape("peer_left", MEMBERS, 0, [(HOLDING, 1)], _AGAIN, doc="the other side left its group: the same")
HOLDER = Shape(
    "holder",
    HOLDERS,
    100,
    [(SUBJECT, Var("port")), (GROUP, Var("group"))],
    [goto(MEMBERS)],
    "port group",
    "a port has a group",
)
NO_PEER = Shape(
    "no_peer", MEMBERS, 200, [(HOLDING, 1), (REMOTE, 0)], [goto(PASS)], doc="the rule names no group as the other side"
)
STILL_HELD = Shape("still_held", RULES, 65535, [(HOLDING, 1)], [goto(PASS)], doc="the other side is a member still")

# -- what groups allow ------------------------------------------------------------------------------------------------

JUDGED = Shape(
    "judged",
    JUDGE,
    100,
    [(SUBJECT, Var("port"))],
    [Var("questions", kind="actions"), goto(DECIDE)],
    "port questions",
    "all groups of a port are asked",
)
ASK_GROUP = Shape(
    "ask_group",
    QUESTIONS,
    100,
    [(GROUP, Var("group")), (ASKED, Var("direction"))],
    [load(REMOTE, 0), resubmit(RULES), Var("remotes", kind="actions")],
    "group direction remotes",
    "the rules of a group in one direction: for anybody or a prefix, then for members of each group that they name",
)

_CONNECTION = {(IPV4, INGRESS): "ct_nw_src", (IPV4, EGRESS): "ct_nw_dst"} | {
    (IPV6, INGRESS): "ct_ipv6_src",
    (IPV6, EGRESS): "ct_ipv6_dst",
}
_PACKET = {(IPV4, INGRESS): "ipv4_src", (IPV4, EGRESS): "ipv4_dst"} | {
    (IPV6, INGRESS): "ipv6_src",
    (IPV6, EGRESS): "ipv6_dst",
}
_WORDS = {IPV4: "ipv4", IPV6: "ipv6", INGRESS: "ingress", EGRESS: "egress"}
_PROTOCOL_WORDS = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}


def _other_side(tracked: bool, ethertype: int, direction: int) -> list[tuple[Any, ...]]:
    """The address of the other side: of the connection's first packet, or of a packet that belongs to none."""
    side = (_CONNECTION if tracked else _PACKET)[ethertype, direction]
    state = TRACKED_AND_VALID if tracked else NOT_TRACKED
    return [state, (ETH_TYPE, ethertype), (FIELDS[side], Var("ip"), Var("mask"))]


def _name(*parts: Any) -> str:
    return "_".join(str(part) for part in parts if part)


KINDS = [
    (tracked, ethertype, direction) for tracked in (True, False) for ethertype in (IPV4, IPV6) for direction in (0, 1)
]

MEMBER_OF = {
    (tracked, ethertype, direction): Shape(
        _name("member", _WORDS[direction], _WORDS[ethertype], *(() if tracked else ("stateless",))),
        MEMBERS,
        100,
        [(REMOTE, Var("remote")), (ASKED, direction), *_other_side(tracked, ethertype, direction)],
        [goto(RULES)],
        "remote ip mask",
        "an address of a group",
    )
    for tracked, ethertype, direction in KINDS
}
"""(connections, or single packets; ethertype; direction) → a member's flow."""


def _forms(tracked: bool, ethertype: int) -> dict[str, tuple[list[tuple[Any, ...]], str]]:
    """What rules ask besides the other side: name → (match, its variables).

    Of a connection too: an ICMP error is of the connection that it is about, and an echo reply of its request. Of ICMP,
    conntrack has type and code in place of ports (ovs-fields(7), ct_tp_src).
    """
    kind, code = ("icmpv4_type", "icmpv4_code") if ethertype == IPV4 else ("icmpv6_type", "icmpv6_code")
    if tracked:
        kind, code = "ct_tp_src", "ct_tp_dst"
    protocol = FIELDS["ct_nw_proto"] if tracked else PROTOCOL
    is_icmp = (protocol, ICMP if ethertype == IPV4 else ICMPV6)
    forms: dict[str, tuple[list[tuple[Any, ...]], str]] = {
        "any": ([], ""),
        "protocol": ([(protocol, Var("protocol"))], "protocol"),
        "type": ([is_icmp, (FIELDS[kind], Var("type"))], "type"),
        "code": ([is_icmp, (FIELDS[kind], Var("type")), (FIELDS[code], Var("code"))], "type code"),
    }
    if tracked:
        ports = (FIELDS["ct_tp_dst"], Var("value"), Var("portmask"))
        forms["ports"] = ([(protocol, Var("protocol")), ports], "protocol value portmask")
        for word, side, reply in (("sctp", "sctp_dst", 0), ("sctp_answer", "sctp_src", REPLY)):
            ports = (FIELDS[side], Var("value"), Var("portmask"))
            forms[word] = ([(STATE, reply, REPLY), (PROTOCOL, SCTP), ports], "value portmask")
    else:
        for number, word in _PROTOCOL_WORDS.items():
            ports = (FIELDS[f"{word}_dst"], Var("value"), Var("portmask"))
            forms[word] = ([(PROTOCOL, number), ports], "value portmask")
        forms["later"] = ([(PROTOCOL, Var("protocol")), LATER], "protocol")
    return forms


ALLOW = {
    (tracked, ethertype, direction, form): Shape(
        _name("allow", _WORDS[direction], _WORDS[ethertype], form, *(() if tracked else ("stateless",))),
        RULES,
        Var("priority"),
        [
            (GROUP, Var("group")),
            (REMOTE, Var("remote")),
            (ASKED, direction),
            *_other_side(tracked, ethertype, direction),
            *match,
        ],
        [load(VERDICT, RULE)],
        f"priority group remote ip mask {variables} rule",
        "a rule",
        Counts.CONNECTIONS,
    )
    for tracked, ethertype, direction in KINDS
    for form, (match, variables) in _forms(tracked, ethertype).items()
}
"""(connections, or single packets; ethertype; direction; form) → a rule's flow."""

# -- the verdict ------------------------------------------------------------------------------------------------------

NOTHING_ALLOWS = Shape("nothing_allows", DECIDE, 100, [(VERDICT, 0)], [goto(DENIED)], doc="no rule of any group")
STATELESS_PASSES = Shape(
    "stateless_passes", DECIDE, 50, [(ZONE, 0)], [goto(PASS)], doc="there is no connection to note"
)
SOMETHING_ALLOWS = Shape("something_allows", DECIDE, 0, [], [goto(ADMITTED)], doc="a rule does")

COMMIT = Ct(cast(Field, ZONE), commit=True, actions=(Move(cast(Field, VERDICT), LABEL.bits(0, 32)),))
ADMIT = {
    inbound: Shape(
        f"admit_{word}",
        ADMITTED,
        100,
        [(INBOUND, inbound), (ETH_TYPE, Var("ethertype"))],
        [COMMIT, AWAY[inbound]],
        "ethertype",
        "the connection's label says which rule admitted it",
    )
    for inbound, word in ((0, "out"), (1, "in"))
}
LATER_FRAGMENT = {
    inbound: Shape(
        f"later_fragment_{word}",
        DECIDE,
        150,
        [TRACKED_AND_VALID, (INBOUND, inbound), (ETH_TYPE, Var("ethertype")), LATER],
        [COMMIT, AWAY[inbound]],
        "ethertype",
        "its ports are in the first fragment; conntrack holds it back until that one was admitted too",
    )
    for inbound, word in ((0, "out"), (1, "in"))
}
DROP = {
    inbound: Shape(
        f"drop_{word}", DENIED, 100, [(SUBJECT, Var("port")), (INBOUND, inbound)], [], "port", f"no rule lets it {word}"
    )
    for inbound, word in ((0, "out"), (1, "in"))
}
LET_PASS = {
    inbound: Shape(f"pass_{word}", PASS, 100, [(INBOUND, inbound)], [AWAY[inbound]], doc="in its direction")
    for inbound, word in ((0, "out"), (1, "in"))
}
