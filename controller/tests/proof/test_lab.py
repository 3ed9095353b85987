"""The third way in full: frames from network namespace to network namespace, by two hypervisors and the tunnel between
them, under a controller; as many as the interpreter says arrive, and the same bytes, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from itertools import permutations
from typing import Any

import pytest

from daybreak.engine.interpreter import Tables
from daybreak.engine.interpreter.fabric import Entry, Known, Site, follow, walk
from daybreak.model.tunnel import TUNNEL_PORTS
from daybreak_lab import Hypervisor, Lab, LabError, Machine
from daybreak_lab.frames import packet_socket

from ..fullstack.cloud import Cloud, uuid
from ..fullstack.frames import arp_request
from .frames import Turn, exchange, ip, mac, tcp
from .switch import Control

pytestmark = pytest.mark.ovs

MARK = b"proof"
VMS: dict[str, tuple[str, dict[str, Any]]] = {
    "web": ("h1", {"security_groups": ["front"]}),
    "app": ("h1", {"security_groups": ["back"]}),
    "free": ("h1", {}),
    "db": ("h2", {"security_groups": ["back"]}),
    "both": ("h2", {"security_groups": ["front", "back"]}),
    "mute": ("h2", {"security_groups": []}),
}
Talk = tuple[str, str, list[Turn]]
"""Who talks to whom, and what is said."""


class Place:
    """A hypervisor, its switch's bytes and connections, and which VM is behind which port."""

    def __init__(self, host: Hypervisor) -> None:
        self.host = host
        control = Control(host.ovs.directory / "br-int.mgmt")
        self.flows = control.flows()
        control.close()
        self.site = Site(
            Tables(self.flows), (int(ip_address(host.underlay_address)),), frozenset(TUNNEL_PORTS.values())
        )

    def ofport(self, machine: Machine) -> int:
        return int(self.host.ovs_vsctl("get", "Interface", machine.tap, "ofport"))


class Ground:
    """A cloud with security groups, and VMs whose kernels say nothing of their own: they have no addresses."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        hosts = {name: cloud.host(name) for name in ("h1", "h2")}
        cloud.network("blue", mtu=1450)
        cloud.group("front")
        cloud.group("back")
        for family in (4, 6):
            cloud.rule(f"out-{family}", "front", "egress", family=family)
            cloud.rule(f"web-{family}", "front", "ingress", "tcp", ports=(80, 87), family=family)
            cloud.rule(f"db-{family}", "back", "ingress", "tcp", ports=3306, of="front", family=family)
            cloud.rule(f"dns-{family}", "back", "egress", "udp", ports=53, family=family)
        cloud.rule("ping", "back", "ingress", "icmp", prefix="10.0.0.0/29")
        self.machines: dict[str, Machine] = {}
        self.ips: dict[str, tuple[bytes, bytes]] = {}
        for number, (name, (host, fields)) in enumerate(VMS.items(), 1):
            groups = {key: [uuid(group) for group in value] for key, value in fields.items()}
            addresses = [f"10.0.0.{number}", f"fd00::{number}"]
            machine = cloud.machine(name)
            cloud.port(name, "blue", machine.mac, addresses, **groups)
            machine.plug(hosts[host], uuid(name), timeout=30)
            self.machines[name] = machine
            self.ips[name] = ip(addresses[0]), ip(addresses[1])
        for name in VMS:
            cloud.wait_for_status("ACTIVE", name)
        self.bells = {name: self._bell(name) for name in VMS}
        self.places = {name: Place(host) for name, host in hosts.items()}
        self.ports = {(host, self.places[host].ofport(self.machines[name])): name for name, (host, _) in VMS.items()}
        self.homes = {vtep: name for name, place in self.places.items() for vtep in place.site.vteps}
        self.known: Known = {}

    def _bell(self, name: str) -> bytes:
        """What all others hear, groups or not: a VM announces its address (gratuitous ARP)."""
        address = str(ip_address(self.ips[name][0]))
        return arp_request(self.machines[name].mac, self.machines[name].mac, address, address)

    def expected(self, sent: list[tuple[str, bytes]]) -> Counter[tuple[str, bytes]]:
        """Who receives what, as the interpreter has it."""
        found: Counter[tuple[str, bytes]] = Counter()
        entries = {name: entry for entry, name in self.ports.items()}
        sites = {name: place.site for name, place in self.places.items()}
        for name, frame in sent:
            legs = follow(walk(Entry(*entries[name], frame), self.known, self.homes.get), sites)
            for leg in legs:
                found.update((self.ports[leg.entry.host, copy.port], copy.frame) for copy in leg.arrivals)
        return found

    def hears(self) -> bool:
        """Whether every VM hears every other one."""
        try:
            return self.send([], 1.0) == Counter()
        except LabError:
            return False

    def send(self, sent: list[tuple[str, bytes]], timeout: float = 30.0) -> Counter[tuple[str, bytes]]:
        """Who really received what. VM by VM, and after each its bell: then all that it sent is through."""
        with ExitStack() as stack:
            ears = {name: stack.enter_context(machine.capture()) for name, machine in self.machines.items()}
            mouths = {}
            for name, machine in self.machines.items():
                with machine.namespace.entered():
                    mouths[name] = stack.enter_context(packet_socket("eth0"))
            for name in VMS:
                frames = [frame for sender, frame in sent if sender == name]
                for frame in (*frames, self.bells[name]):
                    mouths[name].send(frame)
                for other in ears.keys() - {name}:
                    ears[other].wait_for(lambda data, bell=self.bells[name]: data == bell, timeout)  # type: ignore[misc]
            return Counter((name, data) for name, ear in ears.items() for data in ear.received if MARK in data)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Lab() as lab, Cloud(lab, tmp_path_factory.mktemp("cloud")) as cloud:
        ground = Ground(cloud)
        cloud.until("the bells are heard", ground.hears)  # the first packets to a VTEP are lost to its ARP
        yield ground


def talks(ground: Ground) -> Iterator[Talk]:
    """Everybody with everybody: TCP, UDP, SCTP and pings, by IPv4 and IPv6; each connection has a number of its own."""
    number = 20_000
    for here, there in permutations(VMS, 2):
        macs = mac(ground.machines[here].mac), mac(ground.machines[there].mac)
        for version in (0, 1):
            ips = ground.ips[here][version], ground.ips[there][version]
            for port in (80, 88, 3306):
                yield here, there, tcp(macs, ips, (number, port), MARK)[:5]
                number += 1
            for protocol, ports in (
                (17, (number, 53)),
                (132, (number, 53)),
                (58 if version else 1, (128 if version else 8, number)),
            ):
                yield here, there, exchange(macs, ips, protocol, ports, MARK)
                number += 1


def test_what_arrives_is_what_the_interpreter_says(ground: Ground) -> None:
    """Question by question, then answer by answer, and so on."""
    everything = list(talks(ground))
    frames = arrived = 0
    for turn in range(5):
        round_ = [
            (there if said[turn][0] else here, said[turn][1]) for here, there, said in everything if turn < len(said)
        ]
        order = list(VMS)
        round_.sort(key=lambda sent: order.index(sent[0]))
        expected = ground.expected(round_)
        received = ground.send(round_)
        assert {key for key in received - expected} == set(), "what should not have arrived"
        assert {key for key in expected - received} == set(), "what should have arrived"
        frames += len(round_)
        arrived += sum(received.values())
    assert frames >= 1500
    assert frames // 5 < arrived < frames, "some are let through, and some are not"
