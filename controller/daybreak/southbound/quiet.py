"""rules: whose trouble is not told again: switches that are refused try again each second."""

from __future__ import annotations

from typing import Final

QUIET_SECONDS: Final = 60.0
"""How long nothing more is logged about an address."""
REMEMBERED: Final = 1024
"""Addresses that are remembered for this."""


class Quiet:
    """Addresses of which something was said lately."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def is_news(self, address: str, now: float) -> bool:
        """Whether to say something of an address: once a minute. `now` is in seconds of any clock."""
        if self._until.get(address, now) > now:
            return False
        self._until.pop(address, None)
        if len(self._until) >= REMEMBERED:
            del self._until[next(iter(self._until))]  # the oldest: dictionaries keep their order
        self._until[address] = now + QUIET_SECONDS
        return True
