"""Provider networks, by a patch to the operator's bridge, whose flows are nobody else's business."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Hypervisor, Lab, PhysicalNetwork

from .cloud import Cloud, all_reach, assert_unreachable

pytestmark = pytest.mark.ovs


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """h1 and h2 have a bridge br-ex to a physical network that Neutron calls physnet1; h3 has none."""
    with Lab() as lab, Cloud(lab, tmp_path_factory.mktemp("cloud")) as cloud:
        physical = lab.physical_network("physnet1")
        for name in ("h1", "h2"):
            cloud.host(name, providers={"br-ex": physical}, other_config={"provider_mappings": "physnet1:br-ex"})
        cloud.host("h3")
        yield cloud


@pytest.fixture
def physical(cloud: Cloud) -> PhysicalNetwork:
    return cloud.lab.physical_networks["physnet1"]


def foreign(host: Hypervisor) -> list[str]:
    """The operator's own flows on the physical bridge."""
    dump = host.ovs_ofctl("--no-stats", "dump-flows", "br-ex")
    return sorted(line.strip() for line in dump.splitlines())


@pytest.mark.parametrize("vlan", [None, 100], ids=["flat", "vlan"])
def test_physical_network(cloud: Cloud, hosts: list[Hypervisor], physical: PhysicalNetwork, vlan: int | None) -> None:
    """VMs and a machine on the physical network reach each other; those of another VLAN and of an overlay don't."""
    h1, h2, _ = hosts
    for host in (h1, h2):
        host.ovs_ofctl("add-flow", "br-ex", "cookie=0xbeef,priority=7,actions=NORMAL")
    before = [foreign(host) for host in (h1, h2)]

    segment = {"provider:segmentation_id": str(vlan)} if vlan else {}
    cloud.network("outside", "vlan" if vlan else "flat", **{"provider:physical_network": "physnet1"}, **segment)
    cloud.network("other", "vlan", **{"provider:physical_network": "physnet1", "provider:segmentation_id": "200"})
    cloud.network("overlay")
    router = cloud.machine("router", "10.0.0.254/24", "fd00::fe/64", mtu=1500)
    router.attach(physical, vlan)
    a = cloud.vm("a", "outside", h1, "10.0.0.1/24", "fd00::1/64", mtu=1500)
    b = cloud.vm("b", "outside", h2, "10.0.0.2/24", "fd00::2/64", mtu=1500)
    near = cloud.vm("near", "outside", h1, "10.0.0.3/24", "fd00::3/64", mtu=1500)
    strangers = [cloud.vm("other", "other", h1, "10.0.0.4/24"), cloud.vm("overlay", "overlay", h2, "10.0.0.5/24")]

    all_reach([router, a, b, near])
    assert a.ping(router, size=1500 - 28).ok
    for stranger in strangers:
        assert_unreachable(stranger, router)
        assert_unreachable(stranger, a)
        assert_unreachable(router, stranger)
    assert [foreign(host) for host in (h1, h2)] == before
    assert {"br-ex", "br-int", "br-phy"} == set(h1.ovs_vsctl("list-br").split())


def test_vlans_side_by_side(cloud: Cloud, hosts: list[Hypervisor], physical: PhysicalNetwork) -> None:
    """The same addresses in two VLANs; each meets its own router."""
    for vlan in (100, 200):
        segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": str(vlan)}
        cloud.network(f"vlan-{vlan}", "vlan", **segment)
        router = cloud.machine(f"router-{vlan}", "10.0.0.254/24")
        router.attach(physical, vlan)
        vm = cloud.vm(f"vm-{vlan}", f"vlan-{vlan}", hosts[0], "10.0.0.1/24")
        all_reach([router, vm])
        assert vm.arping("10.0.0.254") == router.mac


def test_mapping_comes_later(cloud: Cloud, hosts: list[Hypervisor], physical: PhysicalNetwork) -> None:
    """A host without a bridge for it serves its own VMs; with a bridge, it serves them all."""
    h3 = hosts[2]
    cloud.network("outside", "flat", **{"provider:physical_network": "physnet1"})
    router = cloud.machine("router", "10.0.0.254/24")
    router.attach(physical)
    a, b = cloud.vm("a", "outside", h3, "10.0.0.1/24"), cloud.vm("b", "outside", h3, "10.0.0.2/24")
    all_reach([a, b])
    assert_unreachable(a, router)
    h3.connect_provider(physical)
    h3.ovs_vsctl("set", "Open_vSwitch", ".", "other_config:provider_mappings=physnet1:br-ex")
    all_reach([a, b, router])
