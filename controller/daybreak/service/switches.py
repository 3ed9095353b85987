"""io: which switch is which host, what each should have, and who is told when it has it.

A host's table is the union of the topics that it subscribes to. The union exists as such only while a table is
compared; what changes in a topic is handed, the same bytes, to every connected switch that subscribes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import structlog

from daybreak.engine.engine import Wave
from daybreak.engine.memo import Memo, Topic, pairs
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.model import Host
from daybreak.service.compute import Compute
from daybreak.southbound.openflow.apply import Applier
from daybreak.southbound.openflow.session import Switch
from daybreak.southbound.openflow.zones import Zones
from daybreak.southbound.turns import Rounds, Turns
from daybreak.store.contract import Committed
from daybreak.wire.openflow.messages import Message
from daybreak.wire.openflow.messages_monitor import FlowUpdate, FlowUpdates
from daybreak.wire.openflow.messages_packet import PacketIn

log = structlog.get_logger(__name__)

AT_A_TIME = 8
"""Tables that are compared at the same time: each is some milliseconds of work, and half a megabyte."""

TURN_SECONDS = 1.0
"""After this a switch that is slow to tell its table no longer keeps others waiting."""

SOON = 0.05
"""Seconds until what has to wait for the end of a wave is tried again."""

LINGER_SECONDS = 5.0
"""How long a host keeps a topic that it needs no more: a port that comes back at once costs nothing then."""


class Table:
    """What one host should have."""

    def __init__(self, switches: Switches, host: str) -> None:
        self._switches = switches
        self._host = host

    async def settled(self) -> None:
        """Return when no wave is under way."""
        await self._switches.compute.settled()

    def table(self) -> dict[bytes, bytes]:
        """The union of the host's topics."""
        table: dict[bytes, bytes] = {}
        for topic in self._switches.topics(self._host):
            table.update(topic.flows)
        return table

    def flows_of(self, cookie: int) -> dict[bytes, bytes]:
        """The flows of one rule's key, as far as the host subscribes to their topics."""
        memo = self._switches.compute.engine.memos.get(cookie)
        if memo is None:
            return {}
        topics = set(self._switches.topics(self._host))
        return {key: topic.flows[key] for topic, key in pairs(memo.flows) if topic in topics and key in topic.flows}


class Switches:
    """All switches that are connected, by host.

    Listeners hear, with the host's name, of confirmations and losses, and of what a switch lacked when it was compared
    (see Applier). `packet_listeners`: feature → who takes the packets that its flows hand to the controller.
    """

    def __init__(
        self, compute: Compute, *, reconcile_seconds: float = 60.0, linger_seconds: float = LINGER_SECONDS
    ) -> None:
        self.compute = compute
        self.appliers: dict[str, Applier] = {}
        self.unknown: dict[int, Switch] = {}
        self.confirmed_listeners: list[Callable[[str], None]] = []
        self.lost_listeners: list[Callable[[str], None]] = []
        self.missed_listeners: list[Callable[[str, Mapping[bytes, bytes] | None], None]] = []
        self.packet_listeners: dict[str, Callable[[str, Memo, PacketIn], None]] = {}
        self._reconcile_seconds = reconcile_seconds
        self._linger_seconds = linger_seconds
        self._hosts: dict[int, str] = {}
        self._dpids: dict[str, int] = {}
        self._subscribed: dict[str, set[str]] = defaultdict(set)
        self._subscribers: dict[str, set[str]] = defaultdict(set)
        self._zones: dict[str, Zones] = defaultdict(Zones)
        self._tasks: dict[Switch, asyncio.Task[None]] = {}
        self._turns = Turns(AT_A_TIME, TURN_SECONDS)
        self._rounds = Rounds()

    # -- what a host should have --------------------------------------------------------------------------------------

    def topics(self, host: str) -> list[Topic]:
        """The topics that a host has now, with those that it keeps a little longer."""
        known = self.compute.engine.topics
        return [known[name] for name in sorted(self._subscribed[host]) if name in known]

    def subscribers(self, topic: str) -> frozenset[str]:
        """The hosts that have a topic now, or keep it a little longer."""
        return frozenset(self._subscribers.get(topic, ()))

    def applied(self, host: str, revision: int) -> bool:
        """Whether a host's switch has confirmed all that this revision and those before it ask of it."""
        applier = self.appliers.get(host)
        return applier is not None and applier.synced and (applier.idle or applier.applied >= revision)

    def connected(self, switch: Switch) -> None:
        """A switch has shaken hands."""
        host = self._hosts.get(switch.dpid)
        if host is None:
            self.unknown[switch.dpid] = switch
            log.info("a switch that no host has named yet", dpid=f"{switch.dpid:016x}", peer=switch.peer)
        else:
            self._serve(host, switch)

    def message(self, switch: Switch, message: Message) -> None:
        """Somebody else changed a flow: compare. A packet goes to whom its flow's feature has listen."""
        if isinstance(message, PacketIn):
            self._packet(switch, message)
        elif isinstance(message, FlowUpdates) and any(isinstance(update, FlowUpdate) for update in message.updates):
            applier = self._applier_of(switch)
            if applier is not None:
                applier.mend()

    def _packet(self, switch: Switch, packet: PacketIn) -> None:
        """A packet whose flow has gone meanwhile concerns nobody."""
        memo = self.compute.engine.memos.get(packet.cookie)
        listener = self.packet_listeners.get(memo.rule.feature) if memo is not None else None
        host = self._hosts.get(switch.dpid)
        if memo is not None and listener is not None and host is not None:
            listener(host, memo, packet)

    def lost(self, switch: Switch, reason: str) -> None:
        """A switch is gone; what it has stays, and is compared when it comes back."""
        if switch in self._tasks:
            self._tasks.pop(switch).cancel()
        if self.unknown.get(switch.dpid) is switch:
            del self.unknown[switch.dpid]
        host = self._hosts.get(switch.dpid)
        applier = self._applier_of(switch)
        if host is not None and applier is not None:
            del self.appliers[host]
        self._rounds.call(partial(self._tell_lost, switch, host, reason))

    def _tell_lost(self, switch: Switch, host: str | None, reason: str) -> None:
        """Say so when it is its turn, for all switches may be lost at the same time; and unless it is back by then."""
        log.info("switch lost", host=host, dpid=f"{switch.dpid:016x}", reason=reason)
        if host is not None and host not in self.appliers:
            for listener in self.lost_listeners:
                listener(host)

    def _applier_of(self, switch: Switch) -> Applier | None:
        applier = self.appliers.get(self._hosts.get(switch.dpid, ""))
        return applier if applier is not None and applier.switch is switch else None

    def _serve(self, host: str, switch: Switch) -> None:
        """Keep a switch's table as it should be; an older connection of the same switch is dropped."""
        former = self.appliers.get(host)
        if former is not None and former.switch is not switch:
            former.switch.close("the switch connected again")
        applier = Applier(
            switch,
            Table(self, host),
            confirmed=lambda _applier: self._confirmed(host),
            turns=self._turns,
            zones=self._zones[host],
            missed=lambda missing: self._missed(host, missing),
            reconcile_seconds=self._reconcile_seconds,
        )
        applier.offered = self.compute.engine.revision
        self.appliers[host] = applier
        self._tasks[switch] = asyncio.get_running_loop().create_task(self._run(applier, host), name=f"switch {host}")

    async def _run(self, applier: Applier, host: str) -> None:
        """One switch's trouble is its own."""
        try:
            await applier.run()
        except Exception:
            log.exception("a switch is given up until it connects again", host=host)
            applier.switch.close("internal error")

    def _confirmed(self, host: str) -> None:
        for listener in self.confirmed_listeners:
            listener(host)

    def _missed(self, host: str, missing: Mapping[bytes, bytes] | None) -> None:
        for listener in self.missed_listeners:
            listener(host, missing)

    # -- what changes -------------------------------------------------------------------------------------------------

    def wave(self, committed: Committed, wave: Wave) -> None:
        """Hand a wave to the switches that it concerns.

        What goes comes first: a flow may have moved from one topic of a host to another.
        """
        connected = self.appliers.keys()
        concerned = [
            (topic.flows, keys, hosts)
            for topic, keys in wave.flows.items()
            if (hosts := connected & self._subscribers.get(topic.name, set()))
        ]
        for flows, keys, hosts in concerned:
            self._offer_all(hosts, dict.fromkeys(keys - flows.keys()))
        for flows, keys, hosts in concerned:
            self._offer_all(hosts, {key: flows[key] for key in keys & flows.keys()})
        for host in wave.facts.get(SUBSCRIPTIONS, ()):
            self._subscribe(host, set(self.compute.engine.values(SUBSCRIPTIONS, host)))
        self.name_hosts(change.new or change.old for change in committed.changes if change.kind is Host)

    def name_hosts(self, hosts: Iterable[object]) -> None:
        """Learn which datapath is which host's."""
        for host in hosts:
            if isinstance(host, Host):
                present = self.compute.engine.records[Host].get(host.id)
                self._name(host.id, present.dpid if isinstance(present, Host) else None)

    def _name(self, host: str, dpid: int | None) -> None:
        """A host's datapath id, as its OVSDB tells it; None: the host is gone."""
        former = self._dpids.get(host)
        if former == dpid:
            return
        if former is not None and self._hosts.get(former) == host:
            del self._hosts[former]
            applier = self.appliers.pop(host, None)
            if applier is not None:
                applier.switch.close("the host's bridge is another one now")
        if dpid is None:
            self._dpids.pop(host, None)
            self._zones.pop(host, None)
            return
        self._dpids[host] = dpid
        self._hosts[dpid] = host
        waiting = self.unknown.pop(dpid, None)
        if waiting is not None:
            self._serve(host, waiting)

    def start(self) -> None:
        """Take over what the engine knows when nothing is connected yet."""
        engine = self.compute.engine
        for host in list(engine.relations[SUBSCRIPTIONS]):
            self._subscribe(host, set(engine.values(SUBSCRIPTIONS, host)))
        self.name_hosts(engine.records[Host].values())

    def _offer_all(self, hosts: Iterable[str], changes: dict[bytes, bytes | None]) -> None:
        for host in hosts if changes else ():
            self._offer(host, changes)

    def _offer(self, host: str, changes: dict[bytes, bytes | None]) -> None:
        applier = self.appliers.get(host)
        if applier is not None:
            applier.offer(self.compute.engine.revision, changes)

    def _subscribe(self, host: str, wanted: set[str]) -> None:
        """New topics at once, in the bundle of the flows that use them; those given up stay a little."""
        present = self._subscribed[host]
        for name in wanted - present:
            present.add(name)
            self._subscribers[name].add(host)
            topic = self.compute.engine.topics.get(name)
            if topic is not None:
                self._offer(host, dict(topic.flows))
        for name in present - wanted:
            asyncio.get_running_loop().call_later(self._linger_seconds, self._give_up, host, name)

    def _give_up(self, host: str, name: str) -> None:
        """A topic that is still not wanted goes; not during a wave, for the host would keep what that deletes."""
        if self.compute.is_busy:
            asyncio.get_running_loop().call_later(SOON, self._give_up, host, name)
            return
        if name in self.compute.engine.values(SUBSCRIPTIONS, host) or name not in self._subscribed[host]:
            return
        self._subscribed[host].discard(name)
        subscribers = self._subscribers[name]
        subscribers.discard(host)
        if not subscribers:
            del self._subscribers[name]
        topic = self.compute.engine.topics.get(name)
        if topic is not None:
            self._offer(host, dict.fromkeys(topic.flows))

    async def close(self) -> None:
        """Let go of all switches; their flows stay."""
        tasks = list(self._tasks.values())
        for applier in list(self.appliers.values()):
            applier.switch.close("the controller stops")
        for switch in list(self.unknown.values()):
            switch.close("the controller stops")
        await asyncio.gather(*tasks, return_exceptions=True)
