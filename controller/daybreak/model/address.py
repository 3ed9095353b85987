"""data: addresses as the bytes and numbers that flows carry."""

from ipaddress import ip_address, ip_network
from socket import AF_INET, inet_pton
from typing import NamedTuple


def mac_bytes(text: str) -> bytes:
    """The six bytes of a MAC in canonical text ("fa:16:3e:00:00:01")."""
    return bytes.fromhex(text.replace(":", ""))


def ip_number(text: str) -> int:
    """An IPv4 or IPv6 address as a number."""
    return int(ip_address(text))


def ipv4_number(text: str) -> int:
    """An IPv4 address as a number; faster than `ip_number`. ValueError for what is none."""
    try:
        return int.from_bytes(inet_pton(AF_INET, text), "big")
    except OSError:
        raise ValueError(f"{text!r} is not an IPv4 address") from None


def ipv6_bytes(text: str) -> bytes:
    """The sixteen bytes of an IPv6 address."""
    return ip_address(text).packed


class Prefix(NamedTuple):
    """An address with a mask, as flows match it: numbers for IPv4, sixteen bytes each for IPv6."""

    address: int | bytes
    mask: int | bytes


ALL_IPV4 = (1 << 32) - 1
ALL_IPV6 = b"\xff" * 16


def prefix(text: str) -> Prefix:
    """An address or a prefix in text; host bits are cleared. ValueError for anything else."""
    if "/" in text:
        network = ip_network(text, strict=False)
        if network.version == 4:
            return Prefix(int(network.network_address), int(network.netmask))
        return Prefix(network.network_address.packed, network.netmask.packed)
    if ":" in text:
        return Prefix(ipv6_bytes(text), ALL_IPV6)
    return Prefix(ipv4_number(text), ALL_IPV4)


def link_local(mac: bytes) -> Prefix:
    """The IPv6 link-local address that a host forms from its MAC (modified EUI-64: RFC 4291, appendix A)."""
    address = b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return Prefix(address, ALL_IPV6)
