"""io: a lab for each test."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Hypervisor, Lab, Machine

TUNNEL = 100


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def hosts(lab: Lab) -> list[Hypervisor]:
    """Two hypervisors with an integration bridge that drops all, and a flow-based VXLAN port."""
    hosts = [lab.hypervisor("h1"), lab.hypervisor("h2")]
    for host in hosts:
        host.ovs_vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure")
        options = ("type=vxlan", "options:remote_ip=flow", "options:key=flow", f"ofport_request={TUNNEL}")
        host.ovs_vsctl("add-port", "br-int", "vxlan", "--", "set", "Interface", "vxlan", *options)
    return hosts


@pytest.fixture
def pair(lab: Lab, hosts: list[Hypervisor]) -> tuple[Machine, Machine]:
    """A machine on each, joined by flows written by hand."""
    alice = lab.vm("alice", mac="fa:16:3e:00:00:01", ips=["10.0.0.1/24", "fd00::1/64"])
    bob = lab.vm("bob", mac="fa:16:3e:00:00:02", ips=["10.0.0.2/24", "fd00::2/64"])
    for machine, host, other in ((alice, hosts[0], hosts[1]), (bob, hosts[1], hosts[0])):
        machine.plug(host)
        port = host.ovs_vsctl("get", "Interface", machine.tap, "ofport")
        tunnel = f"set_field:{other.underlay_address}->tun_dst,set_field:7->tun_id,output:{TUNNEL}"
        host.ovs_ofctl("add-flow", "br-int", f"in_port={port},actions={tunnel}")
        host.ovs_ofctl("add-flow", "br-int", f"in_port={TUNNEL},tun_id=7,actions={port}")
    alice.wait_until_reaches(bob)  # Open vSwitch drops the first packet to a VTEP, while it asks for its address by ARP
    return alice, bob
