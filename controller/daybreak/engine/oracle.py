"""rules: the full recompute: what the increments gave must be what the same rules give from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.engine.engine import Engine
from daybreak.engine.memo import pairs
from daybreak.engine.view import CheckedView
from daybreak.model import Change


def recompute(engine: Engine) -> Engine:
    """A second engine with the same records, computed from nothing, in another order, with every read checked."""
    fresh = Engine(engine.pipeline, view=CheckedView)
    changes = [
        Change(kind, key, None, record)
        for kind, rows in reversed(list(engine.records.items()))
        for key, record in reversed(list(rows.items()))
    ]
    fresh.apply(engine.revision, changes)
    return fresh


def differences(engine: Engine) -> list[str]:
    """Where the engine is not what a full recompute gives; [] when all is well."""
    fresh = recompute(engine)
    return [
        *_of_mappings("flows of", _flows(engine), _flows(fresh)),
        *_of_mappings("relation", _relations(engine), _relations(fresh)),
        *_of_mappings("failure of", _failures(engine), _failures(fresh)),
        *_of_mappings("conflict on", _conflicts(engine), _conflicts(fresh)),
        *_of_mappings("memo", _memos(engine), _memos(fresh)),
    ]


def _of_mappings(what: str, incremental: Mapping[Any, Any], full: Mapping[Any, Any]) -> Iterator[str]:
    for key in incremental.keys() | full.keys():
        if incremental.get(key) != full.get(key):
            yield f"{what} {key}: incremental {incremental.get(key)!r}, full {full.get(key)!r}"


def _flows(engine: Engine) -> dict[str, Mapping[bytes, bytes]]:
    return {name: topic.flows for name, topic in engine.topics.items() if topic.flows}


def _relations(engine: Engine) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (relation.name, key): engine.values(relation, key)
        for relation, rows in engine.relations.items()
        for key in rows
    }


def _failures(engine: Engine) -> dict[str, str | None]:
    return {repr(memo): memo.failure for memo in engine.failures.values()}


def _conflicts(engine: Engine) -> dict[tuple[str, bytes], dict[int, bytes]]:
    return {(topic.name, key): bodies for (topic, key), bodies in engine.conflicts.items()}


def _memos(engine: Engine) -> dict[str, frozenset[Any]]:
    return {repr(memo): frozenset(pairs(memo.reads)) for memo in engine.memos.values()}


def overlaps(engine: Engine, subscribed: Mapping[str, frozenset[str]]) -> list[str]:
    """Flow keys that stand in two topics of one host: a switch could have only one of them. [] when all is well."""
    return [text for host, names in subscribed.items() for text in _overlaps(engine, host, names)]


def _overlaps(engine: Engine, host: str, names: frozenset[str]) -> Iterator[str]:
    owner: dict[bytes, str] = {}
    for name in sorted(names):
        topic = engine.topics.get(name)
        for key in topic.flows if topic else ():
            if owner.setdefault(key, name) != name:
                yield f"{host}: {owner[key]} and {name} have the same flow {key.hex()}"
