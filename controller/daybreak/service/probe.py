"""io: sends a packet of our own through the switches, and hears from them where it went.

Before it is sent, every switch that has its network has a flow that shows it to us in place of the VM (feature probe);
where one can't have it, nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from ipaddress import ip_address
from random import SystemRandom
from typing import NamedTuple

import structlog

from daybreak.engine.explain import dependents
from daybreak.engine.memo import Memo
from daybreak.features.vocabulary import TARGET, Place, network_topic
from daybreak.model import Expect, Probe, Transaction
from daybreak.northbound.admin import NotThere
from daybreak.service.compute import Compute
from daybreak.service.progress import Progresses
from daybreak.service.question import Ends
from daybreak.service.switches import Switches
from daybreak.southbound.openflow.session import Lost
from daybreak.store.contract import Conflict, Store, StoreError
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.actions import Output, encode_actions
from daybreak.wire.openflow.headers import SCTP, read
from daybreak.wire.openflow.messages_experimenter import CtFlush, CtTuple, Icmp
from daybreak.wire.openflow.messages_header import Port as Reserved
from daybreak.wire.openflow.messages_packet import PacketIn, PacketOut
from daybreak.wire.packet import EtherType, IpProtocol

log = structlog.get_logger(__name__)

AT_A_TIME = 8
"""Probes that may be on their way: each is two changes for all switches of its network."""

TTL = 211
"""What marks a probe: systems begin at 32, 64, 128 or 255."""

APPLY_SECONDS = 10.0
"""How long switches may take to be ready for a probe."""

SETTLE_SECONDS = 0.25
"""How long a switch may go on by what its datapath has cached after it has taken a flow: until a revalidator has looked
at that, which no barrier waits for. Without a pause, 2 to 4 of 100 probes reached the VM on a busy machine."""

LOWEST, HIGHEST = 61_000, 65_535
"""Source ports, and identifiers of echo requests: above those that Linux clients take (ip_local_port_range, ip(7))."""

PORTS: dict[int, tuple[str, f.Field, f.Field]] = {
    IpProtocol.TCP: ("tcp", f.TCP_SRC, f.TCP_DST),
    IpProtocol.UDP: ("udp", f.UDP_SRC, f.UDP_DST),
    SCTP: ("sctp", f.SCTP_SRC, f.SCTP_DST),
}
ECHO: dict[int, tuple[f.Field, int]] = {IpProtocol.ICMP: (f.ICMPV4_TYPE, 8), IpProtocol.ICMPV6: (f.ICMPV6_TYPE, 128)}


def chosen() -> int:
    """A source port, or the identifier of an echo request."""
    return SystemRandom().randint(LOWEST, HIGHEST)


def marked(number: int, ends: Ends) -> Ends:
    """A probe's: with a source port, or identifier, of its own."""
    return ends._replace(port=number, identifier=number, ttl=TTL)


class Arrival(NamedTuple):
    """Where a probe came out: the number of the port in that host's table, and how long it took."""

    host: str
    table: int
    target: int
    seconds: float


def probe_of(network: str, frame: bytes) -> Probe:
    """The record of a frame. ValueError where it is none that switches can be told of exactly."""
    values = read(frame).values
    number = values.get(f.IP_PROTO, 0)
    if number in PORTS:
        protocol, source_port, target_port = PORTS[number]
        ports = values[source_port], values[target_port]
    elif number in ECHO and values.get(ECHO[number][0]) == ECHO[number][1]:
        protocol, ports = "icmp", (0, 0)
    else:
        raise ValueError("A probe is tcp, udp, sctp with a port, or icmp (an echo request)")
    is_ipv4 = values[f.ETH_TYPE] == EtherType.IPV4
    ends = (f.IPV4_SRC, f.IPV4_DST) if is_ipv4 else (f.IPV6_SRC, f.IPV6_DST)
    source, target = (str(ip_address(values[end].to_bytes(4 if is_ipv4 else 16))) for end in ends)
    source_mac, target_mac = (values[mac].to_bytes(6).hex(":") for mac in (f.ETH_SRC, f.ETH_DST))
    return Probe(network, source_mac, target_mac, source, target, protocol, values[f.NW_TTL], *ports)


def forgetting(probe: Probe, frame: bytes, zones: Iterable[int]) -> list[bytes]:
    """The messages that have a switch forget the connection that a probe began in these zones.

    One for each: without a zone, Open vSwitch 3.1.0 looks in all and forgets in zone 0 alone.
    """
    source, target = ip_address(probe.source).packed, ip_address(probe.target).packed
    headers = read(frame)
    number, at = headers.values[f.IP_PROTO], headers.transport
    icmp = Icmp(int.from_bytes(frame[at + 4 : at + 6]), frame[at], frame[at + 1]) if number in ECHO else None
    begun = CtTuple(source, target, probe.source_port, probe.target_port, icmp)
    return [CtFlush(number, begun, zone=zone).encode() for zone in sorted(zones)]


class Probes:
    """Sends probes. `choose` gives source ports."""

    def __init__(
        self,
        store: Store,
        compute: Compute,
        switches: Switches,
        progress: Progresses,
        choose: Callable[[], int] = chosen,
    ) -> None:
        self.choose = choose
        self._store, self._compute, self._switches = store, compute, switches
        self._progress = progress
        self._arrivals: dict[str, asyncio.Queue[Arrival]] = {}
        self._sent: dict[str, float] = {}

    async def sweep(self) -> None:
        """Nobody waits for what a controller left that ended before its time; if not now, the next start sweeps it."""
        try:
            await self._delete(self._store.rows(Probe))
        except StoreError as error:
            log.error("probes of a former controller can't be deleted", reason=str(error))

    async def _delete(self, keys: Iterable[str]) -> None:
        await self._store.commit(Transaction(delete=tuple((Probe, key) for key in keys)))

    def packet(self, host: str, memo: Memo, packet: PacketIn) -> None:
        """A switch shows a packet that a probe's flow took."""
        if memo.key in self._arrivals and memo.key in self._sent:
            bits = self._compute.engine.pipeline.registers[TARGET]
            number = int(bits.field.name.removeprefix("reg"))
            target = packet.registers.get(number, 0) >> bits.offset & (1 << bits.width) - 1
            took = asyncio.get_running_loop().time() - self._sent[memo.key]
            self._arrivals[memo.key].put_nowait(Arrival(host, packet.table, target, took))

    async def send(
        self, network: str, place: Place, frame: bytes, zones: Mapping[str, Set[int]], expected: int, seconds: float
    ) -> list[Arrival]:
        """Send a frame as if a VM had, and return where it came out: `expected` places, or those of `seconds`.

        `zones` are the hosts that it should come through, each with its conntrack zones there. NotThere, and nothing
        is sent, where one of them is not there or a switch is not ready; ValueError where it is no frame for a probe.
        """
        probe = probe_of(network, frame)
        self._check(zones)
        if len(self._arrivals) >= AT_A_TIME:
            raise NotThere(f"No probe was sent: {AT_A_TIME} are on their way, wait for one to end")
        if probe.key in self._arrivals:
            raise NotThere("No probe was sent: one with the same addresses and ports is on its way")
        arrivals = self._arrivals[probe.key] = asyncio.Queue()
        try:
            await self._prepare(probe)
            await asyncio.sleep(SETTLE_SECONDS)
            self._check(zones)
            self._sent[probe.key] = asyncio.get_running_loop().time()
            packet = PacketOut(frame, encode_actions([Output(Reserved.TABLE)]), place.ofport)
            self._switches.appliers[place.host].switch.send(packet.encode())
            return await _heard(arrivals, expected, seconds)
        finally:
            await asyncio.shield(self._end(probe, frame, zones))

    def _check(self, hosts: Iterable[str]) -> None:
        """What is not connected can't be asked, and may still forward."""
        for host in sorted(hosts):
            if host not in self._switches.appliers:
                raise NotThere(f"No probe was sent: the switch of host {host} is not connected")

    async def _prepare(self, probe: Probe) -> None:
        """Return when every switch that has the network would show us the probe."""
        watch = self._progress.watch()
        try:
            done = await self._store.commit(Transaction(put=(probe,), expect=(Expect(Probe, probe.key, None),)))
            late = await watch.applied(done.revision, (), APPLY_SECONDS)
        except Conflict:
            raise NotThere("No probe was sent: one with the same addresses and ports is on its way") from None
        finally:
            watch.close()
        appliers = self._switches.appliers
        cookies = {memo.cookie for memo in dependents(self._compute.engine, Probe, probe.key)}
        refused = [host for host in self._ready(probe) if not cookies.isdisjoint(appliers[host].quarantine)]
        if late or refused:
            names = ", ".join(sorted({*late, *refused}))
            raise NotThere(f"No probe was sent: it would not be held back from its VM by the switches of {names}")

    def _ready(self, probe: Probe) -> list[str]:
        subscribers = self._switches.subscribers(network_topic(probe.network))
        return [host for host in subscribers if host in self._switches.appliers]

    async def _end(self, probe: Probe, frame: bytes, zones: Mapping[str, Set[int]]) -> None:
        """Forget it, and have the switches forget its connection; Open vSwitch before 3.1 waits until that expires."""
        try:
            await self._delete([probe.key])
        finally:
            self._arrivals.pop(probe.key)  # not before: another one like it would lose its flow
            self._sent.pop(probe.key, None)
        for host, passed in zones.items():
            applier = self._switches.appliers.get(host)
            with suppress(Lost):
                if applier is not None:
                    await applier.switch.plain(forgetting(probe, frame, passed))


async def _heard(arrivals: asyncio.Queue[Arrival], expected: int, seconds: float) -> list[Arrival]:
    """The first arrivals, as many as are expected; all of those seconds where none is."""
    heard: list[Arrival] = []
    try:
        async with asyncio.timeout(seconds):
            while not expected or len(heard) < expected:
                heard.append(await arrivals.get())
    except TimeoutError:
        pass
    return heard
