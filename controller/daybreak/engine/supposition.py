"""rules: an engine that supposes: what another one would say if some records were different.

It reads the other one's rows, memos and flows, and keeps what becomes different to itself, so that a transaction can be
computed to its end and thrown away. What is supposed costs what it would cost in earnest; what stays as it is costs
nothing. The other engine must not be fed meanwhile: then what this one says is of two worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, TypeVar

from daybreak.engine.engine import Engine, Wave
from daybreak.engine.memo import Memo, Topic, pairs
from daybreak.model import Change, Number, Pool, Record

K = TypeVar("K")
V = TypeVar("V")

GONE: Any = object()


class Layer(MutableMapping[K, V]):
    """A mapping on top of another, which is never written to. `copied` makes a value that may be changed in place."""

    def __init__(self, base: Mapping[K, V], copied: Callable[[V], V] | None = None) -> None:
        self._base = base
        self._own: dict[K, V] = {}
        self._copied = copied

    def __getitem__(self, key: K) -> V:
        if key in self._own:
            value = self._own[key]
            if value is GONE:
                raise KeyError(key)
            return value
        value = self._base[key]
        if self._copied is not None:
            value = self._own[key] = self._copied(value)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._own[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._own[key] = GONE

    def __contains__(self, key: object) -> bool:
        if key in self._own:
            return self._own[key] is not GONE
        return key in self._base

    def __iter__(self) -> Iterator[K]:
        for key in self._base:
            if key not in self._own:
                yield key
        for key, value in self._own.items():
            if value is not GONE:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), GONE) is not GONE


class _Layers(dict[Any, Any]):
    """A layer for each key, made when it is first asked for."""

    def __init__(self, base: Mapping[Any, Any], copied: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self._base = base
        self._copied = copied

    def __missing__(self, key: Any) -> Any:
        layer = self[key] = Layer(self._base.get(key, {}), self._copied)
        return layer


class Shift(NamedTuple):
    """A flow of a topic that would be another: its body before (None: not there) and after (None: gone)."""

    topic: str
    key: bytes
    before: bytes | None
    after: bytes | None


class Supposition(Engine):
    """An engine on top of another one. Its topics' flows, relations and memos are to be read as that one's."""

    def __init__(self, base: Engine) -> None:
        self._base = base
        super().__init__(base.pipeline)
        for dirty in self._dirty:
            dirty.clear()

    def _begin(self) -> None:
        base = self._base
        self.revision = base.revision
        self.records = _Layers(base.records)
        self.relations = _Layers(base.relations, lambda values: values if type(values) is tuple else dict(values))
        self.topics = Layer(base.topics, _topic)
        self.memos = Layer(base.memos, self._memo)
        self.failures = Layer(base.failures)
        self.conflicts = {(self._own(topic), key): dict(rivals) for (topic, key), rivals in base.conflicts.items()}
        self._readers = _Layers(base._readers, set)

    def _own(self, topic: Topic) -> Topic:
        found = self.topics.get(topic.name)
        if found is None:
            found = self.topics[topic.name] = Topic(topic.name)
        return found

    def _memo(self, memo: Memo) -> Memo:
        """A memo whose flows are in our topics."""
        copy = Memo(memo.rule, memo.key, memo.cookie)
        copy.facts, copy.reads, copy.failure = memo.facts, memo.reads, memo.failure
        copy.flows = tuple(part for topic, key in pairs(memo.flows) for part in (self._own(topic), key))
        return copy

    def shifts(self, wave: Wave) -> list[Shift]:
        """The flows that a wave of this engine would change."""
        found = []
        for topic, keys in wave.flows.items():
            base = self._base.topics.get(topic.name)
            before: Mapping[bytes, bytes] = base.flows if base is not None else {}
            for key in keys:
                old, new = before.get(key), topic.flows.get(key)
                if old != new:
                    found.append(Shift(topic.name, key, old, new))
        return found


def _topic(topic: Topic) -> Topic:
    copy = Topic(topic.name)
    copy.flows = Layer(topic.flows)
    return copy


def changes_of(engine: Engine, rows: Mapping[tuple[type[Record], str], Record | None]) -> list[Change]:
    """What rows that are put or (with None) deleted change, and the numbers that come and go with them.

    Which number a new owner gets is a guess: one that is free now. ValueError where a pool has none left.
    """
    found = [
        Change(kind, key, old, new)
        for (kind, key), new in rows.items()
        if (old := engine.records.get(kind, {}).get(key)) != new
    ]
    return [*found, *(change for pool in engine.pipeline.pools for change in _numbers(engine, pool, found))]


def _numbers(engine: Engine, pool: Pool, changes: Iterable[Change]) -> Iterator[Change]:
    """What changes in a pool, as the store's writer would have it."""
    numbers = engine.records[pool.number]
    taken: set[int] = set()
    for kind, key, _, owner in changes:
        if kind is not pool.owner:
            continue
        number = numbers.get(key)
        held = number.value if isinstance(number, Number) else None
        value = None
        if owner is not None and pool.needs(owner):
            value = pool.given(owner)
            if value is None:
                taken = taken or {each.value for each in numbers.values() if isinstance(each, Number)}
                value = _free(pool, pool.prefers(owner), held, taken)
                taken.add(value)
        if value != held:
            yield Change(pool.number, key, number, None if value is None else pool.number(owner=key, value=value))


def _free(pool: Pool, preferred: int | None, held: int | None, taken: set[int]) -> int:
    if preferred is not None and (preferred == held or preferred not in taken):
        return preferred
    if held is not None:
        return held
    value = next((value for value in range(pool.low, pool.high + 1) if value not in taken), None)
    if value is None:
        raise ValueError(f"no {pool.number.kind} is left")
    return value
