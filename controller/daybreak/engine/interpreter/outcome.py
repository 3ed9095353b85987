"""data: what a packet met in one switch, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from daybreak.engine.interpreter.tables import Flow
from daybreak.engine.interpreter.tracking import Connections, Tracked
from daybreak.wire.openflow.headers import Fields


class Visit(NamedTuple):
    """The packet looked up a table, and `flow` took it (None: no flow matched). `rivals` match too, with the same
    priority. `fields` are those of the packet then."""

    depth: int
    pass_: int
    table: int
    flow: Flow | None
    rivals: tuple[Flow, ...]
    fields: Fields


class Copy(NamedTuple):
    """A copy left: out of `port`, or, with `port` CONTROLLER, its first `max_len` bytes to the controller. `fields` are
    those of the packet then, tunnel and registers included; `frame` is what is on the wire."""

    depth: int
    pass_: int
    port: int
    frame: bytes
    fields: Fields
    max_len: int = 0


class Lookup(NamedTuple):
    """The packet went through connection tracking. `resumed` is the pass in which it goes on as a tracked packet (None:
    it does not); `committed`: its connection is kept from now on."""

    depth: int
    pass_: int
    tracked: Tracked
    committed: bool
    resumed: int | None


class Stop(NamedTuple):
    """Something did not happen, and why."""

    depth: int
    pass_: int
    reason: str


Event = Visit | Copy | Lookup | Stop
"""`depth` counts what a resubmit, a clone or a tracked pass is inside of. `pass_` is 0 until connection tracking sends
the packet through the tables again, and a new number each time it does."""


class Outcome(NamedTuple):
    """What happened, in that order, and the connections that the switch knows after it."""

    events: tuple[Event, ...]
    connections: Connections

    @property
    def visits(self) -> Iterator[Visit]:
        """The tables that were looked up."""
        return (event for event in self.events if isinstance(event, Visit))

    @property
    def copies(self) -> Iterator[Copy]:
        """What left the switch."""
        return (event for event in self.events if isinstance(event, Copy))

    @property
    def lookups(self) -> Iterator[Lookup]:
        """What was asked of connection tracking."""
        return (event for event in self.events if isinstance(event, Lookup))
