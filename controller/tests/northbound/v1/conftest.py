"""A controller without switches, and the modern API in front of it, over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from daybreak.features import pipeline, pools
from daybreak.model import INTENTS
from daybreak.northbound import neutron, v1
from daybreak.northbound.credentials import Credentials
from daybreak.northbound.http import app, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.service.effect import acted_on
from daybreak.service.plan import Planner
from daybreak.store.contract import Store
from daybreak.store.memory import MemoryStore
from daybreak.store.sqlite import SqliteStore

POOLS = pools(pipeline(), (1000, 60000))


class Served(NamedTuple):
    """A store, the API in front of it, and a client that is logged in."""

    store: Store
    api: v1.Api
    client: httpx2.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        """One request below /v1; the answer's status and JSON. True and False become texts."""
        words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        answer = await self.client.request(method, f"/v1{path}", json=body, params=words)
        media = "application/json" if answer.status_code < 400 else "application/problem+json"
        assert answer.headers["content-type"] == media, answer.text
        return answer.status_code, answer.json()

    async def transact(self, *operations: dict[str, Any], **others: Any) -> list[Any]:
        """One transaction that is accepted; its outcomes in a few words."""
        status, answer = await self.ask("POST", "/transactions", {"operations": operations, **others})
        assert status == 200, answer
        return [
            f"stale: {each['stands']} {'deleted it' if each.get('deleted') else 'stands'}"
            if each["outcome"] == "stale"
            else each["outcome"]
            for each in answer["outcomes"]
        ]


async def serving(store: Store, credentials: Credentials) -> AsyncIterator[Served]:
    controller = Controller(store)
    controller.start()
    acted = acted_on(controller.engine.pipeline)
    api = v1.Api(store, INTENTS, controller.progress, acted, controller.counters.of_rule, Planner(controller))
    application = app(store, credentials, [neutron.routes, lambda store: api.routes()])
    async with (
        serve_http(application, "127.0.0.1", 0) as (host, port),
        httpx2.AsyncClient(base_url=f"http://{host}:{port}", auth=("admin", "admin"), timeout=60) as client,
    ):
        yield Served(store, api, client)
        api.close()
    await controller.close()


@pytest.fixture
async def served(credentials: Credentials) -> AsyncIterator[Served]:
    async for each in serving(MemoryStore(KINDS, POOLS), credentials):
        yield each


@pytest.fixture
async def durable(credentials: Credentials, tmp_path: Path) -> AsyncIterator[Served]:
    """The same in front of a store on disk, where writers really wait for each other."""
    store = SqliteStore.open(tmp_path / "data", KINDS, POOLS)
    async for each in serving(store, credentials):
        yield each
    await store.close()
