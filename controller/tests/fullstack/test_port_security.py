"""A VM says only what its port may say. Each lie is told by a VM that is checked, and by one that isn't."""

from dataclasses import dataclass
from typing import Any

import pytest

from daybreak_lab import Hypervisor, Machine

from .cloud import Cloud
from .frames import advertisement, arp_request, router_advertisement, solicitation, udp

pytestmark = pytest.mark.ovs

OTHER_MAC = "fa:16:3e:99:99:99"


@dataclass
class Speaker:
    """A VM whose frames are looked for at another one, on the same host and on another host."""

    vm: Machine
    near: Machine
    far: Machine

    def passes(self, frame: bytes) -> bool:
        """Whether a frame arrives. Decided by an honest one that is sent after it: frames don't overtake."""
        with self.near.capture() as near, self.far.capture() as far:
            self.vm.send(frame)
            honest = udp(self.vm.mac, self.vm.address, b"nothing but the truth")
            self.vm.send(honest)
            for capture in (near, far):
                capture.wait_for(lambda data: data == honest)
        arrived = {frame in capture.received for capture in (near, far)}
        assert len(arrived) == 1, "it arrived on one host only"
        return arrived.pop()


def speaker(cloud: Cloud, hosts: list[Hypervisor], **fields: Any) -> Speaker:
    cloud.network("blue")
    vm = cloud.vm("speaker", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", **fields)
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64")
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64")
    vm.wait_until_reaches(far)
    return Speaker(vm, near, far)


def lies(vm: Machine) -> dict[str, bytes]:
    """What an honest VM doesn't say. The addresses that others have are those of `near`; .66 and ::66 are nobody's."""
    mac, ip, ip6 = vm.mac, vm.addresses[0], vm.addresses[1]
    return {
        "MAC": udp(OTHER_MAC, ip, b"spoofed MAC"),
        "IPv4 of nobody": udp(mac, "10.0.0.66", b"spoofed IPv4"),
        "IPv4 of another": udp(mac, "10.0.0.2", b"spoofed IPv4 of a port"),
        "IPv6": udp(mac, "fd00::66", b"spoofed IPv6"),
        "IPv6 link-local": udp(mac, "fe80::66", b"spoofed link-local"),
        "ARP sender's IP": arp_request(mac, mac, "10.0.0.2", "10.0.0.77"),
        "ARP sender's MAC": arp_request(mac, OTHER_MAC, ip, "10.0.0.77"),
        "gratuitous ARP of another": arp_request(mac, mac, "10.0.0.66", "10.0.0.66"),
        "solicitation from another": solicitation(mac, "fd00::2", "fd00::77", mac),
        "solicitation with another MAC": solicitation(mac, ip6, "fd00::77", OTHER_MAC),
        "advertisement of another's address": advertisement(mac, ip6, "fd00::2", mac),
        "advertisement with another MAC": advertisement(mac, ip6, ip6, OTHER_MAC),
        "router advertisement": router_advertisement(mac, ip6),
        "router advertisement, link-local": router_advertisement(mac, link_local(mac)),
        "DHCP server": udp(mac, ip, b"take this address", ports=(67, 68)),
        "DHCPv6 server": udp(mac, ip6, b"take that address", ports=(547, 546)),
    }


def truths(vm: Machine) -> dict[str, bytes]:
    """What it may say."""
    mac, ip, ip6 = vm.mac, vm.addresses[0], vm.addresses[1]
    return {
        "IPv4": udp(mac, ip, b"hello"),
        "IPv6": udp(mac, ip6, b"hello"),
        "IPv6 link-local": udp(mac, link_local(mac), b"hello"),
        "ARP": arp_request(mac, mac, ip, "10.0.0.77"),
        "ARP probe": arp_request(mac, mac, "0.0.0.0", ip),
        "gratuitous ARP": arp_request(mac, mac, ip, ip),
        "solicitation": solicitation(mac, ip6, "fd00::77", mac),
        "advertisement": advertisement(mac, ip6, ip6, mac),
        "DHCP client": udp(mac, "0.0.0.0", b"an address please", ports=(68, 67)),
        "DHCP client with an address": udp(mac, ip, b"my address please", ports=(68, 67)),
    }


def link_local(mac: str) -> str:
    """The address that RFC 4291, appendix A, makes of a MAC address."""
    digits = bytes.fromhex(mac.replace(":", ""))
    tail = bytes([digits[0] ^ 2, *digits[1:3], 0xFF, 0xFE, *digits[3:]]).hex(":", 2)
    return f"fe80::{tail}"


def test_truths_pass_and_lies_do_not(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    checked = speaker(cloud, hosts)
    assert [name for name, frame in truths(checked.vm).items() if not checked.passes(frame)] == []
    assert [name for name, frame in lies(checked.vm).items() if checked.passes(frame)] == []


def test_lies_pass_where_port_security_is_off(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """So it wasn't the network that lost them. Switched on again, they're stopped."""
    unchecked = speaker(cloud, hosts, port_security_enabled=False)
    assert [name for name, frame in lies(unchecked.vm).items() if not unchecked.passes(frame)] == []
    cloud.update("ports", "speaker", port_security_enabled=True)
    spoofed = lies(unchecked.vm)["MAC"]
    cloud.until("lies are stopped again", lambda: not unchecked.passes(spoofed))


def test_allowed_address_pairs(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """A virtual router's address, a block of addresses, and an address with a MAC of its own."""
    pairs = [
        {"ip_address": "10.0.0.100"},
        {"ip_address": "10.9.0.0/16"},
        {"ip_address": "fd09::/48"},
        {"ip_address": "10.0.0.101", "mac_address": OTHER_MAC},
    ]
    router = speaker(cloud, hosts, allowed_address_pairs=pairs)
    mac = router.vm.mac
    allowed = {
        "address": udp(mac, "10.0.0.100", b"virtual"),
        "its ARP": arp_request(mac, mac, "10.0.0.100", "10.0.0.100"),
        "block": udp(mac, "10.9.8.7", b"of a block"),
        "IPv6 block": udp(mac, "fd09::7", b"of an IPv6 block"),
        "other MAC": udp(OTHER_MAC, "10.0.0.101", b"of a virtual MAC"),
    }
    refused = {
        "beyond the block": udp(mac, "10.10.0.1", b"not of the block"),
        "address of the other MAC": udp(mac, "10.0.0.101", b"wrong MAC"),
        "other MAC's own": udp(OTHER_MAC, "10.0.0.1", b"wrong address"),
    }
    assert [name for name, frame in allowed.items() if not router.passes(frame)] == []
    assert [name for name, frame in refused.items() if router.passes(frame)] == []

    for other in (router.near, router.far):
        with router.vm.capture() as capture:
            frame = udp(other.mac, other.address, b"to the virtual MAC", to=OTHER_MAC)
            other.send(frame)
            capture.wait_for(lambda data, frame=frame: data == frame)  # type: ignore[misc]
