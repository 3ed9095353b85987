"""rules: which number an owner gets. The state follows from the records, and from which numbers rest."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from daybreak.model import Change, Number, Pool, Record
from daybreak.store.contract import Exhausted

Read = Callable[[type[Record], str], Record | None]
"""Looks up the newest record of a kind and key."""


class Plan(NamedTuple):
    """What one transaction does to a pool. Nothing has happened until it is absorbed."""

    changes: list[Change]
    claims: dict[int, int]
    """By how many more owners a value is brought than before."""
    holders: dict[int, str | None]
    """To whom a value is given out from now on."""
    drawn: list[int]
    """Free values that were looked at; they stay free if the plan is abandoned."""


class Allocator:
    """One pool's numbers.

    A value is *claimed* by the owners that bring it, or *held* by the one owner that it was given to, or it *rests*
    since the revision that freed it, or it is free. A claimed value is never held: the holder gets another one.
    """

    def __init__(
        self,
        pool: Pool,
        owners: Mapping[str, Record],
        numbers: Mapping[str, Number],
        resting: Mapping[int, int],
    ) -> None:
        self._pool = pool
        self._claims: dict[int, int] = {}
        self._holders: dict[int, str] = {}
        self._resting = dict(resting)
        self._rest_order = deque(sorted((revision, value) for value, revision in resting.items()))
        # Every free value below _next is in the heap _free, perhaps among others that are not free any more.
        self._free: list[int] = []
        self._next = pool.low
        for owner in owners.values():
            if (given := pool.given(owner)) is not None:
                self._claims[given] = self._claims.get(given, 0) + 1
        for key, number in numbers.items():
            if key in owners and number.value not in self._claims:
                self._holders.setdefault(number.value, key)

    @property
    def resting(self) -> Mapping[int, int]:
        """Values that were freed, with the revision that freed them. One that was claimed since may still be there."""
        return self._resting

    def plan(self, owners: Mapping[str, tuple[Record | None, Record | None]], read: Read) -> Plan:
        """What follows where each of `owners` changes from (old) to (new). Raises `Exhausted`."""
        plan = Plan([], self._claimed(owners.values()), {}, [])
        evicted = {self._holders[value] for value, more in plan.claims.items() if more > 0 and value in self._holders}
        try:
            for key, (_, owner) in owners.items():
                self._provide(key, owner, read, plan)
            for key in sorted(evicted - owners.keys()):
                self._provide(key, read(self._pool.owner, key), read, plan)
        except BaseException:
            self.abandon(plan)
            raise
        return plan

    def settle(self, owners: Mapping[str, Record], numbers: Mapping[str, Number], read: Read) -> Plan:
        """What is missing or left over after a start, say because the pool is new or is asked for by other owners."""
        odd = {key: (owner, owner) for key, owner in owners.items() if self._is_odd(owner, numbers.get(key))}
        orphans = dict.fromkeys(sorted(numbers.keys() - owners.keys()), (None, None))
        return self.plan({**odd, **orphans}, read)

    def absorb(self, plan: Plan, revision: int) -> list[int]:
        """Let a plan happen. Returns the values that rest from now on."""
        for value, more in plan.claims.items():
            count = self._claims.pop(value, 0) + more
            if count:
                self._claims[value] = count
        for value, holder in plan.holders.items():
            self._holders.pop(value, None)
            if holder is not None:
                self._holders[value] = holder
        left = {value for value in (*plan.claims, *plan.holders) if not self._is_used(value)}
        rested = sorted(value for value in left if self._pool.low <= value <= self._pool.high)
        for value in rested:
            self._resting[value] = revision
            self._rest_order.append((revision, value))
        return rested

    def abandon(self, plan: Plan) -> None:
        """Forget a plan."""
        for value in plan.drawn:
            heapq.heappush(self._free, value)

    def release(self, applied: int) -> None:
        """Values freed up to this revision may be given out again."""
        while self._rest_order and self._rest_order[0][0] <= applied:
            revision, value = self._rest_order.popleft()
            if self._resting.get(value) == revision:
                del self._resting[value]
                if value < self._next:
                    heapq.heappush(self._free, value)

    def _claimed(self, owners: Iterable[tuple[Record | None, Record | None]]) -> dict[int, int]:
        claims: dict[int, int] = {}
        for change in owners:
            for owner, more in zip(change, (-1, +1), strict=True):
                if owner is not None and (given := self._pool.given(owner)) is not None:
                    claims[given] = claims.get(given, 0) + more
        return claims

    def _provide(self, key: str, owner: Record | None, read: Read, plan: Plan) -> None:
        number = read(self._pool.number, key)
        held = number.value if isinstance(number, Number) else None
        if held is not None and self._holders.get(held) == key:
            plan.holders[held] = None
        value = self._choose(key, owner, held, plan)
        if value != held:
            new = None if value is None else self._pool.number(owner=key, value=value)
            plan.changes.append(Change(self._pool.number, key, number, new))

    def _choose(self, key: str, owner: Record | None, held: int | None, plan: Plan) -> int | None:
        if owner is None or not self._pool.needs(owner):
            return None
        if (given := self._pool.given(owner)) is not None:
            return given
        wished = self._pool.prefers(owner)
        if wished is not None and wished not in self._resting and self._may_keep(wished, key, plan):
            value = wished
        else:
            value = held if held is not None and self._may_keep(held, key, plan) else self._draw(plan)
        plan.holders[value] = key
        return value

    def _may_keep(self, value: int, key: str, plan: Plan) -> bool:
        claimed = self._claims.get(value, 0) + plan.claims.get(value, 0) > 0
        holder = plan.holders[value] if value in plan.holders else self._holders.get(value)
        return self._pool.low <= value <= self._pool.high and not claimed and holder in (None, key)

    def _draw(self, plan: Plan) -> int:
        """The lowest value that is free before and after the plan."""
        while True:
            if self._free:
                value = heapq.heappop(self._free)
            elif self._next <= self._pool.high:
                value = self._next
                self._next += 1
            else:
                raise Exhausted(self._pool)
            if self._is_used(value) or value in self._resting:
                continue
            plan.drawn.append(value)
            if value not in plan.claims and value not in plan.holders:
                return value

    def _is_used(self, value: int) -> bool:
        return value in self._claims or value in self._holders

    def _is_odd(self, owner: Record, number: Number | None) -> bool:
        if not self._pool.needs(owner):
            return number is not None
        if number is None:
            return True
        value = number.value
        given = self._pool.given(owner)
        if given is not None:
            return value != given
        return self._holders.get(value) != number.owner or not self._pool.low <= value <= self._pool.high
