"""Security groups on real switches: what may pass."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from daybreak_lab import Hypervisor, Machine

from .cloud import DEADLINE, Cloud, all_reach, assert_unreachable, uuid
from .frames import crc32c, ip_frame, tcp, udp

pytestmark = pytest.mark.ovs


def groups(*names: str) -> dict[str, list[str]]:
    """A port's groups, as its field."""
    return {"security_groups": [uuid(name) for name in names]}


def refused(client: Machine, address: str, protocol: str, port: int, size: int = 5) -> bool:
    """Whether a call is not answered; another one just before was, so half a second is long."""
    return client.call(address, protocol, port, timeout=0.5, size=size).error == "timed out"  # type: ignore[arg-type]


def test_what_rules_allow(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """In both directions, on one host and across, by IPv4 and IPv6: what a rule allows, and nothing else."""
    cloud.network("blue")
    for group in ("server", "client", "nothing"):
        cloud.group(group)
    for family in (4, 6):
        cloud.rule(f"web-{family}", "server", "ingress", "tcp", ports=(80, 82), family=family)
        cloud.rule(f"out-{family}", "client", "egress", family=family)
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", **groups("server"))
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", **groups("client"))
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64", **groups("client"))
    mute = cloud.vm("mute", "blue", hosts[0], "10.0.0.4/24", **groups("nothing"))
    empty = cloud.vm("empty", "blue", hosts[0], "10.0.0.6/24", **groups())
    off = cloud.vm("off", "blue", hosts[0], "10.0.0.7/24", port_security_enabled=False, **groups("nothing"))
    free = cloud.vm("free", "blue", hosts[0], "10.0.0.5/24")
    all_reach([free, off])
    for address in server.addresses:
        with server.listen("tcp", 81), server.listen("tcp", 83), server.listen("udp", 81):
            for client in (near, far):
                cloud.until("the tunnel", lambda: client.call(address, "tcp", 81))  # noqa: B023
                assert refused(client, address, "tcp", 83)
                assert refused(client, address, "udp", 81)
                assert client.ping(address, count=2, interval=0.05, timeout=0.3).received == 0
    with free.listen("tcp", 80):
        assert far.call(free, "tcp", 80)
        for silent in (server, mute, empty):
            assert refused(silent, free.address, "tcp", 80)
    for deaf in (mute, empty):
        assert_unreachable(free, deaf)


def test_a_group_comes_later_than_its_port(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Until the group is there, nothing passes."""
    cloud.network("blue")
    client = cloud.vm("client", "blue", hosts[0], "10.0.0.2/24")
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", **groups("late"))
    with server.listen("tcp", 80):
        assert refused(client, server.address, "tcp", 80)
        cloud.rule("web", "late", "ingress", "tcp", ports=80)
        assert refused(client, server.address, "tcp", 80)
        cloud.group("late")
        assert client.call(server, "tcp", 80)


def test_the_other_side(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """A prefix, a group, an address group; several groups on a port; a member that comes and goes."""
    cloud.network("blue")
    for group in ("prefix", "remote", "addresses", "friends"):
        cloud.group(group)
    cloud.put("address_group", "office", addresses=["10.0.0.3", "10.0.0.128/25"])
    cloud.rule("by-prefix", "prefix", "ingress", "tcp", ports=80, prefix="10.0.0.2/31")
    cloud.rule("by-group", "remote", "ingress", "tcp", ports=81, of="friends")
    cloud.rule("by-addresses", "addresses", "ingress", "tcp", ports=82, among="office")
    cloud.rule("answer", "friends", "egress")
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", **groups("prefix", "remote", "addresses"))
    two = cloud.vm("two", "blue", hosts[0], "10.0.0.2/24")
    three = cloud.vm("three", "blue", hosts[1], "10.0.0.3/24", **groups("friends"))
    high = cloud.vm("high", "blue", hosts[1], "10.0.0.130/24")

    def allowed() -> dict[str, list[int]]:
        return {
            client.name: [port for port in (80, 81, 82) if client.call(server, "tcp", port, timeout=0.4)]
            for client in (two, three, high)
        }

    with server.listen("tcp", 80), server.listen("tcp", 81), server.listen("tcp", 82):
        cloud.until("the tunnel", lambda: three.call(server, "tcp", 80))
        assert allowed() == {"two": [80], "three": [80, 81, 82], "high": [82]}
        cloud.change_port("two", **groups("friends"))
        cloud.change_port("three", **groups())
        cloud.put("address_group", "office", addresses=["10.0.0.2"])
        assert allowed() == {"two": [80, 81, 82], "three": [], "high": []}
        cloud.change_port("two", **groups("friends"), allowed_address_pairs=[{"ip_address": "10.0.0.130"}])
        assert allowed() == {"two": [80, 81, 82], "three": [], "high": [81]}


def test_the_default_group(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """As Neutron makes it: its members reach each other and everybody, and nobody else reaches them."""
    cloud.network("blue")
    cloud.group("default")
    for family in (4, 6):
        cloud.rule(f"out-{family}", "default", "egress", family=family)
        cloud.rule(f"in-{family}", "default", "ingress", family=family, of="default")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", **groups("default"))
    b = cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", **groups("default"))
    c = cloud.vm("c", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64", **groups("default"))
    stranger = cloud.vm("stranger", "blue", hosts[1], "10.0.0.4/24", "fd00::4/64")
    all_reach([a, b, c])
    for member in (a, b, c):
        for mine, theirs in zip(member.addresses, stranger.addresses, strict=True):
            member.wait_until_reaches(theirs)
            assert_unreachable(stranger, mine)


def test_stateless(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Answers need a rule of their own; conntrack hears of none of it."""
    cloud.network("blue")
    cloud.group("plain", stateful=False)
    cloud.group("friends")
    cloud.rule("ask", "plain", "egress", "udp", ports=(50, 60))
    client = cloud.vm("client", "blue", hosts[0], "10.0.0.1/24", **groups("plain"))
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.2/24", **groups("friends"))
    cloud.rule("answer", "friends", "egress")
    cloud.rule("hear", "friends", "ingress")
    with server.listen("udp", 53) as heard:
        assert refused(client, server.address, "udp", 53)
        assert len(heard.seen) == 1
        cloud.rule("answers", "plain", "ingress", "udp", of="friends")
        assert client.call(server, "udp", 53)
        cloud.change_port("server", security_groups=[])
        assert refused(client, server.address, "udp", 53)
    zones = hosts[0].appctl("dpctl/dump-conntrack")
    assert f"zone={ofport(hosts[0], client)}" not in zones


def ofport(host: Hypervisor, machine: Machine) -> str:
    return host.ovs_vsctl("get", "Interface", machine.tap, "ofport").strip()


NUMBERS = {"ah": 51, "esp": 50, "gre": 47, "igmp": 2, "ospf": 89, "vrrp": 112, "sctp": 132, "99": 99, "dccp": 33}
"""Protocols that are more than TCP, UDP and ICMP, and their numbers."""


@pytest.mark.parametrize("stateful", [True, False])
def test_any_protocol(cloud: Cloud, hosts: list[Hypervisor], stateful: bool) -> None:
    """By name or number, IPv4 and IPv6: exactly the protocol that the rule says arrives."""
    cloud.network("blue")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64")
    b = cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", **groups("b"))
    cloud.group("b", stateful=stateful)
    cloud.rule("end", "b", "ingress", "udp", ports=9)
    cloud.rule("end-6", "b", "ingress", "udp", ports=9, family=6)

    def arrive() -> Iterator[tuple[int, str]]:
        with b.capture() as capture:
            for number in NUMBERS.values():
                for source, target in zip(a.addresses, b.addresses, strict=True):
                    a.send(ip_frame(a.mac, b.mac, source, target, number, bytes(4) + b"number %d" % number + bytes(40)))
            a.call(b, "udp", 9, timeout=0.1)
            capture.wait_for(lambda frame: b"hello" in frame or frame[23] == 17)
        for frame in capture.received:
            for number in NUMBERS.values():
                if b"number %d\0" % number in frame:
                    yield number, "IPv4" if frame[12:14] == b"\x08\x00" else "IPv6"

    for name, number in NUMBERS.items():
        for family in (4, 6) if name != "ah" else (4,):
            cloud.rule("it", "b", "ingress", name, family=family)
            assert list(arrive()) == [(number, f"IPv{family}")], name


def test_ports_of_sctp(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Linux here has no SCTP, so chunks are made by hand: an INIT arrives at the ports of the rule alone."""
    cloud.network("blue")
    cloud.group("b")
    cloud.rule("sctp", "b", "ingress", "sctp", ports=(5000, 5003))
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24")
    b = cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", **groups("b"))
    with b.capture() as capture:
        for port in (4999, 5000, 5003, 5004, 5001):
            a.send(ip_frame(a.mac, b.mac, a.address, b.address, 132, sctp_init(1234, port)))
        capture.wait_for(lambda frame: frame[36:38] == (5001).to_bytes(2, "big"))
    ports = [int.from_bytes(frame[36:38], "big") for frame in capture.received if frame[23] == 132]
    assert ports == [5000, 5003, 5001]


def sctp_init(source: int, target: int) -> bytes:
    """An INIT chunk (RFC 9260, section 3.3.2) with its checksum (CRC32c)."""
    chunk = bytes.fromhex("01000014") + bytes.fromhex("00000001 00010000 0001 0001 00000001".replace(" ", ""))
    head = source.to_bytes(2, "big") + target.to_bytes(2, "big") + bytes(4)
    return head + crc32c(head + bytes(4) + chunk).to_bytes(4, "little") + chunk


def test_icmp_type_and_code(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Echo requests are a type; `icmp` in a rule for IPv6 is ICMPv6."""
    cloud.network("blue")
    cloud.group("b")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64")
    b = cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", **groups("b"))
    four, six = b.addresses
    cloud.rule("ping", "b", "ingress", "icmp", port_range_min=13)
    cloud.rule("ping6", "b", "ingress", "icmp", port_range_min=128, port_range_max=1, family=6)
    assert_unreachable(a, four)
    assert_unreachable(a, six)
    cloud.rule("ping", "b", "ingress", "icmp", port_range_min=8, port_range_max=0)
    a.wait_until_reaches(four, DEADLINE)
    assert_unreachable(a, six)
    cloud.rule("ping6", "b", "ingress", "icmp", port_range_min=128, family=6)
    a.wait_until_reaches(six, DEADLINE)
    cloud.rule("ping6", "b", "ingress", "ipv6-icmp", family=6)
    a.wait_until_reaches(six, DEADLINE)


def test_an_error_about_a_connection_comes_through(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """ICMP that belongs to a connection needs no rule: who calls a closed port hears so."""
    cloud.network("blue")
    cloud.group("client")
    cloud.rule("out", "client", "egress", "udp")
    client = cloud.vm("client", "blue", hosts[0], "10.0.0.1/24", **groups("client"))
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.2/24")
    assert client.call(server, "udp", 53).error == "Connection refused"
    assert_unreachable(server, client)


@pytest.mark.parametrize("stateful", [True, False])
def test_fragments(cloud: Cloud, hosts: list[Hypervisor], stateful: bool) -> None:
    """A datagram in pieces reaches an allowed port, on the same host and across, and no other one; so does a ping."""
    cloud.network("blue")
    cloud.group("server", stateful=stateful)
    for family in (4, 6):
        cloud.rule(f"udp-{family}", "server", "ingress", "udp", ports=7, family=family)
        cloud.rule(f"out-{family}", "server", "egress", family=family)
        ping = {4: 8, 6: 128}[family]
        cloud.rule(f"ping-{family}", "server", "ingress", "icmp", port_range_min=ping, family=family)
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", **groups("server"))
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64")
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64")
    with server.listen("udp", 7), server.listen("udp", 8) as other:
        for client in (near, far):
            for address in server.addresses:
                cloud.until("the tunnel", lambda: client.call(address, "udp", 7))  # noqa: B023
                assert client.call(address, "udp", 7, size=4000)
                assert refused(client, address, "udp", 8, size=4000)
                assert client.ping(address, count=3, size=4000).received
        assert not other.seen


def test_invalid_packets(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """What no connection can begin with does not arrive, though a rule allows everything."""
    cloud.network("blue")
    cloud.group("b")
    cloud.rule("all", "b", "ingress")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24")
    b = cloud.vm("b", "blue", hosts[0], "10.0.0.2/24", **groups("b"))
    fin, syn, rst = 1, 2, 4
    with b.capture() as capture:
        for port, flags in ((81, syn | fin), (82, syn | rst), (83, 0), (84, syn)):
            a.send(tcp(a.mac, b.mac, a.address, b.address, (4000, port), flags))
        capture.wait_for(lambda frame: frame[36:38] == (84).to_bytes(2, "big"))
    ports = {int.from_bytes(frame[36:38], "big") for frame in capture.received if frame[23] == 6}
    assert ports == {84}


def test_everybody_hears_a_broadcast_that_may(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Each copy of a broadcast is judged for its own receiver."""
    cloud.network("blue")
    cloud.group("open")
    cloud.group("closed")
    cloud.rule("all", "open", "ingress", "udp", ports=7777)
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24")
    machines = {
        f"{group}-{host.name}": cloud.vm(f"{group}-{host.name}", "blue", host, f"10.0.0.{number}/24", **groups(group))
        for number, (group, host) in enumerate(((g, h) for h in hosts[:2] for g in ("open", "closed")), 2)
    }
    free = cloud.vm("free", "blue", hosts[1], "10.0.0.9/24")
    all_reach([a, free])
    with ExitStack() as stack:
        captures = {name: stack.enter_context(machine.capture()) for name, machine in machines.items()}
        a.send(udp(a.mac, a.address, b"hear, hear"))
        for name, capture in captures.items():
            if name.startswith("open"):
                capture.wait_for(lambda frame: b"hear, hear" in frame)
    heard = {name: sum(b"hear, hear" in frame for frame in capture.received) for name, capture in captures.items()}
    assert heard == {name: int(name.startswith("open")) for name in machines}
