"""The stream of events: complete, resumable, and no burden where its reader is slow."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from daybreak.model import Host, Network, PortStatus, Transaction
from daybreak.northbound.v1.api import STREAMS
from daybreak.northbound.v1.events import Dirty, Events
from daybreak.service.controller import KINDS, Controller
from daybreak.store.memory import MemoryStore

from .conftest import POOLS

DEADLINE = 20.0


class Event(NamedTuple):
    """One event as a browser would see it."""

    name: str
    data: Any
    id: str | None


class Reader:
    """Reads a stream as the standard says."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments: list[str] = []
        self.last = ""

    async def next(self) -> Event:
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line[1:].strip())
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    self.last = fields.get("id", self.last)
                    if "data" not in fields:  # an id alone
                        fields = {}
                        continue
                    return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
        raise EOFError

    async def until(self, name: str) -> list[Event]:
        """The events up to one of this name, with it."""
        events = [await self.next()]
        while events[-1].name != name:
            events.append(await self.next())
        return events


@contextlib.asynccontextmanager
async def reading(served: Any, last: str | None = None) -> AsyncIterator[Reader]:
    headers = {} if last is None else {"Last-Event-ID": last}
    async with served.client.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer.aiter_lines())


def status(port: str, active: bool = True) -> PortStatus:
    return PortStatus(port, active, "h1")


async def test_a_stream_begins_with_all_that_is(served: Any) -> None:
    await served.store.commit(Transaction((Host("h1", "uuid"), status("p1"), status("p2", False))))
    async with reading(served) as reader:
        told = await reader.until("complete")
        assert [event.name for event in told] == ["reset", "host", "port-status", "port-status", "complete"]
        assert told[2].data == {"id": "p1", "record": {"port_id": "p1", "active": True, "host": "h1"}}
        assert [event.id for event in told] == [None, None, None, None, reader.last]
        assert reader.last.startswith(f"{served.store.revision}-")
        assert await reader.next() == Event("applied", {"host": "h1", "connected": False, "revision": None}, None)


async def test_what_happens_is_told_in_order_and_a_reader_who_comes_back_misses_nothing(served: Any) -> None:
    async with reading(served) as reader:
        await reader.until("complete")
        await served.store.commit(Transaction((status("p1"),)))
        assert (await reader.next()).data["id"] == "p1"
        last = reader.last
    revision, _, epoch = last.partition("-")
    await served.store.commit(Transaction((status("p1", False), status("p2"))))
    await served.store.commit(Transaction((Host("h9", "uuid"),), ((PortStatus, "p2"),)))
    async with reading(served, last) as reader:
        assert (await reader.next()).name == "applied"
        told = [await reader.next() for _ in range(4)]
    # Of a revision with several events only the last has an id: whoever saw half of it sees it again.
    assert [(event.name, event.data["id"], event.data["record"] is None, event.id) for event in told] == [
        ("port-status", "p1", False, None),
        ("port-status", "p2", False, f"{int(revision) + 1}-{epoch}"),
        ("port-status", "p2", True, None),
        ("host", "h9", False, f"{int(revision) + 2}-{epoch}"),
    ]


async def test_whoever_saw_another_history_is_told_everything(served: Any) -> None:
    """Another process may have gone on from a backup: its revision 1 was another one."""
    await served.store.commit(Transaction((status("p1"),)))
    async with reading(served) as reader:
        await reader.until("complete")
    future = "4711-" + reader.last.partition("-")[2]
    for strange in ("1", "1-0123abcd", future, "4711", "yesterday"):
        async with reading(served, strange) as reader:
            told = await reader.until("complete")
        assert told[0] == Event("reset", {"revision": served.store.revision}, None)


async def test_whoever_asks_for_the_headers_gets_no_stream(served: Any) -> None:
    for _ in range(STREAMS + 1):
        async with asyncio.timeout(DEADLINE):
            answer = await served.client.head("/v1/events")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.headers["content-type"].startswith("text/event-stream")
    put = await served.client.put("/v1/networks/n1", json={})
    shown, headers = await served.client.get("/v1/networks/n1"), await served.client.head("/v1/networks/n1")
    assert (put.status_code, headers.status_code) == (200, 200)
    assert headers.headers["content-length"] == shown.headers["content-length"]


async def test_streams_end_when_the_controller_stops(served: Any) -> None:
    async with reading(served) as reader:
        await reader.until("complete")
        served.api.close()
        try:
            while True:
                await reader.next()
        except EOFError:
            pass


def events(log: int = 1000) -> tuple[MemoryStore, Callable[..., Events]]:
    """A store whose log is so long, and what makes streams of it; no switch is connected."""
    store = MemoryStore(KINDS, POOLS, log)
    controller = Controller(store)
    return store, lambda **options: Events(store, controller.progress, "now", **options)


async def test_a_slow_reader_falls_back_to_a_reset_and_costs_nothing_meanwhile() -> None:
    store, streams = events(log=20)
    await store.commit(Transaction((status("p0"),)))
    pieces = streams().stream(None)
    seen = b"".join([await anext(pieces) for _ in range(4)])
    assert seen.count(b"event: reset") == 1
    for number in range(200):  # nobody reads, and the log is short
        await store.commit(Transaction((status(f"p{number}", number % 2 == 0),)))
    text = b""
    async with asyncio.timeout(DEADLINE):
        while b"complete" not in text:
            text += await anext(pieces)
    assert text.count(b"event: reset") == 1
    assert text.count(b"event: port-status") <= 200 + 20 + 1
    assert b'"id":"p199"' in text
    await pieces.aclose()


async def test_an_idle_stream_gives_signs_of_life() -> None:
    _, streams = events()
    pieces = streams(heartbeat=0.01).stream("0-now")
    async with asyncio.timeout(DEADLINE):
        assert [await anext(pieces) for _ in range(4)] == [
            b": resumes\n\n",
            b"",
            b": still here\nid: 0-now\n\n",
            b": still here\nid: 0-now\n\n",
        ]
    await pieces.aclose()


async def test_a_stream_gives_signs_of_life_and_its_place_goes_on_however_much_happens_that_it_does_not_show() -> None:
    store, streams = events()
    pieces = streams(heartbeat=0.2).stream("0-now")
    assert [await anext(pieces) for _ in range(2)] == [b": resumes\n\n", b""]

    async def write() -> None:
        for number in itertools.count():
            await store.commit(Transaction((Network(f"n{number}"),)))
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    async with asyncio.timeout(DEADLINE):
        told = [await anext(pieces) for _ in range(2)]
    writing.cancel()
    first, second = (int(piece.removeprefix(b": still here\nid: ").removesuffix(b"-now\n\n")) for piece in told)
    assert 0 < first < second <= store.revision
    await pieces.aclose()


async def test_progress_is_coalesced_by_host() -> None:
    dirty = Dirty()
    for number in range(1000):
        dirty.add(f"h{number % 3}")
    assert await dirty.take() == ["h0", "h1", "h2"]
