"""Packets against os-ken's packet library, and against everything that can be wrong with them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.lib.packet import arp, ethernet, icmp, icmpv6, ipv4, ipv6, packet, udp, vlan

from daybreak.wire.packet import (
    Arp,
    ArpOperation,
    Ethernet,
    EtherType,
    Icmp,
    IcmpType,
    Icmpv6,
    Icmpv6Type,
    IpProtocol,
    Ipv4,
    Ipv6,
    Neighbour,
    NeighbourFlags,
    Udp,
    Vlan,
    checksum,
    is_at,
    multicast_mac,
    neighbour_advertisement,
    neighbour_solicitation,
    solicited_node,
    who_has,
)

A_MAC, B_MAC = bytes.fromhex("fa163e00000a"), bytes.fromhex("fa163e00000b")
A4, B4 = ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed
A6, B6 = ip_address("fd00::a").packed, ip_address("fd00::2:abcd").packed


def theirs(*layers) -> bytes:
    """What os-ken makes of the layers."""
    built = packet.Packet()
    for layer in layers:
        built.add_protocol(layer)
    built.serialize()
    return bytes(built.data)


def wire(frame: Ethernet) -> bytes:
    """The frame with the padding that os-ken adds."""
    return frame.encode().ljust(60, b"\0")


def mac(address: bytes) -> str:
    return address.hex(":")


def ip(address: bytes) -> str:
    return str(ip_address(address))


def test_arp_asks_and_answers() -> None:
    question = who_has(B4, A_MAC, A4)
    assert wire(question) == theirs(
        ethernet.ethernet("ff:ff:ff:ff:ff:ff", mac(A_MAC), 0x0806),
        arp.arp(opcode=1, src_mac=mac(A_MAC), src_ip=ip(A4), dst_mac="00:00:00:00:00:00", dst_ip=ip(B4)),
    )
    asked = Arp.decode(Ethernet.decode(question.encode()).payload + bytes(18))  # padded, as on a wire
    assert asked == Arp(ArpOperation.REQUEST, A_MAC, A4, bytes(6), B4)
    assert wire(is_at(asked, B_MAC)) == theirs(
        ethernet.ethernet(mac(A_MAC), mac(B_MAC), 0x0806),
        arp.arp(opcode=2, src_mac=mac(B_MAC), src_ip=ip(B4), dst_mac=mac(A_MAC), dst_ip=ip(A4)),
    )


def test_vlan_tags() -> None:
    frame = Ethernet(A_MAC, B_MAC, EtherType.IPV4, b"inside", (Vlan(100, 5), Vlan(7)))
    assert Ethernet.decode(frame.encode()) == frame
    tagged = Ethernet(A_MAC, B_MAC, EtherType.IPV4, b"", (Vlan(100, 5),))
    expected = theirs(ethernet.ethernet(mac(A_MAC), mac(B_MAC), 0x8100), vlan.vlan(pcp=5, vid=100, ethertype=0x0800))
    assert wire(tagged) == expected
    service = Ethernet(A_MAC, B_MAC, EtherType.IPV6, b"", (Vlan(9, type=EtherType.SERVICE_VLAN),))
    assert Ethernet.decode(service.encode()) == service


def test_icmp_echo_over_ipv4() -> None:
    body = bytes.fromhex("12340001") + b"ping"
    echo = Icmp(IcmpType.ECHO_REQUEST, 0, body)
    datagram = Ipv4(A4, B4, IpProtocol.ICMP, echo.encode(), ttl=63, identification=77)
    frame = Ethernet(A_MAC, B_MAC, EtherType.IPV4, datagram.encode())
    assert wire(frame) == theirs(
        ethernet.ethernet(mac(A_MAC), mac(B_MAC), 0x0800),
        ipv4.ipv4(src=ip(A4), dst=ip(B4), proto=1, ttl=63, identification=77),
        icmp.icmp(8, 0, 0, icmp.echo(0x1234, 1, b"ping")),
    )
    read = Ipv4.decode(Ethernet.decode(frame.encode() + bytes(20)).payload)
    assert (read, Icmp.decode(read.payload)) == (datagram, echo)


def test_udp_over_ipv4_and_ipv6() -> None:
    datagram = Udp(68, 67, b"odd length!")
    over4 = Ipv4(A4, B4, IpProtocol.UDP, datagram.encode(A4, B4))
    assert over4.encode() == theirs(
        ipv4.ipv4(src=ip(A4), dst=ip(B4), proto=17, ttl=64), udp.udp(68, 67), b"odd length!"
    )
    over6 = Ipv6(A6, B6, IpProtocol.UDP, datagram.encode(A6, B6))
    assert over6.encode() == theirs(
        ipv6.ipv6(src=ip(A6), dst=ip(B6), nxt=17, hop_limit=64), udp.udp(68, 67), b"odd length!"
    )
    assert Udp.decode(over4.payload, A4, B4) == Udp.decode(over6.payload, A6, B6) == datagram
    without = over4.payload[:6] + b"\0\0" + over4.payload[8:]
    assert Udp.decode(without, A4, B4) == datagram
    with pytest.raises(ValueError, match="wrong checksum"):
        Udp.decode(without, A6, B6)


def test_a_udp_checksum_of_zero_is_sent_as_ones() -> None:
    """RFC 768: zero means that there is none."""
    payload = next(
        n.to_bytes(2)
        for n in range(65536)
        if checksum(
            A4 + B4 + bytes([0, 17, 0, 10]) + Udp(1, 2).encode(A4, B4)[:4] + bytes([0, 10, 0, 0]) + n.to_bytes(2)
        )
        == 0
    )
    data = Udp(1, 2, payload).encode(A4, B4)
    assert data[6:8] == b"\xff\xff"
    assert Udp.decode(data, A4, B4) == Udp(1, 2, payload)


def test_neighbours_are_solicited_and_advertised() -> None:
    group = solicited_node(B6)
    assert ip(group) == "ff02::1:ff02:abcd"
    question = neighbour_solicitation(B6, A_MAC, A6)
    assert wire(question) == theirs(
        ethernet.ethernet(mac(multicast_mac(group)), mac(A_MAC), 0x86DD),
        ipv6.ipv6(src=ip(A6), dst=ip(group), nxt=58, hop_limit=255),
        icmpv6.icmpv6(
            type_=135,
            data=icmpv6.nd_neighbor(dst=ip(B6), option=icmpv6.nd_option_sla(length=1, hw_src=mac(A_MAC))),
        ),
    )
    answer = neighbour_advertisement(Ethernet.decode(question.encode()), B_MAC, router=True)
    assert wire(answer) == theirs(
        ethernet.ethernet(mac(A_MAC), mac(B_MAC), 0x86DD),
        ipv6.ipv6(src=ip(B6), dst=ip(A6), nxt=58, hop_limit=255),
        icmpv6.icmpv6(
            type_=136,
            data=icmpv6.nd_neighbor(res=0b111, dst=ip(B6), option=icmpv6.nd_option_tla(length=1, hw_src=mac(B_MAC))),
        ),
    )


def test_a_duplicate_address_probe_is_answered_to_all_nodes() -> None:
    group = solicited_node(B6)
    probe = Icmpv6(Icmpv6Type.NEIGHBOUR_SOLICITATION, 0, Neighbour(B6).encode(1)).encode(bytes(16), group)
    asked = Ethernet(
        multicast_mac(group), A_MAC, EtherType.IPV6, Ipv6(bytes(16), group, IpProtocol.ICMPV6, probe, 255).encode()
    )
    frame = neighbour_advertisement(asked, B_MAC)
    answer = Ipv6.decode(frame.payload)
    message = Icmpv6.decode(answer.payload, answer.source, answer.destination)
    assert (mac(frame.destination), ip(answer.destination)) == ("33:33:00:00:00:01", "ff02::1")
    assert Neighbour.decode(message.body) == Neighbour(B6, B_MAC, NeighbourFlags.OVERRIDE)


def test_an_echo_is_not_a_solicitation() -> None:
    echo = Icmpv6(Icmpv6Type.ECHO_REQUEST, 0, b"1234").encode(A6, B6)
    frame = Ethernet(B_MAC, A_MAC, EtherType.IPV6, Ipv6(A6, B6, IpProtocol.ICMPV6, echo).encode())
    with pytest.raises(ValueError, match="not a neighbour solicitation"):
        neighbour_advertisement(frame, B_MAC)


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda: Ethernet.decode(bytes(13)), "requires a buffer"),
        (lambda: Ethernet.decode(bytes(12) + b"\x81\x00\x00"), "requires a buffer"),
        (lambda: Arp.decode(bytes(28)), "ARP for other than IPv4"),
        (lambda: Ipv4.decode(b"\x65" + bytes(19)), "begins with 0x65"),
        (lambda: Ipv4.decode(b"\x46" + bytes(19)), "begins with 0x46"),
        (lambda: Ipv4.decode(Ipv4(A4, B4, 17, b"12").encode()[:-1]), "a length of 22"),
        (lambda: Ipv4.decode(Ipv4(A4, B4, 17).encode()[:-1] + b"\x07"), "wrong checksum"),
        (lambda: Ipv6.decode(Ipv6(A6, B6, 17, b"12").encode()[:-1]), "a length of 2"),
        (lambda: Udp.decode(Udp(1, 2, b"12").encode(A4, B4)[:-1], A4, B4), "claims 10"),
        (lambda: Icmp.decode(bytes.fromhex("08000000")), "wrong checksum"),
        (lambda: Neighbour.decode(bytes(22)), "option of 0 bytes"),
    ],
)
def test_malformed_packets_are_value_errors(read, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read()


@given(st.binary(max_size=120))
def test_random_bytes_raise_nothing_but_value_errors(data: bytes) -> None:
    for read in (
        Ethernet.decode,
        Arp.decode,
        Ipv4.decode,
        Ipv6.decode,
        Icmp.decode,
        Neighbour.decode,
        lambda data: Udp.decode(data, A4, B4),
        lambda data: Icmpv6.decode(data, A6, B6),
        lambda data: neighbour_advertisement(Ethernet(A_MAC, B_MAC, EtherType.IPV6, data), A_MAC),
    ):
        try:
            read(data)
        except ValueError as error:
            assert str(error)


@given(st.binary(max_size=60), st.integers(0, 255), st.sampled_from([b"", b"\x01" * 4, b"\0" * 40]))
def test_what_is_built_reads_back(payload: bytes, number: int, options: bytes) -> None:
    four = Ipv4(A4, B4, 6, payload, ttl=number, tos=number, identification=number, fragment=number, options=options)
    assert Ipv4.decode(four.encode()) == four
    six = Ipv6(A6, B6, 6, payload, hop_limit=number, traffic_class=number, flow_label=number)
    assert Ipv6.decode(six.encode()) == six
    assert Udp.decode(Udp(number, 9, payload).encode(A6, B6), A6, B6) == Udp(number, 9, payload)
