"""rules: what a client's operations do: which count, which come too late, and what is to be written for them.

A client counts the changes of each object: an operation with a lower revision than the one that stands changes
nothing. One without a revision is done in any case, and does not change what stands: whoever compares digests sees
then that somebody else had a hand in it.
"""

from typing import NamedTuple, Protocol, TypeVar, cast

from daybreak.model import Expect, Record, Transaction
from daybreak.model.origin import Fence, Origin, fence_key, origin_key
from daybreak.northbound.v1.answers import Outcome
from daybreak.northbound.v1.digests import fingerprint

R = TypeVar("R", bound=Record)


class Lookup(Protocol):
    """Gives the present record of a kind and key."""

    def __call__(self, kind: type[R], key: str, /) -> R | None: ...


class Fenced(Exception):
    """The client's token is older than `stands`: somebody else has taken over for it."""

    def __init__(self, client: str, token: int, stands: int) -> None:
        super().__init__(f"Token {token} of client {client} is older than {stands}, which somebody showed since")
        self.stands = stands


class Author(NamedTuple):
    """Who writes. `force`: revisions count, whatever stands. `writer`: one of several of the client."""

    client: str | None
    token: int | None
    force: bool = False
    writer: str | None = None


class Draft:
    """A transaction in the making. Operations take effect in their order, each on top of those before it."""

    def __init__(self, get: Lookup, author: Author, now: int) -> None:
        """`now`: seconds since 1970. Raises `Fenced`."""
        self._get = get
        self._author = author
        self._time = now
        self._expect: dict[tuple[type[Record], str], Record | None] = {}
        self._wanted: dict[tuple[type[Record], str], Record | None] = {}
        if author.client is not None and author.token is not None:
            self._pass_fence(fence_key(author.client, author.writer), author.token)

    def put(self, record: Record, revision: int | None) -> Outcome:
        """Create or replace an object."""
        kind, id = type(record), record.key
        if revision is None:
            return self._outcome(kind, id, self._write(kind, id, record))
        origin = self._origin(kind, id)
        if origin is not None and not self._author.force:
            is_late = revision < origin.revision or (origin.deleted_at is not None and revision == origin.revision)
            if is_late:
                return stale(kind, id, origin)
        told = Origin(kind.kind, id, revision, self._author.client, fingerprint(record))
        written = self._write(kind, id, record)
        return self._outcome(kind, id, self._write(Origin, told.key, told) or written)

    def delete(self, kind: type[Record], id: str, revision: int | None) -> Outcome:
        """Delete an object. Where a revision is given a tombstone stays, even if the object is not there (yet)."""
        if revision is None:
            return self._outcome(kind, id, self._write(kind, id, None))
        origin = self._origin(kind, id)
        if origin is not None and not self._author.force and revision < origin.revision:
            return stale(kind, id, origin)
        since = origin.deleted_at if origin is not None else None
        told = Origin(kind.kind, id, revision, self._author.client, deleted_at=since or self._time)
        written = self._write(kind, id, None)
        return self._outcome(kind, id, self._write(Origin, told.key, told) or written)

    def expire(self, keys: list[str]) -> None:
        """Take away tombstones, but those that the transaction itself speaks of."""
        for key in keys:
            if (Origin, key) not in self._expect:
                self._expect[Origin, key] = self._get(Origin, key)
                self._write(Origin, key, None)

    def transaction(self) -> Transaction:
        """What the store is to do. It holds as long as nobody else has changed what was decided upon."""
        return Transaction(
            tuple(record for record in self._wanted.values() if record is not None),
            tuple(row for row, record in self._wanted.items() if record is None),
            tuple(Expect(kind, key, record) for (kind, key), record in self._expect.items()),
        )

    def _pass_fence(self, key: str, token: int) -> None:
        standing = self._get(Fence, key)
        if standing is not None and token < standing.token:
            raise Fenced(key, token, standing.token)
        self._expect[Fence, key] = standing
        self._write(Fence, key, Fence(key, token))

    def _origin(self, kind: type[Record], id: str) -> Origin | None:
        key = origin_key(kind.kind, id)
        origin = self._now(Origin, key)
        self._expect.setdefault((Origin, key), origin)
        return origin

    def _now(self, kind: type[R], key: str) -> R | None:
        if (kind, key) in self._wanted:
            return cast(R | None, self._wanted[kind, key])
        return self._get(kind, key)

    def _write(self, kind: type[Record], key: str, record: Record | None) -> bool:
        """Note what a row becomes; whether that changes it."""
        changes = self._now(kind, key) != record
        if changes:
            self._wanted[kind, key] = record
        return changes

    def _outcome(self, kind: type[Record], id: str, written: bool) -> Outcome:
        return Outcome(kind.kind, id, "applied" if written else "unchanged")


def stale(kind: type[Record], id: str, origin: Origin) -> Outcome:
    return Outcome(kind.kind, id, "stale", origin.revision, deleted=origin.deleted_at is not None)
