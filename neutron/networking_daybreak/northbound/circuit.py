"""rules: when to try a controller that is away again: after a delay that doubles up to a limit, with jitter."""

from collections.abc import Callable

SHORTEST, LONGEST = 0.2, 3.0
"""Seconds between two tries. A controller that is back is found before anybody asks where it is."""


class Circuit:
    """Closed: requests flow. Open: nobody asks until the next try is due. `random` gives numbers from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.reason: str | None = None
        self.since: float | None = None
        self.due = 0.0
        self._delay = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the controller is away."""
        return self.reason is not None

    def failed(self, reason: str, now: float) -> None:
        """A try went wrong."""
        if self.reason is None:
            self.since, self._delay = now, 0.0
        self.reason = reason
        self._delay = min(LONGEST, max(SHORTEST, self._delay * 2))
        self.due = now + self._delay * (0.5 + self._random() / 2)

    def succeeded(self) -> None:
        """A try went well."""
        self.reason = self.since = None
        self._delay = 0.0


def backoff(attempts: int, random: Callable[[], float]) -> float:
    """Seconds until a single object is sent again after so many attempts that the controller failed at."""
    return min(300.0, 2.0**attempts) * (0.5 + random() / 2)
