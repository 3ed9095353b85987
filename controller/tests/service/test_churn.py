"""A day of a small cloud in a few seconds: ports, networks, interfaces and hosts come, go, move and break at random.

The switches are bench/fake_switch.py, in this process, on real sockets. Whenever the cloud is quiet every switch that
is connected has to have just the flows that it should, no number may be without an owner, and in the end freed numbers
must be free and the memory as it was.

DAYBREAK_CHURN_HOURS says how many hours of the cloud are played (24: the 1,440 events of a day, one a minute).
"""

import asyncio
import gc
import os
import random
import tracemalloc
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from fake_switch import FakeHost, interned

from daybreak.engine.oracle import differences
from daybreak.features import pipeline, pools
from daybreak.features.vocabulary import NetworkKey, PortKey, Vni
from daybreak.model import FixedIp, Host, Interface, Location, Network, Number, Port, PortStatus, Transaction
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.ovsdb.session import listen
from daybreak.store.memory import MemoryStore

from .conftest import until

HOURS = float(os.environ.get("DAYBREAK_CHURN_HOURS", "24"))
EVENTS = int(HOURS * 60)
QUIET = 60
"""Events between two quiet moments: an hour."""
HOSTS, NETWORKS, PORTS = 6, 8, 40
LINGER = 0.02
GROWTH = 512 << 10
"""Bytes that the process may have more after the second half of the day than after the first; a leak of 1 KB for each
event shows."""
NUMBERS: tuple[type[Number], ...] = (NetworkKey, PortKey, Vni)


class Cloud:
    """A controller, hypervisors, and what their users do to them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pools = pools(pipeline(), (1000, 1999))
        self.store = MemoryStore(KINDS, self.pools, log=100)
        self.controller = Controller(
            self.store, reconcile_seconds=3600, grace_seconds=0.05, linger_seconds=LINGER, freed_seconds=0.01
        )
        self.hosts = [FakeHost(f"h{n}", n + 1, f"10.0.0.{n + 1}") for n in range(HOSTS)]
        self.away: set[str] = set()
        self.plugged: dict[str, FakeHost] = {}
        self.ofports = 0
        self.most_flows = 0

    def identity(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    # -- what happens -------------------------------------------------------------------------------------------------

    async def event(self) -> None:
        """One of them, as often as its weight says."""
        happens = {
            self.network_comes: 3,
            self.network_goes: 2,
            self.port_comes: 20,
            self.port_changes: 10,
            self.port_goes: 12,
            self.interface_comes: 25,
            self.interface_goes: 12,
            self.host_goes: 2,
            self.host_returns: 4,
            self.switch_restarts: 2,
        }
        (event,) = self.random.choices([*happens], [*happens.values()])
        await event()

    async def network_comes(self) -> None:
        if len(self.store.rows(Network)) < NETWORKS:
            await self.store.commit(Transaction((Network(self.identity(), name="a network"),)))

    async def network_goes(self) -> None:
        """With all its ports."""
        if network := self.pick(Network):
            ports = [port.id for port in self.store.rows(Port).values() if port.network_id == network]
            gone = tuple((Port, port) for port in ports)
            await self.store.commit(Transaction(delete=(*gone, (Network, network))))

    async def port_comes(self) -> None:
        network = self.pick(Network)
        if network and len(self.store.rows(Port)) < PORTS:
            await self.store.commit(Transaction((self.port(self.identity(), network),)))

    async def port_changes(self) -> None:
        """Another MAC, other addresses, another host or none."""
        if port := self.pick(Port):
            known = self.store.rows(Port)[port]
            await self.store.commit(Transaction((self.port(port, known.network_id),)))

    def port(self, port: str, network: str) -> Port:
        low = self.random.randrange(1, 1 << 16)
        bound = self.random.choice([*self.hosts, None])
        return Port(
            port,
            network,
            admin_state_up=self.random.random() < 0.9,
            mac_address=f"fa:16:3e:00:{low >> 8:02x}:{low & 255:02x}",
            fixed_ips=(FixedIp(f"10.1.{low >> 8}.{low & 255}"),),
            host_id=bound.name if bound else None,
            port_security_enabled=self.random.random() < 0.5,
        )

    async def port_goes(self) -> None:
        if port := self.pick(Port):
            await self.store.commit(Transaction(delete=((Port, port),)))

    async def interface_comes(self) -> None:
        """Perhaps of a port that is plugged in somewhere else already."""
        if port := self.pick(Port):
            self.ofports += 1
            name, host = f"t{self.ofports}", self.random.choice(self.hosts)
            host.plug(name, port, self.ofports)
            self.plugged[name] = host

    async def interface_goes(self) -> None:
        if self.plugged:
            name = self.random.choice([*self.plugged])
            self.plugged.pop(name).unplug(name)

    async def host_goes(self) -> None:
        host = self.random.choice(self.hosts)
        host.disconnect()
        self.away.add(host.name)

    async def host_returns(self) -> None:
        if self.away:
            await self.connect(self.random.choice(sorted(self.away)))

    async def switch_restarts(self) -> None:
        """Its flows are gone; it's back at once, if the host is there."""
        host = self.random.choice(self.hosts)
        host.restart_switch()
        if host.name not in self.away:
            host.disconnect()
            await self.connect(host.name)

    async def connect(self, name: str) -> None:
        """The host is there (again): both connections, from nothing."""
        host = next(each for each in self.hosts if each.name == name)
        await until(f"{name} has let go", lambda: host.database.connection is None and host.switch is None)
        await host.connect("127.0.0.1", self.ovsdb, self.openflow)
        self.away.discard(name)

    def pick(self, kind: type[Network] | type[Port]) -> str | None:
        rows = sorted(self.store.rows(kind))
        return self.random.choice(rows) if rows else None

    # -- what has to hold ---------------------------------------------------------------------------------------------

    def is_quiet(self) -> bool:
        """Every host that is there is connected and has what it should."""
        switches = self.controller.switches
        present = [host for host in self.hosts if host.name not in self.away]
        return (
            all(host.name in switches.appliers and switches.appliers[host.name].idle for host in present)
            and all(self.controller.hosts.present(host.name) for host in present)
            and all(self.is_as_desired(host) for host in present)
            and all(self.controller.databases.appliers[host.name].is_settled for host in present)
        )

    def is_as_desired(self, host: FakeHost) -> bool:
        desired: dict[bytes, bytes] = {}
        for topic in self.controller.switches.topics(host.name):
            desired.update(topic.flows)
        return desired == host.table.flows

    async def quiet_moment(self) -> None:
        await until("every switch has just its flows", self.is_quiet)
        engine = self.controller.engine
        self.most_flows = max(self.most_flows, *(len(host.table.flows) for host in self.hosts))
        assert not differences(engine), "the engine would compute something else from nothing"
        for pool in self.pools:
            owners = {key for key, owner in self.store.rows(pool.owner).items() if pool.needs(owner)}
            assert set(self.store.rows(pool.number)) == owners, f"{pool.number.kind} without an owner, or the reverse"
            values = [number.value for number in self.store.rows(pool.number).values()]
            assert len(set(values)) == len(values), f"{pool.number.kind} given out twice"
        await until("no port is gone and still located", lambda: not self.leftovers())
        for host in self.hosts:
            if host.name not in self.away:
                claims = {row.name for row in self.store.rows(Interface).values() if row.host == host.name}
                assert claims == {name for name, where in self.plugged.items() if where is host}

    def leftovers(self) -> set[str]:
        """Records of ports that are no more."""
        ports = self.store.rows(Port)
        return {key for kind in (Location, PortStatus) for key in self.store.rows(kind) if key not in ports}

    async def end(self) -> None:
        """Everybody is back, and all ports and networks go: nothing may be left but the hosts."""
        for name in sorted(self.away):
            await self.connect(name)
        for name, host in self.plugged.items():
            host.unplug(name)
        self.plugged.clear()
        gone = [(kind, key) for kind in (Port, Network) for key in self.store.rows(kind)]
        await self.store.commit(Transaction(delete=tuple(gone)))
        await self.quiet_moment()


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud(seed=20)
    cloud.controller.start()
    server = await asyncio.get_running_loop().create_server(Listener(cloud.controller.switches), "127.0.0.1", 0)
    databases = listen("127.0.0.1", 0, cloud.controller.hosts)
    cloud.ovsdb, cloud.openflow = databases.port, server.sockets[0].getsockname()[1]
    for host in cloud.hosts:
        await cloud.connect(host.name)
    yield cloud
    for host in cloud.hosts:
        host.disconnect()
    server.close()
    await databases.close()
    await cloud.controller.close()
    await cloud.store.close()


@pytest.mark.timeout(60 + 10 * HOURS)
async def test_a_day(cloud: Cloud) -> None:
    memory: list[int] = []
    tracemalloc.start()
    try:
        for half in range(2):
            for number in range(EVENTS // 2):
                await cloud.event()
                if number % QUIET == 0:
                    await cloud.quiet_moment()
            await cloud.end()
            interned.clear()  # the switches' own
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])
            print(f"half {half}: revision {cloud.store.revision}, {memory[-1] >> 10} KB")
    finally:
        tracemalloc.stop()
    assert memory[1] - memory[0] < GROWTH
    assert not cloud.controller.engine.failures
    assert cloud.most_flows > 50  # it was no idle day
    assert set(cloud.store.rows(Host)) == {host.name for host in cloud.hosts}


async def test_freed_numbers_come_back_when_every_switch_has_applied(cloud: Cloud) -> None:
    async def network() -> int:
        record = Network(cloud.identity())
        await cloud.store.commit(Transaction((record,)))
        return cloud.store.rows(NetworkKey)[record.id].value

    async def forget() -> None:
        """Delete all networks; return when all that are there have applied it, and the word had time to spread."""
        gone = tuple((Network, key) for key in cloud.store.rows(Network))
        await cloud.store.commit(Transaction(delete=gone))
        await cloud.quiet_moment()
        cloud.controller.freed.look(asyncio.get_running_loop().time())

    await until("all are in sync", cloud.is_quiet)
    first = await network()
    await cloud.host_goes()
    await until("the host is missed", lambda: not cloud.controller.hosts.present(*cloud.away))
    await forget()
    second = await network()
    assert second != first  # the switch that is away may still have flows with the first
    await cloud.connect(*cloud.away)
    await forget()
    assert await network() == min(first, second)
