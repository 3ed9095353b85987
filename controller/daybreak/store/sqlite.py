"""io: the store in one SQLite file: the embedded default.

Group commit: transactions that arrive while a write is under way are written together, with one fsync, in the order
in which they came.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self, TypeVar, TypeVarTuple, Unpack

from daybreak.model import Pool, Record, Transaction
from daybreak.store.contract import Committed, Compacted, StoreError
from daybreak.store.disk import Batch, Disk, encode, insert, naming
from daybreak.store.kept import Kept
from daybreak.store.ledger import Draft, Ledger

GROUP = 200
"""Rows of one group, unless one transaction has more. A small write waits for what came before it and its own group."""

LOG = 50_000
"""Changes that the log on disk keeps, about."""

TAIL = 10_000
"""Changes that are also kept in memory for those who watch, about."""

QUICK = 0.001
"""Seconds that a small COMMIT may take on the loop: the way to a thread and back costs as much as a good disk does, and
far more where the loop is busy. Slower disks, and groups, are waited for in the thread."""

AGAIN = 1.0
"""Seconds after a slow COMMIT until one is tried on the loop again."""

SMALL = 10
"""Rows of a batch that may be committed on the loop."""

A = TypeVarTuple("A")
T = TypeVar("T")


class Request(NamedTuple):
    """A transaction that someone waits for."""

    txn: Transaction
    done: asyncio.Future[Committed]


class SqliteStore(Kept):
    """A `Store` in a directory of its own. Made with `open`."""

    def __init__(self, disk: Disk, ledger: Ledger, tail: int) -> None:
        super().__init__(ledger, tail)
        self._disk = disk
        self._queue: deque[Request] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._applied = 0
        self._slow_until = 0.0

    @classmethod
    def open(cls, directory: Path, kinds: Iterable[type[Record]], pools: Iterable[Pool] = (), log: int = LOG) -> Self:
        """Lock the directory (made if only its parent is there), load all records, and settle the pools' numbers.

        Blocks: it belongs before the loop has anything else to do. Raises `StoreError`: a directory or file that can't
        be used, is used by another process, or was written by a newer version.
        """
        kinds, pools = tuple(kinds), tuple(pools)
        disk = Disk(directory, (*kinds, *(pool.number for pool in pools)), log)
        try:
            contents = disk.load()
            ledger = Ledger(kinds, pools, contents.records, contents.revision, contents.rests)
            if (draft := ledger.settle()).committed.changes:
                batch = disk.batch([draft], applied=0)
                with naming(disk.path):
                    insert(disk.db, batch)
                    disk.db.execute("COMMIT")
                disk.wrote(batch)
                ledger.adopt(draft)
            return cls(disk, ledger, min(log, TAIL))
        except BaseException:
            disk.close()
            raise

    async def commit(self, txn: Transaction) -> Committed:
        if self._closed:
            raise StoreError(f"{self._disk.path}: the store is closed")
        request = Request(txn, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await request.done

    def release(self, applied: int) -> None:
        # On disk it takes effect with the next write: to forget it in a crash only makes numbers rest longer.
        super().release(applied)
        self._applied = max(self._applied, applied)

    async def close(self) -> None:
        self._closed = True
        if self._writer is not None:
            await self._writer
        self._feed.close()
        self._thread.shutdown()
        self._disk.close()

    async def _write(self) -> None:
        try:
            while self._queue:
                await self._write_group(self._next_group())
        finally:
            self._writer = None

    def _next_group(self) -> list[Request]:
        """The oldest requests, as many as a group takes. Who was cancelled while he waited is left out."""
        group: list[Request] = []
        size = 0
        while self._queue and (not group or size + _size(self._queue[0].txn) <= GROUP):
            request = self._queue.popleft()
            if not request.done.done():
                group.append(request)
                size += _size(request.txn)
        return group

    async def _write_group(self, group: Sequence[Request]) -> None:
        outcomes: list[Draft | Exception] = [self._decide(request.txn) for request in group]
        drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft) and outcome.committed.changes]
        try:
            if drafts:
                batch = self._disk.batch(drafts, self._applied)
                await self._persist(batch)
                self._disk.wrote(batch)
        except Exception as error:
            self._ledger.discard()
            outcomes = [error] * len(group)
        else:
            for draft in drafts:
                self._ledger.adopt(draft)
                self._feed.publish(draft.committed)
        for request, outcome in zip(group, outcomes, strict=True):
            _answer(request.done, outcome)

    def _decide(self, txn: Transaction) -> Draft | Exception:
        try:
            for record in txn.put:  # what can't be written must fail alone, before numbers are given out for it
                encode(record)
            return self._ledger.draft(txn)
        except Exception as error:
            return error

    async def _persist(self, batch: Batch) -> None:
        """Make a batch durable, or raise `StoreError` and leave the database as it was.

        Rows go into SQLite's cache here on the loop, for a thread that inserts them would ask for the interpreter's
        lock again after each row; what may wait long for the disk is done in the thread (bench/commit.py compares the
        places).
        """
        db, loop = self._disk.db, asyncio.get_running_loop()
        with naming(self._disk.path):
            try:
                insert(db, batch)
                began = loop.time()
                is_small = not self._queue and len(batch.puts) + len(batch.deletes) <= SMALL
                if not is_small or began < self._slow_until:
                    await self._in_thread(db.execute, "COMMIT")
                    return
                db.execute("COMMIT")
                if loop.time() - began > QUICK:
                    self._slow_until = loop.time() + AGAIN
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    async def _older(self, after: int) -> Sequence[Committed]:
        if self._closed:
            raise StoreError(f"{self._disk.path}: the store is closed")
        page = await self._in_thread(self._disk.log, after, self.revision)
        if not page:
            raise Compacted(after)
        return page

    async def _in_thread(self, call: Callable[[Unpack[A]], T], *arguments: *A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


def _size(txn: Transaction) -> int:
    return len(txn.put) + len(txn.delete)


def _answer(done: asyncio.Future[Committed], outcome: Draft | Exception) -> None:
    if done.done():  # whoever waited was cancelled; the transaction took effect all the same
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome.committed)
