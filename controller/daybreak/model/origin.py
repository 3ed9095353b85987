"""data: what clients of the modern API said of their objects beside the objects themselves, and who may still speak."""

from typing import ClassVar

from daybreak.model.record import Record


def origin_key(kind: str, id: str) -> str:
    """The key of an object's Origin."""
    return f"{kind}/{id}"


class Origin(Record, frozen=True, gc=False, omit_defaults=True):
    """The last word that counts about one object: which client's, at which revision of the client's own count.

    It outlives the object: `deleted_at` (seconds since 1970) is set when the client deleted it, so that an update that
    arrives late does not bring it back. `content` is the fingerprint of the record as the client put it: one that
    differs from the present record's tells that somebody else changed the object since.
    """

    kind: ClassVar[str] = "origin"

    of: str
    id: str
    revision: int
    client: str | None = None
    content: int = 0
    deleted_at: int | None = None

    @property
    def key(self) -> str:
        return origin_key(self.of, self.id)


def fence_key(client: str, writer: str | None) -> str:
    """The key of the Fence of a client, or of one of those who write for it at the same time."""
    return client if writer is None else f"{client}/{writer}"


class Fence(Record, frozen=True, gc=False, omit_defaults=True):
    """The highest fencing token that a client showed: whoever comes with a lower one has been replaced meanwhile.

    Where several write for a client at the same time, `client` is `fence_key` of each.
    """

    kind: ClassVar[str] = "fence"

    client: str
    token: int

    @property
    def key(self) -> str:
        return self.client
