"""io: `daybreak trace`: the way of one packet through the logical network, and that of its answer.

The interpreter takes it from host to host by the very bytes that the switches were sent, or that they hold now. What
connections the switches know is not asked: the packet is its connection's first, and its answer meets what that left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address, ip_network
from typing import NamedTuple, cast

import msgspec

from daybreak.engine.explain import Meanings, objects
from daybreak.engine.interpreter import Copy, Event, Flow, Lookup, NotInterpreted, Stop, Tables, Visit
from daybreak.engine.interpreter.fabric import Entry, Known, Leg, Site, Walk, walk
from daybreak.engine.memo import Memo
from daybreak.features.vocabulary import PLACED, VTEP, Place, PortKey, foremost
from daybreak.model import Host, Network, Port, Record, Subnet
from daybreak.model.address import ip_number, mac_bytes
from daybreak.model.tunnel import TUNNEL_PORTS
from daybreak.northbound.admin import NotThere
from daybreak.northbound.admin.answers import ProbeAnswer, ProbeArrival, TraceAnswer, TraceLeg, TraceStep
from daybreak.service.controller import Controller
from daybreak.service.naming import FlowNames, as_object, title
from daybreak.service.probe import Arrival, marked
from daybreak.service.question import Ends, Question, answer, ask, question
from daybreak.service.slices import SLICE, paced
from daybreak.southbound.openflow.session import Lost
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.actions import CONTROLLER
from daybreak.wire.openflow.flow import stats_counters
from daybreak.wire.openflow.headers import TAGGED, read
from daybreak.wire.openflow.messages_multipart import FlowQuery
from daybreak.wire.packet import BROADCAST, IpProtocol

TUNNELS = {port: kind for kind, port in TUNNEL_PORTS.items()}
STATES = ("new", "established", "related", "answer", "invalid")
ALL_ONES = b"\xff" * 4
ALL_NODES = bytes.fromhex("ff02") + bytes(13) + b"\x01"
EXAMPLES = {True: "192.0.2.1", False: "2001:db8::1"}
"""What a port without addresses calls itself, as long as nobody minds (RFC 5737 and 3849: documentation)."""

THERE, BACK = "there", "back"
WHOLE_COOKIE = (1 << 64) - 1


class End(NamedTuple):
    """One end of a trace: a port, or merely an address or a MAC that somebody named."""

    port: Port | None = None
    address: bytes = b""
    mac: bytes = b""

    def addresses(self) -> list[bytes]:
        """What it may be called: the address that was named, or those of the port."""
        if self.address or self.port is None:
            return [self.address] if self.address else []
        return [ip_address(fixed.ip_address).packed for fixed in self.port.fixed_ips or ()]


class _Traced(NamedTuple):
    """A trace, and what it was made of. `there` is the packet's way without its answer's.

    `sought`: the address whose MAC nobody is known to have, so that the packet is the question for it.
    """

    answer: TraceAnswer
    first: Port
    last: Port | None
    place: Place
    frame: bytes
    there: tuple[Leg, ...]
    sought: bytes | None


Find = Callable[[str], Port]

Where = tuple[str, str]
"""Host, and the id of the port that a packet comes to there."""

RESERVED = 0xFFFFFF00
"""Below it are the ports of a switch (OFPP_MAX; OpenFlow 1.3.5, section A.2.1)."""


class Trace:
    """Answers traces; `find` gives the port of a name or an id, or raises NotThere or Ambiguous."""

    def __init__(self, controller: Controller, names: FlowNames, find: Find) -> None:
        self._controller = controller
        self._engine = controller.engine
        self._names = names
        self.meanings = Meanings(controller.engine.pipeline)
        self._find = find

    async def __call__(self, source: str, target: str, packet: str, actual: bool) -> TraceAnswer:
        """Trace a packet. ValueError where it can't be one; NotThere where an end, or a switch's table, is not."""
        return (await self._traced(source, target, packet, actual)).answer

    async def probe(self, source: str, target: str, packet: str, actual: bool, seconds: float) -> TraceAnswer:
        """Trace a packet, then send it through the switches; see Probes.send for what is refused."""
        number = self._controller.probes.choose()
        traced = await self._traced(source, target, packet, actual, partial(marked, number))
        if traced.sought is not None:
            raise NotThere(f"There is no such packet to send: {traced.answer.verdict}")
        if traced.last is None or traced.last.id == traced.first.id:
            raise ValueError("A probe goes from a port to another port")
        expected = await self._expected(traced)
        zones: dict[str, set[int]] = {}
        for leg in traced.there:
            looked = {event.tracked.zone for event in leg.outcome.events if isinstance(event, Lookup)}
            zones.setdefault(leg.entry.host, set()).update(looked)
        arrived = await self._controller.probes.send(
            traced.first.network_id, traced.place, traced.frame, zones, len(expected), seconds
        )
        return msgspec.structs.replace(traced.answer, probe=self._compared(expected, arrived, seconds))

    async def _expected(self, traced: _Traced) -> frozenset[Where]:
        """The ports by which the interpreter has the packet leave."""
        known: dict[tuple[str, int], Port] = {}
        async for port in paced([*self.ports()], 10 * SLICE):
            known |= {(place.host, place.ofport): port for place in self._engine.values(PLACED, port.id)}
        there = [(leg.entry.host, copy.port) for leg in traced.there for copy in leg.arrivals if copy.port < RESERVED]
        return frozenset(
            (host, known[host, ofport].id if (host, ofport) in known else f"OpenFlow port {ofport}")
            for host, ofport in there
        )

    def _compared(self, expected: frozenset[Where], arrivals: list[Arrival], seconds: float) -> ProbeAnswer:
        """What the switches did, beside what the interpreter says."""
        owners = {cast(PortKey, key).value: cast(PortKey, key).owner for key in self._engine.records[PortKey].values()}
        ports = cast(dict[str, Port], self._engine.records[Port])
        shown = tuple(
            ProbeArrival(
                host=arrival.host,
                table=self._names.table(arrival.table),
                port=as_object(ports[owner]) if (owner := owners.get(arrival.target, "")) in ports else None,
                milliseconds=round(1000 * arrival.seconds, 1),
            )
            for arrival in arrivals
        )
        seen = frozenset((each.host, "" if each.port is None else each.port.id) for each in shown)

        def called(key: str) -> str:
            return title(ports[key]) if key in ports else key or "a port of nobody"

        agrees = seen == expected
        did = ", ".join(f"arrived at {called(key)} on {host}" for host, key in sorted(seen))
        if shown:
            did += f" after {max(each.milliseconds for each in shown):g} ms"
        else:
            did = f"did not arrive within {seconds:g} s"
        if not agrees:
            told = ", ".join(f"to {called(key)} on {host}" for host, key in sorted(expected)) or "to no port"
            did = f"DISAGREES: it {did}, but was traced {told}"
        return ProbeAnswer(arrived=shown, seconds=seconds, agrees=agrees, verdict=did + ", as traced" * agrees)

    async def _traced(
        self, source: str, target: str, packet: str, actual: bool, mark: Callable[[Ends], Ends] = lambda ends: ends
    ) -> _Traced:
        """What is told of a packet, and what that was made of; `mark` may give the packet numbers of its own."""
        asked = question(packet)
        await self._controller.compute.settled()
        first = self._end(source, None)
        if first.port is None:
            raise NotThere(f"No port has {source}: a trace begins at a port")
        last = self._end(target, first.port)
        place = self._place(first.port)
        ends, sought = self._ends(asked, first, last)
        if sought is not None:
            asked, ends = Question("arp"), ends._replace(target=sought)
        frame = ask(asked, mark(ends))
        story = _Story(self, actual)
        there = await story.follow(Entry(place.host, place.ofport, frame))
        left = [(leg, copy) for leg in there for copy in (*leg.arrivals, *leg.outside)]
        arrived = [copy for leg, copy in left if self._is_meant(leg, copy, last, asked)]
        if sought is not None:
            arrived = []  # wherever the question came to
        back: tuple[Leg, ...] = ()
        reply = answer(arrived[0].frame) if arrived and last.port is not None and asked.kind != "arp" else None
        if reply is not None and last.port is not None:
            place_back = self._place(last.port)
            back = await story.follow(Entry(place_back.host, place_back.ofport, reply))
        returned = any(self._is_at(leg, copy, first.port) for leg in back for copy in leg.arrivals)
        answered = None if reply is None else returned
        legs = [*await story.legs(there, THERE), *await story.legs(back, BACK)]
        decided = None if sought or (arrived and answered is not False) else _last(legs, BACK if arrived else THERE)
        verdict = _verdict(bool(arrived), answered, decided, target)
        if sought is not None:
            network = self._engine.records[Network].get(first.port.network_id)
            where = "its network" if network is None else title(network)
            role = ", the gateway" if sought != last.address else ""
            verdict = (
                f"not delivered: no port of {where} has {ip_address(sought)}{role}; shown is the question for its MAC"
            )
        told = TraceAnswer(
            packet=_words(frame),
            source=as_object(first.port),
            target=None if last.port is None else as_object(last.port),
            actual=actual,
            revision=self._engine.revision,
            delivered=bool(arrived),
            answered=answered,
            verdict=verdict,
            decided=decided,
            legs=tuple(legs),
        )
        return _Traced(told, first.port, last.port, place, frame, there, sought)

    # -- where it begins and ends -------------------------------------------------------------------------------------

    def _end(self, text: str, other: Port | None) -> End:
        """Who is meant: a MAC, an address, or a port by name or id. Of several ports, one of the other's network.

        An address of the other's subnet is nobody's elsewhere.
        """
        mac, address = _mac(text), _address(text)
        if mac is None and address is None:
            return End(self._find(text))
        owned = [port for port in self.ports() if _owns(port, mac, address)]
        near = [port for port in owned if other is not None and port.network_id == other.network_id]
        if not near and (other is None or address is None or not self._is_on_link(other, address)):
            near = owned
        if len(near) > 1:
            raise NotThere(f"{len(near)} ports have {text}; say which by its name or id: {_titles(near)}")
        return End(near[0] if near else None, address or b"", mac or b"")

    def ports(self) -> Iterator[Port]:
        """All of them."""
        for port in self._engine.records[Port].values():
            assert isinstance(port, Port)
            yield port

    def _place(self, port: Port) -> Place:
        place = foremost(port.host_id, self._engine.values(PLACED, port.id))
        if place is None or not place.ofport:
            why = "is nowhere: no interface that counts carries its id" if place is None else "has no OpenFlow port yet"
            raise NotThere(f"{title(port)} {why}")
        return place

    def _ends(self, asked: Question, first: End, last: End) -> tuple[Ends, bytes | None]:
        """MACs and addresses of the packet, of one family; and the address of which nobody has the MAC."""
        assert first.port is not None
        mine, theirs = first.addresses(), last.addresses()
        if not theirs:
            theirs = [ALL_ONES, ALL_NODES] if last.port is None else []
        pairs = [(a, b) for a in mine for b in theirs if len(a) == len(b)]
        if not pairs and mine and theirs:
            raise ValueError("One end has IPv4 addresses alone, and the other one IPv6 addresses alone")
        if pairs:
            source, target = pairs[0]
        else:
            is_ipv4 = len((mine or theirs or [b"...."])[0]) == 4
            example = ip_address(EXAMPLES[is_ipv4]).packed
            source, target = (mine or [example])[0], (theirs or [example])[0]
        mac = first.mac or mac_bytes(first.port.mac_address or "00:00:00:00:00:00")
        next_mac, sought = (last.mac, None) if last.mac else self._next_mac(first.port, last, target, asked)
        return Ends(mac, next_mac, source, target), sought

    def _next_mac(self, first: Port, last: End, target: bytes, asked: Question) -> tuple[bytes, bytes | None]:
        """The MAC that the sender would send to: the target's in its own network, else a gateway's.

        Where nobody has it, all that are asked for it, and the address that is asked for.
        """
        if last.port is not None and last.port.network_id == first.network_id:
            return mac_bytes(last.port.mac_address or "00:00:00:00:00:00"), None
        if target in (ALL_ONES, ALL_NODES) or asked.kind == "arp":
            return BROADCAST, None
        hops = self._next_hops(first, last, target)
        for port in self.ports():
            is_near = port.network_id == first.network_id and port.mac_address
            if is_near and any(_owns(port, None, hop) for hop in hops):
                return mac_bytes(port.mac_address or ""), None
        return BROADCAST, hops[0]

    def _next_hops(self, first: Port, last: End, target: bytes) -> list[bytes]:
        """The addresses whose MAC the sender may need: the target's in its own subnet, else its gateways'."""
        if last.port is None and self._is_on_link(first, target):
            return [target]
        known = (_address(subnet.gateway_ip or "") for subnet in self._subnets(first, len(target)))
        gateways = [gateway for gateway in known if gateway is not None]
        if not gateways:
            named = title(last.port) if last.port is not None else str(ip_address(target))
            raise NotThere(f"{named} is not in the network of {title(first)}, whose subnets have no gateway")
        return gateways

    def _is_on_link(self, port: Port, address: bytes) -> bool:
        """Whether an address is of the port's subnets; those of one without subnets all are."""
        subnets = [*self._subnets(port, len(address))]
        return not subnets or any(_holds(subnet, address) for subnet in subnets)

    def _subnets(self, port: Port, size: int) -> Iterator[Subnet]:
        """Those of its network that the port has an address of, with addresses of so many bytes."""
        mine = [ip_address(fixed.ip_address).packed for fixed in port.fixed_ips or ()]
        for subnet in self._engine.records[Subnet].values():
            assert isinstance(subnet, Subnet)
            is_near = subnet.network_id == port.network_id
            if is_near and any(len(each) == size and _holds(subnet, each) for each in mine):
                yield subnet

    # -- where it went ------------------------------------------------------------------------------------------------

    def _is_meant(self, leg: Leg, copy: Copy, last: End, asked: Question) -> bool:
        """Whether a copy is at the target; a question that the switch answers needs not get there.

        Who is none of our ports may be behind any port, or outside on a physical network: there nobody can look.
        """
        if asked.kind == "arp" and leg.entry.cause is None and copy.port == leg.entry.in_port:
            return True
        if last.port is not None:
            return self._is_at(leg, copy, last.port)
        return copy.port not in (CONTROLLER, leg.entry.in_port)

    def _is_at(self, leg: Leg, copy: Copy, port: Port) -> bool:
        places = self._engine.values(PLACED, port.id)
        return any(place.host == leg.entry.host and place.ofport == copy.port for place in places)

    def across(self, host: str, physical_network: str, frame: bytes) -> Iterable[tuple[str, int]]:
        """The hosts to which a physical network takes a frame: that of the port that has its MAC, else all."""
        mac = frame[:6].hex(":")
        homes: set[str] | None = None
        if not frame[0] & 1:
            owners = [port for port in self.ports() if (port.mac_address or "").lower() == mac]
            homes = {place.host for port in owners for place in self._engine.values(PLACED, port.id)}
        for other in self._engine.records[Host].values():
            assert isinstance(other, Host)
            ofport = dict(other.patches).get(physical_network)
            if other.id != host and ofport and (homes is None or other.id in homes):
                yield other.id, ofport


class _Story:
    """A packet and its answer: tables, connections and counters of the switches that they meet."""

    def __init__(self, trace: Trace, actual: bool) -> None:
        self._trace = trace
        self._actual = actual
        self._known: Known = {}
        self._plugged: dict[tuple[str, int], str] = {}
        self._sites: dict[str, Site | None] = {}
        self._counts: dict[tuple[str, int], Mapping[bytes, tuple[bytes, int, int]]] = {}
        self._engine = trace._engine
        self._switches = trace._controller.switches
        self._homes = {ip_number(vtep): host for host, vteps in self._engine.relations[VTEP].items() for vtep in vteps}

    async def follow(self, entry: Entry) -> tuple[Leg, ...]:
        """Take a packet to its end. The tables are indexed in a thread: large ones take a while."""
        steps = walk(entry, self._known, self._homes.get, self._trace.across)
        site: Site | None = None
        try:
            while True:
                wanted, legs = await asyncio.to_thread(_advance, steps, site)
                if wanted is None:
                    return legs
                site = await self._site(wanted)
        except NotInterpreted as error:
            raise ValueError(f"Daybreak can't tell: {error}") from None

    async def _site(self, host: str) -> Site | None:
        if host not in self._sites:
            record = self._engine.records[Host].get(host)
            patches = record.patches if isinstance(record, Host) else ()
            vteps = tuple(ip_number(vtep) for vtep in self._engine.values(VTEP, host))
            self._sites[host] = Site(
                Tables(await self._flows(host)), vteps, frozenset(TUNNELS), {port: name for name, port in patches}
            )
        return self._sites[host]

    async def _flows(self, host: str) -> dict[bytes, bytes]:
        if not self._actual:
            return {key: body for topic in self._switches.topics(host) for key, body in topic.flows.items()}
        applier = self._switches.appliers.get(host)
        if applier is None:
            raise NotThere(f"The switch of host {host} is not connected: it can't be asked for its flows")
        try:
            return await applier.switch.dump_flows()
        except Lost as error:
            raise NotThere(f"The switch of host {host} is not connected: {error}") from None

    # -- in words -----------------------------------------------------------------------------------------------------

    async def legs(self, legs: tuple[Leg, ...], way: str) -> list[TraceLeg]:
        """What happened, with the flows' reasons and counters."""
        shown = []
        await self._learn()
        for leg in legs:
            steps = [await self._step(leg, event) for event in leg.outcome.events]
            lost = [TraceStep(kind="stop", depth=copy.depth, text=why) for copy, why in leg.lost]
            entered = self._entered(leg.entry, legs)
            shown.append(TraceLeg(way=way, host=leg.entry.host, entered=entered, steps=(*steps, *lost)))
        return shown

    def _entered(self, entry: Entry, legs: tuple[Leg, ...]) -> str:
        if entry.cause is None:
            return self._behind(entry.host, entry.in_port)
        origin = legs[entry.cause].entry.host
        if entry.in_port in TUNNELS:
            return f"{TUNNELS[entry.in_port]} {entry.metadata.get(f.FIELDS['tun_id'], 0)} from host {origin}"
        return f"{self._behind(entry.host, entry.in_port)} from host {origin}"

    def _behind(self, host: str, ofport: int) -> str:
        """What is behind a port of a switch."""
        site = self._sites.get(host)
        if site is not None and ofport in site.uplinks:
            return f"physical network {site.uplinks[ofport]}"
        return self._plugged.get((host, ofport), f"OpenFlow port {ofport}")

    async def _learn(self) -> None:
        """Host and OpenFlow port → the port that is plugged in there, and its interface."""
        if self._plugged:
            return
        async for port in paced([*self._trace.ports()], 10 * SLICE):
            for place in self._engine.values(PLACED, port.id):
                self._plugged[place.host, place.ofport] = f"{title(port)}, {place.interface}"

    async def _step(self, leg: Leg, event: Event) -> TraceStep:
        match event:
            case Visit():
                return await self._visit(leg.entry.host, event)
            case Copy():
                return self._copy(leg, event)
            case Lookup(tracked=tracked):
                words = [word for bit, word in enumerate(STATES) if tracked.state >> bit & 1]
                kept = ", remembered from now on" if event.committed and not tracked.state & 0x10 else ""
                return TraceStep(
                    kind="conntrack", depth=event.depth, text=f"zone {tracked.zone}: {' '.join(words)}{kept}"
                )
            case Stop(reason=reason):
                return TraceStep(kind="stop", depth=event.depth, text=reason)
        raise AssertionError(event)

    def _copy(self, leg: Leg, copy: Copy) -> TraceStep:
        host = leg.entry.host
        if copy.port == CONTROLLER:
            return TraceStep(kind="controller", depth=copy.depth, text="to the controller")
        if copy.port == leg.entry.in_port:
            return TraceStep(kind="answer", depth=copy.depth, text=f"answered, back to {self._behind(host, copy.port)}")
        if copy.port in TUNNELS:
            number = copy.fields.get(f.FIELDS["tun_dst"], 0) or copy.fields.get(f.FIELDS["tun_ipv6_dst"], 0)
            where = self._homes.get(number)
            to = f"host {where} ({ip_address(number)})" if where else str(ip_address(number))
            text = f"{TUNNELS[copy.port]} {copy.fields.get(f.FIELDS['tun_id'], 0)} to {to}"
            return TraceStep(kind="output", depth=copy.depth, text=text)
        tag = copy.fields.get(f.VLAN_VID, 0)
        vlan = f", VLAN {tag & ~TAGGED}" if tag & TAGGED else ""
        return TraceStep(kind="output", depth=copy.depth, text=f"to {self._behind(host, copy.port)}{vlan}")

    async def _visit(self, host: str, visit: Visit) -> TraceStep:
        if visit.flow is None:
            table = self._names.table(visit.table)
            return TraceStep(kind="miss", depth=visit.depth, text="no flow matches", table=table)
        flow = visit.flow
        said = self._names.text(flow.key, flow.body)
        memo = self._engine.memos.get(flow.cookie)
        things = objects(self._engine, memo) if memo is not None else []
        return TraceStep(
            kind="flow",
            depth=visit.depth,
            text="nobody of ours wants this flow" if memo is None else self._purpose(memo, flow, things),
            table=said.table,
            priority=said.priority,
            match=said.match,
            actions=said.actions,
            cookie=f"{flow.cookie:#018x}",
            feature=None if memo is None else memo.rule.feature,
            rule=None if memo is None else memo.rule.name,
            objects=tuple(map(as_object, things)),
            packets=await self._packets(host, flow),
            rivals=len(visit.rivals),
        )

    def _purpose(self, memo: Memo, flow: Flow, things: list[Record]) -> str:
        """What a flow is for, and whose it is."""
        what = self._trace.meanings.of(memo.rule.feature, flow.key).partition(";")[0] or str(memo.rule)
        return f"{what}: {', '.join(title(each) for each in things)}" if things else what

    @property
    def _names(self) -> FlowNames:
        return self._trace._names

    async def _packets(self, host: str, flow: Flow) -> int | None:
        """What the switch counted; None: it can't be asked, or does not have the flow."""
        asked = (host, flow.cookie)
        if asked not in self._counts:
            applier = self._switches.appliers.get(host)
            found: dict[bytes, tuple[bytes, int, int]] = {}
            try:
                if applier is not None:
                    query = FlowQuery(cookie=flow.cookie, cookie_mask=WHOLE_COOKIE)
                    for part in await applier.switch.dump_flows_raw(query):
                        found.update(stats_counters(part))
            except Lost:
                found = {}
            self._counts[asked] = found
        body, packets, _ = self._counts[asked].get(flow.key, (b"", 0, 0))
        return packets if body == flow.body else None


def _advance(steps: Walk, site: Site | None) -> tuple[str | None, tuple[Leg, ...]]:
    """On with a walk: the host that it asks for, or (None) its legs."""
    try:
        return steps.send(site), ()
    except StopIteration as end:
        return None, end.value


def _last(legs: list[TraceLeg], way: str) -> TraceStep | None:
    """The last look-up of the last switch: the flow that ended it, or the table where there was none."""
    steps = [step for leg in legs if leg.way == way for step in leg.steps if step.kind in ("flow", "miss", "stop")]
    return steps[-1] if steps else None


def _verdict(delivered: bool, answered: bool | None, decided: TraceStep | None, target: str) -> str:
    if delivered and answered is not False:
        return "delivered, and so is its answer" if answered else "delivered"
    what = "delivered, but its answer is not: it" if delivered else "not delivered: it"
    where = "goes nowhere" if decided is None else f"ends in {decided.table or 'the switch'}, {decided.text}"
    return f"{what} {where}"


def _mac(text: str) -> bytes | None:
    parts = text.split(":")
    return mac_bytes(text) if len(parts) == 6 and all(len(part) == 2 for part in parts) and _is_hex(parts) else None


def _is_hex(parts: list[str]) -> bool:
    return all(char in "0123456789abcdefABCDEF" for part in parts for char in part)


def _address(text: str) -> bytes | None:
    try:
        return ip_address(text).packed
    except ValueError:
        return None


def _owns(port: Port, mac: bytes | None, address: bytes | None) -> bool:
    if mac is not None:
        return bool(port.mac_address) and mac_bytes(port.mac_address or "") == mac
    return any(_is(fixed.ip_address, address or b"") for fixed in port.fixed_ips or ())


def _holds(subnet: Subnet, address: bytes) -> bool:
    return subnet.cidr is not None and ip_address(address) in ip_network(subnet.cidr, strict=False)


def _is(text: str, address: bytes) -> bool:
    """Whether an address in words is this one; IPv6 has more than one spelling."""
    if ":" in text:
        return len(address) == 16 and ip_address(text).packed == address
    return len(address) == 4 and text == ".".join(map(str, address))


def _titles(ports: list[Port]) -> str:
    return ", ".join(sorted(title(port) for port in ports))


PROTOCOLS: dict[int, str] = {6: "tcp", 17: "udp", 132: "sctp", IpProtocol.ICMP: "icmp", IpProtocol.ICMPV6: "icmpv6"}


def _words(frame: bytes) -> str:
    """A frame for people."""
    values = read(frame).values
    macs = f"{values[f.ETH_SRC].to_bytes(6).hex(':')} > {values[f.ETH_DST].to_bytes(6).hex(':')}"
    if (source := values.get(f.IPV4_SRC)) is not None:
        size, target = 4, values[f.IPV4_DST]
    elif (source := values.get(f.IPV6_SRC)) is not None:
        size, target = 16, values[f.IPV6_DST]
    else:
        asked = ip_address(values[f.FIELDS["arp_tpa"]].to_bytes(4))
        return f"arp, {ip_address(values[f.FIELDS['arp_spa']].to_bytes(4))} asks for {asked}, {macs}"
    protocol = values[f.IP_PROTO]
    ports = [values[field] for field in (*_PORTS[0::2], *_PORTS[1::2]) if field in values]
    ends = [str(ip_address(source.to_bytes(size))), str(ip_address(target.to_bytes(size)))]
    if len(ports) == 2:
        ends = [f"[{end}]:{port}" if ":" in end else f"{end}:{port}" for end, port in zip(ends, ports, strict=True)]
    kind = values.get(f.ICMPV4_TYPE, values.get(f.ICMPV6_TYPE))
    name = PROTOCOLS.get(protocol, f"protocol {protocol}") + ("" if kind is None else f" type {kind}")
    return f"{name}, {' > '.join(ends)}, {macs}"


_PORTS = (f.TCP_SRC, f.TCP_DST, f.UDP_SRC, f.UDP_DST, f.SCTP_SRC, f.SCTP_DST)
