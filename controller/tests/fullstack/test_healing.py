"""Whatever somebody does to a switch, Daybreak puts it right, and says so."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from daybreak_lab import Hypervisor, Machine

from .cloud import HEALING, Cloud, all_reach, uuid

pytestmark = pytest.mark.ovs


@dataclass
class Pair:
    """Two VMs of a network on two hosts that reach each other, and what is on their switches."""

    cloud: Cloud
    one: Machine
    other: Machine
    before: list[list[str]]

    def is_as_before(self) -> bool:
        return [self.cloud.flows(host) for host in self.cloud.hosts.values()] == self.before

    def heals(self, what: str, began: float) -> None:
        """Flows and pings are as before, within the time since `began`."""
        self.cloud.until(f"{what} is healed", self.is_as_before)
        self.one.wait_until_reaches(self.other)
        took = time.monotonic() - began
        print(f"{what}: healed after {took:.2f} s")
        assert took < HEALING


@pytest.fixture
def pair(cloud: Cloud, hosts: list[Hypervisor]) -> Pair:
    cloud.network("pair")
    one = cloud.vm("one", "pair", hosts[0], "10.0.0.1/24", "fd00::1/64")
    other = cloud.vm("other", "pair", hosts[1], "10.0.0.2/24", "fd00::2/64")
    all_reach([one, other])
    return Pair(cloud, one, other, [cloud.flows(host) for host in hosts])


def shut_all_out(host: Hypervisor) -> None:
    """A foreign flow of the highest priority in the first table."""
    host.ovs_ofctl("add-flow", "br-int", "table=0,priority=65535,actions=drop")


def delete_all(host: Hypervisor) -> None:
    host.ovs_ofctl("del-flows", "br-int")


def delete_some(host: Hypervisor) -> None:
    host.ovs_ofctl("del-flows", "br-int", "arp")


def change_actions(host: Hypervisor) -> None:
    """The flows of a table keep matches, priorities and cookies, but drop."""
    host.ovs_ofctl("mod-flows", "br-int", "table=0,actions=drop")


def change_a_cookie(host: Hypervisor) -> None:
    """The same match, priority and actions, but nobody could explain the flow any more."""
    flow = re.search(r"table=0,.*(priority=\S+ actions=\S+)", host.ovs_ofctl("dump-flows", "br-int"))
    assert flow is not None
    host.ovs_ofctl("add-flow", "br-int", f"cookie=0x1,table=0,{flow[1]}")


@pytest.mark.parametrize("damage", [shut_all_out, delete_all, delete_some, change_actions, change_a_cookie])
def test_flows(cloud: Cloud, hosts: list[Hypervisor], pair: Pair, damage: Callable[[Hypervisor], None]) -> None:
    since = len(cloud.log)
    began = time.monotonic()
    damage(hosts[0])
    cloud.until("it's noticed", lambda: cloud.said("event=drift", since=since))
    pair.heals(damage.__name__, began)


def test_flows_many_times(cloud: Cloud, hosts: list[Hypervisor], pair: Pair) -> None:
    """Somebody who does it again and again wins for moments only."""
    for _ in range(10):
        delete_all(hosts[0])
        shut_all_out(hosts[1])
    pair.heals("ten times", time.monotonic())


def test_vswitchd_killed(cloud: Cloud, hosts: list[Hypervisor], pair: Pair) -> None:
    hosts[0].restart_switch(kill=True)
    pair.heals("ovs-vswitchd's restart", time.monotonic())


def test_a_database_calls_again_within_a_second(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Open vSwitch's own back-off grows to 8 s: a VM that was plugged meanwhile would wait as long."""
    for host in hosts:
        cloud.until(
            "the manager's back-off is short",
            lambda host=host: "1000" in host.ovs_vsctl("--columns=max_backoff", "list", "Manager"),
        )


def test_database_server_restarted(cloud: Cloud, hosts: list[Hypervisor], pair: Pair) -> None:
    """Nothing is lost, nobody is told DOWN, no switch is let go; and afterwards ports are made as ever."""
    since = len(cloud.log)
    with pair.one.pinging(pair.other) as ping:
        hosts[0].restart_database(kill=True)
        back = "OVSDB connected", "host=h1"
        cloud.until("it's back", lambda: cloud.said(*back, since=since))
        hosts[0].ovs_vsctl("set", "Interface", pair.one.tap, "external_ids:test=waits-for-vswitchd")
        assert cloud.status("one") == "ACTIVE"
        assert not cloud.said("switch lost", since=since)
    third = cloud.vm("third", "pair", hosts[0], "10.0.0.3/24", "fd00::3/64")
    all_reach([third, pair.other])
    assert not ping.result.outages()


def forget_controller(host: Hypervisor) -> None:
    """Open vSwitch drops all flows then."""
    host.ovs_vsctl("del-controller", "br-int")


def follow_another_controller(host: Hypervisor) -> None:
    host.ovs_vsctl("set-controller", "br-int", "tcp:192.0.2.1:6653")


def forward_without_controller(host: Hypervisor) -> None:
    host.ovs_vsctl("del-fail-mode", "br-int")


def allow_in_band_control(host: Hypervisor) -> None:
    """Open vSwitch adds hidden flows with the action NORMAL then."""
    host.ovs_vsctl("remove", "Bridge", "br-int", "other_config", "disable-in-band")


def delete_tunnel(host: Hypervisor) -> None:
    host.ovs_vsctl("del-port", "br-int", "daybreak-vxlan")


@pytest.mark.parametrize(
    "damage",
    [
        forget_controller,
        follow_another_controller,
        forward_without_controller,
        allow_in_band_control,
        delete_tunnel,
    ],
)
def test_bridge(cloud: Cloud, hosts: list[Hypervisor], pair: Pair, damage: Callable[[Hypervisor], None]) -> None:
    def bridge() -> list[str]:
        target = hosts[0].ovs_vsctl("get-controller", "br-int")
        ports = hosts[0].ovs_vsctl("list-ports", "br-int")
        return [
            target,
            ports,
            *(hosts[0].ovs_vsctl("get", "Bridge", "br-int", column) for column in ("fail_mode", "other_config")),
        ]

    before = bridge()
    with pair.one.pinging(pair.other) as ping:
        began = time.monotonic()
        damage(hosts[0])
        cloud.until("the bridge is as before", lambda: bridge() == before)
        pair.heals(damage.__name__, began)
    print(f"{len(ping.result.lost)} of {len(ping.result.sent)} pings lost")


def test_bridge_deleted(cloud: Cloud, hosts: list[Hypervisor], pair: Pair) -> None:
    """It's made again; the ports are Nova's to add."""
    hosts[0].ovs_vsctl("del-br", "br-int")
    cloud.wait_for_status("DOWN", "one")
    hosts[0].wait_for_bridge()
    pair.one.unplug()
    pair.one.plug(hosts[0], uuid("one"))
    cloud.wait_for_status("ACTIVE", "one")
    all_reach([pair.one, pair.other])
