"""io: port status, hosts and their progress as a stream of events (Server-Sent Events, WHATWG HTML § 9.2).

An event's id is the store's revision up to which the stream is complete, and the epoch, which is the process: the next
one may go on from a backup, and count other revisions by the same numbers. Whoever comes back with an id misses
nothing. Where its epoch is over, or the log does not reach that far back, the stream begins with `reset` and all that
is. What a slow reader has not read is not kept for him: progress is coalesced by host, and from the log he falls back
to a reset.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from daybreak.model import Change, Host, PortStatus, Record
from daybreak.northbound.v1.answers import Progress
from daybreak.northbound.v1.progress import Switches
from daybreak.store.contract import Committed, Compacted, Store

SHOWN: Sequence[type[Record]] = (Host, PortStatus)
"""The kinds that events tell of."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that either side notices a dead connection.

It comes with an id: where much is committed that the stream does not show, its reader's place goes on all the same.
"""

CHUNK = 200
"""Records of one piece of the full state."""

encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """One event. `id`: with it the stream is complete up to there."""

    name: str
    data: object
    id: str | None = None

    @property
    def wire(self) -> bytes:
        id = "" if self.id is None else f"id: {self.id}\n"
        return f"event: {self.name}\n{id}data: ".encode() + encode(self.data) + b"\n\n"


def named(kind: type[Record]) -> str:
    return kind.kind.replace("_", "-")


def told(change: Change) -> Event:
    """A record that came, changed or, where it is null, went."""
    return Event(named(change.kind), {"id": change.key, "record": change.new})


def of_revision(committed: Committed, id: str) -> list[Event]:
    """The events of one revision; the last one carries its id, for with half of them it is not complete."""
    events = [told(change) for change in committed.changes if change.kind in SHOWN]
    return [*events[:-1], events[-1]._replace(id=id)] if events else []


class Dirty:
    """The hosts whose progress is to be told, each once."""

    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}
        self._news = asyncio.Event()

    def add(self, host: str) -> None:
        self._hosts[host] = None
        self._news.set()

    async def take(self) -> list[str]:
        """The hosts since the last time, at least one."""
        await self._news.wait()
        self._news.clear()
        hosts, self._hosts = list(self._hosts), {}
        return hosts


class Events:
    """Streams for any number of readers. `epoch`: letters and digits that no other process has."""

    def __init__(self, store: Store, switches: Switches, epoch: str, heartbeat: float = HEARTBEAT) -> None:
        self._store = store
        self._switches = switches
        self._epoch = epoch
        self._heartbeat = heartbeat
        self._open: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams: the controller stops."""
        self._closing.set()

    async def stream(self, last: str | None) -> AsyncIterator[bytes]:
        """The stream of one reader, in pieces; `last`: the id of the last event that he saw, here or elsewhere."""
        after = self._revision(last)
        dirty = Dirty()
        unsubscribe = self._switches.subscribe(dirty.add)
        try:
            while not self._closing.is_set():
                if after is None:
                    after = self._store.revision
                    async for piece in self._everything(after):
                        yield piece
                else:
                    yield b": resumes\n\n"
                yield self._progress(self._store.rows(Host))
                try:
                    async for piece in self._news(after, dirty):
                        yield piece
                    return
                except Compacted:
                    after = None
        finally:
            unsubscribe()

    def _id(self, revision: int) -> str:
        return f"{revision}-{self._epoch}"

    def _revision(self, id: str | None) -> int | None:
        """The revision that an id stands for; None: it is none of this epoch."""
        ours = re.fullmatch(rf"([0-9]{{1,19}})-{self._epoch}", id or "")
        return None if ours is None else int(ours[1])

    async def _everything(self, revision: int) -> AsyncIterator[bytes]:
        """All that is, as it was at `revision`. Only the last event has an id: a half of it would be nothing."""
        rows = [(kind, [*self._store.rows(kind).items()]) for kind in SHOWN]
        yield Event("reset", {"revision": revision}).wire
        for kind, records in rows:
            remaining = iter(records)
            while chunk := list(islice(remaining, CHUNK)):
                yield b"".join(told(Change(kind, key, None, record)).wire for key, record in chunk)
        yield Event("complete", {"revision": revision}, self._id(revision)).wire

    async def _news(self, after: int, dirty: Dirty) -> AsyncIterator[bytes]:
        """What happens from now on, until the store or the stream is closed. Raises `Compacted`."""
        log = self._store.watch(after)
        revisions = asyncio.ensure_future(anext(log, None))
        hosts = asyncio.ensure_future(dirty.take())
        closing = asyncio.ensure_future(self._closing.wait())
        clock = asyncio.get_running_loop().time
        said_at = clock()
        try:
            while True:
                rest = max(said_at + self._heartbeat - clock(), 0)
                waiting = {revisions, hosts, closing}
                done, _ = await asyncio.wait(waiting, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
                if closing in done:
                    return
                piece = b""
                if revisions in done:
                    committed = revisions.result()
                    if committed is None:
                        return
                    revisions = asyncio.ensure_future(anext(log, None))
                    after = committed.revision
                    piece += b"".join(event.wire for event in of_revision(committed, self._id(after)))
                if hosts in done:
                    changed = hosts.result()
                    hosts = asyncio.ensure_future(dirty.take())
                    piece += self._progress(changed)
                if not piece and clock() >= said_at + self._heartbeat:
                    piece = f": still here\nid: {self._id(after)}\n\n".encode()
                if piece:
                    yield piece
                    said_at = clock()
        finally:
            for each in (revisions, hosts, closing):
                each.cancel()
            await asyncio.gather(revisions, hosts, closing, return_exceptions=True)

    def _progress(self, hosts: Iterable[str]) -> bytes:
        told: list[Progress] = [self._switches.progress(host) for host in hosts]
        return b"".join(Event("applied", each).wire for each in told)
