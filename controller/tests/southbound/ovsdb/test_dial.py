"""Databases that listen are called, and called again."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from daybreak.southbound.ovsdb.dial import Backoff, Dialer

SOON = Backoff(0.01, 0.05)


@asynccontextmanager
async def calling(dialer: Dialer):
    task = asyncio.create_task(dialer.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.ovs
async def test_a_database_is_called_until_it_listens_and_whenever_it_comes_back(database, recorder, until):
    port = free_port()
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    with capture_logs() as said:
        async with calling(Dialer("127.0.0.1", port, recorder, backoff=SOON)):
            await until(lambda: [line for line in said if line["event"] == "OVSDB can't be reached"])
            database.vsctl("--no-wait", "set-manager", f"ptcp:{port}:127.0.0.1")
            await until(lambda: "h1" in recorder.sessions)
            database.stop_server()
            await until(lambda: recorder.losses)
            database.start_server()
            await until(lambda: "h1" in recorder.sessions)
            session = recorder.sessions["h1"]
        await until(lambda: session.is_lost)
    refused = [line for line in said if line["event"] == "OVSDB can't be reached"]
    assert all(line["target"] == f"tcp:127.0.0.1:{port}" for line in refused)
    assert len(refused) <= 2  # however often it was tried: once before, once in between


async def test_a_peer_that_hangs_up_is_called_ever_more_seldom(recorder, until):
    calls: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(asyncio.get_running_loop().time())
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with calling(Dialer("127.0.0.1", port, recorder, backoff=Backoff(0.02, 0.32))):
        await until(lambda: len(calls) >= 6)
    server.close()
    assert calls[5] - calls[4] >= 0.16  # half of the slowest; the fifth wait is 0.32 s, half as much more or less
