"""io: the controller: store, engine, southbound and northbound, wired together.

store ──Committed──► compute ──Wave──► switches ──bundles──► Open vSwitch
  ▲                                        │ confirmed
  └── hosts, ports ◄── OVSDB sessions ◄────┘
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import structlog

from daybreak.engine.engine import Engine
from daybreak.features import pipeline
from daybreak.model import INTENTS, Change, Host, Interface, Location, PortStatus, Probe, Record, Settings
from daybreak.model.origin import Fence, Origin
from daybreak.service.compute import Compute
from daybreak.service.counters import Counters
from daybreak.service.databases import Databases
from daybreak.service.freed import INTERVAL, Freed
from daybreak.service.hosts import Hosts
from daybreak.service.ports import Ports
from daybreak.service.probe import Probes
from daybreak.service.progress import Progresses
from daybreak.service.security_log import SecurityLog
from daybreak.service.switches import Switches
from daybreak.store.contract import Store

KINDS: tuple[type[Record], ...] = (Settings, *INTENTS, Origin, Fence, Host, Interface, Location, PortStatus, Probe)
"""The kinds of records that are kept; the pools of the features add theirs."""

log = structlog.get_logger(__name__)

THRESHOLDS = (50_000, 20, 50)
"""Of the garbage collector: what a thousand switches say at once would have it look through everything, again and
again, while nobody is served. Little here is in cycles: the most is freed at once by counting references."""


class Controller:
    """Everything but the listeners and front ends. `start` computes what is stored; then anybody may connect."""

    def __init__(
        self,
        store: Store,
        *,
        integration: str = "br-int",
        tunnels: tuple[str, ...] = ("vxlan", "geneve", "gre"),
        openflow: tuple[str, int] = ("tcp", 6653),
        targets: tuple[str, ...] = (),
        grace_seconds: float = 30.0,
        reconcile_seconds: float = 60.0,
        linger_seconds: float = 5.0,
        freed_seconds: float = INTERVAL,
        counters_seconds: float = 0.0,
        counters_path: Path | None = None,
        logged: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.store = store
        self.engine = Engine(pipeline())
        self.compute = Compute(self.engine)
        self.switches = Switches(self.compute, reconcile_seconds=reconcile_seconds, linger_seconds=linger_seconds)
        self.hosts = Hosts(store, grace=grace_seconds, connected=self.switches.appliers.__contains__)
        self.ports = Ports(store, self.compute, self.switches, self.hosts)
        self.databases = Databases(
            self.compute, self.hosts, integration=integration, tunnels=tunnels, openflow=openflow, targets=targets
        )
        self.freed = Freed(store, self.engine, self.switches, interval=freed_seconds)
        self.counters = Counters(self.compute, self.switches, interval=counters_seconds, path=counters_path)
        self.security_log = SecurityLog(self.engine, logged)
        self.switches.packet_listeners["security_log"] = self.security_log.packet
        self.compute.listeners += [self.switches.wave, self.ports.wave, self.databases.wave, self.counters.wave]
        self.compute.listeners.append(self.security_log.wave)
        self.switches.missed_listeners.append(self.counters.missed)
        self.switches.confirmed_listeners += [self.ports.confirmed, self.hosts.arrived]
        self.switches.lost_listeners.append(self.hosts.missing)
        self.hosts.presence_listeners.append(self.ports.presence)
        self.hosts.session_listeners.append(self.databases.session)
        self.progress = Progresses(self.compute, self.switches)
        self.probes = Probes(store, self.compute, self.switches, self.progress)
        self.switches.packet_listeners["probe"] = self.probes.packet
        self.is_broken = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, failed: Callable[[], None] = lambda: None) -> None:
        """Compute everything from the store, then follow it. Blocks: nobody is connected yet.

        `failed` is called when a part of it ends by an error: the rest would go on as if nothing were missing.
        """
        gc.set_threshold(*THRESHOLDS)
        gc.disable()  # all that is made now stays: looking through it again and again would find nothing
        self.engine.apply(self.store.revision, self._stored(self.store_kinds()))
        gc.enable()
        gc.freeze()
        self.store.subscribe(self.compute.committed)
        self.switches.start()
        self.counters.start()
        self.security_log.start()
        self.hosts.start()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.hosts.run(), name="hosts"),
            loop.create_task(self.ports.run(), name="ports"),
            loop.create_task(self.freed.run(), name="freed"),
            loop.create_task(self.counters.run(), name="counters"),
            loop.create_task(self.probes.sweep(), name="probes"),
        ]
        for task in self._tasks:
            task.add_done_callback(partial(self._ended, failed))

    def _ended(self, failed: Callable[[], None], task: asyncio.Task[None]) -> None:
        """A part of the controller has nothing to do any more, or failed."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.critical("a part of the controller failed", part=task.get_name(), exc_info=error)
            self.is_broken = True
            failed()

    def store_kinds(self) -> Iterable[type[Record]]:
        """All kinds of rows that the store keeps for us."""
        return (*KINDS, *(pool.number for pool in self.engine.pipeline.pools))

    def _stored(self, kinds: Iterable[type[Record]]) -> Iterable[Change]:
        for kind in kinds:
            for key, record in self.store.rows(kind).items():
                yield Change(kind, key, None, record)

    async def close(self) -> None:
        """Stop writing and let go of the switches; their flows stay. The store is the caller's."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.databases.close()
        await self.switches.close()
        await self.counters.close()
