"""The admin API as programs other than ours see it."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from daybreak.features import pipeline, pools
from daybreak.model import Network, Port, Record, Transaction
from daybreak.northbound import admin
from daybreak.northbound.credentials import Credentials
from daybreak.northbound.http import app, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.service.views import Views
from daybreak.store.memory import MemoryStore

RECORDS: tuple[Record, ...] = (
    Network("1" * 8, name="blue"),
    Network("2" * 8, name="blue"),
    Network("3" * 8, name="red", network_type="vlan"),
    *(Port(f"port{number:04}", "1" * 8, name="web") for number in range(250)),
)


@pytest.fixture
async def controller() -> Controller:
    store = MemoryStore(KINDS, pools(pipeline(), (1000, 2000)))
    controller = Controller(store)
    controller.engine.apply(0, ())
    store.subscribe(controller.compute.committed)
    await store.commit(Transaction(RECORDS))
    await controller.compute.settled()
    return controller


@pytest.fixture
async def client(controller: Controller, credentials: Credentials) -> AsyncIterator[httpx2.AsyncClient]:
    dialects = [admin.dialect(Views(controller))]
    async with (
        serve_http(app(controller.store, credentials, dialects), "127.0.0.1", 0) as (host, port),
        httpx2.AsyncClient(base_url=f"http://{host}:{port}", auth=("admin", "admin")) as client,
    ):
        yield client


async def test_a_collection_is_one_object_a_line(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/daybreak/admin/v1/networks")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    networks = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["id"], each["name"]) for each in networks] == [("1" * 8, "blue"), ("2" * 8, "blue"), ("3" * 8, "red")]
    assert len(networks[0]["ports"]) == 250
    assert networks[2]["failure"] == "Contradiction: a network of type vlan without a physical network"


async def test_what_is_not_there_is_a_404_and_what_is_there_twice_a_300(client: httpx2.AsyncClient) -> None:
    absent = await client.get("/daybreak/admin/v1/flows?port=nobody")
    assert (absent.status_code, absent.text) == (404, "There is no port nobody")
    twice = await client.get("/daybreak/admin/v1/networks?network=blue")
    assert twice.status_code == 300
    assert twice.json() == {
        "message": "2 networks are called blue",
        "candidates": [{"kind": "network", "id": key * 8, "name": "blue"} for key in "12"],
    }


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("hosts?host=h1", "No parameter host here; there are none"),
        ("flows?ports=web", "No parameter ports here; there is port, host, network, counters"),
        ("flows", "Say of which port, host or network"),
        ("flows?network=11111111&counters=true", "Counters are those of one host: say which"),
        ("check?deep=yes", "Expected true or false, not yes"),
    ],
)
async def test_a_wrong_question_is_a_400_that_says_so(client: httpx2.AsyncClient, query: str, text: str) -> None:
    answer = await client.get(f"/daybreak/admin/v1/{query}")
    assert (answer.status_code, answer.text) == (400, text)


@pytest.mark.parametrize("path", ["/daybreak/admin/v1/hosts", "/daybreak/admin/v1/check", "/metrics"])
async def test_nobody_is_told_anything_without_a_password(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path, auth=("admin", "wrong"))).status_code == 401
    assert (await client.post(path)).status_code == 405


async def test_metrics_say_how_the_controller_is(client: httpx2.AsyncClient, controller: Controller) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert f"daybreak_revision {float(controller.engine.revision)}" in lines
    assert "daybreak_ports 250.0" in lines
    assert "daybreak_ports_active 0.0" in lines
    assert "daybreak_rule_failures 1.0" in lines
    assert "daybreak_flow_conflicts 0.0" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
