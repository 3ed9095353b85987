"""rules: why a flow is there: what a memo comes from, and what follows from a record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any

from daybreak.engine.engine import Engine, triples
from daybreak.engine.memo import Memo, Topic, pairs
from daybreak.engine.rule import Relation
from daybreak.model import Record

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


@cache
def is_thing(kind: type[Record]) -> bool:
    """Whether people know it: it has an id of its own, and not that of another record whose number or status it is."""
    return "id" in kind.__struct_fields__
