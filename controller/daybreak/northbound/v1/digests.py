"""rules: digests of collections, by which a client finds what differs from its own data without reading all of it.

Each object has a mark, the first 16 bytes of SHA-256 of "ID REVISION" (UTF-8, one space; "ID ?" where no client said a
revision of what is there now). A digest is the exclusive or of the marks of its objects, so it can be kept up to date
object by object. Objects are spread over pages by the first bytes of SHA-256 of their id: 256 pages for the first
byte, each of which has 256 pages of its own for the second.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b, sha256
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from daybreak.model import Change, Record
from daybreak.model.origin import Origin, origin_key

OBJECTS = 1024
"""Objects up to which a page is told as these rather than as its own pages."""

encode = msgspec.msgpack.Encoder().encode
Client = str | None
R = TypeVar("R", bound=Record)


class Lookup(Protocol):
    """Gives the present record of a kind and key."""

    def __call__(self, kind: type[R], key: str, /) -> R | None: ...


class Digest(NamedTuple):
    """Of how many objects, and the exclusive or of their marks."""

    objects: int
    value: int

    @property
    def text(self) -> str:
        return f"{self.value:032x}"


class Stand(NamedTuple):
    """What is known of an object: whose it is, and at which of its revisions; None: nobody's, none that fits."""

    client: Client
    revision: int | None


def mark(id: str, revision: int | None) -> int:
    """An object's part of a digest."""
    told = "?" if revision is None else revision
    return int.from_bytes(sha256(f"{id} {told}".encode()).digest()[:16], "big")


def place(id: str) -> str:
    """The path of the finest page that an object is on: four hexadecimal digits."""
    return sha256(id.encode()).hexdigest()[:4]


def fingerprint(record: Record) -> int:
    """Eight bytes that tell one content from another."""
    return int.from_bytes(blake2b(encode(record), digest_size=8).digest(), "big") >> 1


def stand(record: Record | None, origin: Origin | None) -> Stand | None:
    """How an object stands; None: it is not there."""
    if record is None:
        return None
    if origin is None:
        return Stand(None, None)
    fits = origin.deleted_at is None and origin.content == fingerprint(record)
    return Stand(origin.client, origin.revision if fits else None)


class Bucket:
    """The objects of one first byte."""

    __slots__ = ("ids", "value")

    def __init__(self) -> None:
        self.value = 0
        self.ids: set[str] = set()


class Page(NamedTuple):
    """A part of a collection: its digest, and either the pages that it has (by their paths) or its objects."""

    digest: Digest
    pages: Mapping[str, Digest] | None
    objects: Mapping[str, int | None] | None


class Digests:
    """The digests of all collections, each kind and client apart; `get` is how the store looks now."""

    def __init__(self, kinds: Iterable[type[Record]], get: Lookup) -> None:
        self._kinds = {kind.kind: kind for kind in kinds}
        self._get = get
        self._buckets: dict[tuple[str, Client], dict[str, Bucket]] = defaultdict(dict)

    def load(self, kind: type[Record], ids: Iterable[str]) -> None:
        """Take in objects that are there."""
        for id in ids:
            self._put_in(kind.kind, id, self._stand(kind, id))

    def follow(self, changes: Iterable[Change]) -> None:
        """Objects or their origins changed, and `get` gives what they have become."""
        before = {(kind, key): old for kind, key, old, _ in changes}
        for kind, id in dict.fromkeys(self._concerned(changes)):
            record = before[kind, id] if (kind, id) in before else self._get(kind, id)
            origin_at = Origin, origin_key(kind.kind, id)
            origin = before[origin_at] if origin_at in before else self._get(*origin_at)
            assert origin is None or isinstance(origin, Origin)
            old, new = stand(record, origin), self._stand(kind, id)
            if old != new:
                self._take_out(kind.kind, id, old)
                self._put_in(kind.kind, id, new)

    def collections(self) -> list[tuple[str, Client, Digest]]:
        """The digest of each kind and client that has objects."""
        found = ((kind, client, self.page(kind, client, "").digest) for kind, client in list(self._buckets))
        return sorted((each for each in found if each[2].objects), key=lambda each: (each[0], each[1] or ""))

    def page(self, kind: str, client: Client, path: str) -> Page:
        """A page by its path: none, two or four hexadecimal digits."""
        buckets = self._buckets.get((kind, client), {})
        if path == "":
            pages = {first: Digest(len(bucket.ids), bucket.value) for first, bucket in sorted(buckets.items())}
            return Page(total(pages.values()), pages, None)
        bucket = buckets.get(path[:2])
        ids = sorted(id for id in bucket.ids if place(id).startswith(path)) if bucket else []
        objects = {id: self._revision(kind, id) for id in ids}
        if len(path) == 4 or len(ids) <= OBJECTS:
            return Page(total(Digest(1, mark(*each)) for each in objects.items()), None, objects)
        finer: dict[str, list[Digest]] = defaultdict(list)
        for id, revision in objects.items():
            finer[place(id)].append(Digest(1, mark(id, revision)))
        pages = {each: total(marks) for each, marks in sorted(finer.items())}
        return Page(total(pages.values()), pages, None)

    def _concerned(self, changes: Iterable[Change]) -> Iterable[tuple[type[Record], str]]:
        for kind, key, old, new in changes:
            if self._kinds.get(kind.kind) is kind:
                yield kind, key
            elif kind is Origin:
                origin = new or old
                assert isinstance(origin, Origin)
                if origin.of in self._kinds:
                    yield self._kinds[origin.of], origin.id

    def _stand(self, kind: type[Record], id: str) -> Stand | None:
        return stand(self._get(kind, id), self._get(Origin, origin_key(kind.kind, id)))

    def _revision(self, kind: str, id: str) -> int | None:
        now = self._stand(self._kinds[kind], id)
        return now.revision if now else None

    def _put_in(self, kind: str, id: str, at: Stand | None) -> None:
        if at is not None:
            bucket = self._buckets[kind, at.client].setdefault(place(id)[:2], Bucket())
            bucket.ids.add(id)
            bucket.value ^= mark(id, at.revision)

    def _take_out(self, kind: str, id: str, at: Stand | None) -> None:
        if at is not None:
            buckets, first = self._buckets[kind, at.client], place(id)[:2]
            bucket = buckets[first]
            bucket.ids.discard(id)
            bucket.value ^= mark(id, at.revision)
            if not bucket.ids:
                del buckets[first]


def total(digests: Iterable[Digest]) -> Digest:
    """The digest of several parts together."""
    count = value = 0
    for digest in digests:
        count += digest.objects
        value ^= digest.value
    return Digest(count, value)
