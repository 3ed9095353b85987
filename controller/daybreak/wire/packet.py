"""Data: packets as values and as bytes: Ethernet with VLAN tags, ARP, IPv4, IPv6, TCP, UDP, ICMP, neighbour
discovery.

Enough for what is punted to a controller and what it answers. Layers are frozen values with `encode`, and `decode`
reads one layer and leaves the rest as `payload`; addresses are bytes: 6 (MAC), 4 (IPv4), 16 (IPv6). Malformed bytes
raise ValueError. Sources: IEEE 802.3 and 802.1Q, RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 792
(ICMP), 4443 (ICMPv6), 4861 (neighbour discovery), 1071 (checksums).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from functools import wraps
from ipaddress import IPv6Address
from typing import Final, ParamSpec, Self, TypeVar

from msgspec import Struct

P = ParamSpec("P")
T = TypeVar("T")

BROADCAST: Final = b"\xff" * 6
UNSPECIFIED_MAC: Final = bytes(6)


class EtherType(IntEnum):
    """What an Ethernet frame carries."""

    IPV4 = 0x0800
    ARP = 0x0806
    VLAN = 0x8100
    IPV6 = 0x86DD
    SERVICE_VLAN = 0x88A8


class IpProtocol(IntEnum):
    """What an IP packet carries."""

    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58


def _reader(read: Callable[P, T]) -> Callable[P, T]:
    """Make what is too short for its layout a ValueError."""

    @wraps(read)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except struct.error as reason:
            raise ValueError(f"{read.__qualname__}: {reason}") from reason

    return checked


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data` (RFC 1071); 0 for data that contains its own right checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    layout = ">4s4sxBH" if len(source) == 4 else ">16s16sI3xB"
    numbers = (protocol, length) if len(source) == 4 else (length, protocol)
    return struct.pack(layout, source, destination, *numbers)


class Vlan(Struct, frozen=True):
    """One VLAN tag; `type` is 0x8100 or 0x88a8."""

    vid: int
    priority: int = 0
    type: int = EtherType.VLAN


class Ethernet(Struct, frozen=True):
    """An Ethernet frame; `vlans` from the outermost. `type` is what `payload` is."""

    destination: bytes
    source: bytes
    type: int
    payload: bytes = b""
    vlans: tuple[Vlan, ...] = ()

    def encode(self) -> bytes:
        """Return the frame, not padded to the 60 bytes of a wire."""
        tags, kind = b"", self.type
        for tag in reversed(self.vlans):
            tags, kind = _TAG.pack(tag.priority << 13 | tag.vid, kind) + tags, tag.type
        return _ETHERNET.pack(self.destination, self.source, kind) + tags + self.payload

    @classmethod
    @_reader
    def decode(cls, data: bytes) -> Self:
        """Read a frame; padding stays in the payload."""
        destination, source, kind = _ETHERNET.unpack_from(data)
        at = _ETHERNET.size
        vlans: tuple[Vlan, ...] = ()
        while kind in _TAGS:
            tag, inner = _TAG.unpack_from(data, at)
            vlans = (*vlans, Vlan(tag & 0xFFF, tag >> 13, kind))
            at, kind = at + _TAG.size, inner
        return cls(destination, source, kind, data[at:], vlans)


_ETHERNET: Final = struct.Struct(">6s6sH")
_TAG: Final = struct.Struct(">HH")
_TAGS: Final = frozenset({EtherType.VLAN, EtherType.SERVICE_VLAN})


class ArpOperation(IntEnum):
    """What an ARP packet says."""

    REQUEST = 1
    REPLY = 2


class Arp(Struct, frozen=True):
    """ARP for IPv4 on Ethernet."""

    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes

    def encode(self) -> bytes:
        """Return the 28 bytes."""
        return _ARP.pack(_FOR_IPV4, self.operation, self.sender_mac, self.sender_ip, self.target_mac, self.target_ip)

    @classmethod
    @_reader
    def decode(cls, data: bytes) -> Self:
        """Read an ARP packet; ValueError if it isn't for IPv4 on Ethernet."""
        kind, operation, sender_mac, sender_ip, target_mac, target_ip = _ARP.unpack_from(data)
        if kind != _FOR_IPV4:
            raise ValueError(f"ARP for other than IPv4 on Ethernet: {kind.hex()}")
        return cls(operation, sender_mac, sender_ip, target_mac, target_ip)


_ARP: Final = struct.Struct(">6sH6s4s6s4s")
_FOR_IPV4: Final = struct.pack(">HHBB", 1, EtherType.IPV4, 6, 4)
"""Ethernet, IPv4, and the lengths of their addresses."""


def who_has(ip: bytes, sender_mac: bytes, sender_ip: bytes) -> Ethernet:
    """Return the frame that asks everybody for the MAC address of an IPv4 address."""
    question = Arp(ArpOperation.REQUEST, sender_mac, sender_ip, UNSPECIFIED_MAC, ip)
    return Ethernet(BROADCAST, sender_mac, EtherType.ARP, question.encode())


def is_at(question: Arp, mac: bytes) -> Ethernet:
    """Return the frame that answers `question`: the address asked for is at `mac`."""
    answer = Arp(ArpOperation.REPLY, mac, question.target_ip, question.sender_mac, question.sender_ip)
    return Ethernet(question.sender_mac, mac, EtherType.ARP, answer.encode())


class Ipv4(Struct, frozen=True):
    """An IPv4 packet. `fragment` is the 16-bit word of flags and offset; `options` a multiple of 4 bytes."""

    source: bytes
    destination: bytes
    protocol: int
    payload: bytes = b""
    ttl: int = 64
    tos: int = 0
    identification: int = 0
    fragment: int = 0
    options: bytes = b""

    def encode(self) -> bytes:
        """Return the packet with its header checksum."""
        size = _IPV4.size + len(self.options)
        numbers = (size + len(self.payload), self.identification, self.fragment, self.ttl, self.protocol)
        head = _IPV4.pack(4 << 4 | size // 4, self.tos, *numbers, 0, self.source, self.destination) + self.options
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + self.payload

    @classmethod
    @_reader
    def decode(cls, data: bytes) -> Self:
        """Read a packet without what may pad it; ValueError if it was cut or its header's checksum is wrong."""
        first, tos, length, identification, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data)
        size = (first & 0xF) * 4
        if first >> 4 != 4 or not _IPV4.size <= size <= length <= len(data):
            raise ValueError(f"IPv4 packet of {len(data)} bytes begins with {first:#04x} and a length of {length}")
        if checksum(data[:size]):
            raise ValueError("IPv4 header with a wrong checksum")
        numbers = (ttl, tos, identification, fragment, data[_IPV4.size : size])
        return cls(source, destination, protocol, data[size:length], *numbers)


_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")


class Ipv6(Struct, frozen=True):
    """An IPv6 packet; extension headers are not read: `protocol` is the first next-header."""

    source: bytes
    destination: bytes
    protocol: int
    payload: bytes = b""
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0

    def encode(self) -> bytes:
        """Return the packet."""
        first = 6 << 28 | self.traffic_class << 20 | self.flow_label
        return (
            _IPV6.pack(first, len(self.payload), self.protocol, self.hop_limit, self.source, self.destination)
            + self.payload
        )

    @classmethod
    @_reader
    def decode(cls, data: bytes) -> Self:
        """Read a packet without what may pad it; ValueError if it was cut."""
        first, length, protocol, hop_limit, source, destination = _IPV6.unpack_from(data)
        if first >> 28 != 6 or _IPV6.size + length > len(data):
            raise ValueError(f"IPv6 packet of {len(data)} bytes begins with {first:#010x} and a length of {length}")
        payload = data[_IPV6.size : _IPV6.size + length]
        return cls(source, destination, protocol, payload, hop_limit, first >> 20 & 0xFF, first & 0xFFFFF)


_IPV6: Final = struct.Struct(">IHBB16s16s")


class Udp(Struct, frozen=True):
    """A UDP datagram. Its checksum covers the addresses, so these are asked for."""

    source_port: int
    destination_port: int
    payload: bytes = b""

    def encode(self, source: bytes, destination: bytes) -> bytes:
        """Return the datagram between two IPv4 or IPv6 addresses."""
        length = _UDP.size + len(self.payload)
        datagram = _UDP.pack(self.source_port, self.destination_port, length, 0) + self.payload
        total = checksum(_pseudo_header(source, destination, IpProtocol.UDP, length) + datagram)
        return datagram[:6] + struct.pack(">H", total or 0xFFFF) + self.payload

    @classmethod
    @_reader
    def decode(cls, data: bytes, source: bytes, destination: bytes) -> Self:
        """Read a datagram; ValueError if it was cut or its checksum is wrong (IPv4 allows to leave it out)."""
        source_port, destination_port, length, sent = _UDP.unpack_from(data)
        if not _UDP.size <= length <= len(data):
            raise ValueError(f"UDP datagram of {len(data)} bytes claims {length}")
        pseudo = _pseudo_header(source, destination, IpProtocol.UDP, length)
        if (sent or len(source) == 16) and checksum(pseudo + data[:length]):
            raise ValueError("UDP datagram with a wrong checksum")
        return cls(source_port, destination_port, data[_UDP.size : length])


_UDP: Final = struct.Struct(">HHHH")


class Tcp(Struct, frozen=True):
    """A TCP segment without options. Its checksum covers the addresses, so these are asked for."""

    source_port: int
    destination_port: int
    sequence: int = 0
    acknowledgment: int = 0
    flags: int = 0
    window: int = 0xFFFF
    payload: bytes = b""

    def encode(self, source: bytes, destination: bytes) -> bytes:
        """Return the segment between two IPv4 or IPv6 addresses."""
        numbers = (self.sequence, self.acknowledgment, _TCP.size // 4 << 12 | self.flags, self.window)
        head = _TCP.pack(self.source_port, self.destination_port, *numbers, 0, 0)
        pseudo = _pseudo_header(source, destination, IpProtocol.TCP, len(head) + len(self.payload))
        return head[:16] + struct.pack(">H", checksum(pseudo + head + self.payload)) + head[18:] + self.payload

    @classmethod
    @_reader
    def decode(cls, data: bytes, source: bytes, destination: bytes) -> Self:
        """Read a segment, passing over options; ValueError if its checksum is wrong."""
        source_port, destination_port, sequence, acknowledgment, flags, window, _, _ = _TCP.unpack_from(data)
        size = (flags >> 12) * 4
        if not _TCP.size <= size <= len(data):
            raise ValueError(f"TCP header of {size} bytes in {len(data)}")
        if checksum(_pseudo_header(source, destination, IpProtocol.TCP, len(data)) + data):
            raise ValueError("TCP segment with a wrong checksum")
        return cls(source_port, destination_port, sequence, acknowledgment, flags & 0xFFF, window, data[size:])


_TCP: Final = struct.Struct(">HHIIHHHH")


class IcmpType(IntEnum):
    """The ICMP types that a controller handles."""

    ECHO_REPLY = 0
    UNREACHABLE = 3
    ECHO_REQUEST = 8
    TIME_EXCEEDED = 11


class Icmp(Struct, frozen=True):
    """An ICMP message; `body` is what follows the checksum (an echo: identifier, sequence number, data)."""

    type: int
    code: int
    body: bytes = b""

    def encode(self) -> bytes:
        """Return the message with its checksum."""
        total = checksum(struct.pack(">BBH", self.type, self.code, 0) + self.body)
        return struct.pack(">BBH", self.type, self.code, total) + self.body

    @classmethod
    @_reader
    def decode(cls, data: bytes) -> Self:
        """Read a message; ValueError if its checksum is wrong."""
        kind, code, _ = struct.unpack_from(">BBH", data)
        if checksum(data):
            raise ValueError("ICMP message with a wrong checksum")
        return cls(kind, code, data[4:])


class Icmpv6Type(IntEnum):
    """The ICMPv6 types that a controller handles."""

    UNREACHABLE = 1
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3
    ECHO_REQUEST = 128
    ECHO_REPLY = 129
    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOUR_SOLICITATION = 135
    NEIGHBOUR_ADVERTISEMENT = 136


class Icmpv6(Struct, frozen=True):
    """An ICMPv6 message. Its checksum covers the addresses, so these are asked for."""

    type: int
    code: int
    body: bytes = b""

    def encode(self, source: bytes, destination: bytes) -> bytes:
        """Return the message between two IPv6 addresses."""
        pseudo = _pseudo_header(source, destination, IpProtocol.ICMPV6, 4 + len(self.body))
        total = checksum(pseudo + struct.pack(">BBH", self.type, self.code, 0) + self.body)
        return struct.pack(">BBH", self.type, self.code, total) + self.body

    @classmethod
    @_reader
    def decode(cls, data: bytes, source: bytes, destination: bytes) -> Self:
        """Read a message; ValueError if its checksum is wrong."""
        kind, code, _ = struct.unpack_from(">BBH", data)
        if checksum(_pseudo_header(source, destination, IpProtocol.ICMPV6, len(data)) + data):
            raise ValueError("ICMPv6 message with a wrong checksum")
        return cls(kind, code, data[4:])


class NeighbourFlags(IntFlag):
    """The flags of a neighbour advertisement."""

    OVERRIDE = 1 << 29
    SOLICITED = 1 << 30
    ROUTER = 1 << 31


SOURCE_LINK_ADDRESS: Final = 1
TARGET_LINK_ADDRESS: Final = 2


class Neighbour(Struct, frozen=True):
    """The body of a neighbour solicitation or advertisement.

    `mac` is the first link-layer address option, of either kind; b"" if there is none (duplicate address detection).
    """

    target: bytes
    mac: bytes = b""
    flags: int = 0

    def encode(self, option: int) -> bytes:
        """Return the body; `mac` goes into an option of type SOURCE_LINK_ADDRESS or TARGET_LINK_ADDRESS."""
        link = struct.pack(">BB6s", option, 1, self.mac) if self.mac else b""
        return struct.pack(">I16s", self.flags, self.target) + link

    @classmethod
    @_reader
    def decode(cls, body: bytes) -> Self:
        """Read the body, passing over other options."""
        flags, target = struct.unpack_from(">I16s", body)
        at, mac = 20, b""
        while at < len(body):
            kind, units = struct.unpack_from(">BB", body, at)
            if not units or at + 8 * units > len(body):
                raise ValueError(f"neighbour discovery option of {8 * units} bytes at {at} of {len(body)}")
            if kind in (SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS) and not mac:
                mac = body[at + 2 : at + 8]
            at += 8 * units
        return cls(target, mac, flags)


ALL_NODES: Final = IPv6Address("ff02::1").packed


def solicited_node(address: bytes) -> bytes:
    """Return the multicast group that every owner of `address` listens to (RFC 4291, section 2.7.1)."""
    return bytes.fromhex("ff02000000000000000000 01ff") + address[13:]


def multicast_mac(group: bytes) -> bytes:
    """Return the MAC address of an IPv6 multicast group (RFC 2464, section 7)."""
    return b"\x33\x33" + group[12:]


def neighbour_solicitation(target: bytes, sender_mac: bytes, sender_ip: bytes) -> Ethernet:
    """Return the frame that asks the owners of `target` for their MAC address."""
    group = solicited_node(target)
    body = Neighbour(target, sender_mac).encode(SOURCE_LINK_ADDRESS)
    message = Icmpv6(Icmpv6Type.NEIGHBOUR_SOLICITATION, 0, body).encode(sender_ip, group)
    packet = Ipv6(sender_ip, group, IpProtocol.ICMPV6, message, hop_limit=255)
    return Ethernet(multicast_mac(group), sender_mac, EtherType.IPV6, packet.encode())


def neighbour_advertisement(question: Ethernet, mac: bytes, *, router: bool = False) -> Ethernet:
    """Return the frame that answers the solicitation in `question`: its target is at `mac`.

    To a host that asks whether an address is taken (source ::) the answer goes to all nodes, and isn't "solicited".
    ValueError if `question` isn't a neighbour solicitation.
    """
    asked = Ipv6.decode(question.payload)
    message = Icmpv6.decode(asked.payload, asked.source, asked.destination)
    if (question.type, asked.protocol, message.type) != _SOLICITATION:
        raise ValueError("not a neighbour solicitation")
    target = Neighbour.decode(message.body).target
    probe = not any(asked.source)
    host, host_mac = (ALL_NODES, multicast_mac(ALL_NODES)) if probe else (asked.source, question.source)
    flags = NeighbourFlags.OVERRIDE | NeighbourFlags.SOLICITED * (not probe) | NeighbourFlags.ROUTER * router
    body = Neighbour(target, mac, flags).encode(TARGET_LINK_ADDRESS)
    answer = Icmpv6(Icmpv6Type.NEIGHBOUR_ADVERTISEMENT, 0, body).encode(target, host)
    packet = Ipv6(target, host, IpProtocol.ICMPV6, answer, hop_limit=255)
    return Ethernet(host_mac, mac, EtherType.IPV6, packet.encode())


_SOLICITATION: Final = (EtherType.IPV6, IpProtocol.ICMPV6, Icmpv6Type.NEIGHBOUR_SOLICITATION)
