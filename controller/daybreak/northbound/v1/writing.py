"""io: carrying out what clients of the modern API ask for, in one transaction, and waiting for the switches."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import NamedTuple, TypeVar

from daybreak.model import Record
from daybreak.northbound.v1.answers import Operation, Outcome, Written
from daybreak.northbound.v1.deciding import Author, Draft
from daybreak.northbound.v1.digests import fingerprint
from daybreak.northbound.v1.index import Index
from daybreak.northbound.v1.progress import Switches
from daybreak.northbound.v1.reading import read_id, read_record
from daybreak.northbound.values import Invalid, expected
from daybreak.store.contract import Conflict, Store

SLICE = 50
"""Operations that are looked at before others get their turn: a few milliseconds of the loop."""

T = TypeVar("T")


class Step(NamedTuple):
    """An operation that was understood; `record` None: a deletion."""

    kind: type[Record]
    id: str
    record: Record | None
    revision: int | None


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Each item; between slices of them others get their turn."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)


async def understood(kinds: Mapping[str, type[Record]], operations: Iterable[Operation]) -> list[Step]:
    """The operations of a transaction. The first that can't be taken refuses all: raises `Invalid`."""
    steps: list[Step] = []
    async for operation in in_slices(operations):
        try:
            steps.append(step(kinds, operation))
        except Invalid as invalid:
            raise invalid.at(f"[{len(steps)}]").at("operations") from None
    return steps


def step(kinds: Mapping[str, type[Record]], operation: Operation) -> Step:
    put, delete = operation.put, operation.delete
    if put is not None and delete is None:
        try:
            record = read_record(known(kinds, put.kind), put.body)
            encodable(record)
        except Invalid as invalid:
            raise invalid.at("put") from None
        return Step(type(record), record.key, record, put.revision)
    if delete is not None and put is None:
        try:
            return Step(known(kinds, delete.kind), read_id(delete.id), None, delete.revision)
        except Invalid as invalid:
            raise invalid.at("delete") from None
    raise Invalid("say either put or delete")


def known(kinds: Mapping[str, type[Record]], kind: str) -> type[Record]:
    if kind not in kinds:
        raise expected(f"one of {', '.join(kinds)}", kind).at("kind")
    return kinds[kind]


class Writer:
    """Writes to a store. `index` knows which tombstones may go."""

    def __init__(self, store: Store, index: Index, switches: Switches) -> None:
        self._store = store
        self._index = index
        self._switches = switches
        self._is_expiring = False

    async def write(self, steps: list[Step], author: Author, seconds: float | None) -> Written:
        """Carry out all steps or none; `seconds`: wait so long for the switches, None: don't. Raises `Fenced`."""
        if seconds is None:
            return await self._commit(steps, author)
        watch = self._switches.watch()
        try:
            written = await self._commit(steps, author)
            objects = [
                (each.kind, each.id)
                for each, outcome in zip(steps, written.outcomes, strict=True)
                if outcome.outcome != "stale"
            ]
            pending = await watch.applied(written.revision, objects, seconds)
        finally:
            watch.close()
        return Written(written.revision, written.outcomes, not pending, pending)

    async def _commit(self, steps: list[Step], author: Author) -> Written:
        """Carry out all steps or none.

        Tombstones go with one transaction at a time, in its first try: several would take the same ones, and conflict.
        """
        may_expire = True
        while True:
            now = int(time.time())
            draft = Draft(self._store.get, author, now)
            outcomes: list[Outcome] = []
            async for kind, id, record, revision in in_slices(steps):
                outcomes.append(draft.delete(kind, id, revision) if record is None else draft.put(record, revision))
            expires = may_expire and not self._is_expiring
            if expires:
                draft.expire(self._index.tombstones.expired(now))
                self._is_expiring = True
            try:
                committed = await self._store.commit(draft.transaction())
            except Conflict:
                may_expire = False
                continue  # somebody else wrote meanwhile: decide anew
            finally:
                if expires:
                    self._is_expiring = False
            return Written(committed.revision, tuple(outcomes))


def encodable(record: Record) -> None:
    """What can't be kept is refused before anything is done."""
    try:
        fingerprint(record)
    except (UnicodeEncodeError, OverflowError) as error:
        raise Invalid(str(error), record.kind) from None
