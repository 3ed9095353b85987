"""io: what all stores have in common: a ledger that is read, and a feed that tells of commits."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from daybreak.store.contract import Committed, R
from daybreak.store.feed import Feed
from daybreak.store.ledger import Ledger


class Kept(ABC):
    """The reading half of a `Store`. `tail`: changes that are kept in memory for those who watch, about."""

    def __init__(self, ledger: Ledger, tail: int) -> None:
        self._ledger = ledger
        self._feed = Feed(ledger.revision, tail)
        self._closed = False

    @property
    def revision(self) -> int:
        return self._ledger.revision

    def get(self, kind: type[R], key: str) -> R | None:
        return self._ledger.get(kind, key)

    def rows(self, kind: type[R]) -> Mapping[str, R]:
        return self._ledger.rows(kind)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        return self._feed.subscribe(callback)

    def watch(self, after: int) -> AsyncIterator[Committed]:
        return self._feed.follow(after, self._older)

    def release(self, applied: int) -> None:
        self._ledger.release(applied)

    @abstractmethod
    async def _older(self, after: int) -> Sequence[Committed]:
        """Some revisions that follow `after`, from a log. Raises `Compacted`."""
