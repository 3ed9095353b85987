"""What can go wrong on purpose, and that it's noticed exactly."""

import socket

import pytest

from daybreak_lab import Hypervisor, Lab, Machine, Ping, wait_for

pytestmark = pytest.mark.ovs


def test_a_continuous_ping_knows_what_a_cut_lost(hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    with alice.pinging(bob, interval=0.01) as ping:
        wait_for("answers", lambda: ping.result.received >= 10)
        hosts[1].underlay.cut()
        assert hosts[1].underlay.state() == "cut"
        silent_from = max(ping.result.sent)
        wait_for("losses", lambda: max(ping.result.sent) >= silent_from + 20)
        silent_to = max(ping.result.sent) - 1
        hosts[1].underlay.heal()
        wait_for("answers again", lambda: ping.result.rtts.keys() & range(silent_to + 1, silent_to + 1000))
    result = ping.result
    [outage] = result.outages()
    assert outage.first <= silent_from + 1  # the one under way at the cut may be lost too
    assert outage.last >= silent_to
    assert result.lost == list(range(outage.first, outage.last + 1))
    assert outage.seconds >= 0.009 * len(result.lost)
    assert hosts[1].underlay.state() == "up"


def test_cutting_one_network_leaves_the_other(hosts: list[Hypervisor], pair: tuple[Machine, Machine], lab: Lab) -> None:
    alice, bob = pair
    hosts[0].management.cut()
    assert alice.ping(bob, timeout=10).ok
    management = str(hosts[0].management_address)
    assert Ping(lab.controller_namespace, management, count=1, grace=0.3).start().wait().lost == [1]
    hosts[0].management.heal()
    assert Ping(lab.controller_namespace, management, count=1, grace=10).start().wait().ok


def test_a_slow_and_lossy_cable(hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    assert alice.ping(bob, timeout=10).ok
    hosts[1].underlay.impair(delay=0.05)
    assert all(seconds >= 0.1 for seconds in alice.ping(bob, timeout=10).rtts.values())
    hosts[1].underlay.impair(loss=0.5)
    assert hosts[1].underlay.state() == "impaired"
    assert 5 < alice.ping(bob, count=100, interval=0.005, timeout=0.3).received < 60  # 25 are expected
    hosts[1].underlay.heal()
    assert alice.ping(bob, count=20, interval=0.005, timeout=10).ok


@pytest.mark.parametrize("kill", [False, True])
def test_a_switch_restarts_with_its_ports(hosts: list[Hypervisor], pair: tuple[Machine, Machine], kill: bool) -> None:
    _, bob = pair
    pid = hosts[1].ovs.pid("ovs-vswitchd")
    hosts[1].restart_switch(kill)
    assert hosts[1].ovs.pid("ovs-vswitchd") not in (None, pid)
    assert bob.tap in hosts[1].ovs_ofctl("show", "br-int")
    assert "actions=" not in hosts[1].ovs_ofctl(
        "dump-flows", "br-int"
    )  # Open vSwitch forgets; that's a controller's matter
    assert Ping(hosts[0].namespace, str(hosts[1].underlay_address), count=1, grace=10).start().wait().ok


@pytest.mark.parametrize("kill", [False, True])
def test_a_database_restarts_as_it_was(hosts: list[Hypervisor], pair: tuple[Machine, Machine], kill: bool) -> None:
    alice, bob = pair
    hosts[1].restart_database(kill)
    assert bob.tap in hosts[1].ovs_vsctl("list-ports", "br-int")
    assert alice.ping(bob, timeout=10).ok


def test_a_hypervisor_loses_power_and_comes_back(hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    _, bob = pair
    hosts[1].stop()
    assert hosts[1].ovs.pid("ovs-vswitchd") is None
    assert hosts[1].ovs.pid("ovsdb-server") is None
    assert hosts[1].management.state() == "cut"
    hosts[1].start()
    assert bob.tap in hosts[1].ovs_vsctl("list-ports", "br-int")
    assert Ping(hosts[0].namespace, str(hosts[1].underlay_address), count=1, grace=10).start().wait().ok


def test_a_controller_is_reached_at_its_address(lab: Lab) -> None:
    with lab.controller_namespace.entered():
        listener = socket.create_server((lab.controller_address, 6640))
    with listener:
        host = lab.hypervisor("h1", manager=f"tcp:{lab.controller_address}:6640")
        listener.settimeout(10)
        connection, peer = listener.accept()
        with connection:
            assert peer[0] == str(host.management_address)
