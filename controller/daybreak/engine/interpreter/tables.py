"""rules: flow tables, from their very bytes, indexed for the look-up of packets.

Flows of a table whose matches have the same fields and masks share a dictionary ("tuple space search", as Open vSwitch
has it), so a look-up costs the number of different kinds of matches and not that of flows. A table is indexed when a
packet first gets there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from daybreak.wire.openflow.actions import Step, decode_instructions
from daybreak.wire.openflow.fields import Field
from daybreak.wire.openflow.flow import COOKIE_SIZE, HEAD_SIZE, Condition, decode_match
from daybreak.wire.openflow.headers import Fields

TABLE_AT = 0
PRIORITY = slice(6, 8)
"""Where a flow's key has its table and its priority; see wire.openflow.flow."""


class Flow:
    """A flow as its key and body (see wire.openflow.flow), understood as far as somebody asks."""

    def __init__(self, key: bytes, body: bytes) -> None:
        self.key = key
        self.body = body

    def __repr__(self) -> str:
        return f"table={self.table}, priority={self.priority}, cookie={self.cookie:#x}"

    @property
    def table(self) -> int:
        """The number of its table."""
        return self.key[TABLE_AT]

    @property
    def priority(self) -> int:
        """Of several flows that match, that of the highest priority counts."""
        return int.from_bytes(self.key[PRIORITY], "big")

    @property
    def cookie(self) -> int:
        """Whose it is."""
        return int.from_bytes(self.body[:COOKIE_SIZE], "big")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Actions and instructions in their order. ValueError where they are malformed."""
        return decode_instructions(self.body[COOKIE_SIZE:])


class Found(NamedTuple):
    """The flow that takes a packet (None: none matches), and others of its priority that match as well.

    Which of them a switch takes is not defined (OpenFlow 1.3.5, section 5.3); here it is the one whose key is lowest.
    """

    flow: Flow | None
    rivals: tuple[Flow, ...] = ()


Shape = tuple[tuple[Field, int], ...]
"""The fields of a match, and which of their bits count."""


def _counted(condition: Condition) -> tuple[Field, int]:
    """A condition's field, and which bits of it count."""
    field = condition.field
    assert isinstance(field, Field)
    return field, field.full if condition.mask is None else condition.mask


class _Subtable:
    """The flows of one shape: values under the shape's masks → flows, the highest priority first."""

    __slots__ = ("flows", "highest", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.flows: dict[tuple[int, ...], list[Flow]] = defaultdict(list)
        self.highest = 0

    def of(self, fields: Fields) -> Iterable[Flow]:
        return self.flows.get(tuple([fields.get(field, 0) & mask for field, mask in self.shape]), ())


class _Table:
    """One table's flows, those shapes first that have the highest priorities."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        shapes: dict[Shape, _Subtable] = {}
        for flow in flows:
            conditions = decode_match(flow.key[HEAD_SIZE:])
            shape = tuple([_counted(condition) for condition in conditions])
            subtable = shapes.get(shape)
            if subtable is None:
                subtable = shapes[shape] = _Subtable(shape)
            subtable.flows[tuple([value for _, value, _ in conditions])].append(flow)
            subtable.highest = max(subtable.highest, flow.priority)
        self.shapes = [*shapes]
        self._subtables = sorted(shapes.values(), key=lambda subtable: -subtable.highest)

    def find(self, fields: Fields) -> Found:
        best: list[Flow] = []
        priority = -1
        for subtable in self._subtables:
            if subtable.highest < priority:
                break
            for flow in subtable.of(fields):
                if flow.priority > priority:
                    best, priority = [flow], flow.priority
                elif flow.priority == priority:
                    best.append(flow)
        if not best:
            return Found(None)
        if len(best) == 1:
            return Found(best[0])
        taken, *rivals = sorted(best, key=lambda flow: flow.key)
        return Found(taken, tuple(rivals))


class Tables:
    """All flows of one switch: key → body, as they are sent or dumped."""

    def __init__(self, flows: Mapping[bytes, bytes]) -> None:
        self._flows: dict[int, list[Flow]] = defaultdict(list)
        for key, body in flows.items():
            self._flows[key[TABLE_AT]].append(Flow(key, body))
        self._indexed: dict[int, _Table] = {}

    def find(self, table: int, fields: Fields) -> Found:
        """What becomes of a packet with these fields in this table. ValueError where a flow of it is malformed."""
        return self._index(table).find(fields)

    def kinds(self, table: int) -> list[Shape]:
        """The shapes of a table's flows: a look-up asks for each."""
        return self._index(table).shapes

    def _index(self, table: int) -> _Table:
        indexed = self._indexed.get(table)
        if indexed is None:
            indexed = self._indexed[table] = _Table(self._flows.get(table, ()))
        return indexed
