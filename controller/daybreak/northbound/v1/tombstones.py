"""rules: which origins have outlived their objects for long enough.

An origin of a deleted object keeps late updates from reviving it. It can go when nothing that was sent before the
deletion can still be under way, or when there are too many.
"""

from collections.abc import Iterable
from itertools import islice

from daybreak.model import Change
from daybreak.model.origin import Origin

KEPT = 100_000
"""Tombstones at most."""

SECONDS = 7 * 86_400
"""How long one is kept at most."""

AT_ONCE = 200
"""Tombstones that one transaction takes away at most, so that none is slow because of them."""


class Tombstones:
    """The origins of deleted objects, the oldest first."""

    def __init__(self, origins: Iterable[Origin] = ()) -> None:
        dead = ((each.deleted_at, each.key) for each in origins if each.deleted_at is not None)
        self._since = {key: at for at, key in sorted(dead)}

    def __len__(self) -> int:
        return len(self._since)

    def follow(self, changes: Iterable[Change]) -> None:
        """Origins changed."""
        for kind, key, _, new in changes:
            if kind is Origin:
                self._since.pop(key, None)
                if isinstance(new, Origin) and new.deleted_at is not None:
                    self._since[key] = new.deleted_at

    def expired(self, now: int, kept: int = KEPT, seconds: int = SECONDS) -> list[str]:
        """Keys of some that may go. `now`: seconds since 1970."""
        over = len(self._since) - kept
        oldest = enumerate(islice(self._since.items(), AT_ONCE))
        return [key for number, (key, at) in oldest if number < over or at <= now - seconds]
