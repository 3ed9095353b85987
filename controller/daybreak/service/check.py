"""io: what is not as it should be: on the switches, in what the clouds sent, in what the rules made of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from daybreak.engine.engine import Engine, Wave
from daybreak.engine.explain import flows, is_thing, objects
from daybreak.engine.memo import Memo
from daybreak.engine.view import CheckedView
from daybreak.features.vocabulary import CLAIMS, DUPLICATES, PLACED
from daybreak.model import Change, Host, Interface, Port, Record
from daybreak.northbound.admin.answers import CheckAnswer, Finding
from daybreak.service import effect
from daybreak.service.controller import Controller
from daybreak.service.naming import FlowNames, as_object, title
from daybreak.service.references import References
from daybreak.service.slices import paced
from daybreak.southbound.openflow.apply import Applier
from daybreak.southbound.openflow.differ import Difference
from daybreak.southbound.openflow.session import Lost
from daybreak.store.contract import Committed

SHOWN = 20
"""Differing flows of one switch that are listed one by one."""

AT_A_TIME = 8
"""Switches that are dumped at the same time."""

SECOND_LOOK = 0.2
"""Seconds between two dumps: what differs in one only was on its way."""


def quarantined(controller: Controller, host: str) -> list[tuple[Memo, str]]:
    """What a host's switch refuses of what is wanted there now, and why."""
    applier = controller.switches.appliers.get(host)
    topics = set(controller.switches.topics(host))
    found = []
    for cookie, refused in applier.quarantine.items() if applier else ():
        memo = controller.engine.memos.get(cookie)
        if memo is not None and any(topic in topics for topic, _, _ in flows(memo)):
            found.append((memo, refused.reason))
    return found


class Check:
    """Looks for all of it when called."""

    def __init__(self, controller: Controller, names: FlowNames) -> None:
        self._controller = controller
        self._engine = controller.engine
        self._names = names
        self._turn = asyncio.Lock()

    async def __call__(self, deep: bool) -> CheckAnswer:
        """Look, one after the other where several ask. `deep`: compute everything again as well."""
        async with self._turn:
            return await self._look(deep)

    async def _look(self, deep: bool) -> CheckAnswer:
        await self._controller.compute.settled()
        findings: list[Finding] = []
        for source in (self._hosts(), self._claims(), self._failures(), self._conflicts()):
            findings += [finding async for finding in paced(source)]
        findings += [finding async for finding in self._intent()]
        findings += await self._switches()
        if deep:
            findings += [finding async for finding in self._recomputed()]
        appliers = self._controller.switches.appliers
        return CheckAnswer(
            revision=self._engine.revision,
            deep=deep,
            hosts=len(self._engine.records[Host]),
            ports=len(self._engine.records[Port]),
            flows=sum(len(topic.flows) for host in appliers for topic in self._controller.switches.topics(host)),
            findings=tuple(findings),
            warnings=tuple(effect.warnings(self._engine)),
            notes=(*self._mended(), *effect.notes(self._engine)),
        )

    def _row(self, kind: type[Record], key: str) -> Record | None:
        return self._engine.records[kind].get(key)

    # -- hosts --------------------------------------------------------------------------------------------------------

    def _hosts(self) -> Iterator[Finding]:
        """Who is not connected, and what their databases say."""
        controller = self._controller
        for host in sorted(self._engine.records[Host]):
            ways = {"OVSDB": host in controller.hosts.sessions, "OpenFlow": host in controller.switches.appliers}
            missing = [way for way, stands in ways.items() if not stands]
            if missing:
                text = f"host {host} is not connected by {' nor by '.join(missing)}"
                yield Finding(kind="not_connected", host=host, text=text)
        for dpid, switch in [*controller.switches.unknown.items()]:
            text = f"a switch that no host names: datapath id {dpid:016x} from {switch.peer}"
            yield Finding(kind="unknown_switch", text=text)
        for host, text in [*controller.hosts.findings.items()]:
            yield Finding(kind="same_host_twice", host=host, text=text)
        for host, texts in [*controller.databases.findings().items()]:
            for text in texts:
                yield Finding(kind="ovsdb", host=host, text=f"host {host}: {text}")

    # -- claims -------------------------------------------------------------------------------------------------------

    def _claims(self) -> Iterator[Finding]:
        """Interfaces that carry the id of no port, or of one that is somewhere else."""
        for row in [*self._engine.records[Interface].values()]:
            if isinstance(row, Interface) and self._row(Port, row.iface_id) is None:
                text = f"interface {row.name} of host {row.host} claims port {row.iface_id}, which does not exist"
                yield Finding(kind="unknown_port", host=row.host, text=text)
        for key in [*self._engine.relations[DUPLICATES]]:
            port = self._row(Port, key)
            if isinstance(port, Port):
                yield from self._duplicates(port)

    def _duplicates(self, port: Port) -> Iterator[Finding]:
        places = self._engine.values(PLACED, port.id)
        if places:
            which = ", ".join(f"{place.interface} of host {place.host}" for place in places)
            why = f"the one that counts is {which}"
        else:
            why = f"the cloud has it on host {port.host_id}"
        for claim in self._engine.values(CLAIMS, port.id):
            if claim not in places:
                text = f"{title(port)} is claimed by {claim.interface} of host {claim.host} too, but {why}"
                yield Finding(kind="duplicate_claim", host=claim.host, text=text, objects=(as_object(port),))

    # -- rules --------------------------------------------------------------------------------------------------------

    def _failures(self) -> Iterator[Finding]:
        for memo in sorted(self._engine.failures.values()):
            text = f"rule {memo.rule} yields nothing for {self._behind(memo)}: {memo.failure}"
            things = tuple(map(as_object, objects(self._engine, memo)))
            yield Finding(kind="rule_failed", text=text, objects=things)

    def _conflicts(self) -> Iterator[Finding]:
        for (_, key), bodies in [*self._engine.conflicts.items()]:
            memos = [memo for cookie in sorted(bodies) if (memo := self._engine.memos.get(cookie))]
            rules = " and ".join(f"{memo.rule} for {self._behind(memo)}" for memo in memos)
            flow = self._names.text(key, next(iter(bodies.values())))
            text = f"nobody has the flow {flow.head}, for two want it: {rules}"
            things = {as_object(each): None for memo in memos for each in objects(self._engine, memo)}
            yield Finding(kind="conflict", text=text, objects=tuple(things))

    def _behind(self, memo: Memo) -> str:
        """What a rule was run for, by name."""
        found = objects(self._engine, memo)
        return title(found[0]) if found else memo.key or "every host"

    # -- what the clouds sent -----------------------------------------------------------------------------------------

    async def _intent(self) -> AsyncIterator[Finding]:
        """References that lead nowhere."""
        kinds = [kind for kind in self._controller.store_kinds() if is_thing(kind) and kind is not Host]
        references = References(kinds)
        for kind in kinds:
            async for row in paced([*self._engine.records[kind].values()]):
                for target, key in dict.fromkeys(references.of(row)):
                    if self._row(target, key) is None:
                        text = f"{title(row)} refers to {target.kind} {key}, which does not exist"
                        yield Finding(kind="dangling", text=text, objects=(as_object(row),))

    # -- switches -----------------------------------------------------------------------------------------------------

    async def _switches(self) -> list[Finding]:
        """Desired against actual, on every connected switch."""
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one(host: str, applier: Applier) -> list[Finding]:
            async with gate:
                try:
                    return [finding async for finding in self._switch(host, applier)]
                except Lost as lost:
                    text = f"host {host}: the switch was lost while it was asked ({lost})"
                    return [Finding(kind="not_connected", host=host, text=text)]

        appliers = sorted(self._controller.switches.appliers.items())
        return [finding for found in await asyncio.gather(*(one(*each) for each in appliers)) for finding in found]

    async def _switch(self, host: str, applier: Applier) -> AsyncIterator[Finding]:
        for memo, reason in quarantined(self._controller, host):
            what = f"rule {memo.rule} for {self._behind(memo)}"
            things = tuple(map(as_object, objects(self._engine, memo)))
            text = f"host {host}: the switch refuses flows of {what}, so it has none of them: {reason}"
            yield Finding(kind="quarantined", host=host, text=text, objects=things)
        if not applier.synced:
            text = f"host {host}: its flows have not been compared yet since it connected"
            yield Finding(kind="not_in_sync", host=host, text=text)
            return
        found = await self._differences(applier)
        for kind, entries, words in (
            ("flow_missing", found.missing, "lacks a flow"),
            ("flow_altered", found.altered, "has a flow with other actions or another cookie than this"),
            ("flow_foreign", found.foreign, "has a flow that nobody asked for"),
        ):
            for key, body in [*entries.items()][:SHOWN]:
                owner = self._engine.memos.get(int.from_bytes(body[:8], "big"))
                why = f" ({owner.rule} for {self._behind(owner)})" if owner else ""
                text = f"host {host} {words}: {self._names.line(key, body)}{why}"
                things = tuple(map(as_object, objects(self._engine, owner))) if owner else ()
                yield Finding(kind=kind, host=host, text=text, objects=things)
            if len(entries) > SHOWN:
                yield Finding(kind=kind, host=host, text=f"host {host}: {len(entries) - SHOWN} more flows like this")

    async def _differences(self, applier: Applier) -> Difference:
        """What differs in two dumps in a row."""
        first = await applier.differences()
        if not first:
            return first
        await asyncio.sleep(SECOND_LOOK)
        second = await applier.differences()
        return Difference(*(_same(before, after) for before, after in zip(first, second, strict=True)))

    def _mended(self) -> Iterator[Finding]:
        """What somebody else did to switches that are connected, and was undone."""
        for host, applier in sorted(self._controller.switches.appliers.items()):
            for drift in applier.drifts:
                parts = ", ".join(f"{number} {word}" for word, number in drift.counts.items() if number)
                when = datetime.fromtimestamp(drift.at, UTC).isoformat(" ", "seconds")
                text = f"host {host}: somebody else changed its flows, which was put right at {when} ({parts})"
                yield Finding(kind="drift", host=host, text=text)

    # -- everything again ---------------------------------------------------------------------------------------------

    async def _recomputed(self) -> AsyncIterator[Finding]:
        """Where the increments and a full recompute differ: that is a mistake of Daybreak's own."""
        compute, engine = self._controller.compute, self._engine
        fresh = Engine(engine.pipeline, view=CheckedView)
        later: list[Committed] = []

        def note(committed: Committed, wave: Wave) -> None:
            later.append(committed)

        await compute.settled()
        changes = [Change(kind, *row) for kind, rows in engine.records.items() for row in _as_new(rows)]
        compute.listeners.append(note)
        try:
            await _feed(fresh, engine.revision, changes)
            while later:
                committed = later.pop(0)
                await _feed(fresh, committed.revision, committed.changes)
                await compute.settled()
        finally:
            compute.listeners.remove(note)
        for text in _unlike(engine, fresh):
            yield Finding(kind="recompute", text=f"a full recompute gives something else: {text}")


def _same(before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    return {key: body for key, body in before.items() if after.get(key) == body}


def _as_new(rows: Mapping[str, Record]) -> Iterator[tuple[str, None, Record]]:
    for key, record in rows.items():
        yield key, None, record


async def _feed(engine: Engine, revision: int, changes: Any) -> None:
    """Feed an engine, in its own slices."""
    for _ in engine.feed(revision, changes):
        await asyncio.sleep(0)


def _unlike(engine: Engine, fresh: Engine) -> Iterator[str]:
    """Where two engines differ, in words."""
    for name in sorted(engine.topics.keys() | fresh.topics.keys()):
        one, other = (each.topics[name].flows if name in each.topics else {} for each in (engine, fresh))
        if one != other:
            number = sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())
            yield f"{number} flows of {name}"
    for relation in engine.relations.keys() | fresh.relations.keys():
        rows = engine.relations[relation].keys() | fresh.relations[relation].keys()
        for key in sorted(row for row in rows if engine.values(relation, row) != fresh.values(relation, row)):
            yield f"{relation} of {key}"
    if failures := engine.failures.keys() ^ fresh.failures.keys():
        yield f"failures of rules ({len(failures)})"
