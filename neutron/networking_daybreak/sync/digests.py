"""rules: digests of Neutron's objects as the controller computes them of its own (docs/api.md, "Finding differences").

An object's mark is the first 16 bytes of SHA-256 of "ID REVISION"; a digest is the exclusive or of marks. An object is
on the page of the first two hexadecimal digits of SHA-256 of its id, and there on that of the first four.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

MISSING, EXTRA, STALE = "missing", "extra", "stale"
"""Not on the controller; there, but not in Neutron; there, but not as Neutron has it."""


class Difference(NamedTuple):
    """An object that differs. `ours` and `theirs` are revisions; no one's where somebody else changed the object."""

    what: str
    kind: str
    id: str
    ours: int | None
    theirs: int | None


class Digest(NamedTuple):
    """Of how many objects, and the exclusive or of their marks as 32 hexadecimal digits."""

    count: int
    value: str


def digest(objects: Mapping[str, int]) -> Digest:
    """Of ids and revisions."""
    value = 0
    for id, revision in objects.items():
        value ^= int.from_bytes(sha256(f"{id} {revision}".encode()).digest()[:16], "big")
    return Digest(len(objects), f"{value:032x}")


def pages(objects: Mapping[str, int], digits: int) -> dict[str, dict[str, int]]:
    """Objects by the page that they're on."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for id, revision in objects.items():
        found[sha256(id.encode()).hexdigest()[:digits]][id] = revision
    return found


def differences(
    kind: str, ours: Mapping[str, int], page: Callable[[str], Mapping[str, Any]], path: str = ""
) -> Iterator[Difference]:
    """What differs between Neutron's objects and the controller's, page by page.

    `page` asks the controller for a page of a path. Of equal pages nothing is read but their digest.
    """
    theirs = page(path)
    if (told := theirs.get("objects")) is not None:
        yield from compared(kind, ours, told)
        return
    digits = len(path) + 2
    mine, told = pages(ours, digits), theirs.get("pages") or {}
    for each in sorted({*mine, *told}):
        here = mine.get(each, {})
        there = told.get(each)
        if there is None:
            yield from compared(kind, here, {})
        elif digest(here) != (there["count"], there["digest"]):
            yield from differences(kind, here, page, each)


def compared(kind: str, ours: Mapping[str, int], theirs: Mapping[str, int | None]) -> Iterator[Difference]:
    """What differs between ids with their revisions."""
    for id in sorted({*ours, *theirs}):
        if id not in theirs:
            yield Difference(MISSING, kind, id, ours[id], None)
        elif id not in ours:
            yield Difference(EXTRA, kind, id, None, theirs[id])
        elif ours[id] != theirs[id]:
            yield Difference(STALE, kind, id, ours[id], theirs[id])


def chunks(found: Iterable[Difference], size: int) -> Iterator[list[Difference]]:
    """Lists of so many at most."""
    chunk: list[Difference] = []
    for each in found:
        chunk.append(each)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
