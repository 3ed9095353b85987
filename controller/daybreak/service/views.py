"""io: what people can ask the running controller: networks and where their ports are, hosts, flows and their reasons.

Everything is read from the engine's records and relations, the same that the rules saw. Large answers are made in
slices between which the event loop goes round, so they may be of more than one revision.
"""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cache
from heapq import merge
from itertools import chain
from typing import NamedTuple, TypeVar, cast

from daybreak.engine.explain import dependents, flows, objects
from daybreak.engine.memo import Memo, Topic
from daybreak.engine.rule import Rule
from daybreak.features.vocabulary import FACTS, PLACED, PRESENT, SUBSCRIPTIONS, Facts, Place, foremost
from daybreak.model import Host, Network, Port, PortStatus, Record, SecurityGroup, Subnet
from daybreak.northbound.admin import Ambiguous, NotThere
from daybreak.northbound.admin.answers import (
    CheckAnswer,
    CountsAnswer,
    FlowAnswer,
    HostAnswer,
    NetworkAnswer,
    PhysicalAnswer,
    PortAnswer,
    RuleAnswer,
    SubnetAnswer,
    TraceAnswer,
    WhyDropAnswer,
)
from daybreak.service.check import Check, quarantined
from daybreak.service.controller import Controller
from daybreak.service.naming import FlowNames, FlowText, as_object, name_of
from daybreak.service.policy import Policy
from daybreak.service.slices import SLICE, paced
from daybreak.service.trace import Trace
from daybreak.southbound.openflow.session import Lost
from daybreak.wire.openflow.flow import stats_counters

R = TypeVar("R", bound=Record)
Source = tuple[type[Record], str]
Counters = Mapping[bytes, tuple[bytes, int, int]]
"""Flow key → body, packets and bytes, as a switch tells them."""

BEGINNING = 4
"""Characters of an id that must be given at least, where it is not given whole."""


PARTS_A_SLICE = 16
"""Parts of a dump (64 KB each) that are decoded between two turns of the event loop."""


RUN = 1000
"""Flows that are sorted at once; the runs are merged while they are written."""


class Selection(NamedTuple):
    """A flow, where it is and whose."""

    topic: Topic
    key: bytes
    body: bytes
    memo: Memo


Shown = tuple[FlowText, Selection]


def in_order(shown: Shown) -> tuple[int, int, str, str]:
    """In the order in which packets meet tables, and flows in them."""
    text, flow = shown
    return text.number, -text.priority, text.match, flow.topic.name


@cache
def about(rule: Rule) -> str:
    """What a rule is about: the first line of what it says of itself."""
    return (inspect.getdoc(rule.function) or "").partition("\n")[0]


def named(records: Iterable[R]) -> list[R]:
    """In the order of their names; those without one behind, by id."""
    return sorted(records, key=lambda record: (name_of(record) is None, name_of(record) or "", record.key))


class Views:
    """What a controller can tell; see northbound.admin.Views for what the methods promise."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._engine = controller.engine
        self._names = FlowNames(controller.engine.pipeline)
        self._check = Check(controller, self._names)
        self._trace = Trace(controller, self._names, lambda text: self.find(Port, text))
        self._policy = Policy(controller, self._names)

    def rows(self, kind: type[R]) -> dict[str, R]:
        """The records of a kind, as the engine has them."""
        return cast(dict[str, R], self._engine.records[kind])

    def find(self, kind: type[R], text: str) -> R:
        """The one thing with this id or name, or with an id that begins so."""
        rows = self.rows(kind)
        if text in rows:
            return rows[text]
        found, how = [record for record in rows.values() if name_of(record) == text], "are called"
        if not found and len(text) >= BEGINNING:
            found, how = [record for key, record in rows.items() if key.startswith(text)], "have an id that begins with"
        what = kind.kind.replace("_", " ")
        if not found:
            raise NotThere(f"There is no {what} {text}")
        if len(found) > 1:
            raise Ambiguous(f"{len(found)} {what}s {how} {text}", [as_object(each) for each in named(found)])
        return found[0]

    # -- networks -----------------------------------------------------------------------------------------------------

    async def networks(self, network: str | None) -> AsyncIterator[NetworkAnswer]:
        only = None if network is None else self.find(Network, network).id
        await self._controller.compute.settled()
        return self._networks(only)

    async def _networks(self, only: str | None) -> AsyncIterator[NetworkAnswer]:
        ports: dict[str, list[Port]] = defaultdict(list)
        subnets: dict[str, list[Subnet]] = defaultdict(list)
        async for port in paced([*self.rows(Port).values()]):
            if only in (None, port.network_id):
                ports[port.network_id].append(port)
        async for subnet in paced([*self.rows(Subnet).values()]):
            if only in (None, subnet.network_id):
                subnets[subnet.network_id].append(subnet)
        failures = {memo.key: memo.failure for memo in self._engine.failures.values()}
        known = self.rows(Network)
        ids = [each.id for each in named(known.values())] + sorted((ports.keys() | subnets.keys()) - known.keys())
        for key in [only] if only else ids:
            answers = [self._port(port) async for port in paced(named(ports[key]))]
            facts: Facts | None = next(iter(self._engine.values(FACTS, key)), None)
            network = known.get(key) or Network(key)
            physical = facts.physical_network if facts else network.physical_network
            yield NetworkAnswer(
                id=key,
                name=name_of(network),
                exists=key in known,
                type=facts and (facts.encap or ("vlan" if facts.vlan else "flat")),
                vni=(facts and facts.vni) or None,
                vlan=(facts and facts.vlan) or None,
                physical_network=physical or None,
                up=network.admin_state_up is not False,
                mtu=network.mtu,
                failure=failures.get(key),
                hosts=self._engine.values(PRESENT, key),
                subnets=tuple(
                    SubnetAnswer(each.id, name_of(each), each.cidr, each.gateway_ip) for each in named(subnets[key])
                ),
                ports=tuple(answers),
            )

    def _port(self, port: Port) -> PortAnswer:
        place = foremost(port.host_id, self._places(port.id))
        host = self.rows(Host).get(place.host) if place else None
        status = self.rows(PortStatus).get(port.id)
        return PortAnswer(
            id=port.id,
            name=name_of(port),
            mac=port.mac_address,
            ips=tuple(each.ip_address for each in port.fixed_ips or ()),
            device_owner=port.device_owner or None,
            bound_to=port.host_id or None,
            host=place and place.host,
            interface=place and place.interface,
            ofport=(place and place.ofport) or None,
            vtep=host.vtep if host else None,
            active=bool(status and status.active),
            reason=status.reason if status else "nothing was told of it yet",
        )

    # -- hosts --------------------------------------------------------------------------------------------------------

    async def hosts(self) -> AsyncIterator[HostAnswer]:
        await self._controller.compute.settled()
        return self._hosts()

    async def _hosts(self) -> AsyncIterator[HostAnswer]:
        ports = await self._plugged_in()
        findings = self._controller.databases.findings()
        async for host in paced(named(self.rows(Host).values())):
            yield self._host(host, ports[host.id], findings.get(host.id, ()))

    def _host(self, host: Host, ports: int, findings: tuple[str, ...]) -> HostAnswer:
        controller, revision = self._controller, self._engine.revision
        applier = controller.switches.appliers.get(host.id)
        rival = controller.hosts.findings.get(host.id)
        patches = dict(host.patches)
        return HostAnswer(
            name=host.id,
            vtep=host.vtep,
            dpid=None if host.dpid is None else f"{host.dpid:016x}",
            ovs_version=host.ovs_version,
            datapath=host.datapath_type,
            ovsdb=host.id in controller.hosts.sessions,
            openflow=applier is not None,
            in_sync=applier is not None and applier.idle,
            ports=ports,
            flows=sum(len(topic.flows) for topic in controller.switches.topics(host.id)),
            applied=None if applier is None else revision if applier.idle else applier.applied,
            revision=revision,
            quarantined=len(quarantined(controller, host.id)),
            tunnels=host.tunnels,
            mappings=tuple(
                PhysicalAnswer(network, bridge, patches.get(network)) for network, bridge in host.bridge_mappings
            ),
            findings=findings if rival is None else (*findings, rival),
        )

    async def _plugged_in(self) -> Counter[str]:
        """Host → how many ports are there."""
        found: Counter[str] = Counter()
        async for port in paced([*self._engine.relations[PLACED]], 10 * SLICE):
            found.update(place.host for place in self._places(port))
        return found

    def _places(self, port: str) -> tuple[Place, ...]:
        return self._engine.values(PLACED, port)

    # -- flows --------------------------------------------------------------------------------------------------------

    async def flows(
        self, *, port: str | None, host: str | None, network: str | None, counters: bool
    ) -> AsyncIterator[FlowAnswer]:
        sources: list[Source] = []
        wanted = [self.find(Port, port).id] if port else []
        sources += [(Port, key) for key in wanted]
        if network:
            sources.append((Network, self.find(Network, network).id))
        host = self.find(Host, host).id if host else None
        counted = host or next((place.host for key in wanted for place in self._places(key)), None)
        if counters and counted is None:
            raise ValueError("Counters are those of one host: say which")
        await self._controller.compute.settled()
        counts = await self._counters(counted) if counters and counted else {}
        return self._flows(sources, host, counts)

    async def _flows(self, sources: list[Source], host: str | None, counters: Counters) -> AsyncIterator[FlowAnswer]:
        subscribers = await self._subscribers()
        runs: list[list[Shown]] = [[]]
        async for each in self._selected(sources, host):
            if host is None or host in subscribers.get(each.topic.name, ()):
                if len(runs[-1]) == RUN:
                    runs[-1].sort(key=in_order)
                    runs.append([])
                runs[-1].append((self._names.text(each.key, each.body), each))
        runs[-1].sort(key=in_order)
        async for text, (topic, key, body, memo) in paced(merge(*runs, key=in_order)):
            body_there, packets, octets = counters.get(key, (None, None, None))
            is_there = body_there == body
            yield FlowAnswer(
                table=text.table,
                priority=text.priority,
                match=text.match,
                actions=text.actions,
                cookie=f"{memo.cookie:#018x}",
                topic=topic.name,
                hosts=subscribers.get(topic.name, ()),
                feature=memo.rule.feature,
                rule=memo.rule.name,
                key=memo.key,
                says=about(memo.rule),
                objects=tuple(map(as_object, objects(self._engine, memo))),
                packets=packets if is_there else None,
                bytes=octets if is_there else None,
            )

    async def _subscribers(self) -> dict[str, tuple[str, ...]]:
        """Topic → the hosts that have it."""
        found: dict[str, list[str]] = defaultdict(list)
        async for host in paced(sorted(self._engine.relations[SUBSCRIPTIONS])):
            for topic in self._engine.values(SUBSCRIPTIONS, host):
                found[topic].append(host)
        return {topic: tuple(hosts) for topic, hosts in found.items()}

    async def _selected(self, sources: list[Source], host: str | None) -> AsyncIterator[Selection]:
        """The flows that follow from all of these, those of a network with those of its ports; else all of a host."""
        if not sources:
            async for each in paced(self._of_host(host or "")):
                yield each
        chosen: dict[int, Memo] | None = None
        for kind, key in sources:
            memos: dict[int, Memo] = {}
            starts: list[Source] = [(kind, key), *((Port, port) for port in self._ports_of(kind, key))]
            async for memo in paced(chain.from_iterable(dependents(self._engine, *start) for start in starts)):
                memos[memo.cookie] = memo
            chosen = memos if chosen is None else {cookie: chosen[cookie] for cookie in chosen.keys() & memos.keys()}
        async for memo in paced([*(chosen or {}).values()]):
            for topic, flow, body in flows(memo):
                yield Selection(topic, flow, body, memo)

    def _ports_of(self, kind: type[Record], key: str) -> list[str]:
        if kind is not Network:
            return []
        return [port.id for port in self.rows(Port).values() if port.network_id == key]

    def _of_host(self, host: str) -> list[Selection]:
        """All flows of a host."""
        found = []
        for topic in self._controller.switches.topics(host):
            for key, body in topic.flows.items():
                memo = self._engine.memos.get(int.from_bytes(body[:8], "big"))
                if memo is not None:
                    found.append(Selection(topic, key, body, memo))
        return found

    async def _counters(self, host: str) -> Counters:
        """What a host's switch has counted."""
        applier = self._controller.switches.appliers.get(host)
        if applier is None:
            raise NotThere(f"The switch of host {host} is not connected")
        found: dict[bytes, tuple[bytes, int, int]] = {}
        try:
            async for part in paced(await applier.switch.dump_flows_raw(), PARTS_A_SLICE):
                found.update(stats_counters(part))
        except Lost as error:
            raise NotThere(f"The switch of host {host} is not connected: {error}") from None
        return found

    # -- the way of a packet ------------------------------------------------------------------------------------------

    async def trace(self, source: str, target: str, packet: str, actual: bool) -> TraceAnswer:
        return await self._trace(source, target, packet, actual)

    async def probe(self, source: str, target: str, packet: str, actual: bool, seconds: float) -> TraceAnswer:
        return await self._trace.probe(source, target, packet, actual, seconds)

    # -- security groups ----------------------------------------------------------------------------------------------

    async def rules(self, group: str | None) -> AsyncIterator[RuleAnswer]:
        only = None if group is None else self.find(SecurityGroup, group).id
        await self._controller.compute.settled()
        return self._policy.rules(only)

    async def dropped(self, port: str, seconds: float) -> WhyDropAnswer:
        return await self._policy.dropped(self.find(Port, port), seconds)

    # -- what is wrong ------------------------------------------------------------------------------------------------

    async def check(self, deep: bool) -> CheckAnswer:
        return await self._check(deep)

    async def counts(self) -> CountsAnswer:
        active = 0
        async for status in paced([*self.rows(PortStatus).values()], 10 * SLICE):
            active += status.active
        return CountsAnswer(
            revision=self._engine.revision,
            ports=len(self.rows(Port)),
            ports_active=active,
            failures=len(self._engine.failures),
            conflicts=len(self._engine.conflicts),
            **self._policy.figures(),
        )
