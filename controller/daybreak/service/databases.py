"""io: what each host's OVSDB should have: the bridge, its controllers and tunnels, and what ports' interfaces need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from daybreak.engine.engine import Wave
from daybreak.features.vocabulary import NETWORK_MTU, PLACED
from daybreak.model import Host, Location, Port
from daybreak.service.compute import Compute
from daybreak.service.hosts import Hosts
from daybreak.southbound.ovsdb.apply import Applier
from daybreak.southbound.ovsdb.desired import InterfaceWant, Wants
from daybreak.southbound.ovsdb.session import Session
from daybreak.store.contract import Committed


class Databases:
    """One applier for each host whose OVSDB is connected. `openflow` is the port and method of our own listener."""

    def __init__(
        self,
        compute: Compute,
        hosts: Hosts,
        *,
        integration: str,
        tunnels: tuple[str, ...],
        openflow: tuple[str, int],
        targets: tuple[str, ...] = (),
    ) -> None:
        self.appliers: dict[str, Applier] = {}
        self._compute = compute
        self._hosts = hosts
        self._integration = integration
        self._tunnels = tunnels
        self._openflow = openflow
        self._targets = targets
        self._sessions: dict[str, Session] = {}
        self._names: dict[Session, str] = {}
        self._table_names = {number: table.name for table, number in compute.engine.pipeline.numbers.items()}
        self._closing: set[asyncio.Task[None]] = set()

    def session(self, host: str, session: Session) -> None:
        """A host's OVSDB was heard."""
        if self._sessions.get(host) is not session:
            for name in (self._names.get(session), host):
                self._drop(name)
            self._sessions[host], self._names[session] = session, host
            self.appliers[host] = Applier(session, self._wants(host, session))
        else:
            self.appliers[host].want(self._wants(host, session))

    def _drop(self, host: str | None) -> None:
        """Another session speaks for the host now, or the session for another host, or the host is forgotten."""
        if host in self._sessions:
            del self._names[self._sessions.pop(host)]
            former = self.appliers.pop(host)
            task = asyncio.get_running_loop().create_task(former.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def wave(self, committed: Committed, wave: Wave) -> None:
        """Ports or MTUs changed: ask anew for the hosts concerned. A host that was forgotten is no concern of ours."""
        for change in committed.changes:
            if change.kind is Host and change.new is None:
                self._drop(change.key)
        engine = self._compute.engine
        moved = set(wave.facts.get(PLACED, ()))
        for network in wave.facts.get(NETWORK_MTU, ()):
            moved.update(
                port for port, row in engine.records[Port].items() if getattr(row, "network_id", "") == network
            )
        concerned = {place.host for port in moved for place in engine.values(PLACED, port)}
        concerned.update(row.host for row in map(engine.records[Location].get, moved) if isinstance(row, Location))
        for host in concerned & self._sessions.keys():
            self.appliers[host].want(self._wants(host, self._sessions[host]))

    def findings(self) -> Mapping[str, tuple[str, ...]]:
        """What only people can mend, by host."""
        return {host: applier.findings for host, applier in self.appliers.items() if applier.findings}

    def _wants(self, host: str, session: Session) -> Wants:
        method, port = self._openflow
        target = session.target(port, method)
        return Wants(
            integration=self._integration,
            controller_targets=self._targets or ((target,) if target else ()),
            manager=session.called_at,
            tunnels=self._tunnels,
            table_names=self._table_names,
            interfaces={name: self._interface(row.iface_id) for name, row in self._hosts.interfaces(host).items()},
        )

    def _interface(self, port_id: str) -> InterfaceWant:
        """An interface keeps its OpenFlow port over a restart, and has its network's MTU."""
        engine = self._compute.engine
        port = engine.records[Port].get(port_id)
        mtus = engine.values(NETWORK_MTU, port.network_id) if isinstance(port, Port) else ()
        return InterfaceWant(mtus[0] if mtus else None, pin_ofport=True)

    async def close(self) -> None:
        """Write nothing any more."""
        await asyncio.gather(*(applier.close() for applier in self.appliers.values()), return_exceptions=True)
