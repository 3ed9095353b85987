"""What becomes of a switch in trouble, and of those that change while others are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import ClassVar

import fake_switch
import pytest
from fake_switch import BUNDLE_ADD, DELETE_STRICT, INNER, SwitchConnection
from msgspec.structs import replace

from daybreak.engine.engine import Wave
from daybreak.model import Change, Interface, Location, Network, Port, SecurityGroup, Transaction
from daybreak.service.compute import AT_ONCE
from daybreak.store.contract import Committed
from daybreak.wire.openflow.messages_error import Error
from daybreak.wire.openflow.messages_experimenter import CtFlushZone
from daybreak.wire.openflow.messages_multipart import Kind

from .conftest import DEADLINE, LINGER, Site, until


class Stubborn(SwitchConnection):
    """Takes a bundle, but no deletion in it."""

    def _experimenter(self, message: bytes, xid: int) -> Iterator[bytes]:
        if message[12:16] == BUNDLE_ADD.to_bytes(4) and message[INNER + 25] == DELETE_STRICT:
            yield Error(5, 0, message, xid=xid).encode()
        else:
            yield from super()._experimenter(message, xid)


async def test_a_switch_that_refuses_a_deletion_does_not_pass_for_one_that_has_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1, _ = site.hosts
    await site.store.commit(Transaction((Network("n"), Port("p", "n", mac_address="fa:16:3e:00:00:01"))))
    h1.plug("tap", "p", 1)
    await until("the port is there", lambda: site.is_active("p"))
    h1.disconnect()
    await until("it has let go", lambda: h1.switch is None)
    monkeypatch.setattr(fake_switch, "SwitchConnection", Stubborn)
    await site.connect(h1)
    await until("it is back", lambda: site.is_idle(h1))

    deleted = await site.store.commit(Transaction(delete=((Port, "p"),)))
    await until("it is let go", lambda: h1.switch is None)
    assert not site.controller.switches.applied("h1", deleted.revision)
    monkeypatch.undo()
    h1.disconnect()
    await until("the database has let go, too", lambda: h1.database.connection is None)
    await site.connect(h1)
    await until("it is put right", lambda: site.is_idle(h1) and not site.wrong(h1))


def mac(number: int) -> str:
    return f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"


def ports(macs_from: int) -> list[Port]:
    """Enough of them that a change of all is computed in slices."""
    return [Port(f"p{n}", "n", mac_address=mac(macs_from + n), host_id="h1") for n in range(300)]


@contextmanager
def paused(site: Site, is_enough: Callable[[], bool]) -> Iterator[None]:
    """A wave stays between two of its slices, while everything else goes on, until it is enough."""
    engine = site.controller.engine
    feed = engine.feed

    def slow(revision: int, changes: Iterable[Change]) -> Generator[None, None, Wave]:
        wave = feed(revision, changes)
        while True:
            try:
                next(wave)
            except StopIteration as end:
                return end.value
            yield
            while not is_enough():
                yield

    engine.feed = slow
    yield
    del engine.feed


async def test_a_topic_is_not_given_up_in_the_middle_of_a_wave(site: Site) -> None:
    """What the wave had taken from the topic by then would have stayed on the switch for ever."""
    h1, h2 = site.hosts
    h2.plug("tap", "q", 1)
    for number, port in enumerate(ports(1000), 1):
        h1.plug(f"tap{number}", port.id, number)
    await site.store.commit(Transaction((Network("n"), Port("q", "n", mac_address=mac(999)), *ports(1000))))
    await until("h2 has them all", lambda: site.is_active("q") and site.is_idle(h2) and len(h2.table.flows) > 300)
    await site.store.commit(Transaction(delete=((Port, "q"),)))
    before = set(site.controller.engine.topics["network/n"].flows)
    over = asyncio.get_running_loop().time() + 2 * LINGER

    def is_enough() -> bool:
        is_halfway = not before <= site.controller.engine.topics["network/n"].flows.keys()
        return not is_halfway or asyncio.get_running_loop().time() > over

    with paused(site, is_enough):
        await site.store.commit(Transaction(tuple(ports(2000))))
        await site.controller.compute.settled()
    await until("h2 has given it up", lambda: "h2" not in site.controller.switches.subscribers("network/n"))
    await until("h2 is idle", lambda: site.is_idle(h2))
    assert not site.wrong(h2)


async def test_a_port_is_not_told_to_be_where_a_wave_has_yet_to_bring_it(site: Site) -> None:
    h1, h2 = site.hosts
    await site.store.commit(Transaction((Network("n"), *ports(1000))))
    for host in (h1, h2):
        host.plug("tap", "p0", 1)
    await until("it is on h1", lambda: site.store.get(Location, "p0") == Location("p0", "h1"))
    turns = count()

    def is_enough() -> bool:
        """Some turns of the loop, in which something happens to the port."""
        site.controller.ports.concern({"p0": None})
        return next(turns) > 20

    with paused(site, is_enough):
        first, *others = ports(2000)
        moved = await site.store.commit(Transaction((replace(first, host_id="h2"), *others)))
        told = site.store.subscribe(lambda committed: offered.append(site.applier(h2).offered))
        offered: list[int] = []
        await site.controller.compute.settled()
    await until("it is on h2", lambda: site.store.get(Location, "p0") == Location("p0", "h2"))
    told()
    assert offered[0] >= moved.revision, "nothing is told before h2 was offered its flows"


@contextmanager
def slow_to_tell(switch: SwitchConnection) -> Iterator[list[bytes]]:
    """A switch that has begun to tell its flows, and goes on afterwards with what it had when it was asked."""
    answer: list[bytes] = []

    def multipart(kind: int, body: bytes, xid: int) -> Iterable[bytes]:
        parts = list(SwitchConnection._multipart(switch, kind, body, xid))
        if kind != Kind.FLOW:
            return parts
        answer.extend(parts)
        return ()

    switch._multipart = multipart
    yield answer
    del switch._multipart
    switch.transport.write(b"".join(answer))


async def test_a_change_during_a_comparison_is_confirmed_by_it_and_no_drift(site: Site) -> None:
    h1, _ = site.hosts
    await site.store.commit(Transaction((Network("n"), Port("p", "n", mac_address=mac(1), host_id="h1"))))
    h1.plug("tap", "p", 1)
    await until("the port is there", lambda: site.is_active("p") and site.is_idle(h1))
    watch = site.controller.progress.watch()
    with slow_to_tell(h1.switch) as answer:
        site.applier(h1).mend()
        await until("it is compared", lambda: answer)
        changed = await site.store.commit(Transaction((Port("p", "n", mac_address=mac(2), host_id="h1"),)))
        late = asyncio.create_task(watch.applied(changed.revision, (), DEADLINE))
    assert await late == ()
    watch.close()
    assert site.applier(h1).drifts == []
    assert not site.wrong(h1)


async def test_a_listener_that_fails_keeps_no_wave_from_the_switches(site: Site, capsys) -> None:
    """Nor the waves after one that was computed in slices: they waited for a task that had ended."""

    def fails(committed: Committed, wave: Wave) -> None:
        if len(committed.changes) > AT_ONCE:
            raise ZeroDivisionError("nobody thought of this")

    h1, _ = site.hosts
    site.controller.compute.listeners.insert(0, fails)
    await site.store.commit(Transaction((Network("n"), *ports(1000))))
    await site.store.commit(Transaction((Port("p", "n", mac_address=mac(1), host_id="h1"),)))
    h1.plug("tap", "p", 1)
    await until("the port is there", lambda: site.is_active("p") and not site.wrong(h1))
    assert "a listener failed" in capsys.readouterr().out


class Emptied(SwitchConnection):
    """Notes which conntrack zones it is told to empty while it has no flows."""

    zones: ClassVar[list[int]] = []

    def _experimenter(self, message: bytes, xid: int) -> Iterator[bytes]:
        if message[8:16] == CtFlushZone(0).encode()[8:16] and not self.host.table.flows:
            self.zones.append(CtFlushZone.decode(message).zone)
        yield from super()._experimenter(message, xid)


async def test_a_zone_that_goes_to_another_vm_while_its_switch_restarts_is_emptied(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zone is the OpenFlow port's number. On the kernel datapath connections outlive ovs-vswitchd."""
    h1, _ = site.hosts
    group = SecurityGroup(id="web")
    vms = [Port(f"p{n}", "n", mac_address=mac(n), host_id="h1", security_groups=("web",)) for n in range(3)]
    await site.store.commit(Transaction((Network("n"), group, *vms)))
    h1.plug("stays", "p0", 1)
    h1.plug("goes", "p1", 2)
    await until("both are there", lambda: site.is_active("p0") and site.is_active("p1") and not site.wrong(h1))

    h1.restart_switch()
    await until("it is gone", lambda: not site.is_idle(h1))
    h1.unplug("goes")
    h1.plug("comes", "p2", 2)
    await until("it is known", lambda: site.rows(Interface) == {"h1/stays", "h1/comes"})
    monkeypatch.setattr(fake_switch, "SwitchConnection", Emptied)
    await site.connect_switch(h1)
    await until("it is there", lambda: site.is_active("p2") and not site.wrong(h1))
    assert Emptied.zones == [2]
