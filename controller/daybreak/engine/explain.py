"""rules: why a flow is there: what a memo comes from, what follows from a record, and what a flow is for."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from daybreak.engine.engine import Engine, triples
from daybreak.engine.memo import Memo, Topic, pairs
from daybreak.engine.pipeline import Pipeline, Shape
from daybreak.engine.rule import Relation
from daybreak.model import Record
from daybreak.wire.openflow.fields import BitField, Field
from daybreak.wire.openflow.flow import decode_key
from daybreak.wire.openflow.layout import Variable

Source = type[Record] | Relation


def flows(memo: Memo) -> Iterator[tuple[Topic, bytes, bytes]]:
    """A memo's flows that stand: (topic, key, body). Those that another rule claims too are withheld."""
    for topic, key in pairs(memo.flows):
        body = topic.flows.get(key)
        if body is not None and body[:8] == memo.cookie.to_bytes(8, "big"):
            yield topic, key, body


def dependents(engine: Engine, kind: type[Record], key: str) -> Iterator[Memo]:
    """All memos that a record leads to: those that have it as root or read it, and what follows from these.

    Each comes once. The engine may change between two of them: then some are old, and none is wrong for long.
    """
    seen: set[tuple[Any, str]] = {(kind, key)}
    found: set[int] = set()
    waiting: deque[tuple[Source, str]] = deque(seen)
    while waiting:
        source, row = waiting.popleft()
        for memo in _direct(engine, source, row):
            if memo.cookie in found:
                continue
            found.add(memo.cookie)
            yield memo
            new = {(relation, to) for relation, to, _ in triples(memo.facts)} - seen
            seen |= new
            waiting.extend(new)


def _direct(engine: Engine, source: Source, key: str) -> Iterator[Memo]:
    """The memos of this very row: rules read their own key without a note (see view.View)."""
    for rule in engine.rules:
        if rule.root is source or source in rule.reads:
            memo = engine.memo(rule, key)
            if memo is not None:
                yield memo
    yield from engine.readers(source, key)


def objects(engine: Engine, memo: Memo) -> list[Record]:
    """The things behind a memo: those that the key of its root and of its reads name, in that order."""
    keys = dict.fromkeys([memo.key, *(key for _, key in pairs(memo.reads))])
    found: dict[tuple[type[Record], str], Record] = {}
    for key in keys:
        for word in dict.fromkeys([key, *key.split()]):
            for kind, rows in engine.records.items():
                record = rows.get(word)
                if record is not None and is_thing(kind):
                    found[kind, word] = record
    return list(found.values())


class _Form:
    """What a shape's match is known to be: of each field the bits that count and are the same in all its flows."""

    def __init__(self, pipeline: Pipeline, shape: Shape) -> None:
        self.doc = shape.doc
        self.table = pipeline.numbers[shape.table]
        self.priority = shape.priority if isinstance(shape.priority, int) else None
        self.fixed: dict[Field, tuple[int, int]] = {}
        self.needed: set[Field] = set()
        for condition in shape.match:
            self._note(pipeline, *condition)

    def _note(self, pipeline: Pipeline, what: Any, value: Any, mask: Any = None) -> None:
        target = pipeline.resolve(what)
        field, offset = (target.field, target.offset) if isinstance(target, BitField) else (target, 0)
        if not isinstance(mask, Variable):
            self.needed.add(field)
        fixed, counted = self.fixed.get(field, (0, 0))
        if isinstance(value, int) and not isinstance(mask, Variable):
            bits = (1 << target.width) - 1 if isinstance(target, BitField) else field.full
            bits = bits if mask is None else mask
            fixed, counted = fixed | value << offset, counted | bits << offset
        self.fixed[field] = (fixed, counted)

    def fits(self, terms: Mapping[Field, tuple[int, int]]) -> bool:
        """Whether a flow with these fields, values and masks can be of this shape."""
        return (
            terms.keys() <= self.fixed.keys()
            and self.needed <= terms.keys()
            and all(
                counted & ~terms[field][1] == 0 and terms[field][0] & counted == fixed
                for field, (fixed, counted) in self.fixed.items()
                if field in terms
            )
        )

    @property
    def strictness(self) -> int:
        """How many bits are the same in all its flows."""
        return sum(counted.bit_count() for _, counted in self.fixed.values())


class Meanings:
    """What flows are for, in the words of the shapes that they have."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._forms: dict[tuple[str, int], list[_Form]] = defaultdict(list)
        for feature in pipeline.features:
            for shape in feature.shapes:
                form = _Form(pipeline, shape)
                self._forms[feature.name, form.table].append(form)

    def of(self, feature: str, key: bytes) -> str:
        """What a feature's flow with this key is for; "" where that can't be told."""
        table, priority, match = decode_key(key)
        terms = {
            condition.field: (condition.value, condition.field.full if condition.mask is None else condition.mask)
            for condition in match
            if isinstance(condition.field, Field)
        }
        forms = [form for form in self._forms[feature, table] if form.priority in (None, priority) and form.fits(terms)]
        return max(forms, key=lambda form: form.strictness).doc if forms else ""


@cache
def is_thing(kind: type[Record]) -> bool:
    """Whether people know it: it has an id of its own, and not that of another record whose number or status it is."""
    return "id" in kind.__struct_fields__
