"""io: where ports are and what clouds are told of them.

State, not events: whatever happens to a port leads to the same question, what is true of it now, and the answer is
written where it differs from what stands in the store. A port is located on a host when the barrier behind its flows
there was answered; it is active while it is located, its interface and its host are there, and it is not switched
off.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import structlog

from daybreak.engine.engine import Wave
from daybreak.features.vocabulary import FACTS, PLACED, Place, foremost
from daybreak.model import Interface, Location, Network, Port, PortStatus, Record, Transaction
from daybreak.service.compute import Compute
from daybreak.service.hosts import Hosts
from daybreak.service.switches import Switches
from daybreak.store.contract import Committed, Store, StoreError

BATCH = 100
"""Ports whose state is written in one transaction."""

AGAIN = 1.0
"""Seconds until what could not be written is tried again."""

log = structlog.get_logger(__name__)


def status_of(
    port: Port, place: Place | None, interface: Interface | None, network: Network | None, live: bool
) -> PortStatus:
    """What is true of a port that has been applied where it is placed, or is placed nowhere."""

    def down(reason: str) -> PortStatus:
        return PortStatus(port.id, False, place.host if place else None, reason)

    if place is None:
        where = f"on {port.host_id} " if port.host_id else ""
        return down(f"no interface {where}carries its id")
    if port.admin_state_up is False:
        return down("the port is switched off")
    if network is None:
        return down("its network does not exist (yet)")
    if interface is None or not place.ofport:
        return down((interface and interface.error) or "the switch has not opened its interface")
    if not interface.link_up:
        return down("its interface is down")
    if not live:
        return down("its host is not connected")
    return PortStatus(port.id, True, place.host)


class Ports:
    """Keeps Location and PortStatus true."""

    def __init__(self, store: Store, compute: Compute, switches: Switches, hosts: Hosts) -> None:
        self._store = store
        self._compute, self._engine = compute, compute.engine
        self._switches = switches
        self._hosts = hosts
        self._since: dict[str, int] = {}
        self._waiting: dict[str, set[str]] = defaultdict(set)
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()

    # -- what happens -------------------------------------------------------------------------------------------------

    def wave(self, committed: Committed, wave: Wave) -> None:
        """A transaction: which ports does it concern?"""
        moved = set(wave.facts.get(PLACED, ()))
        for network in wave.facts.get(FACTS, ()):
            moved.update(memo.key for memo in self._engine.readers(FACTS, network) if memo.rule.root in (Port, PLACED))
        for port in moved:
            self._since[port] = wave.revision
        concerned = dict.fromkeys(moved)
        for kind, key, old, new in committed.changes:
            if kind is Port:
                concerned[key] = None
            elif kind is Interface:
                concerned.update((row.iface_id, None) for row in (old, new) if isinstance(row, Interface))
        self.concern(concerned)

    def confirmed(self, host: str) -> None:
        """A host's switch has confirmed something: perhaps what a port waits for."""
        waiting = self._waiting.pop(host, None)
        if waiting:
            self.concern(dict.fromkeys(waiting))

    def presence(self, host: str) -> None:
        """A host came or went."""
        self.concern({row.iface_id: None for row in self._hosts.interfaces(host).values()})

    def concern(self, ports: dict[str, None]) -> None:
        """Look at these ports again."""
        if ports:
            self._dirty.update(ports)
            self._wake.set()

    # -- what follows -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what is true of the ports that something happened to; what can't be written, again after a while."""
        # Those that went just before the last end, too: what was told of them may still be there.
        self.concern({key: None for kind in (Port, Location, PortStatus) for key in self._store.rows(kind)})
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._dirty:
                await self._compute.settled()  # what a wave changes must not be told before the switches are offered it
                ports = list(islice(self._dirty, BATCH))
                for port in ports:
                    del self._dirty[port]
                news = self._news(ports)
                if not (news.put or news.delete):
                    await asyncio.sleep(0)
                    continue
                try:
                    await self._store.commit(news)
                except StoreError as error:
                    log.error("what is true of ports can't be written", reason=str(error))
                    self.concern(dict.fromkeys(ports))
                    await asyncio.sleep(AGAIN)

    def _news(self, ports: Sequence[str]) -> Transaction:
        """What is true of these ports and does not stand in the store."""
        put: list[Record] = []
        delete: list[tuple[type[Record], str]] = []
        for port in ports:
            for kind, record in self._truth(port):
                stored = self._store.get(kind, port)
                if record is None and stored is not None:
                    delete.append((kind, port))
                elif record is not None and stored != record:
                    put.append(record)
        return Transaction(tuple(put), tuple(delete))

    def _truth(self, port_id: str) -> Iterator[tuple[type[Record], Record | None]]:
        """What should stand in the store for a port; nothing for a port of which we can't tell yet."""
        port = self._store.get(Port, port_id)
        if port is None:
            self._since.pop(port_id, None)
            yield Location, None
            yield PortStatus, None
            return
        network = self._store.get(Network, port.network_id)
        places = self._engine.values(PLACED, port_id)
        place = foremost(port.host_id, places)
        status = self._status(port, place, network)
        if place is None:
            yield Location, None
        elif not self._applied(port_id, place.host):
            known = self._store.get(PortStatus, port_id)
            if status.active and not (known and known.active and known.host == place.host):
                status = PortStatus(port_id, False, place.host, "waits for its flows on its host")
        else:
            yield Location, Location(port_id, place.host)
        further = (other for other in places if other is not place and self._applied(port_id, other.host))
        prepared = tuple(other.host for other in further if self._status(port, other, network).active)
        yield PortStatus, msgspec.structs.replace(status, prepared=prepared)

    def _status(self, port: Port, place: Place | None, network: Network | None) -> PortStatus:
        """What is true of a port at one of its places."""
        interface = self._store.get(Interface, f"{place.host}/{place.interface}") if place else None
        live = place is not None and self._hosts.live(place.host)
        return status_of(port, place, interface, network, live)

    def _applied(self, port: str, host: str) -> bool:
        """Whether a host's switch has confirmed the port's flows; if not, the port is looked at again when it does."""
        if self._switches.applied(host, self._since.get(port, 0)):
            return True
        self._waiting[host].add(port)
        return False
