"""data: what can come of sending a change to a controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str]
"""A kind and an id."""


@dataclass(frozen=True)
class Change:
    """An object as it is to be on the controller.

    `body`: all of it; None: it's gone from Neutron, at `revision` if anybody knows. `record`: the same in the words of
    /v1. `parents`: what has to be there before it.
    """

    kind: str
    id: str
    body: Mapping[str, Any] | None
    revision: int | None
    parents: frozenset[Key] = frozenset()
    record: Mapping[str, Any] | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.id


@dataclass(frozen=True)
class Fence:
    """Who sends: `client` for the cloud, `writer` for one stream of a dispatcher, which counts up `token`."""

    client: str
    writer: str
    token: int


@dataclass(frozen=True)
class Done:
    """The controller has it on disk. `outcome`: applied, unchanged …"""

    outcome: str = "applied"


@dataclass(frozen=True)
class Refused:
    """The controller will never take it as it is. `reason` may quote the object: it's for tables, not for logs."""

    status: int
    reason: str


@dataclass(frozen=True)
class Held:
    """It was not sent, for `parent` didn't get there."""

    parent: Key


@dataclass(frozen=True)
class Lacks:
    """The controller misses something that the change refers to, and doesn't say (or need not) what."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """A controller that is otherwise well failed at it."""

    reason: str


Outcome = Done | Refused | Held | Lacks | Failed


BLAMING = frozenset({400, 413, 422})
"""Codes by which a controller blames what it was sent. Any other is no change's fault, before there is proof of it."""


class Unavailable(Exception):
    """No controller can be spoken to now. `in_doubt`: one may have got a request and carry it out yet."""

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt


class Replaced(Exception):
    """Somebody else has taken over from this writer; `stands` is the token that does."""

    def __init__(self, stands: int | None) -> None:
        super().__init__(f"token {stands} stands")
        self.stands = stands
