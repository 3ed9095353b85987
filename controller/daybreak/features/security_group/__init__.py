"""rules: security groups: what the rules of a port's groups allow, and nothing else.

Each port that has groups is asked in both directions, when it sends (after the switch answered what it answers itself)
and when something is for it. Its packets go through a conntrack zone of its own. The first packet of a connection is
put to the rules of all groups of the port, and the connection's label notes the rule that allowed it. A later packet
passes only while that very rule is there, the port has its group, and the other side is in the group that the rule
names; else the connection is put to the rules again, as its first packet was, and gets another label or is dropped.
So taking away a rule, a port out of a group or a member out of a remote group cuts the connections that nothing else
allows, and no others, with one flow for each rule, each (port, group) and each member: n + m flows.

Rules ask about the connection, in the fields of its first packet (ct_nw_src, ct_tp_dst …), so an answer is judged by
the same flow as the question. Groups that are stateless ask about each packet on ports that have no stateful one, and
about connections on those that do.

A port's zone is its OpenFlow port on its host: unique there, kept by Open vSwitch itself (ofport_request), so a store
that was lost can't mix zones up; numbers above the ports that Open vSwitch gives out are free for other zones. The
southbound flushes a zone before another port uses it.

Which ports: those of which the cloud says groups (`security_groups`; an empty list allows nothing but DHCP, neighbour
discovery and multicast listening) and whose port security is not off. A port of which it says nothing is not asked.

Ordered rules with deny (network ACLs, firewalls) can stand on the same ground: a table before JUDGE that sets VERDICT
or goes to DENIED, MEMBERS for sets of addresses, ADMITTED and the label for connections.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import NamedTuple

from daybreak.engine.pipeline import load, resubmit
from daybreak.engine.rule import Output, Relation, rule, stable_hash
from daybreak.engine.view import View
from daybreak.features.security_group import shapes
from daybreak.features.security_group.asked import (
    DIRECTIONS,
    EGRESS,
    INGRESS,
    IPV4,
    IPV6,
    PROTOCOLS,
    SCTP,
    WITH_PORTS,
    Asked,
    asked,
    family,
)
from daybreak.features.vocabulary import (
    FABRIC,
    GROUP,
    PLACED,
    REMOTE,
    SUBSCRIPTIONS,
    AddressGroupKey,
    GroupKey,
    Place,
    PortKey,
    RuleKey,
    group_topic,
    host_topic,
    local_key,
    members_topic,
    split_local,
)
from daybreak.model import AddressGroup, Pool, Port, SecurityGroup, SecurityGroupRule
from daybreak.model.address import prefix
from daybreak.wire.openflow.actions import Action

DHCP_CLIENT, DHCP_SERVER, DHCPV6_CLIENT, DHCPV6_SERVER = 68, 67, 546, 547
MLD_QUERY, MLD_REPORT, MLD_DONE, MLD2_REPORT = 130, 131, 132, 143
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT = 133, 134, 135, 136
FREE_OUT = (MLD_QUERY, MLD_REPORT, MLD_DONE, MLD2_REPORT, ROUTER_SOLICITATION, SOLICITATION, ADVERTISEMENT)
FREE_IN = (MLD_QUERY, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT)
"""ICMPv6 without a rule, as Neutron's firewall drivers have it; conntrack knows none of it. Who may say what was
checked by port security."""

GROUP_KEYS = 1 << 23
"""Keys of security groups are below this, those of address groups from here: REMOTE holds either."""

PRIORITIES = 60_000
"""Rules of one group have priorities of their own, so that those that overlap don't contend for a flow."""

FRAGMENT = 44
"""What Open vSwitch takes for the protocol of IPv6 fragments that are not the first."""


RULE_KEYS_HIGH = (1 << 32) - 1
SAID = (
    "id",
    "security_group_id",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)
"""Fields of a rule that say what it allows."""


def number_of_rule(rule: SecurityGroupRule) -> int:
    """The key that a rule has rather than others: a hash of all that it says."""
    return 1 + stable_hash(repr([getattr(rule, field) for field in SAID])) % RULE_KEYS_HIGH


group_keys = Pool(GroupKey, SecurityGroup, 1, GROUP_KEYS - 1)
address_group_keys = Pool(AddressGroupKey, AddressGroup, GROUP_KEYS, 2 * GROUP_KEYS - 1)
rule_keys = Pool(RuleKey, SecurityGroupRule, 1, RULE_KEYS_HIGH, prefers=number_of_rule)


class Facts(NamedTuple):
    """What other rules need of a group."""

    key: int
    stateful: bool = True


class Question(NamedTuple):
    """That rules of a group name members of another as the other side."""

    direction: int
    remote: str
    key: int
    tracked: bool


class Use(NamedTuple):
    """How the members of a group are asked for, and under which number."""

    key: int
    direction: int
    ethertype: int
    tracked: bool


FACTS = Relation("group_facts", "security or address group → what other rules need of it")
QUESTIONS_OF = Relation("group_questions", "security group → the groups that its rules name as the other side")
USES = Relation("group_uses", "security or address group → how its members are asked for")
ADDRESSES = Relation("group_addresses", "group and address → members that have it")
HOLDING_HOSTS = Relation("group_hosts", "host and security group → whether a port there has it")

DIRECTION_WORDS = {number: word for word, number in DIRECTIONS.items()}


# -- what holds for all -----------------------------------------------------------------------------------------------


@rule(None)
def defaults(view: View) -> Iterator[Output]:
    """What holds for every port that has groups."""
    for shape in (shapes.NOT_JUDGED_OUT, shapes.NOT_JUDGED_IN, shapes.INVALID_STATE):
        yield FABRIC, shape, ()
    for shape in (*shapes.KNOWN.values(), *shapes.NEW_CONNECTION.values(), *shapes.LET_PASS.values()):
        yield FABRIC, shape, ()
    for shape in (shapes.RULE_GONE, shapes.PORT_LEFT, shapes.PEER_LEFT, shapes.NO_PEER, shapes.STILL_HELD):
        yield FABRIC, shape, ()
    for shape in (shapes.NOTHING_ALLOWS, shapes.STATELESS_PASSES, shapes.SOMETHING_ALLOWS):
        yield FABRIC, shape, ()
    for ethertype in (IPV4, IPV6):
        for shape in (*shapes.ADMIT.values(), *shapes.SCTP_KNOWN.values(), *shapes.LATER_FRAGMENT.values()):
            yield FABRIC, shape, (ethertype,)
    for kind in FREE_OUT:
        yield FABRIC, shapes.FREE_ICMPV6_OUT, (kind,)
    for kind in FREE_IN:
        yield FABRIC, shapes.FREE_ICMPV6_IN, (kind,)
    for ethertype, client, server in ((IPV4, DHCP_CLIENT, DHCP_SERVER), (IPV6, DHCPV6_CLIENT, DHCPV6_SERVER)):
        yield FABRIC, shapes.FREE_DHCP_OUT, (ethertype, client, server)
        yield FABRIC, shapes.FREE_DHCP_IN, (ethertype, server, client)


# -- ports ------------------------------------------------------------------------------------------------------------


def groups_of(port: Port) -> tuple[str, ...] | None:
    """The groups that a port is asked for; None: it is not asked."""
    if port.security_groups is None or port.port_security_enabled is False:
        return None
    return tuple(dict.fromkeys(port.security_groups))


@rule(PLACED, reads=(Port, PortKey, FACTS), emits=(HOLDING_HOSTS,))
def guard(port_id: str, places: tuple[Place, ...], view: View) -> Iterator[Output]:
    """A port with groups on its host, or hosts. A group that does not exist (yet) allows nothing."""
    port, key = view.get(Port, port_id), view.get(PortKey, port_id)
    if port is None or key is None or port.admin_state_up is False:
        return
    groups = groups_of(port)
    if groups is None:
        return
    known = {group: facts for group in groups if (facts := view.one(FACTS, group)) is not None}
    tracked = not known or any(facts.stateful for facts in known.values())
    for host, ofport, _interface in places:
        if ofport:
            topic = host_topic(host)
            yield from judged(topic, key.value, ofport if tracked else 0)
            yield topic, shapes.JUDGED, (key.value, ask_all(known.values()))
            for group, facts in known.items():
                yield topic, shapes.HOLDER, (key.value, facts.key)
                yield HOLDING_HOSTS, local_key(host, group), True


def judged(topic: str, port: int, zone: int) -> Iterator[Output]:
    """Which packets of a port are judged, and where those end that may not pass. Zone 0: each packet by itself."""
    for ethertype in (IPV4, IPV6):
        if zone:
            yield topic, shapes.TRACK_OUT, (port, zone, ethertype)
            yield topic, shapes.TRACK_IN, (port, zone, ethertype)
        else:
            yield topic, shapes.ASK_OUT, (port, ethertype)
            yield topic, shapes.ASK_IN, (port, ethertype)
    for shape in shapes.DROP.values():
        yield topic, shape, (port,)


def ask_all(groups: Iterable[Facts]) -> tuple[Action, ...]:
    """The actions that ask groups, one after the other."""
    return tuple(step for group in groups for step in (load(GROUP, group.key), resubmit(shapes.QUESTIONS)))


@rule(HOLDING_HOSTS, reads=(QUESTIONS_OF,), emits=(SUBSCRIPTIONS,))
def interest(key: str, present: tuple[bool, ...], view: View) -> Iterator[Output]:
    """A host that has ports with a group has the group's flows, and the members that its rules ask for."""
    host, group = split_local(key)
    yield SUBSCRIPTIONS, host, group_topic(group)
    for question in view.all(QUESTIONS_OF, group):
        direction = DIRECTION_WORDS[question.direction]
        yield SUBSCRIPTIONS, host, members_topic(question.remote, direction, question.tracked)


# -- groups -----------------------------------------------------------------------------------------------------------


@rule(SecurityGroup, reads=(GroupKey,), emits=(FACTS,))
def group(group: SecurityGroup, view: View) -> Iterator[Output]:
    """What other rules need of a security group."""
    key = view.get(GroupKey, group.id)
    if key is not None:
        yield FACTS, group.id, Facts(key.value, group.stateful is not False)


@rule(AddressGroup, reads=(AddressGroupKey,), emits=(FACTS, ADDRESSES))
def address_group(group: AddressGroup, view: View) -> Iterator[Output]:
    """The members of an address group."""
    key = view.get(AddressGroupKey, group.id)
    if key is not None:
        yield FACTS, group.id, Facts(key.value)
    for address in group.addresses or ():
        yield ADDRESSES, local_key(group.id, canonical(address)), True


@rule(FACTS, reads=(QUESTIONS_OF,))
def questions(group_id: str, facts: tuple[Facts, ...], view: View) -> Iterator[Output]:
    """What a group is asked: its rules by themselves, then for each other side that is a group."""
    if facts[0].key >= GROUP_KEYS:
        return
    asked_for = view.all(QUESTIONS_OF, group_id)
    for direction in (EGRESS, INGRESS):
        remotes = dict.fromkeys(question.key for question in asked_for if question.direction == direction)
        steps = [step for key in remotes for step in (load(REMOTE, key), resubmit(shapes.MEMBERS))]
        yield group_topic(group_id), shapes.ASK_GROUP, (facts[0].key, direction, tuple(steps))


# -- rules ------------------------------------------------------------------------------------------------------------


@rule(SecurityGroupRule, reads=(RuleKey, FACTS), emits=(QUESTIONS_OF, USES))
def allowed(rule: SecurityGroupRule, view: View) -> Iterator[Output]:
    """What a rule allows, and which connections it holds open. Any order of rules says the same."""
    key, facts = view.get(RuleKey, rule.id), view.one(FACTS, rule.security_group_id)
    asks = asked(rule)
    remote_id = rule.remote_group_id or rule.remote_address_group_id
    remote = view.one(FACTS, remote_id) if remote_id else None
    if key is None or facts is None or (remote_id and remote is None):
        return
    topic, remote_key = group_topic(rule.security_group_id), remote.key if remote else 0
    yield topic, shapes.HELD_BY_RULE, (key.value.to_bytes(16, "big"), facts.key, remote_key)
    scope = (1 + stable_hash(rule.id) % PRIORITIES, facts.key, remote_key, *asks.remote)
    for tracked in (True,) if facts.stateful else (True, False):
        if remote_id:
            yield QUESTIONS_OF, rule.security_group_id, Question(asks.direction, remote_id, remote_key, tracked)
            yield USES, remote_id, Use(remote_key, asks.direction, asks.ethertype, tracked)
        for form, values in forms(asks, tracked):
            shape = shapes.ALLOW[tracked, asks.ethertype, asks.direction, form]
            yield topic, shape, (*scope, *values, key.value)


PORT_FORMS = {PROTOCOLS[word]: word for word in ("tcp", "udp", "sctp")}


def forms(asks: Asked, tracked: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The flows that a rule takes: the form of each, and its values."""
    if asks.protocol is None:
        yield "any", ()
        return
    if asks.code is not None and asks.type is not None:
        yield "code", (asks.type, asks.code)
    elif asks.type is not None:
        yield "type", (asks.type,)
    elif asks.protocol not in WITH_PORTS:
        yield "protocol", (asks.protocol,)
    for value, mask in asks.ports:
        yield from port_forms(asks.protocol, value, mask, tracked)
    if not tracked and asks.ethertype == IPV6:
        yield "later", (FRAGMENT,)
    elif not tracked and (asks.ports or asks.type is not None):
        yield "later", (asks.protocol,)


def port_forms(protocol: int, value: int, mask: int, tracked: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The flows for ports under a mask."""
    if not tracked:
        yield PORT_FORMS[protocol], (value, mask)
    elif protocol == SCTP:
        yield "sctp", (value, mask)
        yield "sctp_answer", (value, mask)
    else:
        yield "ports", (protocol, value, mask)


# -- members ----------------------------------------------------------------------------------------------------------


def canonical(address: str) -> str:
    """An address or prefix as it is written everywhere: one address without a length, no host bits."""
    network = ip_network(address, strict=False)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


@rule(Port, emits=(ADDRESSES,))
def membership(port: Port, view: View) -> Iterator[Output]:
    """The addresses that a port brings to its groups, wherever it is: its own, and those that it may use beside."""
    for group in groups_of(port) or ():
        for fixed in port.fixed_ips or ():
            yield ADDRESSES, local_key(group, fixed.ip_address), True
        for pair in port.allowed_address_pairs or ():
            yield ADDRESSES, local_key(group, canonical(pair.ip_address)), True


@rule(ADDRESSES, reads=(USES,))
def member(key: str, present: tuple[bool, ...], view: View) -> Iterator[Output]:
    """An address of a group, for each way in which rules ask for its members."""
    group, text = split_local(key)
    address = prefix(text)
    for use in view.all(USES, group):
        if family(address) == use.ethertype:
            topic = members_topic(group, DIRECTION_WORDS[use.direction], use.tracked)
            shape = shapes.MEMBER_OF[use.tracked, use.ethertype, use.direction]
            yield topic, shape, (use.key, address.address, address.mask)
