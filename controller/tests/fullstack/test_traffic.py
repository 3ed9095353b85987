"""What VMs of a network say to each other, and what they never hear of other networks."""

from contextlib import ExitStack

import pytest

from daybreak_lab import Capture, Hypervisor, wait_for

from .cloud import Cloud, all_reach, assert_unreachable
from .frames import arp_request, is_arp_request, is_solicitation, udp

pytestmark = pytest.mark.ovs


@pytest.mark.parametrize("encapsulation", ["vxlan", "geneve", "gre", "local", None])
def test_on_one_host_and_across(cloud: Cloud, hosts: list[Hypervisor], encapsulation: str | None) -> None:
    """Untyped and local networks get an overlay of Daybreak's choice."""
    cloud.network("blue", encapsulation)
    machines = [
        cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", mtu=1450),
        cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", mtu=1450),
        cloud.vm("c", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64", mtu=1450),
    ]
    all_reach(machines)
    a, b, c = machines
    for other in (b, c):
        assert a.ping(other, size=1450 - 28).ok  # the largest packet: 20 bytes of IPv4, 8 of ICMP
        with other.listen("tcp", 80), other.listen("udp", 53):
            assert a.call(other, "tcp", 80)
            assert a.call(other, "udp", 53)


@pytest.mark.parametrize("types", [("vxlan", "vxlan"), ("vxlan", "geneve"), ("gre", "gre")])
def test_same_addresses_in_two_networks(cloud: Cloud, hosts: list[Hypervisor], types: tuple[str, str]) -> None:
    """They don't see each other, even where vxlan 7001 stands next to geneve 7001."""
    h1, h2, _ = hosts
    same = {"provider:segmentation_id": "7001"} if types[0] != types[1] else {}
    networks = {name: cloud.network(name, type, **same) for name, type in zip(("red", "blue"), types, strict=True)}
    vms = {
        network: [
            cloud.vm(f"{network}-{number}", network, host, f"10.0.0.{number}/24", f"fd00::{number}/64")
            for number, host in ((1, h1), (2, h2))
        ]
        for network in networks
    }
    only_blue = cloud.vm("blue-3", "blue", h2, "10.0.0.3/24")
    for pair in vms.values():
        all_reach(pair)
    vms["blue"][0].wait_until_reaches(only_blue)
    for network, (one, other) in vms.items():
        assert other.arping("10.0.0.1") == one.mac, network
    for red in vms["red"]:
        assert_unreachable(red, only_blue)


def test_broadcast_stays_in_its_network(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """It reaches each VM of the network once, and only hosts that have one."""
    h1, h2, h3 = hosts
    for network in ("red", "blue"):
        cloud.network(network)
    a, b, c = (
        cloud.vm(name, "blue", host, f"10.0.0.{number}/24")
        for number, (name, host) in enumerate((("a", h1), ("b", h1), ("c", h2)), 1)
    )
    strangers = [cloud.vm(f"red-{number}", "red", host, f"10.0.0.{number}/24") for number, host in enumerate(hosts, 1)]
    all_reach([a, b, c])
    all_reach(strangers)  # so that h3's underlay is known to work
    content = b"to all of blue and to nobody else"
    with ExitStack() as stack:
        on_b, on_c, on_h3 = (stack.enter_context(capture) for capture in (b.capture(), c.capture(), underlay(h3)))
        elsewhere = [on_h3, *(stack.enter_context(stranger.capture()) for stranger in strangers)]
        a.send(udp(a.mac, a.address, content))
        a.send(udp(a.mac, a.address, b"the last one"))
        for capture in (on_b, on_c):
            capture.wait_for(lambda frame: b"the last one" in frame)
        all_reach(strangers)  # whatever h3 would have got, it has by now
    for capture in (on_b, on_c):
        assert sum(content in frame for frame in capture.received) == 1
    for capture in elsewhere:
        assert not [frame for frame in capture.frames if content in frame.data]
        assert capture.frames


def underlay(host: Hypervisor) -> Capture:
    """What a host sends and receives through tunnels, as it is on the wire."""
    return Capture(host.namespace, host.underlay.device)


def test_questions_are_answered_on_the_spot(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """No ARP request and no neighbour solicitation for a port's address leaves the host; others go to all."""
    cloud.network("blue")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64")
    with a.capture() as on_a:
        b = cloud.vm("b", "blue", hosts[1], "10.0.0.2/24", "fd00::2/64")
        all_reach([a, b])
        b.send(arp_request(b.mac, b.mac, "10.0.0.2", "10.0.0.77"))
        on_a.wait_for(is_arp_request)
    questions = [frame for frame in on_a.received if is_arp_request(frame) or is_solicitation(frame)]
    assert questions == [arp_request(b.mac, b.mac, "10.0.0.2", "10.0.0.77")]


def test_silent_vms_answer(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """A VM that never said a word is found, by IPv4 and IPv6: nothing is learned, nothing is flooded."""
    cloud.network("blue")
    a, b = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24"), cloud.vm("b", "blue", hosts[1], "10.0.0.2/24")
    assert a.arping("10.0.0.2") == b.mac


def test_mtu(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """The network's MTU is that of its VMs' devices on the hosts, and follows when it changes."""
    cloud.network("blue", mtu=1300)
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24")

    def mtu() -> str:
        return hosts[0].ovs_vsctl("get", "Interface", a.tap, "mtu")

    wait_for("the device to have the network's MTU", lambda: mtu() == "1300")
    cloud.update("networks", "blue", mtu=1200)
    wait_for("the device to follow", lambda: mtu() == "1200")
