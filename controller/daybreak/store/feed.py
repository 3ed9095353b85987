"""io: who is told of a commit, and where a watch goes on. No gaps, no duplicates, bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from daybreak.store.contract import Committed, Compacted

Older = Callable[[int], Awaitable[Sequence[Committed]]]
"""Reads some revisions, at least one, that follow the given one from the backend's log. Raises `Compacted`."""


class Feed:
    """The newest revisions, about `limit` changes of them, and those who follow."""

    def __init__(self, revision: int, limit: int) -> None:
        self._last = revision
        self._first = revision + 1
        self._tail: dict[int, Committed] = {}
        self._changes = 0
        self._limit = limit
        self._callbacks: dict[object, Callable[[Committed], None]] = {}
        self._news = asyncio.Event()
        self._closed = False

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call back for each revision from now on; returns what ends it."""
        token = object()
        self._callbacks[token] = callback

        def end() -> None:
            self._callbacks.pop(token, None)

        return end

    def publish(self, committed: Committed) -> None:
        """The next revision."""
        self._last = committed.revision
        self._tail[committed.revision] = committed
        self._changes += len(committed.changes)
        while self._changes > self._limit and len(self._tail) > 1:
            self._changes -= len(self._tail.pop(self._first).changes)
            self._first += 1
        for callback in tuple(self._callbacks.values()):
            self._call(callback, committed)
        self._wake()

    def close(self) -> None:
        """End every watch, once it has seen all there is."""
        self._closed = True
        self._wake()

    async def follow(self, after: int, older: Older) -> AsyncIterator[Committed]:
        """Every revision after `after`: from the tail where it reaches that far, else from the backend's log."""
        if after > self._last:
            raise Compacted(after)
        while True:
            if after == self._last:
                if self._closed:
                    return
                await self._news.wait()
            elif after + 1 >= self._first:
                after += 1
                yield self._tail[after]
            else:
                for committed in await older(after):
                    after = committed.revision
                    yield committed

    def _call(self, callback: Callable[[Committed], None], committed: Committed) -> None:
        try:
            callback(committed)
        except Exception as error:  # a reader's fault is not the writer's
            context = {"message": "a subscriber of the store failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
