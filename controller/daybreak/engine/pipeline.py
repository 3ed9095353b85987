"""data: the pipeline: stages, tables, registers, shapes of flows, features; and the link step that gives them numbers.

A feature declares its tables by stage and its flows as shapes. Numbers are given out when the features that are on
are known: tables in the order of their stages, register bits in the order of declaration. `goto` names a table or a
stage (then the first table of that stage or of a later one), and only forward.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from struct import Struct
from types import ModuleType
from typing import Any, NamedTuple, cast

from daybreak.engine.rule import Relation, Rule
from daybreak.model import Pool
from daybreak.wire.openflow.actions import Goto, Load, Resubmit, encode_actions
from daybreak.wire.openflow.fields import FIELDS, BitField, Field
from daybreak.wire.openflow.flow import Condition
from daybreak.wire.openflow.layout import Variable
from daybreak.wire.openflow.messages_group import Bucket, GroupType, MeterFlags
from daybreak.wire.openflow.shape import compile_shape
from daybreak.wire.openflow.shared import group_entry, rate_limit


class Stage(enum.IntEnum):
    """The order in which a packet is dealt with."""

    CLASSIFY = enum.auto()
    TUNNEL_IN = enum.auto()
    SPOOF = enum.auto()
    RESPOND = enum.auto()
    EGRESS_POLICY = enum.auto()
    POLICY = enum.auto()
    VERDICT = enum.auto()
    ROUTE = enum.auto()
    NAT = enum.auto()
    NEIGHBOUR = enum.auto()
    SWITCH = enum.auto()
    INGRESS_POLICY = enum.auto()
    OUTPUT = enum.auto()


_declared = itertools.count()


class Table:
    """A flow table. A packet that no flow of it matches is dropped, as OpenFlow 1.3 has it.

    `miss` says what such a packet was; empty where nobody is told of it, say because the table is looked up in passing
    (`resubmit`). Tables of one stage stand in the order in which they were declared.
    """

    __slots__ = ("doc", "miss", "name", "position", "stage")

    def __init__(self, name: str, stage: Stage, doc: str, miss: str = "") -> None:
        self.name = name
        self.stage = stage
        self.doc = doc
        self.miss = miss
        self.position = next(_declared)

    def __repr__(self) -> str:
        return self.name


class Register:
    """Bits that travel with a packet through the tables; `metadata`: in the metadata field, not in a register."""

    __slots__ = ("doc", "metadata", "name", "position", "width")

    def __init__(self, name: str, width: int, doc: str, metadata: bool = False) -> None:
        self.name = name
        self.width = width
        self.doc = doc
        self.metadata = metadata
        self.position = next(_declared)

    def __repr__(self) -> str:
        return self.name


def goto(target: Table | Stage) -> Goto:
    """On to a table, or to the first table of a stage or of a later one."""
    return Goto(cast(int, target))


def resubmit(target: Table | Stage) -> Resubmit:
    """Through a table (of a stage) and back here."""
    return Resubmit(cast(int, target))


def load(register: Register, value: int) -> Load:
    """Set a register."""
    return Load(cast(BitField, register), value)


class Counts(enum.Enum):
    """What a flow's counter means for the record that its rule ran for."""

    CONNECTIONS = enum.auto()
    """Packets that began a connection, or packets where no connections are told apart."""
    PACKETS = enum.auto()
    """Packets of connections that were begun."""
    NOTHING = enum.auto()
    """A flow without actions that ends a copy: nothing is lost with it."""


class Shape:
    """Flows that differ in some values only: declared once, with `Var`s where they differ, encoded by one template.

    `variables` fixes the order of the arguments that rules give. Values of 6 and 16 bytes (MAC, IPv6) are given as
    bytes, all others as ints. `counts`: packets that meet such a flow are counted for the record it comes from; flows
    without actions drop, and `doc` is the reason that people are told.
    """

    __slots__ = ("actions", "counts", "doc", "match", "name", "priority", "table", "variables")

    def __init__(
        self,
        name: str,
        table: Table,
        priority: Any,
        match: Sequence[tuple[Any, ...]],
        actions: Sequence[Any],
        variables: str = "",
        doc: str = "",
        counts: Counts | None = None,
    ) -> None:
        self.name = name
        self.table = table
        self.priority = priority
        self.match = tuple(match)
        self.actions = tuple(actions)
        self.variables = tuple(variables.split())
        self.doc = doc
        self.counts = counts

    def __repr__(self) -> str:
        return self.name


class MeterShape:
    """Meters of a kind: they drop what exceeds a rate. Rules give number, rate and burst, in `unit` each.

    The number is one that is given out (a pool), so that it stays. Flows name a meter by the instruction `Meter`; like
    every flow it belongs to one topic of a host, to that of the flows that use it as a rule.
    """

    __slots__ = ("doc", "name", "unit")
    variables = ("number", "rate", "burst")

    def __init__(self, name: str, unit: MeterFlags, doc: str) -> None:
        self.name = name
        self.unit = unit
        self.doc = doc

    def __repr__(self) -> str:
        return self.name


class GroupShape:
    """Groups of a kind. Rules give number (of a pool) and buckets, which are tuples of actions each.

    Flows name a group by the action `Group`.
    """

    __slots__ = ("doc", "name", "type")
    variables = ("number", "buckets")

    def __init__(self, name: str, type: GroupType, doc: str) -> None:
        self.name = name
        self.type = type
        self.doc = doc

    def __repr__(self) -> str:
        return self.name


class Feature(NamedTuple):
    """What a feature's folder declares: found in its module by `feature_of`. `shared` is what flows share."""

    name: str
    doc: str
    tables: tuple[Table, ...]
    registers: tuple[Register, ...]
    shapes: tuple[Shape, ...]
    relations: tuple[Relation, ...]
    rules: tuple[Rule, ...]
    pools: tuple[Pool, ...]
    shared: tuple[MeterShape | GroupShape, ...] = ()


def _declared_in(module: ModuleType) -> Iterator[Any]:
    """What stands at the top level of a module, alone or in dicts, and in the modules of its folder."""
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType) and value.__name__.startswith(f"{module.__name__}."):
            yield from _declared_in(value)
        elif type(value) is dict:
            yield from value.values()
        else:
            yield value


def feature_of(module: ModuleType) -> Feature:
    """Collect what a module and the modules of its folder declare at their top level, in the order of declaration."""
    members = list(_declared_in(module))

    def of(kind: type[Any]) -> tuple[Any, ...]:
        found = [member for member in members if type(member) is kind]
        return tuple(dict.fromkeys(found))

    name = module.__name__.rsplit(".", 1)[-1]
    rules = tuple(rule for rule in of(Rule) if rule.function.__module__.startswith(module.__name__))
    doc = inspect.getdoc(module) or ""
    shared = (*of(MeterShape), *of(GroupShape))
    return Feature(name, doc, of(Table), of(Register), of(Shape), of(Relation), rules, of(Pool), shared)


FLOW_BYTES = 65_000
"""The longest key and instructions: an OpenFlow message ends at 65,535 bytes, all headers included."""


def fitting(flow: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The flow, if a message can hold it; else ValueError: better no flow than half a list."""
    size = len(flow[0]) + len(flow[1])
    if size > FLOW_BYTES:
        raise ValueError(f"a flow of {size} bytes does not fit an OpenFlow message")
    return flow


APPLY = Struct("!HH4x")
"""The head of an apply-actions instruction: type 4 and length (OpenFlow 1.3.5, section 7.2.4)."""

METADATA_BITS = 64
REGISTERS = 16


def place(registers: Iterable[Register]) -> dict[Register, BitField]:
    """Give each register its bits: metadata from bit 0 upwards; others share 32-bit registers, first fit, from reg0."""
    placed: dict[Register, BitField] = {}
    metadata = 0
    used = [0] * REGISTERS
    for register in registers:
        if register.metadata:
            offset, metadata = metadata, metadata + register.width
            if metadata > METADATA_BITS:
                raise ValueError("the metadata field is full")
            placed[register] = BitField(FIELDS["metadata"], offset, register.width, register.name)
            continue
        number = next((n for n in range(REGISTERS) if used[n] + register.width <= 32), None)
        if number is None:
            raise ValueError("all registers are full")
        placed[register] = BitField(FIELDS[f"reg{number}"], used[number], register.width, register.name)
        used[number] += register.width
    return placed


class Pipeline:
    """The features that are on, linked: tables have numbers, registers have bits, shapes have encoders."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        tables = {table for feature in features for table in feature.tables}
        self.tables = tuple(sorted(tables, key=lambda table: (table.stage, table.position)))
        self.numbers = {table: number for number, table in enumerate(self.tables)}
        registers = {register for feature in features for register in feature.registers}
        self.registers = place(sorted(registers, key=lambda register: register.position))
        self.rules = tuple(rule for feature in features for rule in feature.rules)
        self.pools = tuple(dict.fromkeys(pool for feature in features for pool in feature.pools))
        self.shapes = tuple(dict.fromkeys(shape for feature in features for shape in feature.shapes))
        self.counted = {
            self.numbers[shape.table]: shape.counts
            for shape in self.shapes
            if shape.counts in (Counts.CONNECTIONS, Counts.PACKETS)
        }
        self.drops = tuple(shape for shape in self.shapes if not shape.actions and shape.counts is None)
        self._loads: dict[Any, bytes] = {}
        self._actions: dict[Any, bytes] = {}
        self.shared = tuple(dict.fromkeys(each for feature in features for each in feature.shared))
        self.encoders: dict[Any, Callable[..., tuple[bytes, bytes]]] = {s: self._encoder(s) for s in self.shapes}
        self.encoders |= {shape: self._shared_encoder(shape) for shape in self.shared}

    def number(self, target: Table | Stage) -> int:
        """A table's number; for a stage that of its first table, or of the first table of a later stage."""
        if isinstance(target, Stage):
            return next(number for number, table in enumerate(self.tables) if table.stage >= target)
        return self.numbers[target]

    def _encoder(self, shape: Shape) -> Callable[..., tuple[bytes, bytes]]:
        table = self.numbers[shape.table]
        match = tuple(self._condition(*condition) for condition in shape.match)
        actions = self.resolve(shape.actions)
        for action in actions:
            if isinstance(action, Goto) and action.table <= table:
                raise ValueError(f"{shape.name}: goto {action.table} is not forward of table {table}")
        if len(actions) == 1 and isinstance(actions[0], Variable) and actions[0].name == shape.variables[-1]:
            return self._listing(compile_shape(shape.variables[:-1], table, shape.priority, match, ()))
        encode = compile_shape(shape.variables, table, shape.priority, match, actions)
        if not any(isinstance(action, Variable) for action in actions):
            return encode
        return lambda *values: fitting(encode(*[self.resolve(value) for value in values]))

    def _shared_encoder(self, shape: MeterShape | GroupShape) -> Callable[..., tuple[bytes, bytes]]:
        if isinstance(shape, MeterShape):
            return partial(rate_limit, unit=shape.unit)

        def encode_group(number: int, buckets: Iterable[Sequence[Any]]) -> tuple[bytes, bytes]:
            parts = [Bucket(b"".join([self._action(action) for action in actions])) for actions in buckets]
            return fitting(group_entry(number, shape.type, parts))

        return encode_group

    def _listing(self, encode: Callable[..., tuple[bytes, bytes]]) -> Callable[..., tuple[bytes, bytes]]:
        """The encoder of flows whose actions are but a list that the rule gives: one copy for each receiver."""

        def encode_listing(*values: Any) -> tuple[bytes, bytes]:
            actions = b"".join([self._action(action) for action in values[-1]])
            return fitting((encode(*values[:-1])[0], APPLY.pack(4, APPLY.size + len(actions)) + actions))

        return encode_listing

    def _action(self, action: Any) -> bytes:
        """An action's bytes. Loads of one register differ in their last eight bytes; lists are full of them."""
        if type(action) is Load:
            head = self._loads.get(action.target)
            if head is None:
                head = self._loads[action.target] = encode_actions((self.resolve(Load(action.target, 0)),))[:-8]
            return head + action.value.to_bytes(8, "big")
        known = self._actions.get(action)
        if known is None:
            known = encode_actions((self.resolve(action),))
            if type(action) is Resubmit:
                self._actions[action] = known
        return known

    def _condition(self, field: Any, value: Any, mask: int | None = None) -> Condition:
        return Condition(self.resolve(field), value, mask)

    def resolve(self, value: Any) -> Any:
        """A symbolic value with tables and registers replaced by what they were given; everything else as it is."""
        if isinstance(value, Register):
            return self.registers[value]
        if isinstance(value, Table | Stage):
            return self.number(value)
        if isinstance(value, tuple):
            return tuple([self.resolve(part) for part in value])
        if dataclasses.is_dataclass(value) and not isinstance(value, Field | BitField | Variable | type):
            return type(value)(*[self.resolve(getattr(value, field.name)) for field in dataclasses.fields(value)])
        return value
