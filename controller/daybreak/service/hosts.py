"""io: what hosts report becomes records, and whether a host counts as there.

What an OVSDB says is durable: after a restart everything is computed from the last known state of every host. Only a
host's own word changes it; a connection that breaks changes nothing but, after a while, the status of its ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from daybreak.model import Host, Interface, Record, Transaction
from daybreak.southbound.ovsdb.session import Session
from daybreak.store.contract import Store, StoreError

BATCH = 10
"""Hosts whose state is written in one transaction."""

AGAIN = 1.0
"""Seconds until what could not be written is tried again."""

log = structlog.get_logger(__name__)


class Hosts:
    """The hosts that OVSDB connections speak for.

    `presence_listeners` hear when one comes or, `grace` seconds after it fell silent, goes.
    """

    def __init__(self, store: Store, *, grace: float, connected: Callable[[str], bool]) -> None:
        self.sessions: dict[str, Session] = {}
        self._names: dict[Session, str] = {}
        self.presence_listeners: list[Callable[[str], None]] = []
        self.session_listeners: list[Callable[[str, Session], None]] = []
        self.findings: dict[str, str] = {}
        self._store = store
        self._grace = grace
        self._switch_connected = connected
        self._gone: set[str] = set()
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._learned: dict[Session, tuple[Host, Mapping[str, Interface]]] = {}
        self._interfaces: dict[str, dict[str, Interface]] = {}
        self._by_uuid: dict[str, str] = {}
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Take over what is known; every host has `grace` seconds to come back."""
        self._remember()
        for host in self._store.rows(Host):
            self.missing(host)

    def _remember(self) -> None:
        """Know what is stored, and nothing else."""
        self._interfaces = {}
        for interface in self._store.rows(Interface).values():
            self._interfaces.setdefault(interface.host, {})[interface.name] = interface
        self._by_uuid = {host.ovs_uuid: host.id for host in self._store.rows(Host).values()}

    def interfaces(self, host: str) -> Mapping[str, Interface]:
        """A host's claims, by interface name."""
        return self._interfaces.get(host, {})

    # -- presence -----------------------------------------------------------------------------------------------------

    def live(self, host: str) -> bool:
        """Whether the host counts as there: connected, or silent for less than the grace time."""
        return host not in self._gone

    def present(self, host: str) -> bool:
        """Whether both connections of the host stand."""
        return host in self.sessions and self._switch_connected(host)

    def missing(self, host: str) -> None:
        """One of the host's connections broke, or has not come yet."""
        if host not in self._leaving and host not in self._gone:
            self._leaving[host] = asyncio.get_running_loop().call_later(self._grace, self._expire, host)

    def arrived(self, host: str) -> None:
        """Perhaps the host is complete again."""
        if not self.present(host):
            return
        timer = self._leaving.pop(host, None)
        if timer is not None:
            timer.cancel()
        if host in self._gone:
            self._gone.discard(host)
            log.info("host is back", host=host)
            for listener in self.presence_listeners:
                listener(host)

    def _expire(self, host: str) -> None:
        del self._leaving[host]
        if self.present(host):
            return
        self._gone.add(host)
        log.warning("host is gone", host=host, seconds=self._grace)
        for listener in self.presence_listeners:
            listener(host)

    async def forget(self, host: str) -> bool:
        """Take a host that is not coming back out of everything; False: its database is connected, so it is not gone.

        What it claimed is released. Should it come back after all, it is a new host.
        """
        if host in self.sessions:
            return False
        timer = self._leaving.pop(host, None)
        if timer is not None:
            timer.cancel()
        self._gone.discard(host)
        self.findings.pop(host, None)
        self._by_uuid = {uuid: name for uuid, name in self._by_uuid.items() if name != host}
        gone: list[tuple[type[Record], str]] = [(Host, host)]
        gone += [(Interface, row.key) for row in self._interfaces.pop(host, {}).values()]
        await self._write((), gone)
        log.info("host is forgotten", host=host)
        return True

    # -- what OVSDB says ----------------------------------------------------------------------------------------------

    def learned(self, session: Session, host: Host, interfaces: Mapping[str, Interface]) -> None:
        """The state of a host, new or changed."""
        rival = self.sessions.get(host.id)
        if rival is not None and rival is not session:
            known = self._store.get(Host, host.id)
            if known is not None and known.ovs_uuid != host.ovs_uuid:
                self.findings[host.id] = f"a second Open vSwitch ({host.ovs_uuid}) says that it is host {host.id}"
                log.error("two hosts of one name", host=host.id, refused=host.ovs_uuid, standing=known.ovs_uuid)
                session.close(f"another Open vSwitch is host {host.id}")
                return
            rival.close("the host connected again")
        self.findings.pop(host.id, None)
        self._leave(session)
        self.sessions[host.id] = session
        self._names[session] = host.id
        self._learned[session] = (host, dict(interfaces))
        self._wake.set()

    def lost(self, session: Session, reason: str) -> None:
        """A connection broke: what it said still holds."""
        host = self._leave(session)
        if host is not None:
            log.info("host's OVSDB lost", host=host, peer=session.remote_address, reason=reason)
            self.missing(host)

    def _leave(self, session: Session) -> str | None:
        """The session speaks for no host now; says for which it did, unless another one does already."""
        host = self._names.pop(session, None)
        if host is None or self.sessions.get(host) is not session:
            return None
        del self.sessions[host]
        return host

    async def run(self) -> None:
        """Write what was learned: of hosts that had news since the last write, some in one transaction.

        What can't be written is tried again, with what was learned meanwhile: the disk may be full for a while.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            news = {session: self._learned.pop(session) for session in [*self._learned][:BATCH]}
            if self._learned:
                self._wake.set()
            put: list[Record] = []
            delete: list[tuple[type[Record], str]] = []
            for host, interfaces in news.values():
                self._compare(host, interfaces, put, delete)
            try:
                await self._write(put, delete)
            except StoreError as error:
                log.error("what hosts report can't be written", reason=str(error))
                self._learned = news | self._learned
                self._wake.set()
                await asyncio.sleep(AGAIN)
                continue
            for session, (host, _) in news.items():
                for listener in self.session_listeners:
                    listener(host.id, session)
                self.arrived(host.id)

    async def _write(self, put: Sequence[Record], delete: Sequence[tuple[type[Record], str]]) -> None:
        """Have the store be as is remembered already; raises StoreError, having remembered what is stored."""
        if not (put or delete):
            await asyncio.sleep(0)
            return
        try:
            await self._store.commit(Transaction(tuple(put), tuple(delete)))
        except StoreError:
            self._remember()
            raise

    def _compare(
        self,
        host: Host,
        interfaces: Mapping[str, Interface],
        put: list[Record],
        delete: list[tuple[type[Record], str]],
    ) -> None:
        """What differs from what is stored. A host that changed its name takes its interfaces along."""
        former = self._by_uuid.get(host.ovs_uuid)
        if former is not None and former != host.id:
            delete.append((Host, former))
            delete.extend((Interface, row.key) for row in self._interfaces.pop(former, {}).values())
            self.sessions.pop(former, None)
        self._by_uuid[host.ovs_uuid] = host.id
        if self._store.get(Host, host.id) != host:
            put.append(host)
        known = self._interfaces.get(host.id, {})
        put.extend(row for name, row in interfaces.items() if known.get(name) != row)
        delete.extend((Interface, row.key) for name, row in known.items() if name not in interfaces)
        self._interfaces[host.id] = dict(interfaces)
