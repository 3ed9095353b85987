"""Ports come, go, move and are switched off, in whatever order clouds and hypervisors say so."""

from typing import Any

import pytest

from daybreak_lab import Hypervisor, Machine

from .cloud import Cloud, all_reach, assert_unreachable, uuid

pytestmark = pytest.mark.ovs


@pytest.fixture
def pair(cloud: Cloud, hosts: list[Hypervisor]) -> tuple[Machine, Machine]:
    """Two VMs of network `blue`, on h1 and h2, that reach each other."""
    cloud.network("blue")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64")
    b = cloud.vm("b", "blue", hosts[1], "10.0.0.2/24", "fd00::2/64")
    all_reach([a, b])
    return a, b


@pytest.mark.parametrize("collection, name", [("ports", "a"), ("ports", "b"), ("networks", "blue")])
def test_switched_off_and_on(cloud: Cloud, pair: tuple[Machine, Machine], collection: str, name: str) -> None:
    a, b = pair
    cloud.update(collection, name, admin_state_up=False)
    if collection == "ports":
        cloud.wait_for_status("DOWN", name)
    cloud.until("they are cut off", lambda: not a.ping(b, count=1, timeout=0.2).received)
    for one, other in ((a, b), (b, a)):
        for address in other.addresses:
            assert_unreachable(one, address)
    cloud.update(collection, name, admin_state_up=True)
    cloud.wait_for_status("ACTIVE", "a", "b")
    all_reach(pair)


def test_port_before_its_network(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    for number, host in ((1, hosts[0]), (2, hosts[1])):
        vm = cloud.machine(f"vm-{number}", f"10.0.0.{number}/24")
        cloud.port(vm.name, "blue", vm.mac, vm.addresses)
        vm.plug(host, uuid(vm.name))
        assert cloud.status(vm.name) == "DOWN"
    cloud.network("blue")
    cloud.wait_for_status("ACTIVE", "vm-1", "vm-2")
    all_reach(cloud.lab.machines.values())


def test_vm_before_its_port(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    cloud.network("blue")
    for number, host in ((1, hosts[0]), (2, hosts[1])):
        vm = cloud.machine(f"vm-{number}", f"10.0.0.{number}/24")
        vm.plug(host, uuid(vm.name))
        cloud.port(vm.name, "blue", vm.mac, vm.addresses)
    cloud.wait_for_status("ACTIVE", "vm-1", "vm-2")
    all_reach(cloud.lab.machines.values())


def test_network_deleted_first(cloud: Cloud, hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    """Its ports are cut off, and removed without complaint; an equal network can be made again."""
    a, b = pair
    cloud.delete("networks", "blue")
    cloud.wait_for_status("DOWN", "a", "b")
    assert_unreachable(a, b)
    cloud.network("blue")
    cloud.wait_for_status("ACTIVE", "a", "b")
    all_reach(pair)


def test_all_is_gone_when_all_is_deleted(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """What is left on a switch is what was there before the first port."""
    before = cloud.flows(hosts[0])
    cloud.network("blue")
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.1/24")
    assert len(cloud.flows(hosts[0])) > len(before)
    cloud.lab.delete_vm(a)
    cloud.delete("ports", "a")
    cloud.delete("networks", "blue")
    cloud.until("the flows are gone", lambda: cloud.flows(hosts[0]) == before)


def test_unplugged_and_plugged_in_elsewhere(
    cloud: Cloud, hosts: list[Hypervisor], pair: tuple[Machine, Machine]
) -> None:
    a, b = pair
    a.unplug()
    cloud.wait_for_status("DOWN", "a")
    assert_unreachable(b, a)
    a.plug(hosts[2], uuid("a"))
    cloud.wait_for_status("ACTIVE", "a")
    all_reach(pair)


def test_interface_goes_down_and_changes_its_port(
    cloud: Cloud, hosts: list[Hypervisor], pair: tuple[Machine, Machine]
) -> None:
    """A card without link is DOWN; a card that is given another port's id is that port from now on."""
    a, b = pair
    a.exec("ip", "link", "set", "eth0", "down")
    cloud.wait_for_status("DOWN", "a")
    a.exec("ip", "link", "set", "eth0", "up")
    cloud.wait_for_status("ACTIVE", "a")
    b.wait_until_reaches("10.0.0.1")

    cloud.network("red")
    c = cloud.vm("c", "red", hosts[1], "10.0.0.3/24")
    cloud.port("a-in-red", "red", a.mac, ["10.0.0.1"])
    hosts[0].ovs_vsctl("set", "Interface", a.tap, f"external_ids:iface-id={uuid('a-in-red')}")
    cloud.wait_for_status("ACTIVE", "a-in-red")
    cloud.wait_for_status("DOWN", "a")
    c.wait_until_reaches(a)
    assert_unreachable(b, a)


def test_addresses_change(cloud: Cloud, pair: tuple[Machine, Machine]) -> None:
    """The VM may use what the port says now, and no longer what it said before."""
    a, b = pair
    cloud.update("ports", "a", fixed_ips=[{"ip_address": "10.0.0.7"}])
    cloud.until("the old address is refused", lambda: not b.ping("10.0.0.1", count=1, timeout=0.2).received)
    a.exec("ip", "address", "add", "10.0.0.7/24", "dev", "eth0")
    b.wait_until_reaches("10.0.0.7")
    assert_unreachable(b, "10.0.0.1")


@pytest.mark.parametrize("bound", [True, False], ids=["bound to a host", "bound to none"])
def test_live_migration(cloud: Cloud, hosts: list[Hypervisor], bound: bool) -> None:
    """A VM moves from h1 to h3 while it's pinged: from h1, from h2, and by itself."""
    h1, h2, h3 = hosts
    cloud.network("blue")
    binding: dict[str, Any] = {"binding:host_id": "h1"} if bound else {}
    moving = cloud.vm("moving", "blue", h1, "10.0.0.1/24", **binding)
    near, far = cloud.vm("near", "blue", h1, "10.0.0.2/24"), cloud.vm("far", "blue", h2, "10.0.0.3/24")
    there = cloud.vm("there", "blue", h3, "10.0.0.4/24")
    all_reach([moving, near, far, there])
    pings = [one.pinging(other, grace=0.3) for one, other in ((near, moving), (far, moving), (moving, far))]
    for ping in pings:
        ping.start()
    moving.move(h3)
    if bound:
        cloud.update("ports", "moving", **{"binding:host_id": "h3"})
    for other in (near, far, there):
        other.wait_until_reaches(moving)
    cloud.wait_for_status("ACTIVE", "moving")
    for ping in pings:
        outages = ping.stop().outages()
        print(f"{len(ping.result.lost)} of {len(ping.result.sent)} pings lost, {len(outages)} outages")
        assert sum(outage.seconds for outage in outages) < 1.0


def test_same_port_on_two_hosts(cloud: Cloud, hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    """The first one has it until it lets go; the other one neither gets nor sends anything."""
    a, b = pair
    twin = cloud.machine("twin", "10.0.0.1/24", "fd00::1/64", mac=a.mac)
    with b.pinging(a) as ping:
        twin.plug(hosts[2], uuid("a"))
        cloud.until("the controller has seen it", lambda: hosts[2].ovs_vsctl(*ofport_request(twin)) != "[]")
        assert_unreachable(twin, b)
    assert not ping.result.outages()
    assert cloud.status("a") == "ACTIVE"
    a.unplug()
    cloud.wait_for_status("ACTIVE", "a")
    b.wait_until_reaches(twin)
    twin.wait_until_reaches(b)


def ofport_request(vm: Machine) -> tuple[str, ...]:
    """Which OpenFlow port the VM's interface shall have; Daybreak sets it for those that it knows."""
    return "get", "Interface", vm.tap, "ofport_request"


def test_active_means_that_pings_work(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Not one is lost after Neutron was told ACTIVE, on the same host."""
    cloud.network("blue")
    first = cloud.vm("vm-1", "blue", hosts[0], "10.0.0.1/24")
    far = cloud.vm("vm-2", "blue", hosts[1], "10.0.0.2/24")
    all_reach([first, far])
    lost = []
    for number in range(3, 13):
        vm = cloud.vm(f"vm-{number}", "blue", hosts[0], f"10.0.0.{number}/24")
        assert vm.ping(first, count=5, interval=0.01).ok
        lost += vm.ping(far, count=50, interval=0.001).lost
    print(f"{len(lost)} of 500 pings lost between hosts, at 1 ms")


def test_live_migration_with_two_bindings(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Under ping from a third host: the destination has the flows before the VM is there."""
    h1, h2, h3 = hosts
    cloud.network("blue")
    web, db = cloud.vm("web", "blue", h1, "10.0.0.1/24"), cloud.vm("db", "blue", h3, "10.0.0.2/24")
    near = cloud.vm("near", "blue", h1, "10.0.0.3/24")
    for one in (db, near):
        one.wait_until_reaches(web)
    port = cloud.modern("GET", f"/ports/{uuid('web')}")
    both = [{"host": "h1"}, {"host": "h2", "status": "INACTIVE"}]
    cloud.modern("PUT", f"/ports/{uuid('web')}", {**port, "host_id": "h1", "bindings": both})
    with db.pinging(web) as far, near.pinging(web) as close:
        web.prepare(h2)
        cloud.until("h2 is prepared", lambda: cloud.told("web").get("prepared") == ["h2"])
        assert cloud.told("web") == {"port_id": uuid("web"), "active": True, "host": "h1", "prepared": ["h2"]}
    assert not far.result.lost
    assert not close.result.lost
    with db.pinging(web) as far, near.pinging(web) as close:
        web.arrive(h2)
        for one in (db, near):
            one.wait_until_reaches(web)  # before the cloud says anything
        cloud.modern("PUT", f"/ports/{uuid('web')}", {**port, "host_id": "h2", "bindings": both[::-1]})
        cloud.until("it is on h2", lambda: cloud.told("web").get("host") == "h2")
        web.leave(h1)
        cloud.modern("PUT", f"/ports/{uuid('web')}", {**port, "host_id": "h2"})
        cloud.until("only there", lambda: "prepared" not in cloud.told("web"))
    print(far.result, close.result)
    for one in (db, near):
        one.wait_until_reaches(web)
    assert not cloud.check()
