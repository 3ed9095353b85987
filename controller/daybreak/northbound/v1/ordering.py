"""rules: the keys of a collection in order, so that a page of it costs no more than a page."""

from bisect import bisect_right
from collections.abc import Iterable


class Keys:
    """Sorted keys. What comes and goes is noted, and sorted in when somebody reads: a bulk of writes sorts once."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._sorted = sorted(keys)
        self._come: set[str] = set()
        self._gone: set[str] = set()

    def add(self, key: str) -> None:
        """A key that was not there."""
        if key in self._gone:
            self._gone.discard(key)
        else:
            self._come.add(key)

    def discard(self, key: str) -> None:
        """A key that was there."""
        if key in self._come:
            self._come.discard(key)
        else:
            self._gone.add(key)

    def page(self, after: str, limit: int) -> list[str]:
        """Up to `limit` keys that follow `after`."""
        if self._gone:
            self._sorted = [key for key in self._sorted if key not in self._gone]
            self._gone.clear()
        if self._come:
            self._sorted += sorted(self._come)
            self._sorted.sort()  # two runs: merged, not sorted anew
            self._come.clear()
        start = bisect_right(self._sorted, after)
        return self._sorted[start : start + limit]
