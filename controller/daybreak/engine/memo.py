"""data: what the engine remembers of one rule's run for one key."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import msgspec

from daybreak.engine.rule import Rule


class Topic:
    """Flows computed once for every switch that subscribes: key of a flow → its cookie and instructions."""

    __slots__ = ("flows", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.flows: MutableMapping[bytes, bytes] = {}

    def __repr__(self) -> str:
        return self.name


def pairs(flat: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """What a memo holds as (a, b, a, b, …), two by two."""
    return zip(flat[::2], flat[1::2], strict=True)


class Memo(msgspec.Struct, eq=False):
    """One rule's result for one key: the flows (topic, flow key, topic, flow key, …), contributions and noted reads.

    `failure` is the reason why the key yields nothing, where the rule raised.
    """

    rule: Rule
    key: str
    cookie: int
    flows: tuple[Any, ...] = ()
    facts: tuple[Any, ...] = ()
    reads: tuple[Any, ...] = ()
    failure: str | None = None

    def __repr__(self) -> str:
        return f"{self.rule}({self.key})"

    def __lt__(self, other: Memo) -> bool:
        return (self.rule.rank, self.key) < (other.rule.rank, other.key)
