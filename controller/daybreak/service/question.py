"""rules: what is asked of a trace: packets in words (`tcp/443`), the frames that they are, and the frames that answer.

tcp/443 udp/53 sctp/5000      a destination port; the source port is one of those that clients use
icmp                          an echo request, of IPv4 or IPv6; icmp/TYPE or icmp/TYPE/CODE: another message
arp                           who has the address? (of IPv6: a neighbour solicitation)
ip/47                         any protocol by its number
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.headers import SCTP, read
from daybreak.wire.packet import (
    Ethernet,
    EtherType,
    Icmp,
    Icmpv6,
    IpProtocol,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    neighbour_solicitation,
    who_has,
)

SOURCE_PORT = 49152
"""The first of the ports that clients use (RFC 6335, section 6)."""

WITH_PORTS: dict[str, int] = {"tcp": IpProtocol.TCP, "udp": IpProtocol.UDP, "sctp": SCTP}
SYN, ACK = 0x02, 0x10
DATA = b"daybreak"
IDENTIFIER = 1
TTL = 64
QUERIES = {8: 0, 13: 14, 15: 16, 128: 129}
"""ICMP and ICMPv6 messages that are answered, and by what."""


class Question(NamedTuple):
    """A packet in words: `kind` is arp, icmp or ip; `protocol` an IP protocol; `port` a destination port, or the type
    of an ICMP message (None: echo request)."""

    kind: str
    protocol: int = 0
    port: int | None = None
    code: int = 0


def question(text: str) -> Question:
    """What the words ask for. ValueError where they can't be understood."""
    kind, *rest = text.lower().split("/")
    numbers = [_number(word, 65535) for word in rest]
    match kind, numbers:
        case ("arp" | "nd", []):
            return Question("arp")
        case ("tcp" | "udp" | "sctp", [port]):
            return Question("ip", WITH_PORTS[kind], port)
        case ("icmp" | "ping", []):
            return Question("icmp")
        case ("icmp", [number] | [number, _]) if max(numbers) < 256:
            return Question("icmp", 0, number, *numbers[1:])
        case ("ip", [protocol]) if protocol < 256:
            return Question("ip", protocol)
    raise ValueError(f"{text} is not like tcp/443, udp/53, sctp/5000, icmp, icmp/3/1, arp or ip/47")


def _number(word: str, highest: int) -> int:
    if word.isdecimal() and int(word) <= highest:
        return int(word)
    raise ValueError(f"{word} is not a number from 0 to {highest}")


class Ends(NamedTuple):
    """From where to where: MACs of 6 bytes, addresses of 4 or 16. `port` is the source port, `identifier`
    that of ICMP."""

    source_mac: bytes
    target_mac: bytes
    source: bytes
    target: bytes
    port: int = SOURCE_PORT
    identifier: int = IDENTIFIER
    ttl: int = TTL


def ask(asked: Question, ends: Ends) -> bytes:
    """The frame that asks."""
    if asked.kind == "arp":
        make = who_has if len(ends.target) == 4 else neighbour_solicitation
        return make(ends.target, ends.source_mac, ends.source).encode()
    if asked.kind == "icmp":
        return _frame(ends, *_icmp(ends, asked))
    port = asked.port or 0
    match asked.protocol:
        case IpProtocol.TCP:
            payload = Tcp(ends.port, port, flags=SYN).encode(ends.source, ends.target)
        case IpProtocol.UDP:
            payload = Udp(ends.port, port, DATA).encode(ends.source, ends.target)
        case 132:
            payload = struct.pack(">HHII", ends.port, port, 0, 0) + DATA
        case _:
            payload = DATA
    return _frame(ends, asked.protocol, payload)


def _icmp(ends: Ends, asked: Question) -> tuple[int, bytes]:
    body = struct.pack(">HH", ends.identifier, 1) + DATA
    if len(ends.source) == 4:
        return IpProtocol.ICMP, Icmp(8 if asked.port is None else asked.port, asked.code, body).encode()
    kind = 128 if asked.port is None else asked.port
    return IpProtocol.ICMPV6, Icmpv6(kind, asked.code, body).encode(ends.source, ends.target)


def _frame(ends: Ends, protocol: int, payload: bytes) -> bytes:
    if len(ends.source) == 4:
        inner = Ipv4(ends.source, ends.target, protocol, payload, ends.ttl).encode()
        return Ethernet(ends.target_mac, ends.source_mac, EtherType.IPV4, inner).encode()
    packet = Ipv6(ends.source, ends.target, protocol, payload, ends.ttl)
    return Ethernet(ends.target_mac, ends.source_mac, EtherType.IPV6, packet.encode()).encode()


def answer(frame: bytes) -> bytes | None:
    """What the receiver of an untagged frame would send back; None where it would not."""
    headers = read(frame)
    values = headers.values
    is_ipv4 = values[f.ETH_TYPE] == EtherType.IPV4
    source, target = (f.IPV4_SRC, f.IPV4_DST) if is_ipv4 else (f.IPV6_SRC, f.IPV6_DST)
    if source not in values or values[f.ETH_DST] >> 40 & 1:
        return None
    size = 4 if is_ipv4 else 16
    back = Ends(
        values[f.ETH_DST].to_bytes(6),
        values[f.ETH_SRC].to_bytes(6),
        values[target].to_bytes(size),
        values[source].to_bytes(size),
    )
    protocol, at = values[f.IP_PROTO], headers.transport
    if protocol in (IpProtocol.ICMP, IpProtocol.ICMPV6):
        kind = frame[at] if at else -1
        if kind not in QUERIES:
            return None
        back = back._replace(identifier=int.from_bytes(frame[at + 4 : at + 6]))
        return _frame(back, *_icmp(back, Question("icmp", 0, QUERIES[kind])))
    if protocol not in (IpProtocol.TCP, IpProtocol.UDP, SCTP):
        return _frame(back, protocol, DATA)
    theirs, mine = struct.unpack_from(">HH", frame, at)
    match protocol:
        case IpProtocol.TCP:
            payload = Tcp(mine, theirs, acknowledgment=1, flags=SYN | ACK).encode(back.source, back.target)
        case IpProtocol.UDP:
            payload = Udp(mine, theirs, DATA).encode(back.source, back.target)
        case _:
            payload = struct.pack(">HHII", mine, theirs, 0, 0) + DATA
    return _frame(back, protocol, payload)
