"""data: what features are made of: rules, relations, and what a rule yields.

A rule is a pure function from one row to what follows from it:

    @rule(Port, reads=(Location, VTEP), emits=(PRESENT,))
    def remote(port: Port, view: View) -> Iterator[Output]:
        location = view.get(Location, port.id)
        if location is not None:
            yield PRESENT, port.network_id, location.host
            yield f"network/{port.network_id}", REMOTE, (netkey, mac, vtep)

The row it runs for is its root: a record, or a key of a relation with all the values that rules contributed to it.
What it reads besides it asks of the view, which takes note. It yields flows, each for a topic, and contributions to
relations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from daybreak.model import Record

if TYPE_CHECKING:
    pass

Output = tuple[Any, Any, Any]
"""(topic, shape, arguments) for a flow; (relation, key, value) for a contribution."""

COOKIE_OWNER = 0xDB
"""The highest byte of every cookie of ours: how a flow is known to be Daybreak's without memory."""

HASH_MASK = (1 << 56) - 1


def hash_of(text: str) -> int:
    """56 bits that are the same in every process and every version (Python's own hash is salted)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


stable_hash = lru_cache(maxsize=1024)(hash_of)
"""The same, remembered for a while: several rules run for the same key in one wave."""


class Relation:
    """A derived collection: for each key a set of values, contributed by rules and read by other rules.

    Values are hashable and can be ordered, so that a reader sees the same tuple whatever the order in which they
    came. A change wakes readers only when the set changes, not when a second rule contributes a value that is there
    already.
    """

    __slots__ = ("doc", "name")

    def __init__(self, name: str, doc: str) -> None:
        self.name = name
        self.doc = doc

    def __repr__(self) -> str:
        return self.name


class Rule:
    """A function with what it declares: its root, what it may read and which relations it may contribute to."""

    __slots__ = ("emits", "feature", "function", "mark", "name", "rank", "reads", "root")

    def __init__(
        self,
        function: Callable[..., Iterator[Output]],
        root: type[Record] | Relation | None,
        reads: tuple[type[Record] | Relation, ...],
        emits: tuple[Relation, ...],
    ) -> None:
        self.function = function
        self.name = function.__name__
        self.root = root
        self.reads = reads
        self.emits = emits
        self.feature = function.__module__.rsplit(".", 1)[-1]
        self.rank = 0
        self.mark = COOKIE_OWNER << 56 | stable_hash(f"{self.feature}.{self.name}")

    def __repr__(self) -> str:
        return f"{self.feature}.{self.name}"

    def cookie(self, key: str) -> int:
        """64 bits: our mark, and a stable hash of (feature, rule, key). No generation: a restart rewrites nothing."""
        return self.mark ^ stable_hash(key)


def rule(
    root: type[Record] | Relation | None,
    *,
    reads: tuple[type[Record] | Relation, ...] = (),
    emits: tuple[Relation, ...] = (),
) -> Callable[[Callable[..., Iterator[Output]]], Rule]:
    """Declare a rule. `root` None: it runs once, for flows that are always there.

    The function is called with the record and the view; for a relation with the key, the sorted values and the view;
    for None with the view alone.
    """

    def declare(function: Callable[..., Iterator[Output]]) -> Rule:
        return Rule(function, root, reads, emits)

    return declare


class Contradiction(Exception):
    """Raised by a rule whose records contradict each other: its key yields nothing and is listed with this reason."""
