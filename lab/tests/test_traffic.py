"""Packets between machines on two hypervisors, through VXLAN over the lab's underlay."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from daybreak_lab import Hypervisor, Lab, LabError, Machine, Ping

pytestmark = pytest.mark.ovs


def test_machines_on_two_hypervisors_reach_each_other(pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    assert alice.ping(bob, timeout=10).received == 3
    assert alice.ping("fd00::2", timeout=10).received == 3
    assert alice.ping("10.0.0.9", count=1, timeout=0.2).lost == [1]
    assert alice.arping("10.0.0.2") == bob.mac
    assert alice.arping("10.0.0.9", timeout=0.2) is None


def test_a_server_says_who_it_saw(pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    with bob.listen("tcp", 80) as web, bob.listen("udp", 53) as names:
        assert alice.call(bob, "tcp", 80).seen_as == "10.0.0.1"
        assert alice.call("fd00::2", "udp", 53).seen_as == "fd00::1"
        assert [address for address, _ in web.seen] == ["10.0.0.1"]
        assert [address for address, _ in names.seen] == ["fd00::1"]
    assert alice.call(bob, "tcp", 80).error == "Connection refused"
    assert not alice.call("10.0.0.9", "udp", 53, timeout=0.1)


def test_large_packets_arrive_whole_up_to_the_mtu(pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    assert alice.ping(bob, size=1450 - 28, timeout=10).ok  # less the headers of IP and ICMP
    for machine in pair:
        machine.exec("ip", "link", "set", "eth0", "mtu", "1500")
    assert not alice.ping(bob, count=1, size=1500 - 28, timeout=0.3).ok  # VXLAN would need 1550 on the underlay


def test_a_port_carries_what_nova_writes(lab: Lab, hosts: list[Hypervisor]) -> None:
    vm = lab.vm("vm")
    vm.plug(hosts[0], "0ccd8fa9-c919-4e0a-8e24-7bd0a3e8bd7c")
    assert vm.tap == "tap0ccd8fa9-c9"
    ids = hosts[0].ovs_vsctl("get", "Interface", vm.tap, "external_ids")
    assert 'iface-id="0ccd8fa9-c919-4e0a-8e24-7bd0a3e8bd7c"' in ids
    assert f'attached-mac="{vm.mac}"' in ids
    vm.unplug()
    assert vm.port_id is None
    assert "tap0ccd8fa9-c9" not in hosts[0].ovs_vsctl("list-ports", "br-int")
    assert "tap0ccd8fa9-c9" not in hosts[0].exec("ip", "-br", "link")


def test_a_machine_waits_for_its_bridge(lab: Lab) -> None:
    host = lab.hypervisor("h1")
    with pytest.raises(LabError, match="bridge br-int"):
        lab.vm("vm").plug(host, timeout=0.1)


def test_a_capture_has_every_byte(pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    odd = bytes.fromhex(bob.mac.replace(":", "") + alice.mac.replace(":", "")) + b"\x88\xb5" + b"daybreak" * 8
    with bob.capture() as capture:
        alice.send(odd)
        assert capture.wait_for(lambda frame: frame[12:14] == b"\x88\xb5") == odd


def test_a_machine_moves_with_its_card(lab: Lab, hosts: list[Hypervisor], pair: tuple[Machine, Machine]) -> None:
    alice, bob = pair
    bob.move(hosts[0])
    assert bob.tap not in hosts[1].ovs_vsctl("list-ports", "br-int")
    for machine, other in ((alice, bob), (bob, alice)):
        port, out = (hosts[0].ovs_vsctl("get", "Interface", each.tap, "ofport") for each in (machine, other))
        hosts[0].ovs_ofctl("add-flow", "br-int", f"in_port={port},actions={out}")
    assert alice.ping(bob, timeout=10).ok


def test_provider_networks_carry_vlans(lab: Lab) -> None:
    physical = lab.physical_network("physnet1")
    host = lab.hypervisor("h1", providers={"br-ex": physical}, other_config={"provider_mappings": "physnet1:br-ex"})
    router = lab.vm("router", ips=["192.0.2.1/24"])
    stranger = lab.vm("stranger", ips=["192.0.2.3/24"])
    router.attach(physical, vlan=101)
    stranger.attach(physical, vlan=102)
    vm = lab.vm("vm", ips=["192.0.2.2/24"])
    vm.plug(host, bridge="br-ex")
    host.ovs_vsctl("set", "Port", vm.tap, "tag=101")
    assert vm.ping(router, timeout=10).ok
    assert not vm.ping(stranger, count=1, timeout=0.3).ok
    assert host.ovs_vsctl("get", "Open_vSwitch", ".", "other_config:provider_mappings") == '"physnet1:br-ex"'


def test_what_cannot_be_done_is_said(lab: Lab) -> None:
    vm = lab.vm("vm", ips=["10.0.0.1/24"])
    with pytest.raises(LabError, match="isn't plugged in"):
        vm.unplug()
    with pytest.raises(LabError, match="neither a machine nor an address"):
        vm.ping("vm2")
    with pytest.raises(LabError, match="prefix length"):
        lab.vm("vm2", ips=["10.0.0.2"])
    with pytest.raises(LabError, match="has vm already"):
        lab.vm("vm")
    with pytest.raises(LabError, match="no address of its own"):
        vm.ping(lab.vm("vm3"))
    assert vm.ping("10.0.0.2", count=1).errors == {"Network is unreachable"}


def test_hypervisors_may_be_made_at_the_same_time(lab: Lab) -> None:
    with ThreadPoolExecutor() as threads:
        hosts = list(threads.map(lab.hypervisor, ["h1", "h2", "h3"]))
    assert len({host.underlay_address for host in hosts}) == 3
    for other in hosts[1:]:
        assert Ping(hosts[0].namespace, str(other.underlay_address), count=1, grace=10).start().wait().ok
