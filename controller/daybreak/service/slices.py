"""io: long work in slices, between which the event loop goes round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 100
"""Things that are looked at between two turns of the event loop: some milliseconds."""


async def paced(items: Iterable[T], size: int = SLICE) -> AsyncIterator[T]:
    """Each item; between slices of them others get their turn. `items` must bear being changed meanwhile."""
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            await asyncio.sleep(0)
