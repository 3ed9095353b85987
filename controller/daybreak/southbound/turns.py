"""io: who gets the event loop next, when a thousand switches want it at once: bounded work between two of its rounds.

When a controller restarts all switches come back within a second, each with a large answer to read. An event loop
would read them all in one round, and serve nobody else for seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

SLICE: Final = 0.002
"""Seconds of work in one round."""


class Rounds:
    """Calls, one after the other, no more than `SLICE` of them in one round of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def call(self, function: Callable[[], None]) -> None:
        """Call it soon; what it raises goes to the event loop's handler, as with `call_soon`."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(function)

    def _run(self) -> None:
        end = time.monotonic() + SLICE
        try:
            while self._waiting:
                self._waiting[0]()
                self._waiting.popleft()
                if time.monotonic() > end:
                    break
        except BaseException:
            self._waiting.popleft()
            raise
        finally:
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)


class Turns:
    """At most `number` at the same time; a turn that lasts longer than `seconds` no longer keeps others waiting.

    `work` is for what needs the processor and not the switch: whoever has it lets the event loop go round in between.
    """

    def __init__(self, number: int, seconds: float) -> None:
        self.work = asyncio.Lock()
        self._free = asyncio.Semaphore(number)
        self._seconds = seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it's given back at the end, or when its time is over."""
        await self._free.acquire()
        has_ended = False

        def end() -> None:
            nonlocal has_ended
            if not has_ended:
                has_ended = True
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._seconds, end)
        try:
            yield
        finally:
            timer.cancel()
            end()
