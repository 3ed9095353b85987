"""io: the store without a disk: for tests, and for trying things out. Nothing survives the process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from daybreak.model import Pool, Record, Transaction
from daybreak.store.contract import Committed, Compacted, R, StoreError
from daybreak.store.feed import Feed
from daybreak.store.ledger import Ledger


class MemoryStore:
    """A `Store` in memory. `log` is how many changes a watch can go back, about."""

    def __init__(self, kinds: Iterable[type[Record]], pools: Iterable[Pool] = (), log: int = 10_000) -> None:
        self._ledger = Ledger(kinds, pools)
        self._feed = Feed(0, log)
        self._closed = False

    @property
    def revision(self) -> int:
        return self._ledger.revision

    def get(self, kind: type[R], key: str) -> R | None:
        return self._ledger.get(kind, key)

    def rows(self, kind: type[R]) -> Mapping[str, R]:
        return self._ledger.rows(kind)

    async def commit(self, txn: Transaction) -> Committed:
        if self._closed:
            raise StoreError("the store is closed")
        draft = self._ledger.draft(txn)
        if draft.committed.changes:
            self._ledger.adopt(draft)
            self._feed.publish(draft.committed)
        await asyncio.sleep(0)  # let others run, as every store does that waits for a disk
        return draft.committed

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        return self._feed.subscribe(callback)

    def watch(self, after: int) -> AsyncIterator[Committed]:
        return self._feed.follow(after, self._older)

    def release(self, applied: int) -> None:
        self._ledger.release(applied)

    async def close(self) -> None:
        self._closed = True
        self._feed.close()

    async def _older(self, after: int) -> Sequence[Committed]:
        raise Compacted(after)
