"""A controller and hypervisors that are none (bench/fake_switch.py), in this process, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fake_switch import FakeHost

from daybreak.features import pipeline, pools
from daybreak.model import PortStatus, Record
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.apply import Applier
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.ovsdb.session import listen
from daybreak.store.contract import Store
from daybreak.store.memory import MemoryStore

DEADLINE = 20.0
LINGER = 0.3
POOLS = pools(pipeline(), (1000, 1999))


async def until(what: str, condition: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110  # some of it happens in other tasks' sockets
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"waited {DEADLINE:g} s until {what}")


class Site:
    """A controller that follows a store, and hypervisors h1, h2 … that call it when they are told to."""

    def __init__(self, store: Store, linger_seconds: float = 5.0, grace_seconds: float = 0.05) -> None:
        self.store = store
        self.failed = asyncio.Event()
        self.controller = Controller(
            store, reconcile_seconds=3600, linger_seconds=linger_seconds, grace_seconds=grace_seconds
        )
        self.hosts = [FakeHost(f"h{n}", n, f"10.0.0.{n}") for n in (1, 2)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        """While the controller runs."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.store.close)
            self.controller.start(self.failed.set)
            stack.push_async_callback(self.controller.close)
            server = await asyncio.get_running_loop().create_server(Listener(self.controller.switches), "127.0.0.1", 0)
            stack.callback(server.close)
            databases = listen("127.0.0.1", 0, self.controller.hosts)
            stack.push_async_callback(databases.close)
            self._ports = databases.port, server.sockets[0].getsockname()[1]
            for host in self.hosts:
                stack.callback(host.disconnect)
            await asyncio.sleep(0)  # it takes its socket into care when it has begun
            yield self

    async def connect(self, host: FakeHost) -> None:
        await host.connect("127.0.0.1", *self._ports)

    async def connect_switch(self, host: FakeHost) -> None:
        """Its switch alone."""
        await host.connect_switch("127.0.0.1", self._ports[1])

    def applier(self, host: FakeHost) -> Applier:
        return self.controller.switches.appliers[host.name]

    def is_idle(self, host: FakeHost) -> bool:
        """The switch is connected, and has all that it was offered."""
        return host.name in self.controller.switches.appliers and self.applier(host).idle

    def wrong(self, host: FakeHost) -> set[bytes]:
        """Keys of flows that a switch has and should not, or the other way round."""
        topics = self.controller.switches.topics(host.name)
        return host.table.flows.keys() ^ {key for topic in topics for key in topic.flows}

    def is_active(self, port: str) -> bool:
        status = self.store.get(PortStatus, port)
        return status is not None and status.active

    def rows(self, *kinds: type[Record]) -> set[str]:
        return {key for kind in kinds for key in self.store.rows(kind)}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Without a disk; both hypervisors are connected."""
    async with Site(MemoryStore(KINDS, POOLS, log=100), linger_seconds=LINGER).running() as site:
        for host in site.hosts:
            await site.connect(host)
        await until("both are in sync", lambda: all(map(site.is_idle, site.hosts)))
        yield site
