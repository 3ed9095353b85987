"""io: when a number that was freed may be given out again: when no switch can have it in a flow any more.

A network key, port key or VNI that is given to somebody else while a switch still has flows of its former owner leads
packets into another tenant's network. So a freed number rests until every known host has applied the revision that
freed it, as far as its switch has confirmed.

A host that is away holds numbers back: its switch goes on forwarding with the flows that it has, and is put right, in
one comparison, when it comes back. But not for ever: a host that nobody has heard of for `PATIENCE` is taken as
dismantled (after a restart of the controller this time begins anew). It may be longer; it must not be so short that
a hypervisor cut off from its controller still carries tenants' traffic.
"""

from __future__ import annotations

import asyncio

import structlog

from daybreak.engine.engine import Engine
from daybreak.model import Host
from daybreak.service.switches import Switches
from daybreak.store.contract import Store

PATIENCE = 86_400.0
"""Seconds for which a host that is away holds freed numbers back."""

INTERVAL = 5.0
"""Seconds between two looks; a number is in no hurry."""

log = structlog.get_logger(__name__)


class Freed:
    """Tells the store up to which revision all switches have applied."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        switches: Switches,
        *,
        patience: float = PATIENCE,
        interval: float = INTERVAL,
    ) -> None:
        self._store, self._engine, self._switches = store, engine, switches
        self._patience, self._interval = patience, interval
        self._applied: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._released = 0

    async def run(self) -> None:
        """Look every now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self.look(asyncio.get_running_loop().time())

    def look(self, now: float) -> None:
        """Release what every host has applied; `now` in seconds."""
        known = self._engine.records[Host]
        for gone in self._heard.keys() - known.keys():
            del self._heard[gone]
            self._applied.pop(gone, None)
        lowest = self._engine.revision
        for host in known:
            if self._is_awaited(host, now):
                lowest = min(lowest, self._applied.get(host, 0))
        if lowest > self._released:
            self._released = lowest
            self._store.release(lowest)

    def _is_awaited(self, host: str, now: float) -> bool:
        """Note how far a host is; says whether numbers wait for it."""
        applier = self._switches.appliers.get(host)
        heard = self._heard.setdefault(host, now)
        if applier is not None and applier.synced:
            self._applied[host] = self._engine.revision if applier.idle else applier.applied
            self._heard[host] = now
        elif heard + self._patience <= now and host in self._applied:
            del self._applied[host]
            log.warning("freed numbers wait for a host no longer", host=host, seconds=self._patience)
        return self._heard[host] + self._patience > now
