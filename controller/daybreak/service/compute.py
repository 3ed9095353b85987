"""io: feeds the engine what the store commits, in order, and passes the waves on.

A small transaction is computed at once, before its commit returns. A large one is computed in slices between which
the event loop goes round; what is committed meanwhile waits for its turn, and whoever reads the engine waits for
`settled`.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable

import structlog

from daybreak.engine.engine import Engine, Wave
from daybreak.store.contract import Committed

AT_ONCE = 50
"""Changes in a transaction that is computed without a pause: a few milliseconds."""

LARGE = 10_000
"""Changes after which the collector is told that what is there now will stay."""

log = structlog.get_logger(__name__)

Listener = Callable[[Committed, Wave], None]


class Compute:
    """The engine's one feeder. `listeners` are called with each wave, when all of it is there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.listeners: list[Listener] = []
        self._queue: deque[Committed] = deque()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None
        self._fed = 0

    @property
    def is_busy(self) -> bool:
        """Whether a wave is under way: then the engine is between two states, and nobody may read it."""
        return self._task is not None

    async def settled(self) -> None:
        """Return when no wave is under way."""
        while self.is_busy:  # the next wave may have begun before we had our turn
            await self._settled.wait()

    def committed(self, committed: Committed) -> None:
        """Feed one transaction; called by the store for each, in order."""
        if self._task is None and len(committed.changes) <= AT_ONCE:
            self._pass_on(committed, self.engine.apply(committed.revision, committed.changes))
            return
        self._queue.append(committed)
        if self._task is None:
            self._settled.clear()
            self._task = asyncio.get_running_loop().create_task(self._work(), name="compute")

    async def _work(self) -> None:
        """Compute what waits, in slices."""
        try:
            while self._queue:
                committed = self._queue.popleft()
                wave = self.engine.feed(committed.revision, committed.changes)
                while True:
                    try:
                        next(wave)
                    except StopIteration as end:
                        self._pass_on(committed, end.value)
                        break
                    await asyncio.sleep(0)
        finally:
            self._task = None
            self._settled.set()

    def _pass_on(self, committed: Committed, wave: Wave) -> None:
        """Tell the listeners, whose mistakes are their own; the next waves must come whatever becomes of this one.

        After much that stays, keep it out of the collector's way: it would pause for nothing.
        """
        for listener in self.listeners:
            try:
                listener(committed, wave)
            except Exception:
                log.exception("a listener failed", listener=repr(listener), revision=wave.revision)
        self._fed += len(committed.changes)
        if self._fed > LARGE:
            self._fed = 0
            gc.freeze()
