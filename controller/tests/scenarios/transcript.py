"""io: plays a transcript: commands in, what the engine makes of them out, in the same words.

A transcript is a text of commands, one a line, and of what is expected after them. Things are called by their names;
names stand for ids. A line that begins a column further to the right belongs to the line above it.

    network blue type=vxlan vni=5000 physical=physnet1 vlan=7 down        a network; what is not named stays as it was
    port web network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1,10.1.0.2     a port
    port web host=h1 security=off down pairs=10.2.0.0/16,10.1.0.9@aa:…    its binding, port security, address pairs
    port web bindings=h1,h2             all hosts that it is bound to, the active one first
    port web groups=front,ssh           its security groups; `groups=none` is an empty list
    group front stateless               a security group
    rule r1 group=front ingress tcp 80-443 v6 remote=10.0.0.0/8           what it allows: protocol and ports, or ICMP's
    rule r2 group=front egress icmp 8,0 of=back addresses=office          type and code; the other side
    log l1 port=web group=front event=DROP off                            what is to be logged
    addresses office 10.0.0.0/8,10.1.0.1                                  an address group
    host h1 vtep=10.0.0.1 patches=physnet1:7 nd_ext                       what a hypervisor reports; its abilities
    plug web h1 ofport=5 as=tap1        an interface that carries the port's id; `unplug web h1 as=tap1` takes it away
    applied web h1                      the port's flows are on h1: its Location; `unapplied web` forgets it
    status web h1 active                what clouds are told of it
    delete port web
    crowd blue 3 hosts=h macs=fa:16:3f ips=10.9.0.0/16 vteps=10.5.0.0/16  three hosts, each with an applied port
    crowd blue 3 host=h1 macs=fa:16:3f ips=10.9.0.0/16                    three such ports on h1
    together                            the indented commands below are one transaction

    expect network/blue                 the flows of a topic
    expect switch h1 SPOOF SAID         those of all topics of a host; both forms can be limited to some tables
    expect relation placed web          the values of a relation's key
    expect failures                     rules that failed, and why
    expect conflicts                    flows that two rules claim
    expect changes                      flows that the last transaction took away and brought
    expect runs                         how many rules ran in the last transaction

A flow is shown as table, priority, match and actions; keys of networks, ports, groups and rules are shown as the names
of these. Long lists of actions are cut in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from typing import Any

import msgspec

from daybreak.engine.engine import Engine
from daybreak.engine.oracle import differences, overlaps
from daybreak.engine.pipeline import Pipeline
from daybreak.features.vocabulary import SUBSCRIPTIONS, AddressGroupKey, GroupKey, NetworkKey, PortKey, RuleKey
from daybreak.model import (
    AddressGroup,
    AddressPair,
    Change,
    FixedIp,
    Host,
    Interface,
    Location,
    Network,
    NetworkLog,
    Number,
    Port,
    PortBinding,
    PortStatus,
    Probe,
    Record,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Transaction,
)
from daybreak.store.memory import MemoryStore
from daybreak.wire.openflow.actions import decode_instructions
from daybreak.wire.openflow.flow import decode_key
from daybreak.wire.openflow.shared import is_meter, is_shared
from daybreak.wire.openflow.text import Names, format_match, format_shared, format_steps

KINDS: tuple[type[Record], ...] = (
    Network,
    Subnet,
    Port,
    SecurityGroup,
    SecurityGroupRule,
    AddressGroup,
    NetworkLog,
    Host,
    Interface,
    Location,
    PortStatus,
    Probe,
)
KEYS: tuple[tuple[tuple[type[Number], ...], str], ...] = (
    ((NetworkKey,), "datapath"),
    ((PortKey,), "source|target|subject"),
    ((GroupKey,), "group"),
    ((GroupKey, AddressGroupKey), "remote"),
    ((RuleKey,), "verdict|ct_label"),
)
"""Numbers that are shown as the names of their owners, and the registers that hold them."""
BY_NAME = {kind.kind: kind for kind in KINDS} | {
    "group": SecurityGroup,
    "rule": SecurityGroupRule,
    "addresses": AddressGroup,
    "log": NetworkLog,
}
SHOWN_STEPS = 12
NOTHING = "nothing"

Flows = dict[str, dict[bytes, bytes]]


def flows_of(engine: Engine) -> Flows:
    """What is in every topic, by name."""
    return {name: dict(topic.flows) for name, topic in engine.topics.items() if topic.flows}


def subscriptions(engine: Engine) -> dict[str, frozenset[str]]:
    """Host → its topics."""
    return {host: frozenset(engine.values(SUBSCRIPTIONS, host)) for host in engine.relations[SUBSCRIPTIONS]}


def faults(engine: Engine) -> list[str]:
    """Where increments and full recompute differ, and flows that stand in two topics of a host; [] when all is well."""
    return [*differences(engine), *overlaps(engine, subscriptions(engine))]


# -- commands ---------------------------------------------------------------------------------------------------------


class Words:
    """What follows a command's names: `name=value`, and bare words."""

    def __init__(self, words: Iterable[str]) -> None:
        words = list(words)
        self.values = dict(word.split("=", 1) for word in words if "=" in word)
        self.bare = [word for word in words if "=" not in word]

    def given(self, **fields: tuple[str, Callable[[str], Any]]) -> dict[str, Any]:
        """The record's fields that were named: field → (word, how to read it)."""
        return {field: read(self.values[word]) for field, (word, read) in fields.items() if word in self.values}

    def state(self) -> dict[str, bool]:
        """`up` or `down`."""
        return {"admin_state_up": "up" in self.bare} if {"up", "down"} & set(self.bare) else {}


def several(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def pair(text: str) -> AddressPair:
    address, _, mac = text.partition("@")
    return AddressPair(address, mac or None)


def bound(text: str) -> tuple[PortBinding, ...]:
    return tuple(PortBinding(host, "INACTIVE" if n else "ACTIVE") for n, host in enumerate(several(text)))


def network_fields(words: Words) -> dict[str, Any]:
    physical = {"physical_network": ("physical", str)}
    number = {"segmentation_id": (next((word for word in ("vni", "vlan") if word in words.values), ""), str)}
    return words.given(network_type=("type", str), mtu=("mtu", int), **physical, **number) | words.state()


def port_fields(words: Words) -> dict[str, Any]:
    return (
        words.given(
            network_id=("network", str),
            mac_address=("mac", str),
            fixed_ips=("ips", lambda text: tuple(FixedIp(ip) for ip in several(text))),
            allowed_address_pairs=("pairs", lambda text: tuple(pair(part) for part in several(text))),
            host_id=("host", str),
            bindings=("bindings", bound),
            port_security_enabled=("security", lambda text: text == "on"),
            security_groups=("groups", lambda text: () if text == "none" else tuple(several(text))),
        )
        | words.state()
    )


def patch(text: str) -> tuple[str, int]:
    name, _, ofport = text.partition(":")
    return name, int(ofport)


def host_fields(words: Words) -> dict[str, Any]:
    abilities = {"capabilities": tuple(sorted(words.bare))} if words.bare else {}
    return abilities | words.given(
        vtep=("vtep", str), patches=("patches", lambda text: tuple(patch(part) for part in several(text)))
    )


def rule_fields(words: Words) -> dict[str, Any]:
    """Ports as `80` or `80-443`, of ICMP type and code as `8` or `8,0`."""
    bare = list(words.bare)
    fields = words.given(
        security_group_id=("group", str),
        remote_ip_prefix=("remote", str),
        remote_group_id=("of", str),
        remote_address_group_id=("addresses", str),
    )
    fields["ethertype"] = "IPv6" if "v6" in bare else "IPv4"
    fields["direction"] = next((word for word in bare if word in ("ingress", "egress")), None)
    asked = [word for word in bare if word not in ("v6", "ingress", "egress")]
    fields["protocol"] = asked[0] if asked else None
    low, _, high = asked[1].replace(",", "-").partition("-") if len(asked) > 1 else ("", "", "")
    fields["port_range_min"] = int(low) if low else None
    fields["port_range_max"] = int(high) if high else int(low) if low and "icmp" not in asked[0] else None
    return fields


def security(kind: str, name: str, words: list[str]) -> Record:
    """A security group, a rule of one, what is logged, or an address group."""
    if kind == "group":
        return SecurityGroup(id=name, stateful="stateless" not in words)
    if kind == "rule":
        return SecurityGroupRule(id=name, **rule_fields(Words(words)))
    if kind == "log":
        given = Words(words)
        named = given.given(target_id=("port", str), resource_id=("group", str), event=("event", str))
        return NetworkLog(id=name, project_id="all", enabled="off" not in words, **named)
    return AddressGroup(id=name, addresses=tuple(several(" ".join(words))))


def probe_of(words: list[str]) -> Probe:
    """A probe: network, protocol, and for each end MAC, address and, but for ICMP, port."""
    network, protocol, source_mac, source, *rest = words
    if protocol == "icmp":
        return Probe(network, source_mac, rest[0], source, rest[1], protocol, 211)
    return Probe(network, source_mac, rest[1], source, rest[2], protocol, 211, int(rest[0]), int(rest[3]))


def passing(command: str, words: list[str]) -> Record | tuple[type[Record], str]:
    """What the controller itself writes for a while."""
    match command:
        case "applied":
            return Location(*words)
        case "unapplied":
            return Location, words[0]
        case "probe":
            return probe_of(words)
    return Probe, probe_of(words).key


def crowd(network: str, count: int, words: Words) -> Iterator[Record]:
    """Applied ports, each on a host of its own or all on one."""
    ips = ip_network(words.values["ips"])
    for n in range(1, count + 1):
        host, port = words.values.get("host") or f"{words.values['hosts']}{n}", f"{network}-{n}"
        if "vteps" in words.values:
            yield Host(host, f"ovs-{host}", vtep=str(ip_network(words.values["vteps"])[n]))
        mac = f"{words.values['macs']}:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
        yield Port(port, network, mac_address=mac, fixed_ips=(FixedIp(str(ips[n])),), host_id=host)
        yield Interface(host, f"tap-{port}", port, n)
        yield Location(port, host)


class Player:
    """A store, an engine that is fed what the store commits, and the transcript's words for both."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.store = MemoryStore(KINDS, pipeline.pools)
        self.engine = Engine(pipeline)
        self.engine.apply(0, ())
        self.transactions: list[tuple[Change, ...]] = []
        self._before: Flows = flows_of(self.engine)
        self._runs = 0
        self._owners: dict[tuple[str, int], str] = {}
        self._names = Names(
            {number: table.name for table, number in pipeline.numbers.items()}, tuple(pipeline.registers.values())
        )

    async def play(self, text: str) -> str:
        """The transcript, with what there is in the place of what is expected."""
        played: list[str] = []
        lines = text.splitlines()
        number = 0
        while number < len(lines):
            line, number = lines[number], number + 1
            block = []
            while number < len(lines) and lines[number].startswith("    "):
                block.append(lines[number])
                number += 1
            played.append(line)
            words = line.split("#")[0].split()
            if words[:1] == ["expect"]:
                played += ["    " + row for row in self._expected(words[1:]) or [NOTHING]]
                continue
            played += block
            if words:
                await self._do([words] if words != ["together"] else [row.split() for row in block], number)
        return "\n".join(played) + "\n"

    # -- doing --------------------------------------------------------------------------------------------------------

    async def _do(self, commands: list[list[str]], line: int) -> None:
        put: dict[tuple[type[Record], str], Record] = {}
        delete: list[tuple[type[Record], str]] = []
        for words in commands:
            for outcome in self._outcomes(words):
                if isinstance(outcome, Record):
                    put[type(outcome), outcome.key] = outcome
                else:
                    delete.append(outcome)
        committed = await self.store.commit(Transaction(tuple(put.values()), tuple(delete)))
        assert committed.changes, f"line {line} changes nothing"
        self.transactions.append(committed.changes)
        for change in committed.changes:
            if isinstance(change.new, Number):
                self._owners[change.kind.kind, change.new.value] = change.key
        self._before = flows_of(self.engine)
        self._runs = self.engine.apply(committed.revision, committed.changes).runs
        assert faults(self.engine) == [], f"before line {line + 1}"

    def _outcomes(self, words: list[str]) -> Iterator[Record | tuple[type[Record], str]]:
        """Records that a command puts, and (kind, key) of those that it deletes."""
        rest = Words(words[2:])
        match words:
            case ["network", name, *_]:
                yield self._put(Network(name), network_fields(rest))
            case ["port", name, *_]:
                yield self._put(Port(name, ""), port_fields(rest))
            case ["group" | "rule" | "log" | "addresses", name, *more]:
                yield security(words[0], name, more)
            case ["host", name, *_]:
                yield self._put(Host(name, f"ovs-{name}"), host_fields(rest))
            case ["plug", port, host, *more]:
                interface = Interface(host, Words(more).values.get("as", f"tap-{port}"), port)
                link = {"link_up": "dangling" not in more}
                yield self._put(interface, Words(more).given(ofport=("ofport", int)) | link)
            case ["unplug", port, host, *more]:
                yield Interface, f"{host}/{Words(more).values.get('as', f'tap-{port}')}"
            case ["applied" | "unapplied" | "probe" | "unprobe", *more]:
                yield passing(words[0], more)
            case ["status", port, host, *state]:
                yield PortStatus(port, state == ["active"], host, None if state == ["active"] else " ".join(state))
            case ["delete", kind, name]:
                yield BY_NAME[kind], name
            case ["crowd", network, count, *more]:
                yield from crowd(network, int(count), Words(more))
            case _:
                raise ValueError(f"unknown command: {' '.join(words)}")

    def _put(self, new: Record, fields: dict[str, Any]) -> Record:
        return msgspec.structs.replace(self.store.get(type(new), new.key) or new, **fields)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _expected(self, words: list[str]) -> list[str]:
        match words:
            case ["switch", host, *tables]:
                topics = [topic for name in sorted(self._topics(host)) if (topic := self._topic(name))]
                return self._rows(((key, body) for topic in topics for key, body in topic.items()), tables)
            case ["topics", host]:
                return sorted(self._topics(host))
            case ["relation", name, *key]:
                relation = next(r for f in self.pipeline.features for r in f.relations if r.name == name)
                return [str(value) for value in self.engine.values(relation, " ".join(key))]
            case ["failures"]:
                return sorted(f"{memo}  {memo.failure}" for memo in self.engine.failures.values())
            case ["conflicts"]:
                return sorted(self._conflicts())
            case ["changes"]:
                return self._changes()
            case ["runs"]:
                return [str(self._runs)]
            case [topic, *tables]:
                return self._rows(self._topic(topic).items(), tables)
        raise ValueError(f"unknown expectation: {' '.join(words)}")

    def _topics(self, host: str) -> tuple[str, ...]:
        return self.engine.values(SUBSCRIPTIONS, host)

    def _topic(self, name: str) -> dict[bytes, bytes]:
        topic = self.engine.topics.get(name)
        return topic.flows if topic else {}

    def _conflicts(self) -> Iterator[str]:
        for conflict in self.engine.conflicting():
            table, priority, match, _ = self._columns(conflict.key, bytes(8))
            rules = sorted(str(self.engine.memos[cookie]) for cookie in conflict.cookies)
            yield f"{conflict.topic}  {table} {priority} {match}  {', '.join(rules)}"

    def _changes(self) -> list[str]:
        after = flows_of(self.engine)
        rows: list[str] = []
        for topic in sorted(self._before.keys() | after.keys()):
            old, new = self._before.get(topic, {}), after.get(topic, {})
            taken = self._rows(((key, body) for key, body in old.items() if new.get(key) != body), [])
            brought = self._rows(((key, body) for key, body in new.items() if old.get(key) != body), [])
            rows += [f"{topic}"] * bool(taken or brought)
            rows += [f"    - {row}" for row in taken] + [f"    + {row}" for row in brought]
        return rows

    def _rows(self, flows: Iterable[tuple[bytes, bytes]], tables: list[str]) -> list[str]:
        """Flows as lines in columns, in the order of tables, those of high priority first."""
        order = {"METERS": -2, "GROUPS": -1}
        order |= {table.name: number for table, number in self.pipeline.numbers.items()}
        columns = (self._columns(key, body) for key, body in flows)
        shown = [row for row in columns if not tables or row[0] in tables]
        shown.sort(key=lambda row: (order[row[0]], -int(row[1].strip("-") or 0), *row[2:]))
        widths = [max((len(row[column]) for row in shown), default=0) for column in range(3)]
        return [
            f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:{min(widths[2], 60)}}  {row[3]}" for row in shown
        ]

    def _columns(self, key: bytes, body: bytes) -> tuple[str, str, str, str]:
        """Table, priority, match and actions."""
        if is_shared(key):
            number, does = format_shared(key, body, self._names)
            return ("METERS" if is_meter(key) else "GROUPS", "-", number, does)
        table, priority, match = decode_key(key)
        steps = decode_instructions(body[8:])
        shown = format_steps(steps, self._names)
        if len(steps) > SHOWN_STEPS:
            ends = (format_steps(part, self._names) for part in (steps[:4], steps[-4:]))
            shown = f",… {len(steps) - 8} more …,".join(ends)
        return (
            self._names.table(table),
            str(priority),
            self._named(format_match(match, self._names)) or "*",
            self._named(shown),
        )

    def _named(self, text: str) -> str:
        """Keys as the names of their owners."""
        for kinds, registers in KEYS:

            def name(found: re.Match[str], kinds: tuple[type[Number], ...] = kinds) -> str:
                before, value, behind = found.groups()
                owners = [self._owners.get((kind.kind, int(value, 16))) for kind in kinds]
                return f"{before}{next(filter(None, owners), value)}{behind}"

            text = re.sub(rf"(\b(?:{registers})=)(0x[0-9a-f]+)()", name, text)
            text = re.sub(rf"(load:)(0x[0-9a-f]+)(->(?:{registers})\b)", name, text)
        return text
