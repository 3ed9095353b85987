"""rules: connection tracking as a value: what a switch would say of a packet, given the connections that it knows.

As Open vSwitch's userspace datapath does it, without its clock: connections neither expire nor close, and sequence
numbers and checksums are taken to be right. NAT is not interpreted, and neither are fragments: whether one passes
depends on the others of its datagram. What Linux's datapath says differs in two things: neighbour discovery is invalid
here, and untracked there; and the ports of SCTP are not known here, so that two hosts have one such connection.

Sources: ovs-fields(7), section "Connection Tracking"; ovs-actions(7), ct; measured on Open vSwitch 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.headers import Fields, Headers, read
from daybreak.wire.packet import EtherType, IpProtocol

NEW, ESTABLISHED, RELATED, REPLY, INVALID, TRACKED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""Bits of ct_state."""

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
ICMP_QUERIES = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15}
ICMP_OPENERS = (8, 13, 15)
ICMP_ERRORS = (3, 4, 5, 11, 12)
ICMPV6_QUERIES = {128: 129, 129: 128}
ICMPV6_OPENERS = (128,)
ICMPV6_ERRORS = (1, 2, 3, 4)


class Tuple(NamedTuple):
    """What identifies a connection in one direction. Of ICMP the ports are identifier and type."""

    family: int
    protocol: int
    source: int
    destination: int
    source_port: int = 0
    destination_port: int = 0

    def reversed(self) -> Tuple:
        """The same connection, as its answers have it."""
        turned = self._replace(source=self.destination, destination=self.source)
        queries = _queries(self.family, self.protocol)
        if queries:
            return turned._replace(destination_port=queries[self.destination_port])
        return turned._replace(source_port=self.destination_port, destination_port=self.source_port)


def _queries(family: int, protocol: int) -> Mapping[int, int] | None:
    if family == EtherType.IPV4 and protocol == IpProtocol.ICMP:
        return ICMP_QUERIES
    return ICMPV6_QUERIES if family == EtherType.IPV6 and protocol == IpProtocol.ICMPV6 else None


class Connection(NamedTuple):
    """A connection in a zone, named by its first packet. `answered`: a packet went the other way too. `tcp`: how
    far each end of a TCP connection is, that of the first packet first."""

    first: Tuple
    mark: int = 0
    label: int = 0
    answered: bool = False
    tcp: tuple[int, int] = (1, 0)


CLOSED, SYN_SENT, ESTABLISHED_END, CLOSING, FIN_WAIT_2, TIME_WAIT = range(6)
"""How far an end of a TCP connection is."""


Connections = Mapping[tuple[int, Tuple], Connection]
"""(zone, first packet's tuple) → connection."""


class Tracked(NamedTuple):
    """What connection tracking says of a packet. `known` is its connection; `own` what it would be called if the packet
    opened one (None: it can't). `flags` are those of TCP."""

    state: int
    zone: int
    known: Connection | None = None
    own: Tuple | None = None
    flags: int = 0

    @property
    def fields(self) -> Fields:
        """What flows can match."""
        set_ = {f.CT_STATE: self.state, f.CT_ZONE: self.zone}
        if self.known is not None:
            set_ |= {f.CT_MARK: self.known.mark, f.CT_LABEL: self.known.label}
        first = self.known.first if self.known is not None else self.own
        if first is None or self.state & INVALID:
            return set_
        is_ipv4 = first.family == EtherType.IPV4
        source, destination = (f.CT_NW_SRC, f.CT_NW_DST) if is_ipv4 else (f.CT_IPV6_SRC, f.CT_IPV6_DST)
        set_ |= {source: first.source, destination: first.destination, f.CT_NW_PROTO: first.protocol}
        if first.protocol in (IpProtocol.TCP, IpProtocol.UDP):
            set_ |= {f.CT_TP_SRC: first.source_port, f.CT_TP_DST: first.destination_port}
        elif _queries(first.family, first.protocol):
            set_ |= {f.CT_TP_SRC: first.destination_port, f.CT_TP_DST: 0}
        return set_


def track(headers: Headers, frame: bytes, zone: int, connections: Connections) -> Tracked:
    """Look a packet up. `headers` are those of `frame`, which is an IP packet's."""
    inner = _inner(headers, frame)
    if inner is not None:
        return _related(inner, zone, connections)
    own = tuple_of(headers, frame)
    if own is None:
        return Tracked(TRACKED | INVALID, zone)
    flags = headers.values.get(f.TCP_FLAGS, 0)
    if own.protocol == IpProtocol.TCP and _contradict(flags):
        return Tracked(TRACKED | INVALID, zone)
    known = connections.get((zone, own))
    if known is not None:
        return Tracked(TRACKED | _onwards(known, own, flags), zone, known, own, flags)
    known = connections.get((zone, own.reversed()))
    if known is not None:
        return Tracked(TRACKED | _back(known, own, flags), zone, known, own, flags)
    if not (_opens(own, flags) and _opens_if_misplaced(headers, frame, own)):
        return Tracked(TRACKED | INVALID, zone)
    return Tracked(TRACKED | NEW, zone, None, own, flags)


def tuple_of(headers: Headers, frame: bytes) -> Tuple | None:
    """What identifies the connection of an IP packet; None where it can't have one."""
    values = headers.values
    family = values[f.ETH_TYPE]
    ends = (f.IPV4_SRC, f.IPV4_DST) if family == EtherType.IPV4 else (f.IPV6_SRC, f.IPV6_DST)
    if ends[0] not in values:
        return None
    protocol = values[f.IP_PROTO]
    source, destination = values[ends[0]], values[ends[1]]
    queries = _queries(family, protocol)
    if queries is not None:
        at = headers.transport
        if not at or frame[at] not in queries:
            return None
        identifier = int.from_bytes(frame[at + 4 : at + 6], "big")
        return Tuple(family, protocol, source, destination, identifier, frame[at])
    if protocol in (IpProtocol.TCP, IpProtocol.UDP):
        at = headers.transport
        if not at:
            return None
        ports = int.from_bytes(frame[at : at + 2], "big"), int.from_bytes(frame[at + 2 : at + 4], "big")
        return Tuple(family, protocol, source, destination, *ports)
    return Tuple(family, protocol, source, destination)


def _contradict(flags: int) -> bool:
    """Flags that no TCP sends together."""
    if flags & SYN:
        return bool(flags & (RST | FIN))
    return not flags & (ACK | RST)


def _opens(own: Tuple, flags: int) -> bool:
    """Whether a packet without a connection may begin one."""
    queries = _queries(own.family, own.protocol)
    if queries is not None:
        return own.destination_port in (ICMP_OPENERS if own.family == EtherType.IPV4 else ICMPV6_OPENERS)
    return own.protocol != IpProtocol.TCP or flags & (SYN | ACK) != SYN | ACK


def _begins(end: int, flags: int) -> bool:
    """Whether a TCP packet is the first of its end of a connection, perhaps sent again."""
    return flags & (SYN | ACK) == SYN and end <= SYN_SENT


def _opens_if_misplaced(headers: Headers, frame: bytes, own: Tuple) -> bool:
    """ICMP within IPv6, or ICMPv6 within IPv4, has no identifier here, but its type counts all the same."""
    misplaced = (EtherType.IPV6, IpProtocol.ICMP), (EtherType.IPV4, IpProtocol.ICMPV6)
    if (own.family, own.protocol) not in misplaced:
        return True
    is_ipv4 = own.family == EtherType.IPV4
    at = headers.network + ((frame[headers.network] & 0xF) * 4 if is_ipv4 else 40)
    return at < len(frame) and frame[at] in (ICMPV6_OPENERS if is_ipv4 else ICMP_OPENERS)


def _onwards(known: Connection, own: Tuple, flags: int) -> int:
    """The state of a further packet in the direction of the first."""
    if own.protocol == IpProtocol.TCP:
        return NEW if _begins(known.tcp[0], flags) else ESTABLISHED
    return ESTABLISHED if known.answered else NEW


def _back(known: Connection, own: Tuple, flags: int) -> int:
    """The state of a packet in the other direction."""
    if own.protocol == IpProtocol.TCP and _begins(known.tcp[1], flags):
        return NEW
    return ESTABLISHED | REPLY


def _advanced(sender: int, receiver: int, flags: int) -> tuple[int, int]:
    """How far both ends of a TCP connection are after a packet (pf's rules, which Open vSwitch took over)."""
    if flags & RST:
        return TIME_WAIT, TIME_WAIT
    sender = max(sender, CLOSING if flags & FIN else SYN_SENT)
    if flags & ACK:
        receiver = {SYN_SENT: ESTABLISHED_END, CLOSING: FIN_WAIT_2}.get(receiver, receiver)
    return sender, receiver


def _inner(headers: Headers, frame: bytes) -> bytes | None:
    """What an ICMP error quotes; None for other packets."""
    values, at = headers.values, headers.transport
    if not at or values[f.IP_PROTO] not in (IpProtocol.ICMP, IpProtocol.ICMPV6):
        return None
    errors = ICMP_ERRORS if values[f.IP_PROTO] == IpProtocol.ICMP else ICMPV6_ERRORS
    return frame[at + 8 :] if frame[at] in errors else None


def _related(quoted: bytes, zone: int, connections: Connections) -> Tracked:
    """An ICMP error belongs to the connection of the packet that it quotes, in the other direction than that."""
    family = EtherType.IPV4 if quoted[:1] and quoted[0] >> 4 == 4 else EtherType.IPV6
    frame = bytes(12) + family.to_bytes(2, "big") + _whole(quoted, family)
    headers = read(frame)
    inner = tuple_of(headers, frame)
    if inner is None or _is_cut_too_short(headers, quoted):
        return Tracked(TRACKED | INVALID, zone)
    known = connections.get((zone, inner.reversed()))
    if known is not None:
        return Tracked(TRACKED | RELATED, zone, known)
    known = connections.get((zone, inner))
    if known is not None:
        return Tracked(TRACKED | RELATED | REPLY, zone, known)
    return Tracked(TRACKED | INVALID, zone)


def _is_cut_too_short(headers: Headers, quoted: bytes) -> bool:
    """In IPv6 all of a quoted TCP header has to be there, in IPv4 the ports will do (RFC 4443 and 792 want as much)."""
    is_tcp6 = headers.values[f.ETH_TYPE] == EtherType.IPV6 and headers.values[f.IP_PROTO] == IpProtocol.TCP
    return is_tcp6 and 14 + len(quoted) < headers.transport + LONGEST_HEADER


LONGEST_HEADER = 20


def _whole(quoted: bytes, family: int) -> bytes:
    """A quoted packet, which may be cut, with a length that fits what is there, and transport headers filled up."""
    filled = bytearray(quoted + bytes(LONGEST_HEADER))
    if family == EtherType.IPV4 and len(quoted) >= 20:
        filled[2:4] = len(filled).to_bytes(2, "big")
    elif len(quoted) >= 40:
        filled[4:6] = (len(filled) - 40).to_bytes(2, "big")
    return bytes(filled)


def seen(tracked: Tracked, connections: dict[tuple[int, Tuple], Connection]) -> None:
    """Note that a packet of a connection passed."""
    known = tracked.known
    if known is None or tracked.state & (RELATED | INVALID):
        return
    is_back = tracked.own != known.first
    first, other = known.tcp
    if is_back:
        other, first = _advanced(other, first, tracked.flags)
    else:
        first, other = _advanced(first, other, tracked.flags)
    connections[tracked.zone, known.first] = known._replace(answered=known.answered or is_back, tcp=(first, other))


def commit(
    tracked: Tracked, connections: dict[tuple[int, Tuple], Connection], mark: int | None, label: int | None, force: bool
) -> Tracked:
    """Keep the connection of a packet, which is returned with it. `mark` and `label` None: as they were."""
    known, own = tracked.known, tracked.own
    if tracked.state & INVALID or (known is None and own is None):
        return tracked
    if force and known is not None and tracked.state & REPLY and own is not None:
        del connections[tracked.zone, known.first]
        known, tracked = None, tracked._replace(state=TRACKED | NEW)
    if known is None:
        assert own is not None
        known = Connection(own)
    else:
        known = connections.get((tracked.zone, known.first), known)
    known = known._replace(mark=known.mark if mark is None else mark, label=known.label if label is None else label)
    connections[tracked.zone, known.first] = known
    return tracked._replace(known=known)
