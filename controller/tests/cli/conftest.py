"""A controller that serves hand-made records over HTTP, and the command line beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner

from daybreak.features import pipeline, pools
from daybreak.model import INTENTS, Record, Transaction
from daybreak.northbound import admin, v1
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import app, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.service.main import main
from daybreak.service.plan import Planner
from daybreak.service.views import Views
from daybreak.store.memory import MemoryStore

Run = Callable[[str], Coroutine[None, None, tuple[int, str]]]
"""What follows `daybreak` on the command line → exit code and all that was printed."""


@pytest.fixture(scope="session")
def credentials() -> Credentials:
    return Credentials({"admin": hash_password("admin")})


async def controller_with(records: Iterable[Record]) -> Controller:
    """A controller that has computed these records, and follows neither clouds nor switches."""
    store = MemoryStore(KINDS, pools(pipeline(), (1000, 2000)))
    controller = Controller(store)
    controller.engine.apply(0, ())
    store.subscribe(controller.compute.committed)
    await store.commit(Transaction(tuple(records)))
    return controller


@asynccontextmanager
async def serving(records: Iterable[Record], credentials: Credentials) -> AsyncIterator[tuple[str, Controller]]:
    """The URL of a controller that has these records, and the controller."""
    controller = await controller_with(records)
    counters, planner = controller.counters.of_rule, Planner(controller)
    modern = v1.Api(controller.store, INTENTS, controller.progress, counters=counters, planner=planner)
    dialects = [admin.dialect(Views(controller)), lambda store: modern.routes()]
    async with serve_http(app(controller.store, credentials, dialects), "127.0.0.1", 0) as (host, port):
        yield f"http://{host}:{port}", controller
        modern.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`daybreak …` in a thread: it blocks, while the controller answers from the test's loop."""
    for name in ("DAYBREAK_URL", "DAYBREAK_USER", "DAYBREAK_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    async def run(line: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, main, line.split(), prog_name="daybreak")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, "".join(f"{row.rstrip()}\n" for row in result.output.splitlines())

    return run
