"""io: keeps one switch's flows, meters and groups as they should be. The only place that changes them.

At connect the table is dumped, compared and mended; after that only what changes is sent. While a bundle is under way
changes are gathered, flow by flow, so at most one is in flight: a slow switch holds up nobody but itself. Whatever
somebody else does to the table is noticed by a flow monitor, with a slow rolling dump behind it, and leads to the
same comparison again. Meters and groups it does not watch: what becomes of one that no flow uses the dump alone shows.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import structlog

from daybreak.southbound.openflow.differ import (
    Changes,
    Difference,
    difference,
    messages,
    owned_by,
    steps,
)
from daybreak.southbound.openflow.session import Lost, Refusal, Refused, Switch
from daybreak.southbound.openflow.zones import Zones, zones_of
from daybreak.southbound.turns import Turns
from daybreak.wire.openflow import shared
from daybreak.wire.openflow.flow import stats_entries
from daybreak.wire.openflow.messages_error import METER_EXISTS
from daybreak.wire.openflow.messages_experimenter import CtFlushZone
from daybreak.wire.openflow.messages_group import GroupDescription, MeterConfig

log = structlog.get_logger(__name__)

PLAIN_CHUNK = 5_000
"""Flow-mods between two barriers while an empty table is filled: a bundle is slower, and there is nothing to keep."""

SPREAD = 0.25
"""The part of the time between two comparisons that is left to chance: switches that came at once don't stay so."""

PARTS_A_SLICE = 4
"""Parts of a dump (64 KB each) that are decoded between two turns of the event loop."""

MENDING_DELAY = 0.05
"""Seconds from the first sign of drift to the dump: somebody who deletes flows deletes more than one."""


class Quarantined(NamedTuple):
    """A rule's key that the switch refused a flow of: all its flows are withheld from this switch."""

    cookie: int
    reason: str


class Drift(NamedTuple):
    """A difference that somebody else made, and that was mended: when (UNIX time), and how many flows."""

    at: float
    missing: int
    altered: int
    foreign: int

    @property
    def counts(self) -> dict[str, int]:
        """How many flows, in the words of people."""
        return {"missing": self.missing, "altered": self.altered, "foreign": self.foreign}


class Dump(NamedTuple):
    """What a switch says that it has. `flows` are the parts of a flow-stats reply."""

    flows: list[bytes]
    meters: tuple[MeterConfig, ...]
    groups: tuple[GroupDescription, ...]


class Desired(Protocol):
    """What a switch should have, as its owner knows it."""

    async def settled(self) -> None:
        """Return when no wave is under way: only then may the tables be read."""

    def table(self) -> dict[bytes, bytes]:
        """The whole table; a copy."""

    def flows_of(self, cookie: int) -> dict[bytes, bytes]:
        """The flows of one cookie in this table."""


class Applier:
    """One connected switch. `offer` what changes; `confirmed` is called when a barrier has answered for it.

    `missed` is told what the switch lacked when it was compared, before it gets it; None: it had nothing at all.

    `zones` are the host's, and outlive its connections.

    Comparisons of all switches share `turns`: whole tables are large. There is one at least every `reconcile_seconds`,
    however much changes meanwhile.
    """

    def __init__(
        self,
        switch: Switch,
        desired: Desired,
        *,
        confirmed: Callable[[Applier], None],
        turns: Turns,
        zones: Zones,
        missed: Callable[[Mapping[bytes, bytes] | None], None] = lambda _missing: None,
        reconcile_seconds: float = 60.0,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.switch = switch
        self.synced = False
        self.quarantine: dict[int, Quarantined] = {}
        self.drifts: list[Drift] = []
        self.offered = 0
        self._confirmed_revision = 0
        self._desired = desired
        self._confirmed = confirmed
        self._missed = missed
        self._turns = turns
        self._reconcile_seconds = reconcile_seconds
        self._now = now
        self._chance = chance
        self._due: float | None = None
        self._pending: Changes = {}
        self._zones = zones
        self._in_flight = False
        self._resync = True
        self._wake = asyncio.Event()
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Everything that was offered is on the switch."""
        return self.synced and not self._pending and not self._in_flight and not self._resync

    @property
    def applied(self) -> int:
        """The highest revision for which all that touches this switch is confirmed; see `offered`."""
        return self._confirmed_revision

    def offer(self, revision: int, changes: Mapping[bytes, bytes | None]) -> None:
        """These flows changed in this revision. Changes of one flow supersede each other."""
        self.offered = revision
        self._pending.update(changes)
        if self.quarantine:
            self._release(changes)
        self._wake.set()

    def mend(self) -> None:
        """Compare the whole table soon: somebody else changed it."""
        self._resync = True
        self._wake.set()

    async def run(self) -> None:
        """Serve the switch until it is lost; let go of it where it can't be served."""
        try:
            while True:
                try:
                    async with asyncio.timeout_at(self._due):
                        await self._wake.wait()
                except TimeoutError:
                    self._resync = True
                self._wake.clear()
                await self._step()
        except Lost as lost:
            self.switch.close(str(lost))
        finally:
            self.synced = False

    async def _step(self) -> None:
        """One comparison or one push, and the word that it is done."""
        self._in_flight = True
        try:
            if self._resync:
                await self._compare()
            while self._pending:
                revision = self.offered
                changes, self._pending = self._pending, {}
                await self._push(changes)
                self._confirmed_revision = revision
                self._confirmed(self)
        finally:
            self._in_flight = False

    async def _compare(self) -> None:
        """Dump, compare, send the difference, and go on from there."""
        if self.synced:
            await asyncio.sleep(MENDING_DELAY)
        self._resync = False
        wait = self._reconcile_seconds * (1 - SPREAD * self._chance())
        self._due = asyncio.get_running_loop().time() + wait
        async with self._turns.turn():
            dump = await self._dump()
            async with self._turns.work:
                flows = await decode(dump.flows)
                await self._desired.settled()
                revision, waiting = self.offered, self._pending
                table, self._pending = self._table(), {}
                actual = [*flows, *sharing(dump, table)]
                found = difference(table, actual)
        drift = [len(part.keys() - waiting.keys()) for part in found]  # what waited to be sent is nobody else's doing
        if any(drift) and self.synced:
            self._report(Drift(self._now(), *drift))
        if any(actual):
            for part in flows if not self.synced else ():
                self._zones.seen(zones_of(part))
            self._missed(found.missing)
            await self._push(found.changes())
        else:
            self._missed(None)
            users = zones_of(table)
            await self._empty(self._zones.inherited(users))
            self._zones.seen(users)
            await self._fill(table)
        if not self.synced:
            await self.switch.monitor_flows()
            self.synced = True
            log.info("in sync", dpid=f"{self.switch.dpid:016x}", flows=len(table), changed=len(found.changes()))
        self._confirmed_revision = revision
        self._confirmed(self)

    async def differences(self) -> Difference:
        """What differs now; changes nothing. Flows that are under way may show up."""
        dump = await self._dump()
        flows = await decode(dump.flows)
        await self._desired.settled()
        table = self._table()
        return difference(table, [*flows, *sharing(dump, table)])

    async def _dump(self) -> Dump:
        """All that the switch has."""
        switch = self.switch
        return Dump(*await asyncio.gather(switch.dump_flows_raw(), switch.dump_meters(), switch.dump_groups()))

    def _table(self) -> dict[bytes, bytes]:
        """What the switch should have, less what it refused."""
        table = self._desired.table()
        for cookie in self.quarantine:
            for key in self._desired.flows_of(cookie):
                table.pop(key, None)
        return table

    def _report(self, drift: Drift) -> None:
        self.drifts = [*self.drifts[-99:], drift]
        log.warning("drift", dpid=f"{self.switch.dpid:016x}", **drift.counts)

    async def _fill(self, table: Mapping[bytes, bytes]) -> None:
        """Fill an empty table: plain flow-mods are faster than a bundle, and there is no half-old, half-new to fear."""
        found = steps(table)
        await self._meters(found.before, table)
        for start in range(0, len(found.bundle), PLAIN_CHUNK):
            keys = found.bundle[start : start + PLAIN_CHUNK]
            for refusal in await self.switch.plain(messages(keys, table)):
                self._refuse(keys[refusal.place], table, refusal)

    async def _push(self, changes: Changes) -> None:
        """Meters and empty zones, then one atomic bundle; what the switch refuses is put in quarantine and the rest
        sent again."""
        await self._meters(steps(changes).before, changes)
        users = zones_of(changes)
        await self._empty(self._zones.taken(users))
        self._zones.seen(users)
        while True:
            if self.quarantine:
                changes = {key: body for key, body in changes.items() if owned_by(body) not in self.quarantine}
            found = steps(changes)
            try:
                if found.bundle:
                    await self.switch.bundle(messages(found.bundle, changes))
                break
            except Refused as refused:
                for refusal in refused.refusals:
                    self._refuse(found.bundle[refusal.place], changes, refusal)
        if found.after:
            await self.switch.plain(messages(found.after, changes))

    async def _empty(self, zones: list[int]) -> None:
        """Forget the connections of conntrack zones."""
        if zones:
            await self.switch.plain([CtFlushZone(zone).encode() for zone in zones])

    async def _meters(self, keys: list[bytes], changes: Mapping[bytes, bytes | None]) -> None:
        """Make meters as they should be, before the flows that use them. Those that are there already are changed."""
        if not keys:
            return
        there = []
        for refusal in await self.switch.plain(messages(keys, changes)):
            if refusal.error.name == METER_EXISTS:
                there.append(keys[refusal.place])
            else:
                self._refuse(keys[refusal.place], changes, refusal)
        modifications = [shared.meter_modify(key, body) for key in there if (body := changes[key]) is not None]
        for refusal in await self.switch.plain(modifications) if modifications else ():
            self._refuse(there[refusal.place], changes, refusal)

    # -- quarantine ---------------------------------------------------------------------------------------------------

    def _refuse(self, key: bytes, changes: Mapping[bytes, bytes | None], refusal: Refusal) -> None:
        """Withdraw all flows of a rule's key from this switch: half of them would be worse than none."""
        cookie, reason = owned_by(changes[key]), refusal.error.name
        if cookie is None:
            raise Lost(f"it refused what can't be withheld: {reason}")
        self.quarantine[cookie] = Quarantined(cookie, reason)
        self._pending.update(dict.fromkeys(self._desired.flows_of(cookie)))
        self._wake.set()
        log.error("flow refused", dpid=f"{self.switch.dpid:016x}", cookie=f"{cookie:#x}", reason=reason)

    def _release(self, changes: Mapping[bytes, bytes | None]) -> None:
        """A rule's key whose flows changed is tried again, with all of them; one without any is forgotten."""
        changed = {owned_by(body) for body in changes.values()}
        for cookie in list(self.quarantine):
            flows = self._desired.flows_of(cookie)
            if cookie in changed or not flows:
                del self.quarantine[cookie]
                self._pending.update(flows)


def sharing(dump: Dump, desired: Mapping[bytes, bytes]) -> tuple[dict[bytes, bytes], ...]:
    """The meters and the groups of a switch, in the form in which flows are."""
    return tuple(shared.claimed(part, desired) for part in (shared.meters(dump.meters), shared.groups(dump.groups)))


async def decode(dump: list[bytes]) -> list[dict[bytes, bytes]]:
    """A switch's table, in parts; decoded in slices, so that a large one does not hold up the others."""
    actual = []
    for number, part in enumerate(dump, 1):
        actual.append(stats_entries(part))
        if number % PARTS_A_SLICE == 0:
            await asyncio.sleep(0)
    return actual
