"""io: the store without a disk: for tests, and for trying things out. Nothing survives the process."""

import asyncio
from collections.abc import Iterable, Sequence

from daybreak.model import Pool, Record, Transaction
from daybreak.store.contract import Committed, Compacted, StoreError
from daybreak.store.kept import Kept
from daybreak.store.ledger import Ledger


class MemoryStore(Kept):
    """A `Store` in memory. `log` is how many changes a watch can go back, about."""

    def __init__(self, kinds: Iterable[type[Record]], pools: Iterable[Pool] = (), log: int = 10_000) -> None:
        super().__init__(Ledger(kinds, pools), log)

    async def commit(self, txn: Transaction) -> Committed:
        if self._closed:
            raise StoreError("the store is closed")
        draft = self._ledger.draft(txn)
        if draft.committed.changes:
            self._ledger.adopt(draft)
            self._feed.publish(draft.committed)
        await asyncio.sleep(0)  # let others run, as every store does that waits for a disk
        return draft.committed

    async def close(self) -> None:
        self._closed = True
        self._feed.close()

    async def _older(self, after: int) -> Sequence[Committed]:
        raise Compacted(after)
