"""io: the websockets on which clients hear of changes, on a port of their own as OpenDaylight had it (8185).

A client is told how things are, not what happened to them: what it has yet to hear is a set of rows, each of which is
read when it is written to the client. So a slow client costs no more memory than there are rows, and one that comes
back and reads everything once misses nothing. It is let in by a ticket that RESTCONF gave it (see `tickets`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import structlog
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from daybreak.northbound.restconf.events import SUBJECTS, Key, Stream, concerned, events, frame
from daybreak.northbound.restconf.tickets import Tickets
from daybreak.store.contract import Committed, Store

TICKET_SECONDS = 60
"""How long the address of a stream is good for. Clients connect at once."""

STREAMS = 256
"""Clients that may listen at the same time."""

ROWS_A_FRAME = 50
"""Rows that one frame tells of: networking-odl needs some 10 ms for each before it reads on."""

BACKLOG = 200_000
"""Rows that a client may have yet to hear of; who is further behind had better read everything anew."""

STALLED_SECONDS = 60
"""How long a client may read nothing of what is on its way."""

PING_SECONDS, PONG_SECONDS = 30, 120
"""How often a client is asked for a sign of life and how long it has: it answers no sooner than it has read all that
is on its way, and done what follows from it."""

TRY_AGAIN = 1013
"""RFC 6455, registry of close codes: "Try Again Later"."""

log = structlog.get_logger(__name__)
quiet = logging.getLogger(__name__)
quiet.setLevel(logging.CRITICAL)  # uvicorn logs whole addresses, which are credentials, and each refusal as an error


def stream_name(stream: Stream) -> str:
    """A stream's name, in OpenDaylight's form."""
    return f"data-change-event-subscription{stream.subject.path}/datastore=OPERATIONAL/scope=SUBTREE"


def place(stream: Stream) -> str:
    """A stream's path on the websocket's port, without the ticket."""
    return f"/{stream_name(stream)}" + ("/odl-leaf-nodes-only=true" if stream.leaves_only else "")


PLACES = {place(stream): stream for subject in SUBJECTS for stream in (Stream(subject, False), Stream(subject, True))}


class Backlog:
    """What a client has yet to hear: entries of which something changed, and whether it knows them already."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._known: dict[Key, bool] = {}
        self._news = asyncio.Event()

    def committed(self, committed: Committed) -> None:
        """A transaction, of which most is of no concern."""
        for change in committed.changes:
            if change.kind is self.stream.subject.kind:
                for key, existed in concerned(self.stream.subject, change):
                    self._known.setdefault(key, existed)
                    self._news.set()

    def __len__(self) -> int:
        return len(self._known)

    async def take(self) -> dict[Key, bool]:
        """The entries for the next frame, the oldest news first. Waits until there is one."""
        await self._news.wait()
        taken = dict(islice(self._known.items(), ROWS_A_FRAME))
        for key in taken:
            del self._known[key]
        if not self._known:
            self._news.clear()
        return taken


class Streams:
    """The application behind the websocket's port, and the addresses that lead to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tickets = Tickets(secrets.token_bytes(32), TICKET_SECONDS)
        self._open = 0

    def path(self, stream: Stream) -> str:
        """Where a stream can be had within the next minute."""
        return f"{place(stream)}/{self._tickets.issue(place(stream), time.monotonic())}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            text = "Here are websockets alone; /restconf/streams/stream/ tells their addresses"
            await PlainTextResponse(text, 426, {"Upgrade": "websocket"})(scope, receive, send)
            return
        where, _, ticket = scope["path"].rpartition("/")
        stream = PLACES.get(where)
        if stream is None or not self._tickets.admits(where, ticket, time.monotonic()):
            text = "The address is none that was given out during the last minute"
            await PlainTextResponse(text, 403)(scope, receive, send)
        elif self._open >= STREAMS:
            await PlainTextResponse(f"There are {STREAMS} listeners already", 503)(scope, receive, send)
        else:
            await self._serve(stream, WebSocket(scope, receive, send))

    async def _serve(self, stream: Stream, websocket: WebSocket) -> None:
        client = websocket.client.host if websocket.client else "?"
        backlog = Backlog(stream)
        # Before the client can know that it is connected: whatever it reads from then on is no older than our news.
        unsubscribe = self._store.subscribe(backlog.committed)
        self._open += 1
        tasks: list[asyncio.Task[None]] = []
        try:
            await websocket.accept()
            log.info("listener_came", client=client, path=stream.subject.path)
            tasks = [asyncio.create_task(self._tell(backlog, websocket)), asyncio.create_task(until_gone(websocket))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Exception as error:
            # Its text may quote what was told, so its class and its place have to do.
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error("stream_failed", error=type(error).__name__, place=f"{where.filename}:{where.lineno}")
        finally:
            self._open -= 1
            unsubscribe()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.info("listener_went", client=client, path=stream.subject.path, unheard=len(backlog))

    async def _tell(self, backlog: Backlog, websocket: WebSocket) -> None:
        """Tell the client, as fast as it listens, until it is gone or hopelessly behind."""
        while len(backlog) <= BACKLOG:
            taken = await backlog.take()
            told = [each for key, existed in taken.items() for each in self._events(backlog.stream, key, existed)]
            try:
                await websocket.send_text(frame(told, datetime.now(UTC)))
            except (WebSocketDisconnect, RuntimeError):  # uvicorn's word for a connection that it closed itself
                return
        await websocket.close(TRY_AGAIN, "too far behind: read everything and come back")

    def _events(self, stream: Stream, key: Key, existed: bool) -> list[Mapping[str, Any]]:
        return events(stream, key, existed, stream.subject.now(self._store, key))


async def until_gone(websocket: WebSocket) -> None:
    """Clients have nothing to say; whatever comes is dropped."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


class Door(WebSocketsSansIOProtocol):
    """uvicorn's protocol for websockets, less patient with clients that read nothing, and silent about addresses."""

    stalled: asyncio.TimerHandle | None = None

    def __init__(self, config: uvicorn.Config, *args: Any, **options: Any) -> None:
        super().__init__(config, *args, **options)
        self.ping_interval, self.ping_timeout = PING_SECONDS, PONG_SECONDS
        self.logger = quiet

    def pause_writing(self) -> None:
        super().pause_writing()
        # To close would be to wait until all is written, for ever.
        self.stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.patient()

    def shutdown(self) -> None:
        if self.stalled is None:
            super().shutdown()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.patient()

    def patient(self) -> None:
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None
