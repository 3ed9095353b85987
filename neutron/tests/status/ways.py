"""io: how tests wait."""

from collections.abc import Callable
from typing import Any

from daybreak_lab import wait_for

DEADLINE = 60.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""


def until(what: str, ask: Callable[[], Any], timeout: float = DEADLINE) -> Any:
    """Ask until the answer is true, and return it."""
    return wait_for(what, ask, timeout)
