"""`daybreak trace --probe`: the packet goes through the real switches, and no VM is shown it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from daybreak_lab import Hypervisor

from .cloud import DAYBREAK, Cloud, uuid

pytestmark = pytest.mark.ovs


def trace(cloud: Cloud, *arguments: str) -> tuple[int, Any]:
    """`daybreak trace … --probe`: exit code, and what it says of the probe."""
    command = (DAYBREAK, "trace", *arguments, "--probe", "--json")
    done = cloud.lab.controller_namespace.exec(*command, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def places(answer: Any) -> list[tuple[str, str]]:
    return [(each["host"], each["port"]["name"]) for each in answer["probe"]["arrived"]]


@pytest.fixture
def three(cloud: Cloud, hosts: list[Hypervisor]) -> Iterator[None]:
    """a and b on h1, c on h2; c takes TCP 443 and pings alone."""
    cloud.network("blue")
    cloud.group("open")
    cloud.group("closed")
    for family in (4, 6):
        cloud.rule(f"out-{family}", "open", "egress", family=family)
        cloud.rule(f"in-{family}", "open", "ingress", family=family)
        cloud.rule(f"https-{family}", "closed", "ingress", "tcp", ports=443, family=family)
    cloud.rule("ping", "closed", "ingress", "icmp")
    for name, host, number, group in (
        ("a", hosts[0], 1, "open"),
        ("b", hosts[0], 2, "open"),
        ("c", hosts[1], 3, "closed"),
    ):
        cloud.vm(name, "blue", host, f"10.0.0.{number}/24", f"fd00::{number}/64", security_groups=[uuid(group)])
    cloud.lab.machines["a"].wait_until_reaches("10.0.0.3")
    yield


def leftovers(cloud: Cloud) -> list[str]:
    """What is left of probes in the switches: flows, and connections between the VMs."""
    flows = [flow for host in cloud.hosts.values() for flow in cloud.flows(host) if "priority=65000" in flow]
    known = [host.appctl("dpctl/dump-conntrack").splitlines() for host in cloud.hosts.values()]
    return flows + [line for lines in known for line in lines if "src=10.0.0." in line or "src=fd00::" in line]


def test_where_it_arrives_and_who_sees_it(cloud: Cloud, three: None) -> None:
    machines = cloud.lab.machines
    for host in cloud.hosts.values():
        host.appctl("dpctl/flush-conntrack")
    with machines["b"].capture() as near, machines["c"].capture() as far:
        for target, host in (("b", "h1"), ("c", "h2"), ("fd00::3", "h2"), ("fd00::2", "h1")):
            name = "b" if target.endswith(("b", "2")) else "c"
            code, answer = trace(cloud, "a", target, "tcp/443")
            assert (code, answer["probe"]["agrees"], places(answer)) == (0, True, [(host, name)]), answer["probe"]
            assert answer["probe"]["arrived"][0]["table"] == "OUTPUT"
        assert [places(trace(cloud, "a", "c", packet)[1]) for packet in ("icmp", "icmp")] == [[("h2", "c")]] * 2
        assert places(trace(cloud, "a", "b", "udp/53")[1]) == [("h1", "b")]
        # Long before conntrack would forget a first packet by itself, after 30 s and more.
        cloud.until("nothing is left of them", lambda: not leftovers(cloud), 10.0)
        machines["a"].wait_until_reaches("10.0.0.2")  # what was sent before the pings has been there before them
        machines["a"].wait_until_reaches("10.0.0.3")
        near.wait_for(lambda frame: frame[22] == 64 and frame[23] == 1)
        far.wait_for(lambda frame: frame[22] == 64 and frame[23] == 1)
    for capture in (near, far):
        assert not [frame for frame in capture.received if 211 in (frame[22], frame[21])], "a VM saw a probe"


def test_what_a_security_group_drops(cloud: Cloud, three: None) -> None:
    code, answer = trace(cloud, "a", "c", "tcp/22", "--wait", "0.5")
    assert (code, answer["delivered"]) == (1, False)
    assert (answer["probe"]["agrees"], answer["probe"]["arrived"]) == (True, [])
    assert answer["probe"]["verdict"] == "did not arrive within 0.5 s, as traced"


def test_a_switch_that_does_something_else(cloud: Cloud, three: None, hosts: list[Hypervisor]) -> None:
    """The way between the hosts is broken, of which no flow knows."""
    hosts[1].underlay.cut()
    try:
        code, answer = trace(cloud, "a", "c", "tcp/443", "--wait", "0.5")
    finally:
        hosts[1].underlay.heal()
    assert (code, answer["delivered"], answer["probe"]["agrees"]) == (1, True, False)
    title = f"port c ({uuid('c')[:8]})"
    assert answer["probe"]["verdict"] == (f"DISAGREES: it did not arrive within 0.5 s, but was traced to {title} on h2")
