"""Clients who are slow, silent, gone or many: others are served meanwhile, and so are the switches."""

import asyncio
import contextlib
import resource
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from daybreak.features import pipeline, pools
from daybreak.model import INTENTS, Network
from daybreak.northbound import neutron, v1
from daybreak.northbound.credentials import Credentials
from daybreak.northbound.http import DEFAULT, Bounds, app, bind, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.listener import Listener
from daybreak.store.sqlite import SqliteStore
from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages import decode
from daybreak.wire.openflow.messages_connection import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    Hello,
)
from daybreak.wire.openflow.messages_header import xid_of

DEADLINE = 30.0
AUTHORIZATION = b"Authorization: Basic YWRtaW46YWRtaW4=\r\n"
PARTS = (
    b"",
    b"GET /v1/net",
    b"GET /v1/networks HTTP/1.1\r\nHost: here\r\n" + AUTHORIZATION,
    b"POST /v1/transactions HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n" + AUTHORIZATION + b'\r\n{"oper',
)
"""Requests that stop half-way: before the first byte, in the first line, in the headers, in the body."""


class EchoingSwitch(threading.Thread):
    """A switch as far as a controller sees it that answers, and asks for one echo after the other."""

    def __init__(self, port: int) -> None:
        super().__init__(name="switch", daemon=True)
        self.echoes = 0
        self.failure: Exception | None = None
        self._leaving = threading.Event()
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)

    def run(self) -> None:
        try:
            framer = Framer()
            self._socket.sendall(Hello().encode())
            while not self._leaving.is_set():
                data = self._socket.recv(65536)
                assert data, "the controller hung up"
                for message in framer.feed(data):
                    self._answer(message)
        except Exception as failure:
            self.failure = failure
        finally:
            self._socket.close()

    def _answer(self, message: bytes) -> None:
        match decode(message):
            case FeaturesRequest():
                self._socket.sendall(FeaturesReply(7).encode() + EchoRequest(b"?").encode(1))
            case BarrierRequest():
                self._socket.sendall(BarrierReply().encode(xid_of(message)))
            case EchoRequest(data=data):
                self._socket.sendall(EchoReply(data).encode(xid_of(message)))
            case EchoReply():
                self.echoes += 1
                time.sleep(0.01)
                self._socket.sendall(EchoRequest(b"?").encode(1))

    def leave(self) -> None:
        self._leaving.set()
        self.join(DEADLINE)


class Here(NamedTuple):
    """A controller with one switch."""

    store: SqliteStore
    port: int
    switch: EchoingSwitch
    client: httpx2.AsyncClient

    async def serves(self) -> None:
        """Clients get answers, and the switch gets its echoes."""
        before = self.switch.echoes
        assert (await self.client.get("/v1/networks?limit=1")).status_code == 200
        async with asyncio.timeout(DEADLINE):
            while self.switch.echoes < before + 3:
                assert self.switch.failure is None
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(directory: Path, credentials: Credentials, bounds: Bounds = DEFAULT) -> AsyncIterator[Here]:
    store = SqliteStore.open(directory / "data", KINDS, pools(pipeline(), (1000, 60000)))
    controller = Controller(store)
    controller.start()
    api = v1.Api(store, INTENTS, controller.progress)
    door = await asyncio.get_running_loop().create_server(Listener(controller.switches), "127.0.0.1", 0)
    application = app(store, credentials, [neutron.routes, lambda store: api.routes()])
    async with serve_http(application, "127.0.0.1", 0, bounds=bounds) as (host, port):
        switch = EchoingSwitch(door.sockets[0].getsockname()[1])
        switch.start()
        url = f"http://{host}:{port}"
        async with httpx2.AsyncClient(base_url=url, auth=("admin", "admin"), timeout=DEADLINE) as client:
            yield Here(store, port, switch, client)
        await asyncio.to_thread(switch.leave)
    assert switch.failure is None
    door.close()
    await controller.close()
    await store.close()


async def ended(reader: asyncio.StreamReader) -> None:
    """Return when the server has closed a connection."""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(DEADLINE):
            while await reader.read(65536):
                pass


async def trickle(port: int, part: bytes) -> None:
    """Send a request byte by byte, and after its beginning any byte, for as long as one may."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    over = asyncio.create_task(ended(reader))
    for byte in part + b"x" * 100_000:
        writer.write(bytes((byte,)))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.wait([over], timeout=0.02)
        if over.done():
            break
    await over
    writer.close()


async def test_whoever_is_too_slow_is_shown_out_and_nobody_waits_for_him(
    tmp_path: Path, credentials: Credentials
) -> None:
    async with running(tmp_path, credentials, Bounds(seconds=2.0)) as here:
        stuck = []
        for part in PARTS * 10:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(part)
            stuck.append((reader, writer))
        tricklers = [asyncio.create_task(trickle(here.port, part)) for part in PARTS[1:] * 3]
        await here.serves()
        await asyncio.gather(*(ended(reader) for reader, _ in stuck), *tricklers)
        for _, writer in stuck:
            writer.close()
        await here.serves()
        assert here.store.revision == 0


@pytest.mark.parametrize("after", [b"\r\n", b"G", b"0123456789"], ids=["a blank line", "a beginning", "a late body"])
async def test_a_stranger_who_was_refused_cannot_stay(tmp_path: Path, credentials: Credentials, after: bytes) -> None:
    length = len(after) if after.isdigit() else 0
    async with running(tmp_path, credentials, Bounds(seconds=1.0)) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"POST /v1/transactions HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % length)
        assert b" 401 " in await reader.readuntil(b"missing or wrong")
        writer.write(after)
        await ended(reader)
        writer.close()


async def test_a_connection_too_many_is_closed_and_those_before_it_go_on(
    tmp_path: Path, credentials: Credentials
) -> None:
    async with running(tmp_path, credentials, Bounds(connections=20)) as here:
        await here.serves()  # the client's own connection is one of the twenty
        silent = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(200)]
        refused = [asyncio.create_task(ended(reader)) for reader, _ in silent]
        async with asyncio.timeout(DEADLINE):
            for _, closed in zip(range(181), asyncio.as_completed(refused), strict=False):
                await closed
        await here.serves()
        assert sum(task.done() for task in refused) == 181
        for _, writer in silent:
            writer.close()
        await asyncio.gather(*refused)
        async with httpx2.AsyncClient(base_url=here.client.base_url, auth=("admin", "admin")) as newcomer:
            async with asyncio.timeout(DEADLINE):
                while True:
                    with contextlib.suppress(httpx2.TransportError):
                        assert (await newcomer.get("/v1/hosts")).status_code == 200
                        break


async def test_clients_who_hang_up_half_way_leave_nothing(tmp_path: Path, credentials: Credentials) -> None:
    async with running(tmp_path, credentials) as here:
        for number in range(300):
            _, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(PARTS[number % 4])
            if number % 2:
                writer.transport.abort()
            writer.close()
        await here.serves()
        assert here.store.revision == 0


async def test_peers_that_are_gone_without_a_word_are_noticed_by_the_system() -> None:
    """Linux gives a connection the options of the socket that it was accepted by."""
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as peer:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert peer.recv(1) == b""


CROWD = """
import collections, re, resource, select, socket, sys
port, connections, each = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
HEAD = b"%s %s HTTP/1.1\\r\\nHost: h\\r\\nAuthorization: Basic YWRtaW46YWRtaW4=\\r\\nContent-Length: %d\\r\\n\\r\\n%s"
crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
for number, one in enumerate(crowd):
    body = b'{"name": "%d"}' % number
    put = HEAD % (b"PUT", b"/v1/networks/n%d?revision=1" % number, len(body), body)
    one.sendall(put + (HEAD % (b"GET", b"/v1/networks/n%d" % number, 0, b"")) * (each - 1))
seen, waiting = collections.Counter(), select.poll()
heard = {one.fileno(): [one, b""] for one in crowd}
for each_one in heard:
    waiting.register(each_one, select.POLLIN)
while heard:
    for fd, _ in waiting.poll(60_000) or sys.exit("no answer for a minute"):
        data = heard[fd][0].recv(1 << 16)
        heard[fd][1] += data
        if not data or heard[fd][1].count(b"HTTP/1.1 ") >= each and heard[fd][1].endswith(b"}"):
            seen.update(re.findall(rb"HTTP/1.1 (\\d+)", heard.pop(fd)[1]))
            waiting.unregister(fd)
print(seen[b"200"], seen.total())
"""
"""A process that makes so many connections, sends so many requests on each of them, and only then reads."""


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_requests_at_once_are_all_answered(
    tmp_path: Path, credentials: Credentials, many_files: None
) -> None:
    async with running(tmp_path, credentials) as here:
        await here.serves()
        before = here.switch.echoes
        crowd = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CROWD, str(here.port), "1000", "10", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await crowd.communicate()
        assert said.split() == [b"10000", b"10000"]
        assert here.switch.echoes > before + 10
        await here.serves()
        assert len(here.store.rows(Network)) == 1000
