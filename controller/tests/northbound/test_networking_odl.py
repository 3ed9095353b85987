"""networking-odl against the controller: every kind of resource, lost stores, lost answers."""

from collections import Counter
from typing import Any

import pytest

from daybreak.model import (
    INTENTS,
    ExternalGateway,
    FixedIp,
    FloatingIp,
    L2GatewayConnection,
    Network,
    Port,
    QosPolicy,
    Router,
    SecurityGroupRule,
    Subnet,
    Transaction,
    Trunk,
)
from daybreak.northbound.neutron.catalogue import RESOURCES

from .networking_odl import CANARY, SYNC_ORDER, Driver, Row

TENANT = "9bacb3c5d39d41a79512987f338cf177"
COMMON = {
    "tenant_id": TENANT,
    "project_id": TENANT,
    "description": "",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "tags": [],
    "revision_number": 1,
}


def key(kind: str, number: int = 1) -> str:
    return f"{SYNC_ORDER.index(kind):02x}000000-0000-4000-8000-{number:012d}"


NET, EXTERNAL, SUBNET, VM, GATEWAY, CHILD = (
    key("network"),
    key("network", 2),
    key("subnet"),
    key("port"),
    key("port", 2),
    key("port", 3),
)


def of(kind: str, number: int = 1, **more: Any) -> tuple[str, dict[str, Any]]:
    return kind, COMMON | {"id": key(kind, number), "name": f"{kind} {number}"} | more


def port(number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    usual = {
        "network_id": NET,
        "mac_address": f"fa:16:3e:00:00:{number:02x}",
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": f"vm{number}",
        "device_owner": "compute:nova",
        "fixed_ips": [{"subnet_id": SUBNET, "ip_address": f"10.0.0.{number}"}],
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "security_groups": [key("security_group")],
        "binding:host_id": "h1",
        "binding:vnic_type": "normal",
        "binding:profile": {},
        "binding:vif_type": "ovs",
        "binding:vif_details": {"port_filter": True, "connectivity": "l2"},
        "port_security_enabled": True,
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        "dns_name": None,
        "resource_request": None,
    }
    return of("port", number, **(usual | more))


def rule(number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    usual = dict.fromkeys(
        ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id", "normalized_cidr")
    )
    group = {"security_group_id": key("security_group"), "direction": "egress", "ethertype": "IPv4"}
    return of("security_group_rule", number, **(usual | group | more))


def net(number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    usual = {
        "admin_state_up": True,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "router:external": False,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": 100 + number,
        "mtu": 1450,
        "vlan_transparent": None,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "port_security_enabled": True,
        "qos_policy_id": None,
        "l2_adjacency": True,
    }
    return of("network", number, **(usual | more))


# In the order in which a user makes them.
CLOUD = [
    of("security_group", security_group_rules=[{"id": key("security_group_rule")}], stateful=True, shared=False),
    rule(1),
    rule(2, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="0.0.0.0/0"),
    rule(3, direction="ingress", protocol="ipv6-icmp", ethertype="IPv6"),
    rule(4, direction="ingress", protocol="sctp", remote_group_id=key("security_group")),
    of(
        "policy",
        shared=False,
        is_default=False,
        rules=[
            {"type": "bandwidth_limit", "id": key("policy", 7), "max_kbps": 1000, "max_burst_kbps": 800},
            {"type": "dscp_marking", "id": key("policy", 8), "dscp_mark": 26},
        ],
    ),
    net(1),
    net(2, **{"router:external": True, "provider:network_type": "flat", "provider:physical_network": "physnet1"}),
    of(
        "subnet",
        network_id=NET,
        ip_version=4,
        cidr="10.0.0.0/24",
        gateway_ip="10.0.0.254",
        enable_dhcp=True,
        dns_nameservers=[],
        host_routes=[],
        allocation_pools=[{"start": "10.0.0.1", "end": "10.0.0.253"}],
        ipv6_address_mode=None,
        ipv6_ra_mode=None,
        subnetpool_id=None,
        segment_id=None,
        service_types=[],
    ),
    of(
        "router",
        admin_state_up=True,
        status="ACTIVE",
        distributed=False,
        ha=False,
        gw_port_id=GATEWAY,
        routes=[],
        availability_zone_hints=[],
        flavor_id=None,
        external_gateway_info={
            "network_id": EXTERNAL,
            "enable_snat": True,
            "external_fixed_ips": [{"subnet_id": key("subnet", 2), "ip_address": "203.0.113.2"}],
        },
    ),
    port(1),
    port(
        2,
        network_id=EXTERNAL,
        tenant_id="",
        project_id="",
        device_owner="network:router_gateway",
        device_id=key("router"),
        security_groups=[],
        port_security_enabled=None,
    ),
    port(3),
    of(
        "floatingip",
        floating_network_id=EXTERNAL,
        floating_ip_address="203.0.113.9",
        port_id=VM,
        fixed_ip_address="10.0.0.1",
        router_id=key("router"),
        status="ACTIVE",
        dns_domain="",
    ),
    of(
        "trunk",
        port_id=VM,
        admin_state_up=True,
        status="ACTIVE",
        sub_ports=[{"port_id": CHILD, "segmentation_type": "vlan", "segmentation_id": 101}],
    ),
    of("bgpvpn", type="l3", route_targets=["64512:1"], import_targets=[], export_targets=[], networks=[], routers=[]),
    of("flowclassifier", protocol="tcp", ethertype="IPv4", source_ip_prefix=None, l7_parameters={}),
    of("portpair", ingress=VM, egress=CHILD, service_function_parameters={"correlation": None, "weight": 1}),
    of("portpairgroup", port_pairs=[key("portpair")], port_pair_group_parameters={"lb_fields": []}),
    of("portchain", port_pair_groups=[key("portpairgroup")], flow_classifiers=[key("flowclassifier")], chain_id=1),
    of("l2_gateway", devices=[{"device_name": "tor1", "interfaces": [{"name": "eth1", "segmentation_id": [7]}]}]),
    of("l2gateway_connection", l2_gateway_id=key("l2_gateway"), network_id=NET, segmentation_id=7),
]
NOT_EDITABLE = {"l2gateway_connection"}


@pytest.fixture
def driver(served: Any) -> Driver:
    return Driver(served.client)


async def make(driver: Driver) -> None:
    for kind, body in CLOUD:
        driver.create(kind, dict(body))
    await driver.drain()


def count(served: Any) -> int:
    """How many objects of clouds the controller has."""
    return sum(len(served.store.rows(kind)) for kind in INTENTS)


async def shown(driver: Driver, kind: str, number: int = 1) -> Any:
    """What the controller answers for an object."""
    resource = next(each for each in RESOURCES if each.singular == kind)
    answer = await driver.client.get(f"/{resource.path}/{key(kind, number)}")
    return answer.json()[kind] if answer.status_code == 200 else answer.status_code


def test_the_cloud_has_every_kind() -> None:
    assert {kind for kind, _ in CLOUD} == set(SYNC_ORDER)


async def test_a_cloud_is_made_changed_and_deleted(driver: Driver, served: Any) -> None:
    await make(driver)
    assert {(verb, status) for verb, _, status in driver.log} == {("POST", 201)}
    assert count(served) == len(CLOUD)

    driver.log.clear()
    for kind, body in CLOUD:
        if kind not in NOT_EDITABLE:
            driver.update(kind, body["id"], name=f"new {kind}", revision_number=2)
    await driver.drain()
    assert {(verb, status) for verb, _, status in driver.log} == {("PUT", 200)}
    for kind in SYNC_ORDER:
        object_ = await shown(driver, kind)
        assert object_["id"] == key(kind)
        if "name" in object_:
            assert object_["name"] == (f"{kind} 1" if kind in NOT_EDITABLE else f"new {kind}")

    driver.log.clear()
    for kind, body in reversed(CLOUD):
        driver.delete(kind, body["id"])
    await driver.drain()
    assert {(verb, status) for verb, _, status in driver.log} == {("DELETE", 204)}
    assert count(served) == 0


async def test_what_was_meant_is_what_the_model_says(driver: Driver, served: Any) -> None:
    await make(driver)
    get = served.store.get
    assert get(Network, NET).segmentation_id == "101"
    assert get(Network, EXTERNAL).external
    assert get(Subnet, SUBNET).cidr == "10.0.0.0/24"
    vm = get(Port, VM)
    assert (vm.host_id, vm.security_groups, vm.profile) == ("h1", (key("security_group"),), "{}")
    assert vm.fixed_ips == (FixedIp("10.0.0.1", SUBNET),)
    assert get(Port, GATEWAY).tenant_id is None
    gateway = ExternalGateway(EXTERNAL, True, (FixedIp("203.0.113.2", key("subnet", 2)),))
    assert get(Router, key("router")).external_gateway_info == gateway
    protocols = [get(SecurityGroupRule, key("security_group_rule", number)).protocol for number in (1, 2, 3, 4)]
    assert protocols == [None, "tcp", "icmpv6", "132"]
    policy = get(QosPolicy, key("policy"))
    assert [each.max_kbps for each in policy.bandwidth_limit_rules] == [1000]
    assert [each.dscp_mark for each in policy.dscp_marking_rules] == [26]
    assert get(Trunk, key("trunk")).sub_ports[0].segmentation_id == 101
    assert get(L2GatewayConnection, key("l2gateway_connection")).gateway_id == key("l2_gateway")


async def test_updates_keep_what_networking_odl_leaves_out(driver: Driver, served: Any) -> None:
    await make(driver)
    for kind in ("network", "subnet", "port", "router"):
        driver.update(kind, key(kind), admin_state_up=False, enable_dhcp=False)
    await driver.drain()
    for kind, record in (("network", Network), ("subnet", Subnet), ("port", Port), ("router", Router)):
        assert served.store.get(record, key(kind)).tenant_id == TENANT
    subnet = served.store.get(Subnet, SUBNET)
    assert (subnet.network_id, subnet.ip_version, subnet.cidr) == (NET, 4, "10.0.0.0/24")
    assert served.store.get(Port, VM).network_id == NET


async def test_a_floating_ip_is_taken_from_its_port(driver: Driver, served: Any) -> None:
    await make(driver)
    driver.update("floatingip", key("floatingip"), port_id=None, fixed_ip_address=None, router_id=None)
    await driver.drain()
    floating = served.store.get(FloatingIp, key("floatingip"))
    assert (floating.port_id, floating.fixed_ip_address, floating.router_id) == (None, None, None)
    assert floating.floating_ip_address == "203.0.113.9"


async def test_bgpvpn_associations_come_with_an_update_of_the_vpn(driver: Driver) -> None:
    await make(driver)
    driver.update("bgpvpn", key("bgpvpn"), networks=[NET], routers=[key("router")])
    await driver.drain()
    vpn = await shown(driver, "bgpvpn")
    assert (vpn["networks"], vpn["routers"]) == ([NET], [key("router")])


async def test_an_empty_controller_is_filled_once(driver: Driver, served: Any) -> None:
    for kind, body in CLOUD:
        driver.objects[kind, body["id"]] = dict(body)
    assert await driver.full_sync()
    await driver.drain()
    assert driver.failed == []
    assert count(served) == len(CLOUD) + 1
    assert served.store.get(Network, CANARY).name == "Sync Canary Network"
    assert not await driver.full_sync()
    assert driver.journal == []


async def test_a_controller_that_lost_its_store_is_filled_again(driver: Driver, served: Any) -> None:
    await make(driver)
    assert await driver.full_sync()
    await driver.drain()
    # All of it was there already but the canary: looked up, it is found to be so.
    assert len(driver.failed) == len(CLOUD)
    await driver.recover()
    assert (driver.failed, driver.journal) == ([], [])

    lost = tuple((kind, key) for kind in INTENTS for key in served.store.rows(kind))
    await served.store.commit(Transaction(delete=lost))
    assert await driver.full_sync()
    await driver.drain()
    assert driver.failed == []
    assert count(served) == len(CLOUD) + 1


async def test_answers_that_were_lost_heal(driver: Driver, served: Any) -> None:
    """Each change was carried out, but its answer did not arrive: it is sent again, fails, and is looked up."""
    await make(driver)
    gone = key("l2gateway_connection")
    driver.delete("l2gateway_connection", gone)
    await driver.drain()
    driver.log.clear()

    driver.journal += [
        Row("create", "port", VM, dict(driver.objects["port", VM])),
        Row("delete", "l2gateway_connection", gone),
    ]
    await driver.drain()
    assert Counter(driver.log) == {
        ("POST", "/ports", 409): 6,
        ("DELETE", f"/l2gateway-connections/{gone}", 404): 6,
    }
    await driver.recover()
    assert (driver.failed, driver.journal) == ([], [])
    assert count(served) == len(CLOUD) - 1


async def test_an_update_of_what_the_controller_lost_makes_it_anew(driver: Driver, served: Any) -> None:
    await make(driver)
    await served.store.commit(Transaction(delete=((Router, key("router")),)))
    driver.update("router", key("router"), name="again")
    await driver.drain()
    assert len(driver.failed) == 1
    await driver.recover()
    await driver.drain()
    assert served.store.get(Router, key("router")).name == "again"


async def test_updates_that_overtake_each_other_leave_the_newest(driver: Driver, served: Any) -> None:
    await make(driver)
    driver.update("network", NET, name="third", revision_number=3)
    driver.update("network", NET, name="second", revision_number=2)
    await driver.drain()
    assert driver.failed == []
    assert served.store.get(Network, NET).name == "third"


async def test_the_order_of_a_full_sync_does_not_matter(driver: Driver, served: Any) -> None:
    """Ports come before the QoS policies that they name, routers before their gateway port: there is no 442."""
    for kind, body in CLOUD:
        driver.objects[kind, body["id"]] = body | ({"qos_policy_id": key("policy")} if kind == "port" else {})
    await driver.full_sync()
    driver.journal.reverse()
    await driver.drain()
    assert {status for verb, _, status in driver.log if verb == "POST"} == {201}
    assert served.store.get(Port, VM).qos_policy_id == key("policy")
