"""Rules (pure): a frame as the fields that flows match, and such fields written back into the frame.

What is read, and what is left alone because it is malformed, follows Open vSwitch: of VLAN tags the outermost counts, a
header that is cut or has a wrong length leaves its fields at zero, IPv6 extension headers are passed over, and nobody
asks for the version that an IP header claims to be. Written
back, checksums change by what changed, so a wrong one stays wrong.

Sources: ovs-fields(7); RFC 791, 8200, 826, 9293, 768, 9260, 792, 4443, 4861; RFC 1624 (incremental checksums).
"""

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple

from daybreak.wire.packet import EtherType, IpProtocol, checksum

from . import fields as f
from .fields import FIELDS, Field

Fields = dict[Field, int]
"""What is known of a packet; a field that is not there is zero."""

ARP_OP, ARP_SPA, ARP_TPA = FIELDS["arp_op"], FIELDS["arp_spa"], FIELDS["arp_tpa"]
ARP_SHA, ARP_THA = FIELDS["arp_sha"], FIELDS["arp_tha"]

TAGGED = 0x1000
"""The bit of vlan_vid that says that there is a VLAN tag (OpenFlow 1.3.5, section 7.2.3.7)."""

FRAGMENT, LATER = 1, 2
"""Bits of ip_frag: a fragment, and not the first one."""

REVERSE_ARP, NO_TYPE, LEAST_TYPE = 0x8035, 0x05FF, 0x0600
SNAP = bytes.fromhex("aaaa03000000")
SCTP, AUTHENTICATION, FRAGMENT_HEADER = 132, 51, 44
EXTENSIONS = (0, 43, 60, AUTHENTICATION, FRAGMENT_HEADER)
SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_OPTION, TARGET_OPTION = 1, 2

_IPV4 = Struct("!BBHHHBBHII")
_IPV6 = Struct("!IHBB")
_ARP = Struct("!HHBBH6sI6sI")
_PORTS = Struct("!HH")
_LEAST: dict[int, int] = {IpProtocol.TCP: 20, IpProtocol.UDP: 8, SCTP: 12, IpProtocol.ICMP: 8, IpProtocol.ICMPV6: 8}
_PORT_FIELDS: dict[int, tuple[Field, Field]] = {
    IpProtocol.TCP: (f.TCP_SRC, f.TCP_DST),
    IpProtocol.UDP: (f.UDP_SRC, f.UDP_DST),
    SCTP: (f.SCTP_SRC, f.SCTP_DST),
}
_CHECKSUM_AT: dict[int, int] = {IpProtocol.TCP: 16, IpProtocol.UDP: 6, IpProtocol.ICMP: 2, IpProtocol.ICMPV6: 2}


class Place(NamedTuple):
    """Where a field stands: offset and length in bytes, and how many bits up its lowest one is in them."""

    offset: int
    size: int
    shift: int = 0


class Headers(NamedTuple):
    """What a frame has: the fields' values, where those stand that can be written, and where network and transport
    headers begin (0: there is none that could be read)."""

    values: Fields
    places: dict[Field, Place]
    network: int = 0
    transport: int = 0


def read(frame: bytes) -> Headers:
    """The headers of an Ethernet frame, without metadata. ValueError where it is shorter than an Ethernet header."""
    if len(frame) < 14:
        raise ValueError(f"a frame of {len(frame)} bytes")
    values: Fields = {f.ETH_DST: _number(frame, 0, 6), f.ETH_SRC: _number(frame, 6, 6)}
    places = {f.ETH_DST: Place(0, 6), f.ETH_SRC: Place(6, 6)}
    at = 12
    if _number(frame, at, 2) in (EtherType.VLAN, EtherType.SERVICE_VLAN) and len(frame) >= 18:
        tag = _number(frame, 14, 2)
        values[f.VLAN_VID], values[f.VLAN_PCP] = TAGGED | tag & 0xFFF, tag >> 13
        places[f.VLAN_VID], places[f.VLAN_PCP] = Place(14, 2), Place(14, 2, 13)
        at = 16
    kind, at = _ethertype(frame, at)
    values[f.ETH_TYPE] = kind
    if kind == EtherType.IPV4:
        return _ipv4(frame, at, values, places)
    if kind == EtherType.IPV6:
        return _ipv6(frame, at, values, places)
    if kind in (EtherType.ARP, REVERSE_ARP):
        _arp(frame, at, values, places)
    return Headers(values, places)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _ethertype(frame: bytes, at: int) -> tuple[int, int]:
    """What the frame carries, and where that begins. IEEE 802.2 with SNAP is looked into."""
    kind = _number(frame, at, 2)
    if kind >= LEAST_TYPE:
        return kind, at + 2
    inner = _number(frame, at + 8, 2)
    if frame[at + 2 : at + 8] == SNAP and len(frame) >= at + 10 and inner >= LEAST_TYPE:
        return inner, at + 10
    return NO_TYPE, at + 2


def _arp(frame: bytes, at: int, values: Fields, places: dict[Field, Place]) -> None:
    if len(frame) < at + _ARP.size:
        return
    hardware, protocol, mac_length, ip_length, operation, sha, spa, tha, tpa = _ARP.unpack_from(frame, at)
    if (hardware, protocol, mac_length, ip_length) != (1, EtherType.IPV4, 6, 4):
        return
    values[ARP_OP] = operation if operation <= 0xFF else 0
    values[ARP_SPA], values[ARP_TPA] = spa, tpa
    values[ARP_SHA], values[ARP_THA] = int.from_bytes(sha, "big"), int.from_bytes(tha, "big")
    places[ARP_OP], places[ARP_SHA], places[ARP_SPA] = Place(at + 6, 2), Place(at + 8, 6), Place(at + 14, 4)
    places[ARP_THA], places[ARP_TPA] = Place(at + 18, 6), Place(at + 24, 4)


def _ipv4(frame: bytes, at: int, values: Fields, places: dict[Field, Place]) -> Headers:
    if len(frame) < at + _IPV4.size:
        return Headers(values, places)
    first, tos, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(frame, at)
    size = (first & 0xF) * 4
    if not _IPV4.size <= size <= length <= len(frame) - at:
        return Headers(values, places)
    values |= {f.IPV4_SRC: source, f.IPV4_DST: destination, f.IP_PROTO: protocol, f.NW_TTL: ttl}
    values |= {f.IP_DSCP: tos >> 2, f.IP_ECN: tos & 3}
    places |= {f.IPV4_SRC: Place(at + 12, 4), f.IPV4_DST: Place(at + 16, 4), f.NW_TTL: Place(at + 8, 1)}
    places |= {f.IP_DSCP: Place(at + 1, 1, 2), f.IP_ECN: Place(at + 1, 1)}
    if fragment & 0x3FFF:
        values[f.IP_FRAG] = FRAGMENT | (LATER if fragment & 0x1FFF else 0)
    return _transport(frame[: at + length], at, at + size, values, places)


def _ipv6(frame: bytes, at: int, values: Fields, places: dict[Field, Place]) -> Headers:
    if len(frame) < at + 40:
        return Headers(values, places)
    first, length, protocol, ttl = _IPV6.unpack_from(frame, at)
    end = at + 40 + length
    if end > len(frame):
        return Headers(values, places)
    read = {f.IPV6_SRC: _number(frame, at + 8, 16), f.IPV6_DST: _number(frame, at + 24, 16), f.NW_TTL: ttl}
    read |= {f.IP_DSCP: first >> 22 & 0x3F, f.IP_ECN: first >> 20 & 3, f.IPV6_FLABEL: first & 0xFFFFF}
    rest, fragment = at + 40, 0
    while protocol in EXTENSIONS:
        if rest + 8 > end:
            return Headers(values, places)
        if protocol == FRAGMENT_HEADER:
            word = _number(frame, rest + 2, 2)
            fragment |= FRAGMENT * bool(word) | LATER * bool(word & 0xFFF8)
            if fragment & LATER:  # Open vSwitch then says that the protocol is "fragment"
                break
            size = 8
        else:
            size = (frame[rest + 1] + 2) * 4 if protocol == AUTHENTICATION else (frame[rest + 1] + 1) * 8
        protocol, rest = frame[rest], rest + size
    values |= read | {f.IP_PROTO: protocol} | ({f.IP_FRAG: fragment} if fragment else {})
    places |= {f.IPV6_SRC: Place(at + 8, 16), f.IPV6_DST: Place(at + 24, 16), f.NW_TTL: Place(at + 7, 1)}
    places |= {f.IP_DSCP: Place(at, 2, 6), f.IP_ECN: Place(at, 2, 4), f.IPV6_FLABEL: Place(at, 4)}
    return _transport(frame[:end], at, rest, values, places)


def _transport(packet: bytes, network: int, at: int, values: Fields, places: dict[Field, Place]) -> Headers:
    """`packet` ends where the IP packet does."""
    protocol = values[f.IP_PROTO]
    foreign = IpProtocol.ICMP if values[f.ETH_TYPE] == EtherType.IPV6 else IpProtocol.ICMPV6
    is_cut = len(packet) - at < _LEAST.get(protocol, 0)
    if protocol not in _LEAST or protocol == foreign or is_cut or values.get(f.IP_FRAG, 0) & LATER:
        return Headers(values, places, network)
    if protocol in _PORT_FIELDS:
        source, destination = _PORT_FIELDS[protocol]
        values[source], values[destination] = _PORTS.unpack_from(packet, at)
        places[source], places[destination] = Place(at, 2), Place(at + 2, 2)
        if protocol == IpProtocol.TCP:
            values[f.TCP_FLAGS] = _number(packet, at + 12, 2) & 0xFFF
        return Headers(values, places, network, at)
    kind, code = (f.ICMPV4_TYPE, f.ICMPV4_CODE) if protocol == IpProtocol.ICMP else (f.ICMPV6_TYPE, f.ICMPV6_CODE)
    values[kind], values[code] = packet[at], packet[at + 1]
    places[kind], places[code] = Place(at, 1), Place(at + 1, 1)
    if protocol == IpProtocol.ICMPV6 and packet[at] in (SOLICITATION, ADVERTISEMENT) and packet[at + 1] == 0:
        _neighbour(packet, at, values, places)
    return Headers(values, places, network, at)


def _neighbour(packet: bytes, at: int, values: Fields, places: dict[Field, Place]) -> None:
    """Neighbour discovery. Where a link-layer address option comes twice, there is no target and no address."""
    values[f.ND_RESERVED] = _number(packet, at + 4, 4)
    places[f.ND_RESERVED] = Place(at + 4, 4)
    if len(packet) < at + 24:
        return
    links: dict[Field, int] = {}
    option = at + 24
    if option + 8 <= len(packet):
        # Set, it is written to the first option even where that one's length makes no sense.
        places[f.ND_OPTIONS_TYPE] = Place(option, 1)
    while option + 8 <= len(packet):
        kind, size = packet[option], packet[option + 1] * 8
        if not size or option + size > len(packet):
            break
        link = {SOURCE_OPTION: f.ND_SLL, TARGET_OPTION: f.ND_TLL}.get(kind)
        if link is not None and size == 8:
            if links.get(link):
                return
            links[link] = _number(packet, option + 2, 6)
            places[link] = Place(option + 2, 6)
            if f.ND_OPTIONS_TYPE not in values:
                values[f.ND_OPTIONS_TYPE] = kind
                places[f.ND_OPTIONS_TYPE] = Place(option, 1)
        option += size
    values |= links
    values[f.ND_TARGET] = _number(packet, at + 8, 16)
    places[f.ND_TARGET] = Place(at + 8, 16)


def write(frame: bytes, values: Mapping[Field, int]) -> bytes:
    """The frame with its fields set to these values. Fields that the frame does not have are passed over.

    When the type of the first neighbour-discovery option changes, its address is from then on that of the new type.
    """
    headers = read(frame)
    changed = {
        field: place for field, place in headers.places.items() if values.get(field, 0) != headers.values.get(field, 0)
    }
    if f.ND_OPTIONS_TYPE in changed:
        _retype(headers, values, changed)
    if not changed:
        return frame
    written = bytearray(frame)
    for field, (offset, size, shift) in changed.items():
        mask = ((1 << field.nbits) - 1) << shift
        old = int.from_bytes(written[offset : offset + size], "big")
        new = old & ~mask | (values.get(field, 0) << shift & mask)
        written[offset : offset + size] = new.to_bytes(size, "big")
    _amend(headers, frame, written)
    return bytes(written)


def _retype(headers: Headers, values: Mapping[Field, int], changed: dict[Field, Place]) -> None:
    """The first option becomes one of the other kind: the address that is written is that of the new kind."""
    by_type = {SOURCE_OPTION: f.ND_SLL, TARGET_OPTION: f.ND_TLL}
    former = by_type.get(headers.values.get(f.ND_OPTIONS_TYPE, 0))
    latter = by_type.get(values.get(f.ND_OPTIONS_TYPE, 0))
    if former is not None and latter is not None:
        changed.pop(former, None)
        changed[latter] = headers.places[former]


def _amend(headers: Headers, before: bytes, after: bytearray) -> None:
    """Checksums of what changed (RFC 1624, equation 3)."""
    values, network, transport = headers.values, headers.network, headers.transport
    if not network:
        return
    is_ipv4 = values[f.ETH_TYPE] == EtherType.IPV4
    if is_ipv4:
        size = (before[network] & 0xF) * 4
        _update(after, network + 10, before[network : network + size], bytes(after[network : network + size]))
    at = _CHECKSUM_AT.get(values[f.IP_PROTO])
    if not transport or at is None:
        return
    is_optional = is_ipv4 and values[f.IP_PROTO] == IpProtocol.UDP
    if is_optional and before[transport + at : transport + at + 2] == b"\0\0":
        return
    addresses = slice(network + 12, network + 20) if is_ipv4 else slice(network + 8, network + 40)
    if values[f.IP_PROTO] == IpProtocol.ICMP:
        addresses = slice(0, 0)
    _update(
        after,
        transport + at,
        before[addresses] + before[transport:],
        bytes(after[addresses]) + bytes(after[transport:]),
    )
    if is_optional and after[transport + at : transport + at + 2] == b"\0\0":
        after[transport + at : transport + at + 2] = b"\xff\xff"


def _update(data: bytearray, at: int, before: bytes, after: bytes) -> None:
    """Change the checksum at an offset by the difference of what it covers, itself included and unchanged."""
    if before == after:
        return
    old = ~_number(bytes(data), at, 2) & 0xFFFF
    total = old + checksum(before) + (~checksum(after) & 0xFFFF)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    data[at : at + 2] = (~total & 0xFFFF).to_bytes(2, "big")


def push_vlan(frame: bytes, ethertype: int) -> bytes:
    """The frame with a new outermost VLAN tag of number and priority 0."""
    return frame[:12] + ethertype.to_bytes(2, "big") + b"\0\0" + frame[12:]


def pop_vlan(frame: bytes) -> bytes:
    """The frame without its outermost VLAN tag."""
    return frame[:12] + frame[16:] if _number(frame, 12, 2) in (EtherType.VLAN, EtherType.SERVICE_VLAN) else frame
