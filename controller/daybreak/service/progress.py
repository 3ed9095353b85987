"""io: who has which revision: what the modern API tells and waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from daybreak.engine.engine import Wave
from daybreak.engine.explain import dependents, flows
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.model import Record
from daybreak.northbound.v1.answers import Progress
from daybreak.service.compute import Compute
from daybreak.service.slices import paced
from daybreak.service.switches import Switches
from daybreak.store.contract import Committed

Object = tuple[type[Record], str]
"""A kind, and the id of an object of it."""


class Touched(NamedTuple):
    """The hosts that a change asks something of, the cookies of the flows in question, and the objects it deleted."""

    hosts: set[str]
    cookies: set[int]
    deleted: frozenset[Object] = frozenset()


class Progresses:
    """How far each host is; see northbound.v1.progress for what the methods promise."""

    def __init__(self, compute: Compute, switches: Switches) -> None:
        self._compute = compute
        self._switches = switches
        self._watches: set[Watch] = set()
        self._callbacks: dict[object, Callable[[str], None]] = {}
        compute.listeners.append(self._wave)
        switches.confirmed_listeners.append(self._changed)
        switches.lost_listeners.append(self._changed)

    def progress(self, host: str) -> Progress:
        applier = self._switches.appliers.get(host)
        if applier is None:
            return Progress(host, False, None)
        return Progress(host, True, self._compute.engine.revision if applier.idle else applier.applied)

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        token = object()
        self._callbacks[token] = callback

        def end() -> None:
            self._callbacks.pop(token, None)

        return end

    def watch(self) -> Watch:
        watch = Watch(self)
        self._watches.add(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """The watch is closed."""
        self._watches.discard(watch)

    def connected(self) -> list[str]:
        """The hosts whose switch is connected."""
        return list(self._switches.appliers)

    async def settled(self) -> None:
        """Return when everything that was committed has been computed."""
        await self._compute.settled()

    def offered(self, host: str, revision: int) -> int:
        """The revision to confirm for a host to have all up to `revision`: the last that asked it something."""
        applier = self._switches.appliers.get(host)
        return revision if applier is None else min(revision, applier.offered)

    def awaited(self, host: str, revision: int, cookies: set[int]) -> bool | None:
        """Whether a host's word for a revision is still to come; None: it has none, for it is absent or refuses."""
        applier = self._switches.appliers.get(host)
        if applier is None or not cookies.isdisjoint(applier.quarantine):
            return None
        return not self._switches.applied(host, revision)

    async def concerned(self, objects: Iterable[Object]) -> Touched:
        """What these objects ask of switches now. Nobody knows what one that is gone asked, so that may be any work."""
        engine = self._compute.engine
        topics: set[str] = set()
        found = Touched(set(), set())
        for kind, key in objects:
            if key not in engine.records[kind]:
                found.hosts.update(host for host, applier in self._switches.appliers.items() if not applier.idle)
                continue
            async for memo in paced(dependents(engine, kind, key)):
                own = [topic.name for topic, _, _ in flows(memo)]
                topics.update(own)
                if own:
                    found.cookies.add(memo.cookie)
        for topic in topics:
            found.hosts.update(self._switches.subscribers(topic))
        return found

    def _wave(self, committed: Committed, wave: Wave) -> None:
        curious = [watch for watch in self._watches if watch.wants(wave.revision)]
        if curious:
            deleted = frozenset((change.kind, change.key) for change in committed.changes if change.new is None)
            touched = self._touched(wave)._replace(deleted=deleted)
            for watch in curious:
                watch.note(wave.revision, touched)

    def _touched(self, wave: Wave) -> Touched:
        found = Touched(set(wave.facts.get(SUBSCRIPTIONS, ())), set())
        for topic, keys in wave.flows.items():
            found.hosts.update(self._switches.subscribers(topic.name))
            found.cookies.update(int.from_bytes(topic.flows[key][:8], "big") for key in keys if key in topic.flows)
        return found

    def _changed(self, host: str) -> None:
        for watch in tuple(self._watches):
            watch.changed(host)
        for callback in tuple(self._callbacks.values()):
            callback(host)


class Watch:
    """What was touched since it was opened, and who has it."""

    def __init__(self, progresses: Progresses) -> None:
        self._progresses = progresses
        self._touched: dict[int, Touched] = {}
        self._revision: int | None = None
        self._waiting: Callable[[str], None] | None = None

    def wants(self, revision: int) -> bool:
        """Whether this revision may be the one that will be asked for."""
        return self._revision in (None, revision)

    def note(self, revision: int, touched: Touched) -> None:
        """A revision was computed."""
        self._touched[revision] = touched

    def changed(self, host: str) -> None:
        """A host confirmed something, or was lost."""
        if self._waiting is not None:
            self._waiting(host)

    def close(self) -> None:
        self._progresses.forget(self)

    async def applied(self, revision: int, objects: Iterable[Object], seconds: float) -> tuple[str, ...]:
        self._revision = revision
        outcome: dict[str, bool | None] = dict.fromkeys(self._progresses.connected(), True)
        try:
            async with asyncio.timeout(seconds):
                await self._progresses.settled()
                outcome = {}
                await self._confirmed(await self._asked(revision, objects), revision, outcome)
        except TimeoutError:
            pass
        return tuple(sorted(host for host, waits in outcome.items() if waits is not False))

    async def _asked(self, revision: int, objects: Iterable[Object]) -> Touched:
        """Whom a revision asks something, and whom these objects did before: that may not have been confirmed yet."""
        touched = self._touched.get(revision) or Touched(set(), set())
        before = await self._progresses.concerned(each for each in objects if each not in touched.deleted)
        return Touched(touched.hosts | before.hosts, touched.cookies | before.cookies)

    async def _confirmed(self, touched: Touched, revision: int, outcome: dict[str, bool | None]) -> None:
        """Return when no host's word is awaited any more; `outcome` has at any time what `awaited` says of each."""
        targets = {host: self._progresses.offered(host, revision) for host in touched.hosts}
        done = asyncio.Event()

        def look(hosts: Iterable[str]) -> None:
            for host in hosts:
                outcome[host] = self._progresses.awaited(host, targets[host], touched.cookies)
            if not any(outcome.values()):
                done.set()

        look(targets)
        self._waiting = lambda host: look((host,) if outcome.get(host) else ())
        await done.wait()
