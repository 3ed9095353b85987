"""Security groups on real switches: what may pass, and what happens to connections when rules and members change."""

import pytest

from daybreak_lab import Hypervisor

from .cloud import Cloud, assert_unreachable, uuid

pytestmark = pytest.mark.ovs


def test_what_rules_allow(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """In both directions, on one host and across, by IPv4 and IPv6: what a rule allows, and nothing else."""
    cloud.network("blue")
    for group in ("server", "client", "nothing"):
        cloud.group(group)
    for family in ("IPv4", "IPv6"):
        cloud.rule(f"web-{family}", "server", "ingress", "tcp", ports=(80, 82), ethertype=family)
        cloud.rule(f"out-{family}", "client", "egress", ethertype=family)
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", security_groups=[uuid("server")])
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64", security_groups=[uuid("client")])
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64", security_groups=[uuid("client")])
    mute = cloud.vm("mute", "blue", hosts[0], "10.0.0.4/24", security_groups=[uuid("nothing")])
    free = cloud.vm("free", "blue", hosts[0], "10.0.0.5/24")
    for address in server.addresses:
        with server.listen("tcp", 81), server.listen("tcp", 83), server.listen("udp", 81):
            for client in (near, far):
                cloud.until("the tunnel", lambda: client.call(address, "tcp", 81))  # noqa: B023
                assert client.call(address, "tcp", 83, timeout=0.5).error == "timed out"
                assert client.call(address, "udp", 81, timeout=0.5).error
                assert client.ping(address, count=2, interval=0.05, timeout=0.3).received == 0
    with free.listen("tcp", 80):
        assert far.call(free, "tcp", 80)
        assert server.call(free, "tcp", 80, timeout=0.5).error == "timed out"
        assert mute.call(free, "tcp", 80, timeout=0.5).error == "timed out"
    assert_unreachable(free, mute)
