"""io: what a transaction would do: computed to its end on top of the engine, and thrown away."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from daybreak.engine.engine import Engine, Wave
from daybreak.engine.explain import objects
from daybreak.engine.memo import Memo
from daybreak.engine.supposition import Shift, Supposition, changes_of
from daybreak.features.security_group.cuts import cut
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.model import Change, Port, Record, SecurityGroup, SecurityGroupRule
from daybreak.northbound.v1.answers import Plan, PlannedCut, PlannedFlow, PlannedHost, PlannedPort
from daybreak.service.controller import Controller
from daybreak.service.naming import FlowNames, name_of, title
from daybreak.service.slices import paced

LISTED = 1000
"""Flows that are listed; more are counted."""

ATTEMPTS = 5
"""How often a plan is begun anew because somebody wrote meanwhile; then it is made without a pause."""

Kind = Literal["added", "removed", "changed"]
ADDED: Kind = "added"
REMOVED: Kind = "removed"
CHANGED: Kind = "changed"


class Planner:
    """Makes plans for `v1.Api`."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._engine = controller.engine
        self._names = FlowNames(controller.engine.pipeline)

    async def __call__(self, rows: Mapping[tuple[type[Record], str], Record | None]) -> Plan:
        """What these rows would do. ValueError where the store could not take them."""
        for attempt in range(ATTEMPTS + 1):
            await self._controller.compute.settled()
            revision = self._engine.revision
            supposed = Supposition(self._engine)
            changes = changes_of(self._engine, rows)
            wave = await self._computed(supposed, changes, pauses=attempt < ATTEMPTS)
            if wave is not None:
                return await self._plan(supposed, wave, changes, revision)
        raise AssertionError("a plan without pauses was interrupted")

    async def _computed(self, supposed: Supposition, changes: list[Change], pauses: bool) -> Wave | None:
        """The wave of the changes; None where the engine went on meanwhile."""
        revision = self._engine.revision
        steps = supposed.feed(revision, changes)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if pauses:
                await asyncio.sleep(0)
                await self._controller.compute.settled()
                if self._engine.revision != revision:
                    return None

    async def _plan(self, supposed: Supposition, wave: Wave, changes: list[Change], revision: int) -> Plan:
        shifts = supposed.shifts(wave)
        hosts = _Hosts(self._controller, supposed, wave, shifts)
        listed = [self._flow(supposed, shift, hosts.of(shift.topic)) for shift in shifts[:LISTED]]
        cuts = [self._cut(rule) for rule in cut(self._engine, supposed, shifts)]  # before others change the engine
        failing = [memo for cookie, memo in supposed.failures.items() if cookie not in self._engine.failures]
        return Plan(
            revision=revision,
            objects=len(changes),
            hosts=tuple(hosts.counts()),
            ports=tuple(await self._ports(supposed, shifts, changes)),
            cuts=tuple(cuts),
            failures=tuple(f"{memo}: {memo.failure}" for memo in sorted(failing)),
            flows=tuple(sorted(listed, key=lambda flow: (flow.change, flow.flow))),
            omitted=max(0, len(shifts) - LISTED),
        )

    def _flow(self, supposed: Supposition, shift: Shift, hosts: tuple[str, ...]) -> PlannedFlow:
        body = shift.after if shift.after is not None else shift.before
        assert body is not None
        memo = self._memo(supposed, body, gone=shift.after is None)
        rule, key = ("?", "?") if memo is None else (str(memo.rule), memo.key)
        return PlannedFlow(_kind(shift), hosts, self._names.line(shift.key, body), rule, key)

    def _memo(self, supposed: Supposition, body: bytes, gone: bool) -> Memo | None:
        engine = self._engine if gone else supposed
        return engine.memos.get(int.from_bytes(body[:8], "big"))

    async def _ports(self, supposed: Supposition, shifts: list[Shift], changes: list[Change]) -> list[PlannedPort]:
        """Ports that are changed themselves, or whose flows are."""
        found = {key for kind, key, _, _ in changes if kind is Port}
        seen: set[bytes] = set()
        async for shift in paced(shifts):
            for body, gone in ((shift.before, True), (shift.after, False)):
                if body is None or body[:8] in seen:
                    continue
                seen.add(body[:8])
                memo = self._memo(supposed, body, gone)
                if memo is not None:
                    engine = self._engine if gone else supposed
                    found |= {each.key for each in objects(engine, memo) if isinstance(each, Port)}
        ports = [PlannedPort(key, self._name(supposed, key)) for key in found]
        return sorted(ports, key=lambda port: (port.name is None, port.name or "", port.id))

    def _name(self, supposed: Supposition, key: str) -> str | None:
        port = supposed.records[Port].get(key) or self._engine.records[Port].get(key)
        return None if port is None else name_of(port)

    def _cut(self, rule: SecurityGroupRule) -> PlannedCut:
        counted = self._controller.counters.of_rule(rule)
        group = self._engine.records[SecurityGroup].get(rule.security_group_id)
        shown = None if group is None else title(group)
        return PlannedCut(rule.id, shown, counted.connections, counted.packets)


def _kind(shift: Shift) -> Kind:
    return ADDED if shift.before is None else REMOVED if shift.after is None else CHANGED


def _size(engine: Engine, topic: str) -> int:
    known = engine.topics.get(topic)
    return len(known.flows) if known else 0


class _Hosts:
    """Which hosts a plan touches, and how much."""

    def __init__(self, controller: Controller, supposed: Supposition, wave: Wave, shifts: list[Shift]) -> None:
        engine = controller.engine
        self._counts: dict[str, Counter[Kind]] = defaultdict(Counter)
        self._subscribers: dict[str, set[str]] = defaultdict(set)
        self._passing: dict[str, set[str]] = defaultdict(set)
        by_topic: dict[str, Counter[Kind]] = defaultdict(Counter)
        for shift in shifts:
            by_topic[shift.topic][_kind(shift)] += 1
        for host in list(engine.relations[SUBSCRIPTIONS]):
            for topic in engine.values(SUBSCRIPTIONS, host):
                if topic in by_topic:
                    self._subscribers[topic].add(host)
        for host in wave.facts.get(SUBSCRIPTIONS, ()):
            before, after = set(engine.values(SUBSCRIPTIONS, host)), set(supposed.values(SUBSCRIPTIONS, host))
            for topic in before - after:
                self._counts[host][REMOVED] += _size(engine, topic)
                self._subscribers[topic].discard(host)
                self._passing[topic].add(host)
            for topic in after - before:
                self._counts[host][ADDED] += _size(supposed, topic)
                self._passing[topic].add(host)
        for topic, changed in by_topic.items():
            for host in self._subscribers[topic]:
                self._counts[host].update(changed)

    def of(self, topic: str) -> tuple[str, ...]:
        """The hosts that have a topic before, afterwards, or both."""
        return tuple(sorted(self._subscribers[topic] | self._passing[topic]))

    def counts(self) -> Iterable[PlannedHost]:
        """Hosts whose flows change, by name."""
        for host, counts in sorted(self._counts.items()):
            if counts.total():
                yield PlannedHost(host, counts[ADDED], counts[REMOVED], counts[CHANGED])
