"""rules: what a security group rule asks of a connection: protocol, ports as masks, ICMP type and code, addresses.

Protocols by name: those of Neutron (neutron-lib, IP_PROTOCOL_MAP), with the numbers of IANA's registry.
"""

from collections.abc import Iterator
from typing import NamedTuple

from daybreak.engine.rule import Contradiction
from daybreak.model import SecurityGroupRule
from daybreak.model.address import Prefix, prefix

IPV4, IPV6 = 0x0800, 0x86DD
ETHERTYPES = {"IPv4": IPV4, "IPv6": IPV6}
EGRESS, INGRESS = 0, 1
DIRECTIONS = {"egress": EGRESS, "ingress": INGRESS}

ICMP, ICMPV6 = 1, 58
TCP, UDP, SCTP = 6, 17, 132
WITH_PORTS = (TCP, UDP, SCTP)
"""Protocols whose ports Open vSwitch knows."""

PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": ICMP,
    "icmpv6": ICMPV6,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": ICMPV6,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": SCTP,
    "tcp": TCP,
    "udp": UDP,
    "udplite": 136,
    "vrrp": 112,
}

EXTENSION_HEADERS = (0, 43, 44, 51, 60)
"""Of IPv6: Open vSwitch looks past them, to what they lead to (ovs-fields(7), nw_proto)."""

PORT_BITS = 16
ALL_PORTS = (1 << PORT_BITS) - 1
ANYBODY = {IPV4: Prefix(0, 0), IPV6: Prefix(bytes(16), bytes(16))}


class Asked(NamedTuple):
    """One rule in numbers. `protocol` None: any; `ports` are (value, mask); `type` and `code` are those of ICMP."""

    direction: int
    ethertype: int
    protocol: int | None
    ports: tuple[tuple[int, int], ...]
    type: int | None
    code: int | None
    remote: Prefix


def asked(rule: SecurityGroupRule) -> Asked:
    """What a rule asks. Raises Contradiction where that is nothing that a packet can be."""
    direction, ethertype = DIRECTIONS.get(rule.direction or ""), ETHERTYPES.get(rule.ethertype or "IPv4")
    if direction is None or ethertype is None:
        raise Contradiction(f"a rule of direction {rule.direction} and ethertype {rule.ethertype}")
    remotes = (rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise Contradiction("a rule names more than one other side")
    protocol = number_of(rule.protocol, ethertype)
    low, high = rule.port_range_min, rule.port_range_max
    ports: tuple[tuple[int, int], ...] = ()
    kind = code = None
    if protocol in (ICMP, ICMPV6):
        kind, code = icmp(low, high)
    elif protocol in WITH_PORTS:
        ports = tuple(masks(*port_range(low, high)))
    elif not (low in (None, 0, 1) and high in (None, ALL_PORTS)):
        raise Contradiction(f"Open vSwitch knows no ports of protocol {rule.protocol}")
    return Asked(direction, ethertype, protocol, ports, kind, code, remote_of(rule.remote_ip_prefix, ethertype))


def number_of(protocol: str | None, ethertype: int) -> int | None:
    """A protocol's number; None: any. `icmp` in a rule for IPv6 is ICMPv6, as Neutron has it."""
    if protocol in (None, "", "any"):
        return None
    assert protocol is not None
    number = int(protocol) if protocol.isdecimal() else PROTOCOLS.get(protocol.lower())
    if number is None or number > 255:
        raise Contradiction(f"{protocol} is not a protocol")
    if ethertype == IPV4 and number == ICMPV6:
        raise Contradiction("ICMPv6 in a rule for IPv4")
    if ethertype == IPV6 and number in EXTENSION_HEADERS:
        raise Contradiction(f"Open vSwitch looks past the IPv6 extension header {protocol}: name what is behind it")
    return ICMPV6 if ethertype == IPV6 and number == ICMP else number


def icmp(kind: int | None, code: int | None) -> tuple[int | None, int | None]:
    """Type and code, as Neutron keeps them in the port range."""
    if (kind is None and code is not None) or not all(part is None or 0 <= part <= 255 for part in (kind, code)):
        raise Contradiction(f"ICMP type {kind} with code {code}")
    return kind, code


def port_range(low: int | None, high: int | None) -> tuple[int, int]:
    """Lowest and highest port, both included."""
    if low is None and high is None:
        return 0, ALL_PORTS
    if low is None or high is None or not 0 <= low <= high <= ALL_PORTS:
        raise Contradiction(f"ports from {low} to {high}")
    return (0 if low == 1 and high == ALL_PORTS else low), high


def masks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """A range of ports as (value, mask): as few as there can be, at most 30.

    >>> [f"{value}/{mask:#x}" for value, mask in masks(1000, 1999)][:3]
    ['1000/0xfff8', '1008/0xfff0', '1024/0xfe00']
    """
    while low <= high:
        size = low & -low or 1 << PORT_BITS
        while low + size - 1 > high:
            size >>= 1
        yield low, ALL_PORTS & ~(size - 1)
        low += size


def remote_of(text: str | None, ethertype: int) -> Prefix:
    """The prefix of the other side; all addresses where the rule names none."""
    if text is None:
        return ANYBODY[ethertype]
    try:
        found = prefix(text)
    except ValueError:
        raise Contradiction(f"{text} is not an address or prefix") from None
    if family(found) != ethertype:
        raise Contradiction(f"{text} in a rule for {'IPv4' if ethertype == IPV4 else 'IPv6'}")
    return found


def family(address: Prefix) -> int:
    """The ethertype of an address."""
    return IPV4 if isinstance(address.address, int) else IPV6
