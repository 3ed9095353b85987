"""data: what the modern API wants to know of switches; the service tells it."""

from collections.abc import Callable, Iterable
from typing import Protocol

from daybreak.model import Record
from daybreak.northbound.v1.answers import Progress


class Watch(Protocol):
    """Notes, since it was opened, which hosts each revision touches."""

    async def applied(
        self, revision: int, objects: Iterable[tuple[type[Record], str]], seconds: float
    ) -> tuple[str, ...]:
        """Wait until the switches that a revision touches have confirmed it, for `seconds` at most.

        `objects` are those that were written: what they ask of switches may be on its way since an earlier revision.
        Returns the hosts that have not confirmed it. Those that are absent or refuse something are not waited for.
        """

    def close(self) -> None:
        """Note no more."""


class Switches(Protocol):
    """The switches of all hosts."""

    def watch(self) -> Watch:
        """Open a watch, before the transaction whose way is to be followed."""

    def progress(self, host: str) -> Progress:
        """How far a host is."""

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call back with each host that confirmed something, came or went; returns what ends it."""
