"""Meters and groups on a real switch: they are desired state, as flows are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from daybreak.engine.pipeline import Feature, GroupShape, MeterShape, Pipeline, Shape, Stage, Table
from daybreak.southbound.openflow.apply import Applier
from daybreak.southbound.openflow.zones import Zones
from daybreak.southbound.turns import Turns
from daybreak.wire.openflow.actions import Group, Meter
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.messages_connection import Role
from daybreak.wire.openflow.messages_group import GroupType, MeterFlags

from .conftest import DEADLINE

pytestmark = pytest.mark.ovs

ONLY = Table("ONLY", Stage.SWITCH, "the only table")
LIMIT = MeterShape("limit", MeterFlags.PKTPS, "so many packets a second")
COPIES = GroupShape("copies", GroupType.ALL, "one for each")
METERED = Shape("metered", ONLY, 10, [(FIELDS["tun_id"], Var("id"))], [Meter(Var("meter")), Send(1)], "id meter")
COPIED = Shape("copied", ONLY, 10, [(FIELDS["tun_id"], Var("id"))], [Group(Var("group"))], "id group")
PLAIN = Shape("plain", ONLY, 10, [(FIELDS["tun_id"], Var("id"))], [Send(1)], "id")
FEATURE = Feature("test", "", (ONLY,), (), (METERED, COPIED, PLAIN), (), (), (), (LIMIT, COPIES))
ENCODERS = Pipeline([FEATURE]).encoders


class Wants:
    """What a switch should have, each entry owned by a number."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def put(self, owner: int, shape: object, *values: object) -> dict[bytes, bytes | None]:
        """Want one more, or something else of the same key."""
        key, rest = ENCODERS[shape](*values)
        self.entries[key] = owner.to_bytes(8) + rest
        return {key: self.entries[key]}

    def drop(self, owner: int) -> dict[bytes, bytes | None]:
        """Want nothing of an owner any more."""
        gone = self.flows_of(owner)
        for key in gone:
            del self.entries[key]
        return dict.fromkeys(gone)

    async def settled(self) -> None: ...

    def table(self) -> dict[bytes, bytes]:
        return dict(self.entries)

    def flows_of(self, cookie: int) -> dict[bytes, bytes]:
        return {key: body for key, body in self.entries.items() if body[:8] == cookie.to_bytes(8)}


class Bench:
    """One bridge, and its applier."""

    def __init__(self, openvswitch, meeting, wants: Wants) -> None:
        self.openvswitch, self.meeting, self.wants = openvswitch, meeting, wants
        self.bridge = openvswitch.bridge()
        self.applier: Applier

    @asynccontextmanager
    async def served(self, reconcile_seconds: float = 60.0) -> AsyncIterator[None]:
        """While the switch is connected and all that is wanted at first is there."""
        self._confirmed = asyncio.Event()
        self.applier = Applier(
            await self.meeting.owner.switch(),
            self.wants,
            confirmed=lambda _: self._confirmed.set(),
            turns=Turns(1, 1.0),
            zones=Zones(),
            reconcile_seconds=reconcile_seconds,
        )
        task = asyncio.create_task(self.applier.run())
        await self.idle()
        try:
            yield
        finally:
            self.applier.switch.close()
            task.cancel()
            await self.meeting.owner.until(lambda: self.applier.switch not in self.meeting.owner.switches)

    async def idle(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while not self.applier.idle:
                self._confirmed.clear()
                await self._confirmed.wait()
                await asyncio.sleep(0)

    async def offer(self, changes: dict[bytes, bytes | None]) -> None:
        self.applier.offer(self.applier.offered + 1, changes)
        await self.idle()

    async def mended(self) -> None:
        self.applier.mend()
        await self.idle()

    def has(self) -> list[str]:
        """Meters, groups and flows, as ovs-ofctl tells them."""
        told = self.openvswitch.ofctl("dump-meters", self.bridge) + self.openvswitch.ofctl("dump-groups", self.bridge)
        lines = re.sub(r" bands=\s+", " bands=", told).splitlines()
        parts = [line.strip() for line in lines if line.strip() and "reply" not in line]
        return sorted(parts) + self.openvswitch.flows(self.bridge)

    def age(self) -> float:
        """Seconds for which the meter has been there, as the switch tells it."""
        found = re.search(r"duration:([\d.]+)s", self.openvswitch.ofctl("meter-stats", self.bridge))
        assert found
        return float(found[1])


@pytest.fixture
def bench(openvswitch, switch_meeting) -> Bench:
    """A switch that should have a meter and a group, each with a flow that uses it, and a flow of a third."""
    wants = Wants()
    wants.put(1, LIMIT, 5, 100, 20)
    wants.put(1, METERED, 1, 5)
    wants.put(2, COPIED, 2, 7)
    wants.put(2, COPIES, 7, ((Send(1),), (Send(2), Send(3))))
    wants.put(3, PLAIN, 3)
    return Bench(openvswitch, switch_meeting, wants)


ALL = [
    "group_id=7,type=all,bucket=actions=output:1,bucket=actions=output:2,output:3",
    "meter=5 pktps burst stats bands=type=drop rate=100 burst_size=20",
    "cookie=0x1, priority=10,tun_id=0x1 actions=meter:5,output:1",
    "cookie=0x2, priority=10,tun_id=0x2 actions=group:7",
    "cookie=0x3, priority=10,tun_id=0x3 actions=output:1",
]
OTHERS = ["cookie=0x2, priority=10,tun_id=0x2 actions=group:7", "cookie=0x3, priority=10,tun_id=0x3 actions=output:1"]


async def test_they_are_there_before_the_flows_that_use_them_and_go_after_them(bench: Bench) -> None:
    async with bench.served():
        assert bench.has() == ALL
        await bench.offer(bench.wants.drop(1) | bench.wants.drop(2))
        assert bench.has() == ALL[-1:]
        again = bench.wants.put(1, METERED, 1, 5) | bench.wants.put(1, LIMIT, 5, 100, 20)
        again |= bench.wants.put(2, COPIED, 2, 7) | bench.wants.put(2, COPIES, 7, ((Send(1),), (Send(2), Send(3))))
        await bench.offer(again)
        assert bench.has() == ALL
        assert not await bench.applier.differences()


async def test_changing_one_leaves_the_flows_that_use_it_alone(bench: Bench) -> None:
    async with bench.served():
        since = len(bench.meeting.owner.messages)
        await bench.offer(bench.wants.put(1, LIMIT, 5, 200, 0) | bench.wants.put(2, COPIES, 7, ((Send(4),),)))
        assert bench.has() == [
            "group_id=7,type=all,bucket=actions=output:4",
            "meter=5 pktps burst stats bands=type=drop rate=200 burst_size=200",
            *ALL[2:],
        ]
        await bench.mended()
        assert bench.meeting.owner.messages[since:] == [], "no flow was touched"
        assert bench.applier.drifts == []


async def test_a_new_connection_rewrites_nothing(bench: Bench) -> None:
    async with bench.served():
        pass
    async with bench.served():
        assert bench.has() == ALL
        assert bench.applier.drifts == []
        before = bench.age()
        await bench.mended()
        assert bench.age() >= before


async def test_what_others_did_is_put_right_and_reported(bench: Bench) -> None:
    ofctl = bench.openvswitch.ofctl
    async with bench.served():
        ofctl("add-meter", bench.bridge, "meter=9,kbps,band=type=drop,rate=10")
        ofctl("add-group", bench.bridge, "group_id=9,type=indirect,bucket=actions=drop")
        ofctl("mod-meter", bench.bridge, "meter=5,pktps,band=type=drop,rate=1")
        await bench.mended()
        assert bench.has() == ALL
        assert [drift.counts for drift in bench.applier.drifts] == [{"missing": 0, "altered": 1, "foreign": 2}]

        ofctl("del-meters", bench.bridge)
        ofctl("del-groups", bench.bridge)  # both take flows along
        assert bench.has() == ALL[-1:]
        await bench.mended()
        assert bench.has() == ALL
        assert bench.applier.drifts[-1].counts == {"missing": 4, "altered": 0, "foreign": 0}


async def test_a_switch_that_is_never_quiet_is_compared_too(bench: Bench) -> None:
    """Nobody is told of a group that others changed: only comparing finds it. Each change put that off once more."""
    async with bench.served(reconcile_seconds=0.5):
        bench.openvswitch.ofctl("mod-group", bench.bridge, "group_id=7,type=all,bucket=actions=output:9")
        async with asyncio.timeout(DEADLINE):
            while not bench.applier.drifts:
                await bench.offer(bench.wants.put(7, PLAIN, 70) | bench.wants.drop(7))
                await asyncio.sleep(0.05)
        await bench.idle()
        assert bench.has() == ALL


async def test_one_that_is_refused_is_withheld_with_its_flows_until_it_changes(bench: Bench) -> None:
    async with bench.served():
        no_number = bench.wants.put(4, LIMIT, 0, 10, 0) | bench.wants.put(4, PLAIN, 40)
        await bench.offer(no_number | bench.wants.put(5, METERED, 50, 6) | bench.wants.put(6, PLAIN, 60))
        assert bench.has() == [*ALL, "cookie=0x6, priority=10,tun_id=0x3c actions=output:1"]
        reasons = {cookie: each.reason for cookie, each in bench.applier.quarantine.items()}
        assert reasons == {4: "OFPMMFC_INVALID_METER", 5: "OFPMMFC_INVALID_METER"}, "5 uses a meter that nobody made"

        await bench.offer(bench.wants.drop(4))
        await bench.offer(bench.wants.put(5, LIMIT, 6, 10, 0))
        assert bench.applier.quarantine == {}
        assert "cookie=0x5, priority=10,tun_id=0x32 actions=meter:6,output:1" in bench.has()


async def test_they_come_back_after_a_restart_of_the_switch(bench: Bench) -> None:
    async with bench.served():
        assert bench.has() == ALL
    bench.openvswitch.restart()
    async with bench.served():
        assert bench.has() == ALL
        assert not await bench.applier.differences()


async def test_a_switch_that_takes_nothing_is_let_go_and_put_right_when_it_is_back(bench: Bench) -> None:
    """It refuses the bundle, for it was told that another is its master: no flow in it is to blame."""
    async with bench.served():
        await bench.applier.switch.take_role(Role.SLAVE, 1)
        bench.applier.offer(1, bench.wants.drop(1) | bench.wants.drop(2))
        await bench.meeting.owner.until(lambda: bool(bench.meeting.owner.reasons))
        assert bench.meeting.owner.reasons == ["it refused a bundle: OFPBRC_IS_SECONDARY"]
        assert bench.applier.quarantine == {}
        assert bench.has() == ALL
    async with bench.served():
        assert bench.has() == ALL[-1:]
