"""data: Ethernet frames that VMs send, honest ones and others. Addresses are texts."""

import struct
from ipaddress import ip_address

from daybreak.wire.packet import (
    ALL_NODES,
    BROADCAST,
    SOURCE_LINK_ADDRESS,
    TARGET_LINK_ADDRESS,
    Arp,
    ArpOperation,
    Ethernet,
    EtherType,
    Icmpv6,
    Icmpv6Type,
    IpProtocol,
    Ipv4,
    Ipv6,
    Neighbour,
    Udp,
    multicast_mac,
    solicited_node,
)

ALL_ONES = "255.255.255.255"


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text: str) -> bytes:
    return ip_address(text).packed


def udp(
    mac: str, ip: str, payload: bytes, to: str = "ff:ff:ff:ff:ff:ff", ports: tuple[int, int] = (7777, 7777)
) -> bytes:
    """A datagram to everybody, or to one MAC address, of a test's own content."""
    source, destination = ip_bytes(ip), ip_bytes(ALL_ONES) if "." in ip else ALL_NODES
    datagram = Udp(*ports, payload).encode(source, destination)
    if "." in ip:
        packet, kind = Ipv4(source, destination, IpProtocol.UDP, datagram).encode(), EtherType.IPV4
    else:
        packet, kind = Ipv6(source, destination, IpProtocol.UDP, datagram).encode(), EtherType.IPV6
    return Ethernet(mac_bytes(to), mac_bytes(mac), kind, packet).encode()


def arp_request(mac: str, sender_mac: str, sender_ip: str, target_ip: str) -> bytes:
    """Who has `target_ip`? The frame's own source may differ from what the message says."""
    question = Arp(ArpOperation.REQUEST, mac_bytes(sender_mac), ip_bytes(sender_ip), bytes(6), ip_bytes(target_ip))
    return Ethernet(BROADCAST, mac_bytes(mac), EtherType.ARP, question.encode()).encode()


def icmpv6(mac: str, ip: str, group: bytes, kind: int, body: bytes) -> bytes:
    """An ICMPv6 message to a multicast group."""
    source = ip_bytes(ip)
    packet = Ipv6(source, group, IpProtocol.ICMPV6, Icmpv6(kind, 0, body).encode(source, group), hop_limit=255)
    return Ethernet(multicast_mac(group), mac_bytes(mac), EtherType.IPV6, packet.encode()).encode()


def solicitation(mac: str, ip: str, target: str, link: str) -> bytes:
    """Who has `target`? I'm at `link`."""
    body = Neighbour(ip_bytes(target), mac_bytes(link)).encode(SOURCE_LINK_ADDRESS)
    return icmpv6(mac, ip, solicited_node(ip_bytes(target)), Icmpv6Type.NEIGHBOUR_SOLICITATION, body)


def advertisement(mac: str, ip: str, target: str, link: str) -> bytes:
    """`target` is at `link`, says nobody asked."""
    body = Neighbour(ip_bytes(target), mac_bytes(link), 1 << 29).encode(TARGET_LINK_ADDRESS)
    return icmpv6(mac, ip, ALL_NODES, Icmpv6Type.NEIGHBOUR_ADVERTISEMENT, body)


def router_advertisement(mac: str, ip: str) -> bytes:
    """I'm a router, for 30 minutes (RFC 4861, section 4.2)."""
    body = bytes([64, 0]) + (1800).to_bytes(2) + bytes(8)
    return icmpv6(mac, ip, ALL_NODES, Icmpv6Type.ROUTER_ADVERTISEMENT, body)


def is_arp_request(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01"


def is_solicitation(frame: bytes) -> bool:
    return frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135


def ip_frame(mac: str, to: str, source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """A packet of any protocol, from one VM to another."""
    sender, receiver = ip_bytes(source), ip_bytes(target)
    if "." in source:
        kind, packet = EtherType.IPV4, Ipv4(sender, receiver, protocol, payload).encode()
    else:
        kind, packet = EtherType.IPV6, Ipv6(sender, receiver, protocol, payload).encode()
    return Ethernet(mac_bytes(to), mac_bytes(mac), kind, packet).encode()


def tcp(mac: str, to: str, source: str, target: str, ports: tuple[int, int], flags: int) -> bytes:
    """A TCP segment without content, with these flags (RFC 9293, section 3.1)."""
    head = struct.pack("!HHIIBBHHH", *ports, 1000, 0, 5 << 4, flags, 8192, 0, 0)
    pseudo = ip_bytes(source) + ip_bytes(target) + struct.pack("!BBH", 0, IpProtocol.TCP, len(head))
    checksum = checksum_of(pseudo + head)
    return ip_frame(mac, to, source, target, IpProtocol.TCP, head[:16] + checksum.to_bytes(2, "big") + head[18:])


def checksum_of(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
