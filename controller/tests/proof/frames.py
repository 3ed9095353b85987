"""data: frames of all kinds, for property tests: honest ones, and ones with something odd in each place."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from daybreak.wire.packet import (
    BROADCAST,
    Arp,
    Ethernet,
    EtherType,
    Icmp,
    Icmpv6,
    IpProtocol,
    Ipv4,
    Ipv6,
    Neighbour,
    Tcp,
    Udp,
    Vlan,
)

Draw = st.DrawFn
T = TypeVar("T")
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def ip(text: str) -> bytes:
    return ip_address(text).packed


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def packet(source: bytes, destination: bytes, protocol: int, payload: bytes, **fields: int) -> tuple[int, bytes]:
    """An IP packet between two addresses of a kind, and its Ethernet type."""
    if len(source) == 4:
        return EtherType.IPV4, Ipv4(source, destination, protocol, payload, **fields).encode()
    return EtherType.IPV6, Ipv6(source, destination, protocol, payload).encode()


def frame(
    macs: tuple[bytes, bytes], ips: tuple[bytes, bytes], protocol: int, payload: bytes, vlans: tuple[Vlan, ...] = ()
) -> bytes:
    """A frame with an IP packet; both pairs are (from, to)."""
    kind, encoded = packet(*ips, protocol, payload)
    return Ethernet(macs[1], macs[0], kind, encoded, vlans).encode()


def transport(ips: tuple[bytes, bytes], protocol: int, ports: tuple[int, int], data: bytes, flags: int = SYN) -> bytes:
    """The payload of an IP packet. Of ICMP, `ports` are type and identifier."""
    match protocol:
        case IpProtocol.TCP:
            return Tcp(*ports, flags=flags, payload=data).encode(*ips)
        case IpProtocol.UDP:
            return Udp(*ports, data).encode(*ips)
        case 132:
            return struct.pack("!HHII", *ports, 0, 0) + data
        case IpProtocol.ICMP:
            return Icmp(ports[0], 0, struct.pack("!HH", ports[1], 1) + data).encode()
        case IpProtocol.ICMPV6:
            return Icmpv6(ports[0], 0, struct.pack("!HH", ports[1], 1) + data).encode(*ips)
    return struct.pack("!HH", *ports) + data


Turn = tuple[bool, bytes]
"""Whether the other side sends it, and the frame."""


def tcp(macs: tuple[bytes, bytes], ips: tuple[bytes, bytes], ports: tuple[int, int], mark: bytes = b"") -> list[Turn]:
    """A TCP connection from its first packet to its last, with right sequence numbers. `mark` is behind each packet."""
    here, there = 1000, 9000
    turns = [
        (0, SYN),
        (1, SYN | ACK),
        (0, ACK),
        (0, PSH | ACK),
        (1, PSH | ACK),
        (0, FIN | ACK),
        (1, FIN | ACK),
        (0, ACK),
    ]
    made = []
    for back, flags in turns:
        data = b"data" if flags & PSH else b""
        numbers = (there, here) if back else (here, there)
        pair = ports[::-1] if back else ports
        segment = Tcp(*pair, numbers[0], numbers[1] if flags & ACK else 0, flags, payload=data)
        path = ips[::-1] if back else ips
        whole = frame(macs[::-1] if back else macs, path, IpProtocol.TCP, segment.encode(*path)) + mark
        made.append((bool(back), whole))
        step = len(data) + bool(flags & (SYN | FIN))
        here, there = (here, there + step) if back else (here + step, there)
    return made


def exchange(
    macs: tuple[bytes, bytes], ips: tuple[bytes, bytes], protocol: int, ports: tuple[int, int], mark: bytes = b""
) -> list[Turn]:
    """A question, its answer, an error about the question, and another question. Of ICMP, `ports` are a type of query
    and the identifier. `mark` is behind each packet."""
    back = (ECHO_REPLIES.get(ports[0], ports[0]), ports[1]) if protocol in TYPES else ports[::-1]
    question = frame(macs, ips, protocol, transport(ips, protocol, ports, b"data")) + mark
    answer = frame(macs[::-1], ips[::-1], protocol, transport(ips[::-1], protocol, back, b"data")) + mark
    return [(False, question), (True, answer), (True, about(question) + mark), (False, question)]


ECHO_REPLIES = {8: 0, 128: 129}


def about(sent: bytes, most: int = 60) -> bytes:
    """An ICMP error from the receiver of an untagged IP packet, which quotes it: of IPv4 as far as it must (RFC 792),
    of IPv6 at most so many bytes (RFC 4443 wants as much of it as a packet can take)."""
    macs, is_ipv4 = (sent[:6], sent[6:12]), sent[12:14] == b"\x08\x00"
    ips = (sent[30:34], sent[26:30]) if is_ipv4 else (sent[38:54], sent[22:38])
    quoted = bytes(4) + sent[14 : 14 + (28 if is_ipv4 else most)]
    if is_ipv4:
        return frame(macs, ips, IpProtocol.ICMP, Icmp(3, 3, quoted).encode())
    return frame(macs, ips, IpProtocol.ICMPV6, Icmpv6(1, 4, quoted).encode(*ips))


class Actor(NamedTuple):
    """Somebody who sends: where it comes in, with which metadata, and what it may call itself."""

    in_port: int
    mac: bytes
    ips: tuple[bytes, ...] = ()
    metadata: Mapping[str, int] = {}

    @property
    def ipv4(self) -> list[bytes]:
        return [address for address in self.ips if len(address) == 4]

    @property
    def ipv6(self) -> list[bytes]:
        return [address for address in self.ips if len(address) == 16]


def actor(in_port: int, mac_text: str, *ips: str, **metadata: int) -> Actor:
    """With addresses as texts, and the link-local one that its MAC gives (RFC 4291, appendix A)."""
    own = mac(mac_text)
    link_local = b"\xfe\x80" + bytes(6) + bytes([own[0] ^ 2, *own[1:3], 0xFF, 0xFE, *own[3:]])
    return Actor(in_port, own, (*map(ip, ips), link_local), metadata)


TYPES = {58: (128, 129, 1, 131, 132, 133, 134, 135, 136, 137, 143), 1: (8, 0, 3, 5, 11, 13)}
FLAGS = (SYN, SYN, SYN, SYN | ACK, ACK, RST, FIN | ACK, SYN | FIN, 0)
STARTS = ("discover", "offer", "solicit", "advertise", "duplicate", "report", "other")
GROUPS = (BROADCAST, mac("33:33:00:00:00:01"), mac("01:00:5e:00:00:fb"))


class Crowd:
    """Frames that these actors send each other. One that is drawn is mostly honest, and odd in a place or two."""

    def __init__(
        self,
        actors: Sequence[Actor],
        ports: Sequence[tuple[int, int]],
        protocols: Sequence[int] = (6, 17, 132, 1, 58, 2, 47),
    ) -> None:
        self.actors = actors
        self.macs = [each.mac for each in actors]
        self.ipv4 = [*{address for each in actors for address in each.ipv4}, bytes(4)]
        self.ipv6 = [*{address for each in actors for address in each.ipv6}, bytes(16)]
        self.ports = ports
        self.protocols = protocols

    def frames(self) -> st.SearchStrategy[tuple[Actor, bytes]]:
        """Who sends, and what."""
        return _drawn(self)


def _mostly(draw: Draw, own: Sequence[T], others: Sequence[T]) -> T:
    """One's own in five of six cases."""
    return draw(st.sampled_from(others if not own or draw(st.integers(0, 5)) == 5 else own))


@st.composite
def _drawn(draw: Draw, crowd: Crowd) -> tuple[Actor, bytes]:
    sender, receiver = draw(st.sampled_from(crowd.actors)), draw(st.sampled_from(crowd.actors))
    macs = (_mostly(draw, [sender.mac], crowd.macs), _mostly(draw, [receiver.mac], [*crowd.macs, *GROUPS]))
    vlans = draw(st.sampled_from([*[()] * 9, (Vlan(7, 3),), (Vlan(8), Vlan(9))]))
    kind, payload = draw(st.sampled_from([_arp, _ip, _ip, _ip, _discovery, _starting, _strange]))(
        draw, crowd, sender, receiver, macs
    )
    made = Ethernet(macs[1], macs[0], kind, payload, vlans).encode()
    if len(made) > 14 and draw(st.integers(0, 19)) == 19:
        at = draw(st.integers(14, len(made) - 1))
        made = (
            made[:at] if draw(st.booleans()) else made[:at] + draw(st.binary(min_size=1, max_size=1)) + made[at + 1 :]
        )
    return sender, made


Pair = tuple[bytes, bytes]


def _arp(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, macs: Pair) -> tuple[int, bytes]:
    sha, spa = _mostly(draw, [macs[0]], crowd.macs), _mostly(draw, sender.ipv4, crowd.ipv4)
    tpa = _mostly(draw, receiver.ipv4, crowd.ipv4)
    return EtherType.ARP, Arp(draw(st.sampled_from([1, 1, 2, 3])), sha, spa, bytes(6), tpa).encode()


def _ips(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, is_ipv4: bool) -> Pair:
    if is_ipv4:
        return _mostly(draw, [*sender.ipv4, bytes(4)], crowd.ipv4), _mostly(draw, receiver.ipv4, crowd.ipv4)
    return _mostly(draw, [*sender.ipv6, bytes(16)], crowd.ipv6), _mostly(draw, receiver.ipv6, crowd.ipv6)


def _ip(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, macs: Pair) -> tuple[int, bytes]:
    ips = _ips(draw, crowd, sender, receiver, draw(st.booleans()))
    protocol = draw(st.sampled_from(crowd.protocols))
    pair = draw(st.sampled_from(crowd.ports))
    if protocol in TYPES:
        pair = (draw(st.sampled_from(TYPES[protocol])), pair[1])
    return packet(*ips, protocol, transport(ips, protocol, pair, b"data", draw(st.sampled_from(FLAGS))))


def _discovery(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, macs: Pair) -> tuple[int, bytes]:
    """Neighbour discovery with up to two options of any kind, some malformed."""
    ips = _ips(draw, crowd, sender, receiver, False)
    target = _mostly(draw, [*sender.ipv6, *receiver.ipv6], crowd.ipv6)
    body = Neighbour(target, b"", draw(st.sampled_from([0, 1 << 29, 0x60000000]))).encode(0)
    for kind in draw(st.sampled_from([(), (), (1,), (1,), (2,), (5, 2), (1, 1), (2, 1)])):
        body += bytes([kind, draw(st.sampled_from([1, 1, 1, 1, 0, 2]))]) + _mostly(draw, [macs[0]], crowd.macs)
    message = Icmpv6(draw(st.sampled_from([135, 136])), draw(st.sampled_from([0, 0, 0, 1])), body).encode(*ips)
    return EtherType.IPV6, Ipv6(*ips, 58, message, 255).encode()


def _starting(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, macs: Pair) -> tuple[int, bytes]:
    """What a machine sends before it has an address, and what offers it one: by DHCP, by neighbour discovery."""
    kind = draw(st.sampled_from(STARTS))
    if kind in ("discover", "offer"):
        ips, ports = (bytes(4), b"\xff" * 4), (68, 67)
        if kind == "offer":
            ips, ports = (draw(st.sampled_from(crowd.ipv4)), b"\xff" * 4), (67, 68)
        return packet(*ips, IpProtocol.UDP, transport(ips, IpProtocol.UDP, ports, b"data"))
    if kind in ("solicit", "advertise"):
        ips = (sender.ips[-1], receiver.ips[-1])
        ports = (546, 547) if kind == "solicit" else (547, 546)
        return packet(*ips, IpProtocol.UDP, transport(ips, IpProtocol.UDP, ports, b"data"))
    ips = bytes(16), ip("ff02::1")
    if kind == "duplicate":
        body, type = Neighbour(_mostly(draw, sender.ipv6, crowd.ipv6), b"", 0).encode(0), 135
    else:
        body, type = bytes(16), 143 if kind == "report" else draw(st.sampled_from([130, 131, 132, 133, 134, 137]))
    message = Icmpv6(type, 0, body).encode(*ips)
    return EtherType.IPV6, Ipv6(*ips, IpProtocol.ICMPV6, message, 255).encode()


def _strange(draw: Draw, crowd: Crowd, sender: Actor, receiver: Actor, macs: Pair) -> tuple[int, bytes]:
    return draw(st.sampled_from([0x88CC, EtherType.ARP, EtherType.IPV4, 0x42, 0x05FF])), draw(st.binary(max_size=60))
