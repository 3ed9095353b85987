"""rules: the machine that carries out flows on one packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from daybreak.engine.interpreter.outcome import Copy, Event, Lookup, Outcome, Stop, Visit
from daybreak.engine.interpreter.tables import Flow, Tables
from daybreak.engine.interpreter.tracking import Connections, Tracked, commit, seen, track
from daybreak.wire.openflow import actions as a
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.fields import PREREQUISITES, REGISTERS_OF, BitField, Field, Prerequisite
from daybreak.wire.openflow.headers import TAGGED, Fields, pop_vlan, push_vlan, read, write
from daybreak.wire.packet import EtherType

DEPTH = 64
"""Resubmits within each other, to the same or an earlier table, that Open vSwitch bears."""

RESUBMITS = 4096
"""Resubmits in all that it bears."""

UNKNOWN_PORTS = {a.NORMAL: "NORMAL", a.FLOOD: "FLOOD", a.ALL: "ALL", 0xFFFFFFF9: "TABLE"}
RESERVED_16 = 0xFF00
CONNECTION_FIELDS = [field for name, field in f.FIELDS.items() if name.startswith("ct_")]
TRANSPORT_FIELDS = [
    field for name, field in f.FIELDS.items() if name.startswith(("tcp_", "udp_", "sctp_", "icmpv4_", "icmpv6_", "nd_"))
]


class NotInterpreted(Exception):
    """A flow says something that the interpreter does not know. The text names the flow."""


class Packet:
    """A packet on its way: the frame as it came in, what is known of it now, and what Open vSwitch keeps beside it."""

    def __init__(self, frame: bytes, fields: Fields, stack: tuple[tuple[int, int], ...] = ()) -> None:
        self.frame = frame
        self.fields = fields
        self.stack = stack
        self.tracked: Tracked | None = None

    def copy(self) -> Packet:
        """One that goes its own way."""
        other = Packet(self.frame, dict(self.fields), self.stack)
        other.tracked = self.tracked
        return other

    @property
    def now(self) -> bytes:
        """The frame as it would leave."""
        return write(self.frame, self.fields)

    def get(self, target: a.Target) -> int:
        """The value of a field, of some of its bits, or of several registers as one."""
        if isinstance(target, BitField):
            return self.get(target.field) >> target.offset & ((1 << target.width) - 1)
        registers = REGISTERS_OF.get(target)
        if registers is None:
            return self.fields.get(target, 0) & ((1 << target.nbits) - 1)
        return sum(self.fields.get(register, 0) << 32 * n for n, register in enumerate(reversed(registers)))

    def set(self, target: a.Target, value: int) -> None:
        """Set a field, or some of its bits. Where the packet has no such field, nothing happens."""
        if isinstance(target, BitField):
            whole = self.get(target.field)
            self.set(target.field, whole & ~target.mask | value << target.offset & target.mask)
            return
        registers = REGISTERS_OF.get(target)
        if registers is not None:
            for n, register in enumerate(reversed(registers)):
                self.fields[register] = value >> 32 * n & 0xFFFFFFFF
        elif target is f.VLAN_VID:
            self.fields[target] = self.fields.get(target, 0) & TAGGED | value & ~TAGGED
        elif self.has(target):
            self.fields[target] = value

    def has(self, target: a.Target) -> bool:
        """Whether the packet has the headers that a field belongs to."""
        field = target.field if isinstance(target, BitField) else target
        return all(self._meets(needed) for needed in PREREQUISITES[field.needs])

    def _meets(self, needed: Prerequisite) -> bool:
        value = self.fields.get(f.FIELDS[needed.field], 0)
        if not needed.bits:
            return value in needed.values
        return bool(value & needed.bits) or bool(needed.clear and value and not value & needed.clear)


class _Over(Exception):
    """Open vSwitch gives the packet up: its actions are too many."""


class _Machine:
    def __init__(self, tables: Tables, connections: Connections, match_fragments: bool) -> None:
        self.tables = tables
        self.connections = dict(connections)
        self.match_fragments = match_fragments
        self.events: list[Event] = []
        self.passes = 0
        self.resubmits = 0
        self.flow: Flow | None = None

    def refuse(self, what: str) -> NotInterpreted:
        return NotInterpreted(f"{what}, in the flow {self.flow!r}")

    # -- tables -------------------------------------------------------------------------------------------------------

    def enter(
        self, packet: Packet, table: int, depth: int, pass_: int, backwards: int = 0, as_from: int | None = None
    ) -> None:
        """Look a table up and do what its flow says, and those of the tables that it goes to.

        `as_from`: the port that it is looked up for, if that is another than the packet's.
        """
        next_table: int | None = table
        while next_table is not None:
            fields = packet.fields if as_from is None else {**packet.fields, f.IN_PORT: as_from}
            as_from = None
            if fields.get(f.IP_FRAG, 0) and not self.match_fragments:
                fields = {**fields, **dict.fromkeys(TRANSPORT_FIELDS, 0)}
            found = self.tables.find(next_table, fields)
            self.events.append(Visit(depth, pass_, next_table, *found, dict(packet.fields)))
            if found.flow is None:
                return
            self.flow = found.flow
            next_table = self.follow(packet, found.flow, depth, pass_, backwards)

    def follow(self, packet: Packet, flow: Flow, depth: int, pass_: int, backwards: int) -> int | None:
        """Do what a flow says; returns the table that it goes to."""
        steps = flow.steps
        actions = [step for step in steps if not isinstance(step, a.Instruction)]
        place = _Place(self, depth, pass_, flow.table, backwards)
        goes_on = place.do(packet, actions)
        target = None
        for step in steps:
            match step:
                case a.WriteMetadata(value, mask):
                    packet.fields[f.METADATA] = packet.fields.get(f.METADATA, 0) & ~mask | value & mask
                case a.Goto(table):
                    target = table
                case a.RawInstruction():
                    raise self.refuse(f"unknown instruction {step.data.hex()}")
        return target if goes_on else None


class _Place:
    """Where actions are done: within which flow, and how deep."""

    def __init__(self, machine: _Machine, depth: int, pass_: int, table: int, backwards: int) -> None:
        self.machine = machine
        self.depth = depth
        self.pass_ = pass_
        self.table = table
        self.backwards = backwards

    def do(self, packet: Packet, actions: Iterable[a.Step]) -> bool:
        """Do actions in their order; False where the packet ends in one."""
        flow = self.machine.flow
        for action in actions:
            handler = _HANDLERS.get(type(action))
            if handler is None:
                raise self.machine.refuse(f"unknown action {action}")
            if handler(self, packet, action) is False:
                return False
            self.machine.flow = flow
        return True

    def note(self, reason: str) -> None:
        self.machine.events.append(Stop(self.depth, self.pass_, reason))

    def emit(self, packet: Packet, port: int, max_len: int = 0) -> None:
        self.machine.events.append(Copy(self.depth, self.pass_, port, packet.now, dict(packet.fields), max_len))

    # -- actions ------------------------------------------------------------------------------------------------------

    def output(self, packet: Packet, action: a.Output) -> None:
        if action.port in UNKNOWN_PORTS:
            raise self.machine.refuse(f"output to {UNKNOWN_PORTS[action.port]}")
        self.send(packet, action.port, action.max_len)

    def output_from(self, packet: Packet, action: a.OutputFrom) -> None:
        self.send(packet, _port_32(packet.get(action.source)), action.max_len)

    def send(self, packet: Packet, port: int, max_len: int) -> None:
        came_from = packet.fields.get(f.IN_PORT, 0)
        if port == a.CONTROLLER:
            self.emit(packet, port, max_len)
        elif port == a.IN_PORT:
            self.emit(packet, came_from)
        elif port == came_from:
            self.note(f"not back to port {port}, where it came from")
        else:
            self.emit(packet, port)

    def set_field(self, packet: Packet, action: a.SetField) -> None:
        if action.field is f.VLAN_VID and not packet.fields.get(f.VLAN_VID, 0) & TAGGED:
            raise self.machine.refuse("a VLAN number for a packet without a VLAN tag")
        value = action.value
        if action.mask is not None:
            value |= packet.get(action.field) & ~action.mask
        packet.set(action.field, value)

    def load(self, packet: Packet, action: a.Load) -> None:
        packet.set(action.target, action.value)

    def move(self, packet: Packet, action: a.Move) -> None:
        if packet.has(action.source) and packet.has(action.target):
            packet.set(action.target, packet.get(action.source))

    def push(self, packet: Packet, action: a.Push) -> None:
        if packet.has(action.source):
            packet.stack = (*packet.stack, (packet.get(action.source), _width(action.source)))

    def pop(self, packet: Packet, action: a.Pop) -> None:
        if not packet.has(action.target):
            return
        if not packet.stack:
            raise self.machine.refuse("pop from an empty stack")
        *rest, (value, width) = packet.stack
        packet.stack = tuple(rest)
        if width != _width(action.target):
            raise self.machine.refuse(f"{width} bits of the stack into {_width(action.target)}")
        packet.set(action.target, value)

    def resubmit(self, packet: Packet, action: a.Resubmit) -> None:
        table = self.table if action.table is None else action.table
        machine, backwards = self.machine, self.backwards + (table <= self.table)
        machine.resubmits += 1
        if backwards > DEPTH or machine.resubmits > RESUBMITS:
            raise _Over
        as_from = None if action.port == a.IN_PORT & 0xFFFF else _port_32(action.port)
        machine.enter(packet, table, self.depth + 1, self.pass_, backwards, as_from)

    def clone(self, packet: Packet, action: a.Clone) -> None:
        place = _Place(self.machine, self.depth + 1, self.pass_, self.table, self.backwards)
        place.do(packet.copy(), action.actions)

    def push_vlan(self, packet: Packet, action: a.PushVlan) -> None:
        packet.frame = push_vlan(packet.now, action.ethertype)
        packet.fields[f.VLAN_VID], packet.fields[f.VLAN_PCP] = TAGGED, 0

    def pop_vlan(self, packet: Packet, action: a.PopVlan) -> None:
        if packet.fields.get(f.VLAN_VID, 0) & TAGGED:
            packet.frame = pop_vlan(packet.now)
            packet.fields[f.VLAN_VID] = packet.fields[f.VLAN_PCP] = 0  # a second tag is not looked at

    def dec_ttl(self, packet: Packet, action: a.DecTtl) -> bool:
        if not packet.has(f.NW_TTL):
            return True
        ttl = packet.fields.get(f.NW_TTL, 0)
        if ttl <= 1:
            self.note("its time to live is over")
            return False
        packet.fields[f.NW_TTL] = ttl - 1
        return True

    def nothing(self, packet: Packet, action: Any) -> None:
        """Of no consequence to where a packet goes."""

    # -- connection tracking ------------------------------------------------------------------------------------------

    def ct_clear(self, packet: Packet, action: a.CtClear) -> None:
        _forget(packet)
        packet.tracked = None

    def ct(self, packet: Packet, action: a.Ct) -> None:
        machine = self.machine
        mark, label = self._marks(packet, action)
        if packet.fields.get(f.ETH_TYPE) not in (EtherType.IPV4, EtherType.IPV6):
            raise machine.refuse("connection tracking of what is no IP packet")
        if packet.fields.get(f.IP_FRAG, 0):
            raise machine.refuse("connection tracking of a fragment")
        zone = packet.get(action.zone) if isinstance(action.zone, Field | BitField) else action.zone
        tracked = self._tracked(packet, zone, again=action.force)
        if action.commit:
            tracked = commit(tracked, machine.connections, mark, label, action.force)
        packet.tracked = tracked
        resumed = None
        if action.table is not None:
            machine.passes += 1
            resumed = machine.passes
        machine.events.append(Lookup(self.depth, self.pass_, tracked, action.commit, resumed))
        if resumed is not None and action.table is not None:
            forked = packet.copy()
            _forget(forked)
            forked.fields |= tracked.fields
            machine.enter(forked, action.table, self.depth + 1, resumed)
        _forget(packet)

    def _tracked(self, packet: Packet, zone: int, again: bool) -> Tracked:
        """What is known of the packet in this zone: it counts once, however often one asks."""
        machine, before = self.machine, packet.tracked
        if before is not None and before.zone == zone and before.known is not None and not again:
            known = machine.connections.get((zone, before.known.first), before.known)
            return before._replace(known=known)
        frame = packet.now
        tracked = track(read(frame), frame, zone, machine.connections)
        seen(tracked, machine.connections)
        if tracked.known is not None:
            tracked = tracked._replace(known=machine.connections[zone, tracked.known.first])
        return tracked

    def _marks(self, packet: Packet, action: a.Ct) -> tuple[int | None, int | None]:
        """Mark and label that a connection is given; None: it keeps what it has."""
        if action.alg:
            raise self.machine.refuse("an application-level gateway")
        nested = packet.copy()
        before = packet.tracked.known if packet.tracked is not None else None
        if before is not None:
            nested.fields |= {f.CT_MARK: before.mark, f.CT_LABEL: before.label}
        for each in action.actions:
            if isinstance(each, a.Nat):
                raise self.machine.refuse("NAT")
            if not isinstance(each, a.SetField | a.Load | a.Move):
                raise self.machine.refuse(f"{each} within connection tracking")
        if not action.actions:
            return None, None
        if not action.commit:
            raise self.machine.refuse("marks for a connection that is not committed")
        self.do(nested, action.actions)
        written = {_field(each.target if not isinstance(each, a.SetField) else each.field) for each in action.actions}  # type: ignore[union-attr]
        mark = nested.fields.get(f.CT_MARK, 0) if f.CT_MARK in written else None
        label = nested.fields.get(f.CT_LABEL, 0) if f.CT_LABEL in written else None
        return mark, label


def _field(target: a.Target) -> Field:
    return target.field if isinstance(target, BitField) else target


def _width(target: a.Target) -> int:
    return target.width if isinstance(target, BitField) else target.nbits


def _port_32(port: int) -> int:
    """A port as OpenFlow 1.1 and later count it: of 16 bits, the highest are reserved ones."""
    return port | 0xFFFF0000 if RESERVED_16 <= port <= 0xFFFF else port


def _forget(packet: Packet) -> None:
    for field in CONNECTION_FIELDS:
        packet.fields.pop(field, None)


_HANDLERS: dict[type, Callable[[Any, Packet, Any], bool | None]] = {
    a.Output: _Place.output,
    a.OutputFrom: _Place.output_from,
    a.SetField: _Place.set_field,
    a.Load: _Place.load,
    a.Move: _Place.move,
    a.Push: _Place.push,
    a.Pop: _Place.pop,
    a.Resubmit: _Place.resubmit,
    a.Clone: _Place.clone,
    a.PushVlan: _Place.push_vlan,
    a.PopVlan: _Place.pop_vlan,
    a.DecTtl: _Place.dec_ttl,
    a.CtClear: _Place.ct_clear,
    a.Ct: _Place.ct,
    a.SetQueue: _Place.nothing,
    a.Note: _Place.nothing,
}


def interpret(
    frame: bytes,
    in_port: int,
    tables: Tables,
    connections: Connections | None = None,
    *,
    metadata: Mapping[Field, int] | None = None,
    match_fragments: bool = True,
) -> Outcome:
    """What a switch with these tables and connections does with a frame that comes in at a port.

    `metadata`: what it comes with, of a tunnel say (tun_id, tun_src …). `match_fragments`: the switch was told, as
    ours are, to look at the transport headers of first fragments (OFPC_FRAG_NX_MATCH); else no fragment has any.
    Raises NotInterpreted for what it does not know, and ValueError for a frame or flow that is malformed.
    """
    machine = _Machine(tables, connections or {}, match_fragments)
    packet = Packet(frame, {**read(frame).values, **(metadata or {}), f.IN_PORT: in_port})
    try:
        machine.enter(packet, 0, 0, 0)
    except _Over:
        kept = [event for event in machine.events if not isinstance(event, Copy)]
        return Outcome((*kept, Stop(0, 0, "more resubmits than Open vSwitch bears")), connections or {})
    return Outcome(tuple(machine.events), machine.connections)
