"""A host that falls silent: its ports are DOWN after a while, and nobody who can reach it loses a packet."""

import pytest

from daybreak_lab import Hypervisor

from .cloud import Cloud, all_reach, uuid

pytestmark = pytest.mark.ovs

NOBODY = "no interface carries its id"


@pytest.fixture(scope="module")
def settings() -> str:
    return "disconnect_grace = 1.0\n"


def test_hosts_cut_off_and_without_power(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """h2 is only silent, which is not absence: nothing is lost. h3 is really gone, and comes back as it was."""
    h1, h2, h3 = hosts
    cloud.network("blue")
    a, b, c = (
        cloud.vm(name, "blue", host, f"10.0.0.{number}/24")
        for number, (name, host) in enumerate(zip("abc", hosts, strict=True), 1)
    )
    d = cloud.machine("d", "10.0.0.4/24", mtu=1400)
    d.plug(h1, uuid("d"))  # before the ping: a new port costs the userspace datapath a packet now and then
    all_reach([a, b, c])
    before = cloud.flows(h3)
    with a.pinging(b) as ping:
        h2.management.cut()
        h3.stop()
        cloud.wait_for_status("DOWN", "b", "c", timeout=60)
        assert cloud.status("a") == "ACTIVE"
        cloud.port("d", "blue", d.mac, d.addresses)
        d.wait_until_reaches(a)
        h2.management.heal()
        h3.start()
        cloud.wait_for_status("ACTIVE", "b", "c")
        all_reach([a, b, c, d])
    assert not ping.result.outages()
    assert set(before) <= set(cloud.flows(h3))  # ports keep their OpenFlow numbers, too


def test_hosts_that_are_gone_when_the_controller_starts(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Their ports' status is what was known, for as long as the grace lasts."""
    cloud.network("blue")
    a, b = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24"), cloud.vm("b", "blue", hosts[1], "10.0.0.2/24")
    all_reach([a, b])
    with a.pinging(b) as ping:
        cloud.kill()
        hosts[1].management.cut()
        cloud.start()
        cloud.wait_for_status("ACTIVE", "a")
        cloud.wait_for_status("DOWN", "b")
        hosts[1].management.heal()
        cloud.wait_for_status("ACTIVE", "a", "b")
    assert not ping.result.outages()


def test_a_host_that_is_not_coming_back_is_forgotten(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """What it claimed is released; if it comes back after all, it is as it was."""
    h1, _, h3 = hosts
    cloud.network("blue")
    a, c = cloud.vm("a", "blue", h1, "10.0.0.1/24"), cloud.vm("c", "blue", h3, "10.0.0.3/24")
    all_reach([a, c])
    assert cloud.request("DELETE", "/hosts/h3", base="/v1")[0] == 409  # it is connected
    h3.stop()
    cloud.until("h3 can be forgotten", lambda: cloud.request("DELETE", "/hosts/h3", base="/v1")[0] == 204)
    assert cloud.request("DELETE", "/hosts/h3", base="/v1")[0] == 404
    assert [item["host"]["id"] for item in cloud.modern("GET", "/hosts")["items"]] == ["h1", "h2"]
    cloud.until("it has let go", lambda: cloud.told("c") == {**cloud.told("c"), "active": False, "reason": NOBODY})
    h3.start()
    cloud.wait_for_status("ACTIVE", "c")
    all_reach([a, c])
    assert not cloud.check()
