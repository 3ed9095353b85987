"""rules: what was dropped lately, where and why; as much of it as is worth remembering."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from daybreak.engine.pipeline import Pipeline, Shape
from daybreak.engine.rule import Rule
from daybreak.wire.openflow.flow import Condition, Term, canonical, decode_key

REMEMBERED = 50_000
"""Entries: at most some megabytes, whatever happens."""

SECONDS = 3600.0
"""How long they are remembered."""


class Drop(NamedTuple):
    """What a flow, or a table where nothing matched (`key` is empty then), dropped between two looks.

    `at` is the UNIX time of the second look. `rule` and `subject` are what the flow comes from.
    """

    at: float
    host: str
    table: int
    key: bytes
    rule: Rule | None
    subject: str
    packets: int
    octets: int


class Drops:
    """The latest drops, in the order in which they were seen."""

    def __init__(self) -> None:
        self._seen: deque[Drop] = deque(maxlen=REMEMBERED)

    def add(self, drop: Drop) -> None:
        """Remember one, and forget what is too old."""
        while self._seen and self._seen[0].at < drop.at - SECONDS:
            self._seen.popleft()
        self._seen.append(drop)

    def since(self, at: float) -> Iterator[Drop]:
        """Those seen at this time or later."""
        return (drop for drop in [*self._seen] if drop.at >= at)


class Reasons:
    """Why flows drop, in the words of the features that declare them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._shapes: dict[tuple[int, int], list[tuple[Shape, tuple[Term, ...]]]] = {}
        self._misses: Mapping[int, str] = {number: table.miss for table, number in pipeline.numbers.items()}
        for shape in pipeline.drops:
            if isinstance(shape.priority, int):
                place = pipeline.numbers[shape.table], shape.priority
                conditions = [Condition(*(pipeline.resolve(part) for part in each)) for each in shape.match]
                terms = canonical(each for each in conditions if isinstance(each.value, int))
                self._shapes.setdefault(place, []).append((shape, terms))

    def of(self, drop: Drop) -> str:
        """The reason; empty where no feature gives one."""
        if not drop.key:
            return self._misses.get(drop.table, "")
        table, priority, match = decode_key(drop.key)
        candidates = self._shapes.get((table, priority), [])
        return next((shape.doc for shape, terms in candidates if fits(terms, match)), "")


def fits(terms: tuple[Term, ...], match: tuple[Condition, ...]) -> bool:
    """Whether a flow's match asks for all of these constants, and perhaps for more."""
    known = {condition.field: condition for condition in match}
    return all(term.field in known and asks(known[term.field], term) for term in terms)


def asks(condition: Condition, term: Term) -> bool:
    """Whether a condition is at least as narrow as a constant one on the same field."""
    full = term.field.full
    wanted, given = (full if each.mask is None else each.mask for each in (term, condition))
    return wanted & ~given == 0 and condition.value & wanted == term.value  # type: ignore[operator]
