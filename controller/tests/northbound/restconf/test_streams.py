"""The websocket: who is let in, what becomes of clients that don't listen, and that no last state is missed."""

import asyncio
import logging
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from daybreak.model import Host, PortStatus, Transaction
from daybreak.northbound import restconf
from daybreak.northbound.http import MESSAGE_LIMIT, Plaintext, serve_http
from daybreak.northbound.restconf import streams
from daybreak.northbound.restconf.events import SUBJECTS
from daybreak.northbound.restconf.streams import Backlog, Stream
from daybreak.northbound.restconf.tickets import Tickets
from daybreak.store.memory import MemoryStore

from .conftest import KINDS, Served, serving
from .networking_odl import (
    DEADLINE,
    HOSTCONFIGS,
    PORTS,
    PortWatcher,
    events_of,
    extract_field,
    listen,
    locate,
    next_frame,
)


async def until(condition: Callable[[], bool]) -> None:
    end = asyncio.get_running_loop().time() + DEADLINE
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def status(port: str, active: bool) -> Transaction:
    return Transaction((PortStatus(port, active),))


# -- nothing is missed ------------------------------------------------------------------------------------------------

KNOWN = [f"60000000-0000-4000-8000-00000000000{number}" for number in range(5)]
PORT_IDS = st.sampled_from(KNOWN)
STEPS = st.one_of(
    st.tuples(st.just("status"), PORT_IDS, st.booleans()),
    st.tuples(st.just("delete"), PORT_IDS, st.none()),
    st.tuples(st.just("all"), st.none(), st.booleans()),
    st.tuples(st.just("cut"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.integers(0, 9), st.none()),
    st.tuples(st.just("hear"), st.none(), st.none()),
)
Step = tuple[str, Any, Any]
"""What happens, to which port (or to all at once), and whether that is active; or for how many ms nothing happens, or
that nothing does until all was heard."""


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=40))
def test_a_client_that_comes_and_goes_sees_the_last_state_of_each_port(standing: Any, steps: list[Step]) -> None:
    runner, served = standing
    runner.run(come_and_go(served, steps))


async def come_and_go(served: Served, steps: list[Step]) -> None:
    watcher = PortWatcher(served.client)
    following = asyncio.create_task(watcher.follow())

    def heard() -> bool:
        rows = served.store.rows(PortStatus).values()
        truth = {row.port_id: "ACTIVE" if row.active else "DOWN" for row in rows}
        return watcher.seen == truth or following.done()

    for step, what, active in steps:
        if step == "status":
            await served.store.commit(status(what, active))
        elif step == "all":
            await served.store.commit(Transaction(tuple(PortStatus(port, active) for port in KNOWN)))
        elif step == "delete":
            await served.store.commit(Transaction((), ((PortStatus, what),)))
        elif step == "cut":
            watcher.cut.set()
        elif step == "wait":
            await asyncio.sleep(what / 1000)
        else:
            await until(heard)
    await until(heard)
    assert not following.done(), following.exception()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_what_changes_before_the_client_reads_on_is_told_once_and_as_it_is_last() -> None:
    store = MemoryStore(KINDS)
    backlog = Backlog(Stream(SUBJECTS[0], True))
    store.subscribe(backlog.committed)
    for number in range(1000):
        await store.commit(status(f"p{number % 3}", number % 2 == 0))
    assert len(backlog) == 3
    assert await backlog.take() == {("p0",): False, ("p1",): False, ("p2",): False}
    await store.commit(status("p1", active=not store.rows(PortStatus)["p1"].active))
    assert await backlog.take() == {("p1",): True}


async def test_a_port_that_came_and_went_unheard_is_gone_for_those_who_have_read_it(served: Any) -> None:
    connection = await listen(served.client)
    came = served.store.commit(status("p1", True))
    gone = served.store.commit(Transaction((), ((PortStatus, "p1"),)))
    await asyncio.gather(came, gone)
    heard = events_of(await next_frame(connection))
    while heard[-1][0] != "deleted":
        heard = events_of(await next_frame(connection))
    await connection.close()
    assert {extract_field(path, "neutron:uuid") for _, path, _ in heard} == {"p1"}


async def test_what_nobody_expected_ends_the_stream_and_is_logged(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(streams, "events", fail)
    with capture_logs() as logs:
        connection = await listen(served.client)
        await served.store.commit(status("p1", True))
        with pytest.raises(websockets.ConnectionClosedError):
            await asyncio.wait_for(connection.recv(), DEADLINE)
        await until(lambda: len(logs) == 3)
    assert (logs[1]["event"], logs[1]["error"]) == ("stream_failed", "KeyError")
    assert "secret" not in str(logs)


async def test_many_rows_come_in_frames_that_a_client_can_digest(served: Any) -> None:
    connection = await listen(served.client)
    await served.store.commit(Transaction(tuple(PortStatus(f"p{number}", True) for number in range(120))))
    heard = [events_of(await next_frame(connection)) for _ in range(3)]
    await connection.close()
    assert [len(frame) for frame in heard] == [2 * 50, 2 * 50, 2 * 20]
    ports = [extract_field(path, "neutron:uuid") for frame in heard for _, path, data in frame if "status" in data]
    assert ports == [f"p{number}" for number in range(120)]


async def test_why_a_port_is_down_is_no_news_to_neutron(served: Any) -> None:
    await served.store.commit(status("p1", False))
    connection = await listen(served.client)
    await served.store.commit(Transaction((PortStatus("p1", False, "cmp1", "its interface is down"),)))
    await served.store.commit(status("p2", True))
    heard = events_of(await next_frame(connection))
    await connection.close()
    assert {extract_field(path, "neutron:uuid") for _, path, _ in heard} == {"p2"}


# -- who is let in ----------------------------------------------------------------------------------------------------


async def refused(url: str) -> tuple[int, str]:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await connect(url)
    response = refusal.value.response
    return response.status_code, (response.body or b"").decode()


async def test_addresses_are_good_for_their_own_stream_and_can_not_be_made(served: Any) -> None:
    ports, hosts = [await locate(served.client, path, False) for path in (PORTS, HOSTCONFIGS)]
    ticket = ports.rpartition("/")[2]
    forged = ticket[:-1] + ("0" if ticket[-1] != "0" else "1")
    for url in (
        ports[: -len(ticket)],
        ports[: -len(ticket) - 1],
        ports.replace(ticket, forged),
        ports.replace(ticket, "f" + ticket),
        hosts.rpartition("/")[0] + "/" + ticket,
        ports.replace(ticket, "%C3%BC" + ticket),
        f"ws://127.0.0.1:{served.websockets}/",
    ):
        assert await refused(url) == (403, "The address is none that was given out during the last minute")
    for url in (ports, hosts):
        await (await connect(url)).close()


def test_tickets_end() -> None:
    tickets = Tickets(b"secret", 60)
    ticket = tickets.issue("/stream", 1000.5)
    assert tickets.admits("/stream", ticket, 1060)
    assert not tickets.admits("/stream", ticket, 1061)
    assert not tickets.admits("/other", ticket, 1000.5)
    assert not Tickets(b"another", 60).admits("/stream", ticket, 1000.5)
    for nonsense in ("", "g", "gg", "zg" + ticket, ticket.replace("g", ""), "ü", "9" * 5000 + "g"):
        assert not tickets.admits("/stream", nonsense, 0)


async def test_nobody_learns_where_streams_are_without_a_password(served: Any) -> None:
    async with httpx2.AsyncClient(base_url=served.url) as stranger:
        with pytest.raises(httpx2.HTTPStatusError, match="401"):
            await locate(stranger, PORTS, True)


async def test_there_is_a_limit_of_listeners(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS", 2)
    first, second = [await listen(served.client) for _ in range(2)]
    url = await locate(served.client, PORTS, True)
    assert await refused(url) == (503, "There are 2 listeners already")
    with capture_logs() as logs:
        await first.close()
        await until(lambda: "listener_went" in [entry["event"] for entry in logs])
    await (await connect(url)).close()
    await second.close()


async def test_a_browser_is_told_what_is_here(served: Any) -> None:
    async with httpx2.AsyncClient() as browser:
        answer = await browser.get(f"http://127.0.0.1:{served.websockets}/")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


async def test_over_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make.split(), *files], check=True, capture_output=True)  # noqa: ASYNC221
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    believed = ssl.create_default_context(cafile=str(certificate))
    async with serving(server, believed) as served:
        url = await locate(served.client, PORTS, True)
        assert url.startswith(f"wss://127.0.0.1:{served.websockets}/")
        connection = await connect(url, ssl=believed)
        await served.store.commit(status("p1", True))
        assert len(events_of(await next_frame(connection))) == 2
        await connection.close()


async def test_peers_that_need_tls_are_refused_without() -> None:
    store = MemoryStore(KINDS)
    application = Plaintext(restconf.Streams(store), [ip_network("10.0.0.0/8")])
    async with serve_http(application, "127.0.0.1", 0, websocket=restconf.Door) as (host, port):
        code, text = await refused(f"ws://{host}:{port}/")
    assert (code, text) == (403, "HTTP without TLS is not allowed from 127.0.0.1; see allow_plaintext")


async def test_addresses_are_not_logged(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = await locate(served.client, PORTS, True)
    with capture_logs() as logs:
        connection = await connect(url)
        await connection.close()
        await until(lambda: len(logs) == 2)
    ticket = url.rpartition("/")[2]
    assert [entry["event"] for entry in logs] == ["listener_came", "listener_went"]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("websockets", "httpx2"))]
    assert ticket not in str(logs) + str(ours)


# -- clients that behave oddly ----------------------------------------------------------------------------------------


async def test_what_clients_say_is_dropped(served: Any) -> None:
    connection = await listen(served.client)
    for message in ("hello", b"\x00", "x" * MESSAGE_LIMIT):
        await connection.send(message)
    await served.store.commit(status("p1", True))
    assert len(events_of(await next_frame(connection))) == 2
    await connection.send("x" * (MESSAGE_LIMIT + 1))
    with pytest.raises(websockets.ConnectionClosedError) as closed:
        await asyncio.wait_for(connection.recv(), DEADLINE)
    assert closed.value.rcvd and closed.value.rcvd.code == 1009


async def test_who_is_too_far_behind_is_sent_away(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BACKLOG", 100)
    connection = await listen(served.client)
    await served.store.commit(Transaction(tuple(PortStatus(f"p{number}", True) for number in range(151))))
    await next_frame(connection)
    with pytest.raises(websockets.ConnectionClosedError) as closed:
        await asyncio.wait_for(connection.recv(), DEADLINE)
    assert closed.value.rcvd and closed.value.rcvd.code == 1013


async def mute(url: str) -> socket.socket:
    """A client that shakes hands, and then neither reads nor answers."""
    parts = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (parts.hostname, parts.port))
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(client, request.encode())
    assert (await loop.sock_recv(client, 12)).endswith(b"101")
    return client


async def test_who_reads_nothing_is_dropped(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALLED_SECONDS", 0.2)
    with capture_logs() as logs:
        client = await mute(await locate(served.client, HOSTCONFIGS, False))
        await until(lambda: len(logs) == 1)
        for number in range(100):
            text = f"{number} " + "x" * (1 << 20)
            await served.store.commit(Transaction((Host("cmp1", "u1", hostconfigs=(("ODL L2", text),)),)))
            await asyncio.sleep(0)
        await until(lambda: len(logs) == 2)
    assert logs[1]["event"] == "listener_went"
    assert logs[1]["unheard"] <= 1
    client.close()


async def test_who_gives_no_sign_of_life_is_dropped(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.05)
    monkeypatch.setattr(streams, "PONG_SECONDS", 0.2)
    with capture_logs() as logs:
        client = await mute(await locate(served.client, PORTS, True))
        await until(lambda: len(logs) == 2)
    assert logs[1]["event"] == "listener_went"
    client.close()


async def test_listeners_are_told_when_the_controller_stops() -> None:
    async with serving() as served:
        connection = await listen(served.client)
    with pytest.raises(websockets.ConnectionClosedError) as closed:
        await asyncio.wait_for(connection.recv(), DEADLINE)
    assert closed.value.rcvd and closed.value.rcvd.code == 1012


async def test_a_slow_listener_holds_up_no_other(served: Any) -> None:
    client = await mute(await locate(served.client, HOSTCONFIGS, False))
    connection = await listen(served.client, HOSTCONFIGS, False)
    for number in range(20):
        text = f"{number} " + "x" * (1 << 20)
        await served.store.commit(Transaction((Host("cmp1", "u1", hostconfigs=(("ODL L2", text),)),)))
    heard = ""
    while not heard.startswith("19 "):
        for _, _, data in events_of(await next_frame(connection)):
            heard = data.get("config", {}).get("content", heard)
    client.close()
    await connection.close()
