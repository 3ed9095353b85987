"""A real server on a loopback port, and clients of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from daybreak.model import INTENTS, PortStatus
from daybreak.northbound import neutron
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import app, serve_http
from daybreak.store.contract import Store
from daybreak.store.memory import MemoryStore
from daybreak.store.sqlite import SqliteStore

KINDS = (*INTENTS, PortStatus)
BASE = "/controller/nb/v2/neutron"


class Served(NamedTuple):
    """A store, the server in front of it, and a client that is logged in."""

    store: Store
    client: httpx2.AsyncClient

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def credentials() -> Credentials:
    return Credentials({"admin": hash_password("admin")})


async def serving(store: Store, credentials: Credentials) -> AsyncIterator[Served]:
    async with serve_http(app(store, credentials, [neutron.routes]), "127.0.0.1", 0) as (host, port):
        url = f"http://{host}:{port}{BASE}"
        async with httpx2.AsyncClient(base_url=url, auth=("admin", "admin"), timeout=60) as client:
            yield Served(store, client)


@pytest.fixture
async def served(credentials: Credentials) -> AsyncIterator[Served]:
    async for each in serving(MemoryStore(KINDS), credentials):
        yield each


@pytest.fixture
async def durable(credentials: Credentials, tmp_path: Path) -> AsyncIterator[Served]:
    """The same in front of a store on disk, where writers really wait."""
    store = SqliteStore.open(tmp_path / "data", KINDS)
    async for each in serving(store, credentials):
        yield each
    await store.close()
