"""io: gathers what flows met: for each security-group rule what it let through, and what was dropped and why.

One host after the other is looked at, so that all are in an interval: first at the counters of its tables, which is one
request, then at the flows of those tables that are counted or drop and where packets were since the last look; only
while nothing else is under way to that switch, so that no change waits for an answer. What the flows of a rule met is
added up over all hosts, and kept beyond restarts of the controller and of switches.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import structlog

from daybreak.engine.engine import Wave
from daybreak.engine.pipeline import Counts
from daybreak.engine.rule import COOKIE_OWNER
from daybreak.model import Host, Record, SecurityGroupRule
from daybreak.northbound.v1.answers import RuleCounters
from daybreak.service.compute import Compute
from daybreak.service.counters_file import CountersFile, Kept, Subject, Total
from daybreak.service.drops import Drop, Drops
from daybreak.service.slices import paced
from daybreak.service.switches import Switches
from daybreak.service.tally import Growth, Tally
from daybreak.southbound.openflow.apply import Applier
from daybreak.southbound.openflow.session import Lost, Switch
from daybreak.store.contract import Committed
from daybreak.wire.openflow.flow import Hit, hits
from daybreak.wire.openflow.messages_multipart import TABLE_REQUEST, FlowQuery, TableStats, decode_tables

log = structlog.get_logger(__name__)

COUNTED: tuple[type[Record], ...] = (SecurityGroupRule,)
"""What is counted for: each has sums from its creation on."""

SAVE_SECONDS = 60.0
"""Between two writes of the file. Nothing is lost between them: the switches still have it."""

PATIENCE = 1.0
"""Seconds that a look waits for a switch that is busy; it comes again."""

PARTS_A_SLICE = 8
"""Parts of an answer (64 KB each) that are read between two turns of the event loop: some milliseconds."""

OURS = FlowQuery(cookie=COOKIE_OWNER << 56, cookie_mask=0xFF << 56)


class Busy(Exception):
    """The switch has something better to do."""


class Counters:
    """`total` is what was counted of a thing; `drops` what was dropped lately, `dropped` how many packets by host.

    `interval` in seconds; 0: never look.
    """

    def __init__(
        self,
        compute: Compute,
        switches: Switches,
        *,
        interval: float,
        path: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.interval = interval
        self.drops = Drops()
        self.dropped: dict[str, int] = defaultdict(int)
        self._engine = compute.engine
        self._compute = compute
        self._switches = switches
        self.now = now
        self._tally = Tally()
        self._totals: dict[Subject, Total] = {}
        self._changed: set[Subject] = set()
        self._missed: dict[tuple[str, int], int] = {}
        self._matched: dict[str, tuple[Switch, dict[int, int]]] = {}
        self._mended: dict[str, int] = defaultdict(int)
        self._looking: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._adding = asyncio.Lock()
        self._path = path
        self._file: CountersFile | None = None
        pipeline = self._engine.pipeline
        self._counted = pipeline.counted
        self._tables = sorted({*pipeline.counted, *(pipeline.numbers[shape.table] for shape in pipeline.drops)})
        self._misses = {number for table, number in pipeline.numbers.items() if table.miss}

    # -- what is known ------------------------------------------------------------------------------------------------

    def total(self, kind: type[Record], key: str) -> Total:
        """What was counted for a thing."""
        return self._totals.get((kind.kind, key), Total(since=self.now()))

    def totals(self, kind: type[Record]) -> list[Total]:
        """What was counted for all things of a kind."""
        return [total for (name, _), total in self._totals.items() if name == kind.kind]

    def of_rule(self, rule: SecurityGroupRule) -> RuleCounters:
        """What a rule let through, for the modern API."""
        connections, packets, octets, since, last = self.total(SecurityGroupRule, rule.id)
        return RuleCounters(rule.id, rule.security_group_id, connections, packets, octets, since, last)

    # -- following ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take over what was counted before. Blocks: nobody is connected yet. Raises StoreError; see CountersFile."""
        if self._path is not None:
            self._file, kept = CountersFile.open(self._path)
            self._tally.baselines = {place: flows for place, flows in kept.baselines.items() if flows is not None}
            self._totals = {subject: total for subject, total in kept.totals.items() if total is not None}
        known = {(kind.kind, key) for kind in COUNTED for key in self._engine.records[kind]}
        for subject in self._totals.keys() - known:
            self._forget(subject)
        for subject in known - self._totals.keys():
            self._begin(subject)

    def wave(self, committed: Committed, wave: Wave) -> None:
        """Things that came and went."""
        for kind, key, old, new in committed.changes:
            if kind in COUNTED and old is None:
                self._begin((kind.kind, key))
            elif kind in COUNTED and new is None:
                self._forget((kind.kind, key))
            elif kind is Host and new is None:
                self._tally.forget(key)
                self.dropped.pop(key, None)
                self._mended.pop(key, None)
                self._looking.pop(key, None)
                self._matched.pop(key, None)

    def missed(self, host: str, missing: Mapping[bytes, bytes] | None) -> None:
        """What a switch lacked, and will count from zero."""
        self._mended[host] += 1
        if missing is None:
            self._tally.emptied(host)
        else:
            self._tally.remade(host, missing)

    def _begin(self, subject: Subject) -> None:
        self._totals[subject] = Total(since=self.now())
        self._changed.add(subject)

    def _forget(self, subject: Subject) -> None:
        self._totals.pop(subject, None)
        self._changed.add(subject)

    # -- looking ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at all hosts, again and again, as evenly as can be; write down what was found."""
        if not self.interval:
            return
        saved = self.now()
        while True:
            hosts = sorted(self._switches.appliers)
            for host in hosts or [""]:
                await asyncio.sleep(self.interval / max(1, len(hosts)))
                await self.look(host)
                if self.now() - saved > SAVE_SECONDS:
                    saved = self.now()
                    await self.save()

    async def look(self, host: str) -> None:
        """Look at one host, if it is there and has time."""
        applier = self._switches.appliers.get(host)
        if applier is None:
            return
        try:
            async with self._looking[host]:  # an older answer after a newer one would look like a counter begun anew
                stats = decode_tables(b"".join(await applier.switch.multipart(TABLE_REQUEST.encode())))
                await self._look_where_packets_were(host, applier, {each.table: each.matched for each in stats})
                self._note_misses(host, stats)
        except (Busy, Lost):
            return
        except Exception:
            log.exception("counters of a host were not understood", host=host)

    async def _look_where_packets_were(self, host: str, applier: Applier, matched: Mapping[int, int]) -> None:
        """Look at the tables where packets were since the last look over this connection."""
        connection, known = self._matched.get(host, (None, {}))
        if connection is not applier.switch:
            known = {}
            self._matched[host] = applier.switch, known
        for table in self._tables:
            packets = matched.get(table, 0)
            if packets == known.get(table, -1):
                continue
            if packets == 0:
                self._tally.take(host, table, ())
            elif not await self._look(host, applier, table):
                continue
            known[table] = packets

    async def _look(self, host: str, applier: Applier, table: int) -> bool:
        """Take what the flows of a table met. False where that is for the next time."""
        await self._quiet(applier)
        mended = self._mended[host]
        found: list[Hit] = []
        query = FlowQuery(table=table, cookie=OURS.cookie, cookie_mask=OURS.cookie_mask)
        for number, part in enumerate(await applier.switch.dump_flows_raw(query), 1):
            found += hits(part)
            if number % PARTS_A_SLICE == 0:
                await asyncio.sleep(0)
        await self._compute.settled()
        if mended != self._mended[host]:  # some of it was counted by flows that are not there any more
            return False
        async with self._adding:
            await self._take(host, table, iter(self._tally.take(host, table, found)))
        return True

    async def _quiet(self, applier: Applier) -> None:
        """Wait until nothing is under way to a switch. Raises Busy where that takes too long."""
        end = time.monotonic() + PATIENCE
        while not applier.idle:
            if time.monotonic() > end:
                raise Busy
            await asyncio.sleep(0.01)

    async def _take(self, host: str, table: int, grown: Iterator[Growth]) -> None:
        """Add up what flows met since the last look, all of it: who is told to stop does the rest first."""
        now = self.now()
        try:
            async for growth in paced(grown):
                self._add(host, table, growth, now)
        finally:
            for growth in grown:
                self._add(host, table, growth, now)

    def _add(self, host: str, table: int, growth: Growth, now: float) -> None:
        hit, packets, octets, is_first = growth
        memo, meaning = self._engine.memos.get(hit.cookie), self._counted.get(table)
        if memo is None:
            return
        if hit.drops and not is_first:  # of what was before the first look nobody knows when it was
            self._drop(Drop(now, host, table, hit.key, memo.rule, memo.key, packets, octets))
        elif meaning is not None and memo.rule.root in COUNTED:
            self._count((memo.rule.root.kind, memo.key), meaning, packets, octets, now)

    def _drop(self, drop: Drop) -> None:
        self.drops.add(drop)
        self.dropped[drop.host] += drop.packets

    def _count(self, subject: Subject, meaning: Counts, packets: int, octets: int, now: float) -> None:
        before = self._totals.get(subject)
        if before is not None:
            begun = packets if meaning is Counts.CONNECTIONS else 0
            sums = (before.connections + begun, before.packets + packets, before.octets + octets)
            self._totals[subject] = Total(*sums, before.since, now)
            self._changed.add(subject)

    def _note_misses(self, host: str, tables: Iterable[TableStats]) -> None:
        """Packets that no flow of a table matched, where the table says what they were."""
        for stats in tables:
            if stats.table not in self._misses:
                continue
            place, missed = (host, stats.table), stats.lookups - stats.matched
            before = self._missed.get(place)
            self._missed[place] = missed
            if before is None or missed == before:
                continue
            grown = missed - before if missed > before else missed
            self._drop(Drop(self.now(), host, stats.table, b"", None, "", grown, 0))

    # -- keeping ------------------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write down what has changed."""
        async with self._adding:  # baselines and sums are those of one moment
            changed = self._taken()
        if self._file is None or not (changed.baselines or changed.totals):
            return
        try:
            await asyncio.to_thread(self._file.save, changed)
        except sqlite3.Error as error:
            self._tally.dirty |= changed.baselines.keys()
            self._changed |= changed.totals.keys()
            log.error("counters can't be written", reason=str(error))

    def _taken(self) -> Kept:
        """What has changed since the last time."""
        tally = self._tally
        baselines = {place: tally.baselines.get(place) for place in tally.dirty}
        totals = {subject: self._totals.get(subject) for subject in self._changed}
        tally.dirty, self._changed = set(), set()
        return Kept(baselines, totals)

    async def close(self) -> None:
        """Write down the rest."""
        await self.save()
        if self._file is not None:
            self._file.close()
            self._file = None
