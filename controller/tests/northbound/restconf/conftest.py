"""A controller's RESTCONF and its websockets on loopback ports, in front of a store that tests write to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx2
import pytest

from daybreak.model import Host, Interface, Network, Port, PortStatus, Subnet
from daybreak.northbound import restconf
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import app, serve_http
from daybreak.store.memory import MemoryStore

KINDS = (Network, Subnet, Port, PortStatus, Host, Interface)
CREDENTIALS = Credentials({"admin": hash_password("admin")})


class Served(NamedTuple):
    """A store, the servers in front of it, and a client of RESTCONF that is logged in."""

    store: MemoryStore
    client: httpx2.AsyncClient
    websockets: int

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, believed: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """With a TLS context of the servers', and one of clients that believe them; without, in plain."""
    store = MemoryStore(KINDS)
    streams = restconf.Streams(store)
    async with serve_http(streams, "127.0.0.1", 0, tls, websocket=restconf.Door) as (_, websockets):
        application = app(store, CREDENTIALS, [restconf.dialect(streams, websockets, "br-int")])
        async with (
            serve_http(application, "127.0.0.1", 0, tls) as (host, port),
            httpx2.AsyncClient(
                base_url=f"{'https' if tls else 'http'}://{host}:{port}",
                auth=("admin", "admin"),
                timeout=60,
                verify=believed or True,
            ) as client,
        ):
            yield Served(store, client, websockets)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as each:
        yield each


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[asyncio.Runner, Served]]:
    """The same for tests of many examples, with the loop that it runs in."""
    with asyncio.Runner() as runner:
        context = serving()
        served = runner.run(context.__aenter__())
        yield runner, served
        runner.run(context.__aexit__(None, None, None))
