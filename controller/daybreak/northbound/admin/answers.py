"""data: what the admin API answers, as it is written in JSON. Ids are the clouds' own; a host's id is its name."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Object(Struct, frozen=True):
    """One thing of the model, by `kind` ("network", "port", "host" …), id and, where it has one, name."""

    kind: str
    id: str
    name: str | None = None


class SubnetAnswer(Struct, frozen=True):
    """A subnet of a network."""

    id: str
    name: str | None
    cidr: str | None
    gateway: str | None


class PortAnswer(Struct, frozen=True, kw_only=True):
    """A port and where it is.

    `bound_to` is the host that the cloud named; `host`, `interface` and `ofport` are those of the claim that counts
    (null: none does), `vtep` that host's tunnel address. `reason` says why a port is not active.
    """

    id: str
    name: str | None
    mac: str | None
    ips: tuple[str, ...]
    device_owner: str | None
    bound_to: str | None
    host: str | None
    interface: str | None
    ofport: int | None
    vtep: str | None
    active: bool
    reason: str | None


class NetworkAnswer(Struct, frozen=True, kw_only=True):
    """A network and its ports, in the order of their names.

    `exists` is false for a network that only ports speak of. `type` is what it is built as: an encapsulation with its
    `vni`, or flat or vlan with its `physical_network`; null where it is not built, and
    where it can't be `failure` says why. `hosts` are those that have a port of it.
    """

    id: str
    name: str | None
    exists: bool
    type: str | None
    vni: int | None
    vlan: int | None
    physical_network: str | None
    up: bool
    mtu: int | None
    failure: str | None
    hosts: tuple[str, ...]
    subnets: tuple[SubnetAnswer, ...]
    ports: tuple[PortAnswer, ...]


class PhysicalAnswer(Struct, frozen=True):
    """A host's bridge for a physical network, and the OpenFlow port that leads there; null: there is none yet."""

    physical_network: str
    bridge: str
    ofport: int | None


class HostAnswer(Struct, frozen=True, kw_only=True):
    """A host, as its OVSDB describes it, and how far its switch is.

    `in_sync`: the switch has all that is wanted of it. `flows` are those that are wanted, `ports` those that are
    plugged in there and count. `applied` is the revision up to which the switch has confirmed everything (null: it is
    not connected), `revision` the present one. `dpid` is 16 hexadecimal digits.
    """

    name: str
    vtep: str | None
    dpid: str | None
    ovs_version: str | None
    datapath: str | None
    ovsdb: bool
    openflow: bool
    in_sync: bool
    ports: int
    flows: int
    applied: int | None
    revision: int
    quarantined: int
    tunnels: tuple[str, ...]
    mappings: tuple[PhysicalAnswer, ...]
    findings: tuple[str, ...]


class FlowAnswer(Struct, frozen=True, kw_only=True):
    """A flow that is wanted, and why.

    `match` and `actions` are in the language of ovs-ofctl(8), with the names of tables and registers. `hosts` have it,
    for they subscribe to its `topic`. It comes from `rule` of `feature`, run for `key`; `says` is what that rule is
    about, and `objects` are what it was called with and what it read. `packets` and `bytes` are the switch's counters,
    null where they were not asked for or the switch does not have the flow.
    """

    table: str
    priority: int
    match: str
    actions: str
    cookie: str
    topic: str
    hosts: tuple[str, ...]
    feature: str
    rule: str
    key: str
    says: str
    objects: tuple[Object, ...]
    packets: int | None = None
    bytes: int | None = None


class TraceStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a packet in a switch.

    `kind` is "flow" (a flow took it), "miss" (no flow of `table` did), "conntrack", "output", "answer" (back to where
    it came from), "controller" or "stop" (something did not happen). `depth` counts what it is inside of: a resubmit, a
    copy, or the packet's way on after connection tracking. Flows are told as `FlowAnswer` does; `packets` are
    what the switch counted (null: it was not asked). `rivals` flows of the same priority match as well.
    """

    kind: str
    depth: int
    text: str
    table: str | None = None
    priority: int | None = None
    match: str | None = None
    actions: str | None = None
    cookie: str | None = None
    feature: str | None = None
    rule: str | None = None
    objects: tuple[Object, ...] = ()
    packets: int | None = None
    rivals: int = 0


class TraceLeg(Struct, frozen=True, kw_only=True):
    """The packet, or a copy of it, in one host's switch. `way` is "there" or "back"; `entered` says by which port."""

    way: str
    host: str
    entered: str
    steps: tuple[TraceStep, ...]


class ProbeArrival(Struct, frozen=True, kw_only=True):
    """Where a probe would have left its switch: `port` is null where its number is nobody's."""

    host: str
    table: str
    port: Object | None
    milliseconds: float


class ProbeAnswer(Struct, frozen=True, kw_only=True):
    """What became of the same packet in the switches. `seconds` is how long it was waited for; `agrees`: it went where
    the trace says; `verdict` is for people."""

    arrived: tuple[ProbeArrival, ...]
    seconds: float
    agrees: bool
    verdict: str


class TraceAnswer(Struct, frozen=True, kw_only=True):
    """The way of a packet and of its answer.

    `actual`: by the flows that the switches have now, not by those that they should have. `delivered` says whether the
    packet came to where it was meant to go, `answered` whether its answer came back (null: there is none to such a
    packet, or it never set out). `verdict` is for people, and `decided` the step in which what did not arrive ended.
    `probe`: what the switches did with it (null: none was sent).
    """

    packet: str
    source: Object | None
    target: Object | None
    actual: bool
    revision: int
    delivered: bool
    answered: bool | None
    verdict: str
    decided: TraceStep | None
    legs: tuple[TraceLeg, ...]
    probe: ProbeAnswer | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be. `kind` is for programs, `text` for people."""

    kind: str
    text: str
    host: str | None = None
    objects: tuple[Object, ...] = ()


class CheckAnswer(Struct, frozen=True, kw_only=True):
    """`findings` are what is wrong now; `notes` what was wrong and has been put right, and what is kept without effect.

    `warnings` are what is kept without effect and leaves open what the cloud believes to be closed.

    `hosts`, `ports` and `flows` count what was looked at; `deep`: everything was also computed again from nothing.
    """

    revision: int
    deep: bool
    hosts: int
    ports: int
    flows: int
    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


class RuleAnswer(Struct, frozen=True, kw_only=True):
    """A rule of a security group, and what it let through, on all hosts together.

    `ports` is a port, `80-90`, or `type 8 code 0`; null: any, as with `protocol`. The other side is `remote_group` or
    `remote_prefix`; both null: anybody. `connections` counts first packets, `packets` and `bytes` all of them, since
    the time `since`; `last` is when the last one was counted, null: none ever was. Times are in ISO 8601, UTC.
    """

    id: str
    group: Object
    direction: str | None
    ethertype: str | None
    protocol: str | None
    ports: str | None
    remote_prefix: str | None
    remote_group: Object | None
    connections: int
    packets: int
    bytes: int
    since: str
    last: str | None


class DropAnswer(Struct, frozen=True, kw_only=True):
    """What was dropped for one reason on one host, between `first` and `last` (ISO 8601, UTC).

    `own`: it was this port's, sent by it or for it; else that of any port of the host. `match` is that of the flow that
    dropped it; null where no flow of the table matched.
    """

    host: str
    table: str
    own: bool
    reason: str
    match: str | None
    packets: int
    bytes: int | None
    first: str
    last: str


class WhyDropAnswer(Struct, frozen=True, kw_only=True):
    """What was dropped of a port since a time: `logged` are single packets, where a network log asks for them.

    `interval` is how many seconds lie between two looks at the counters (0: nobody looks); `hosts` are those where the
    port is, `missing` those of them that can't be asked.
    """

    port: Object
    since: str
    interval: float
    hosts: tuple[str, ...]
    missing: tuple[str, ...]
    drops: tuple[DropAnswer, ...]
    logged: tuple[dict[str, Any], ...]


class CountsAnswer(Struct, frozen=True, kw_only=True):
    """Figures of the whole; `failures` are rules' keys, `conflicts` flows, `rules` those of security groups."""

    revision: int
    ports: int
    ports_active: int
    failures: int
    conflicts: int
    rules: int
    rules_unused: int
    rule_connections: int
    rule_packets: int
    rule_bytes: int
    dropped: dict[str, int]
