"""rules: transactions on records in memory: comparison, what really changes, numbers. Every backend uses this one.

A transaction is first drafted, which decides it on top of all earlier drafts, then written down by the backend, then
adopted, which is when readers see it. Drafts that could not be written are discarded together.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, cast

from daybreak.model import Change, Number, Pool, Record, Transaction
from daybreak.store.contract import Committed, Conflict, R
from daybreak.store.numbers import Allocator, Plan


class Rest(NamedTuple):
    """A number that was freed, and by which revision."""

    number: type[Number]
    value: int
    revision: int


class Draft(NamedTuple):
    """A transaction that was decided and is not durable yet."""

    committed: Committed
    rests: tuple[Rest, ...]


class Ledger:
    """All records, and the drafts on top of them.

    `kinds` are the kinds of record besides the pools' numbers; `records`, `revision` and `rests` are what the backend
    had kept. Raises `ValueError` where kinds or pools contradict each other.
    """

    def __init__(
        self,
        kinds: Iterable[type[Record]],
        pools: Iterable[Pool] = (),
        records: Iterable[Record] = (),
        revision: int = 0,
        rests: Iterable[Rest] = (),
    ) -> None:
        pools = tuple(pools)
        self._pools = {pool.number: pool for pool in pools}
        self._rows: dict[type[Record], dict[str, Record]] = {kind: {} for kind in (*kinds, *self._pools)}
        if len({kind.kind for kind in self._rows}) < len(self._rows):
            raise ValueError("two kinds have the same name")
        if len(self._pools) < len(pools) or not all(pool.owner in self._rows for pool in pools):
            raise ValueError("each pool needs a kind of number of its own, and an owner of a known kind")
        for record in records:
            self._rows[type(record)][record.key] = record
        self.revision = revision
        self._drafted = revision
        self._pending: dict[tuple[type[Record], str], tuple[int, Record | None]] = {}
        self._allocators: dict[type[Number], Allocator] = {}
        self._build_allocators(rests)

    def get(self, kind: type[R], key: str) -> R | None:
        """The adopted record."""
        return cast(R | None, self._rows[kind].get(key))

    def rows(self, kind: type[R]) -> Mapping[str, R]:
        """The adopted records of a kind: a live view."""
        return MappingProxyType(cast(dict[str, R], self._rows[kind]))

    @property
    def rests(self) -> Iterator[Rest]:
        """The numbers that can't be given out yet."""
        for number, allocator in self._allocators.items():
            for value, revision in allocator.resting.items():
                yield Rest(number, value, revision)

    def draft(self, txn: Transaction) -> Draft:
        """Decide a transaction. Raises `Conflict`, `Exhausted`, or `ValueError` for what no writer may ask for."""
        for expect in txn.expect:
            if expect.kind not in self._rows:
                raise ValueError(f"{expect.kind.__name__} is not a kind that is kept here")
            if self._newest(expect.kind, expect.key) != expect.record:
                raise Conflict(expect)
        changes = self._changes(txn)
        owners: dict[type[Record], dict[str, tuple[Record | None, Record | None]]] = {}
        for kind, key, old, new in changes:
            owners.setdefault(kind, {})[key] = old, new
        return self._enter(changes, self._plans(owners))

    def settle(self) -> Draft:
        """Give numbers to the owners that lack one, and take them from those that need none, after a start."""
        plans: dict[type[Number], Plan] = {}
        for number, pool in self._pools.items():
            plans[number] = self._allocators[number].settle(self.rows(pool.owner), self.rows(number), self._newest)
        return self._enter([], plans)

    def adopt(self, draft: Draft) -> None:
        """The oldest draft is durable: show it to readers."""
        self.revision = draft.committed.revision
        for kind, key, _, new in draft.committed.changes:
            if new is None:
                del self._rows[kind][key]
            else:
                self._rows[kind][key] = new
            if self._pending[kind, key][0] == self.revision:
                del self._pending[kind, key]

    def discard(self) -> None:
        """Forget all drafts that were not adopted."""
        self._pending.clear()
        self._drafted = self.revision
        self._build_allocators([rest for rest in self.rests if rest.revision <= self.revision])

    def release(self, applied: int) -> None:
        """Numbers freed up to revision `applied` may be given out again."""
        for allocator in self._allocators.values():
            allocator.release(applied)

    def _build_allocators(self, rests: Iterable[Rest]) -> None:
        resting: dict[type[Number], dict[int, int]] = {number: {} for number in self._pools}
        for number, value, revision in rests:
            resting[number][value] = revision
        for number, pool in self._pools.items():
            self._allocators[number] = Allocator(pool, self.rows(pool.owner), self.rows(number), resting[number])

    def _newest(self, kind: type[Record], key: str) -> Record | None:
        if (kind, key) in self._pending:
            return self._pending[kind, key][1]
        return self._rows[kind].get(key)

    def _changes(self, txn: Transaction) -> list[Change]:
        wanted: dict[tuple[type[Record], str], Record | None] = dict.fromkeys(txn.delete)
        for record in txn.put:
            wanted[type(record), record.key] = record
        changes = []
        for (kind, key), new in wanted.items():
            if kind not in self._rows or kind in self._pools:
                raise ValueError(f"{kind.__name__} is not a kind that can be written here")
            old = self._newest(kind, key)
            if old != new:
                changes.append(Change(kind, key, old, new))
        return changes

    def _plans(
        self, owners: Mapping[type[Record], Mapping[str, tuple[Record | None, Record | None]]]
    ) -> dict[type[Number], Plan]:
        plans: dict[type[Number], Plan] = {}
        try:
            for number, pool in self._pools.items():
                if pool.owner in owners:
                    plans[number] = self._allocators[number].plan(owners[pool.owner], self._newest)
        except BaseException:
            for number, plan in plans.items():
                self._allocators[number].abandon(plan)
            raise
        return plans

    def _enter(self, changes: list[Change], plans: Mapping[type[Number], Plan]) -> Draft:
        changes = [*changes, *(change for plan in plans.values() for change in plan.changes)]
        if not changes:
            return Draft(Committed(self._drafted, ()), ())
        self._drafted += 1
        rests = []
        for number, plan in plans.items():
            values = self._allocators[number].absorb(plan, self._drafted)
            rests += [Rest(number, value, self._drafted) for value in values]
        for kind, key, _, new in changes:
            self._pending[kind, key] = self._drafted, new
        return Draft(Committed(self._drafted, tuple(changes)), tuple(rests))
