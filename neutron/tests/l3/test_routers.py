"""Routers, floating IPs and what goes through them: what Neutron says is what the controller has."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from daybreak_lab import Hypervisor, wait_for
from daybreak_lab.openstack import ADMIN, Client, member

from ..cloud import OTHER_ROUTERS, Cloud, Controller
from ..services.ways import arrives, object_of, vanishes
from .ways import flavor_of, inside, interface, paused, recorded


class Outside(NamedTuple):
    """External networks, each with a subnet of IPv4."""

    first: str
    second: str


@pytest.fixture(scope="module")
def outside(cloud: Cloud) -> Iterator[Outside]:
    admin = cloud.client(ADMIN)
    networks = []
    for number in (1, 2):
        network = admin.create("networks", name=f"outside{number}", **{"router:external": True})["id"]
        admin.create("subnets", network_id=network, ip_version=4, cidr=f"203.0.{number}.0/24", enable_dhcp=False)
        networks.append(network)
    yield Outside(*networks)
    for network in networks:
        admin.delete("networks", network)


@pytest.fixture
def tenant(cloud: Cloud) -> Client:
    return cloud.client(member("l3"))


def same_revision(client: Client, controller: Controller, collection: str, kind: str, id: str) -> dict[str, Any]:
    """Wait until the controller has an object as it is in Neutron now: what is not recorded is found out so."""
    return arrives(controller, kind, id, revision_number=client.get(collection, id)["revision_number"])


def test_a_router_from_its_creation_to_its_end(tenant: Client, controller: Controller, outside: Outside) -> None:
    router = tenant.create("routers", name="r", external_gateway_info={"network_id": outside.first})["id"]
    shown = tenant.get("routers", router)
    gateway = {
        "network_id": outside.first,
        "enable_snat": True,
        "external_fixed_ips": shown["external_gateway_info"]["external_fixed_ips"],
    }
    there = arrives(controller, "routers", router, name="r", external_gateway_info=gateway)
    assert there["external_gateways"] == [gateway]
    assert object_of(controller, "ports", there["gw_port_id"])["device_id"] == router
    same_revision(tenant, controller, "routers", "routers", router)

    # An interface comes by its port, in whatever order the two arrive; it counts up the router's revision.
    a, b = inside(tenant, "10.1.0.0/24"), inside(tenant, "10.2.0.0/24")
    by_subnet = interface(tenant, "add", router, subnet_id=a.subnet)["port_id"]
    own = tenant.create("ports", network_id=b.network, fixed_ips=[{"ip_address": "10.2.0.9"}])["id"]
    interface(tenant, "add", router, port_id=own)
    for port in (by_subnet, own):
        arrives(controller, "ports", port, device_id=router, device_owner="network:router_interface")
    same_revision(tenant, controller, "routers", "routers", router)

    routes = [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.7"}]
    tenant.update("routers", router, routes=routes, description="only Neutron keeps it, but it is another revision")
    arrives(controller, "routers", router, routes=routes)
    same_revision(tenant, controller, "routers", "routers", router)
    tenant.call("PUT", f"routers/{router}/tags/edge")
    arrives(controller, "routers", router, tags=["edge"])

    tenant.update("routers", router, admin_state_up=False, routes=[])
    arrives(controller, "routers", router, admin_state_up=False, routes=[])
    tenant.update("routers", router, external_gateway_info=None)
    arrives(controller, "routers", router, external_gateway_info=None, gw_port_id=None, external_gateways=[])

    # Taken apart in the order that users choose: interfaces by subnet and by port, then the router.
    interface(tenant, "remove", router, subnet_id=a.subnet)
    interface(tenant, "remove", router, port_id=own)
    for port in (by_subnet, own):
        vanishes(controller, "ports", port)
    same_revision(tenant, controller, "routers", "routers", router)
    tenant.delete("routers", router)
    vanishes(controller, "routers", router)
    for each in (a, b):
        tenant.delete("ports", each.port)
        tenant.delete("networks", each.network)


def test_addresses_of_a_gateway_that_change(cloud: Cloud, controller: Controller) -> None:
    """Neutron updates the gateway's port, and neither writes a row of the router's nor counts its revision up."""
    admin = cloud.client(ADMIN)
    network = admin.create("networks", **{"router:external": True})["id"]
    subnet = admin.create("subnets", network_id=network, ip_version=4, cidr="203.0.113.0/24")["id"]

    def gateway(address: str) -> dict[str, Any]:
        addresses = [{"subnet_id": subnet, "ip_address": address}]
        return {"network_id": network, "enable_snat": True, "external_fixed_ips": addresses}

    router = admin.create("routers", external_gateway_info=gateway("203.0.113.10"))["id"]
    there = arrives(controller, "routers", router, external_gateway_info=gateway("203.0.113.10"))
    revision = same_revision(admin, controller, "routers", "routers", router)["revision_number"]

    admin.update("routers", router, external_gateway_info=gateway("203.0.113.77"))
    arrives(controller, "routers", router, external_gateway_info=gateway("203.0.113.77"))
    now = gateway("203.0.113.88")
    own = now["external_fixed_ips"]
    admin.update("ports", there["gw_port_id"], fixed_ips=own)
    arrives(controller, "routers", router, external_gateway_info=now, external_gateways=[now])

    # Gateways take an address of each family that their network gets.
    six = admin.create("subnets", network_id=network, ip_version=6, cidr="2001:db8:113::/64")["id"]
    (added,) = (
        each
        for each in admin.get("routers", router)["external_gateway_info"]["external_fixed_ips"]
        if each["subnet_id"] == six
    )
    both = sorted([*own, added], key=lambda each: (each["subnet_id"], each["ip_address"]))
    arrives(controller, "routers", router, external_gateway_info=now | {"external_fixed_ips": both})
    admin.update("ports", there["gw_port_id"], fixed_ips=own)
    arrives(controller, "routers", router, external_gateway_info=now)
    assert admin.get("routers", router)["revision_number"] == revision  # which is why the rest is to be seen
    admin.delete("routers", router)
    admin.delete("networks", network)


def test_several_gateways(cloud: Cloud, controller: Controller, outside: Outside) -> None:
    """What Neutron's own plugin `router` lacks."""
    admin = cloud.client(ADMIN)
    router = admin.create("routers", name="edge", enable_default_route_ecmp=True, enable_default_route_bfd=True)["id"]
    gateways = {"router": {"external_gateways": [{"network_id": outside.first}, {"network_id": outside.second}]}}
    admin.call("PUT", f"routers/{router}/add_external_gateways", gateways)
    there = same_revision(admin, controller, "routers", "routers", router)
    assert (there["enable_default_route_ecmp"], there["enable_default_route_bfd"]) == (True, True)
    assert [each["network_id"] for each in there["external_gateways"]] == list(outside)
    assert there["external_gateway_info"] == there["external_gateways"][0]

    gone = {"router": {"external_gateways": [{"network_id": outside.first}]}}
    admin.call("PUT", f"routers/{router}/remove_external_gateways", gone)
    (left,) = admin.get("routers", router)["external_gateways"]
    assert left["network_id"] == outside.second
    there = same_revision(admin, controller, "routers", "routers", router)
    assert [each["network_id"] for each in there["external_gateways"]] == [outside.second]
    admin.delete("routers", router)
    vanishes(controller, "routers", router)


def test_another_backend_beside_our_plugin(cloud: Cloud, controller: Controller, outside: Outside) -> None:
    """What has the flavor of another provider is that provider's; what has none is Daybreak's."""
    admin = cloud.client(ADMIN)
    flavor = flavor_of(admin, OTHER_ROUTERS, "agents")
    part = inside(admin, "10.6.0.0/24")
    with paused(cloud):
        router = admin.create("routers", flavor_id=flavor, external_gateway_info={"network_id": outside.first})["id"]
        interface(admin, "add", router, subnet_id=part.subnet)
        floating = admin.create("floatingips", floating_network_id=outside.first, port_id=part.port)["id"]
        assert admin.get("floatingips", floating)["router_id"] == router
        ours = admin.create("routers")["id"]
        assert recorded(cloud, router, floating, ours) == {ours}
    arrives(controller, "routers", ours)
    assert object_of(controller, "routers", router) is None
    admin.delete("floatingips", floating)
    interface(admin, "remove", router, subnet_id=part.subnet)
    for each in (router, ours):
        admin.delete("routers", each)
    admin.delete("ports", part.port)
    admin.delete("networks", part.network)


@pytest.mark.ovs
def test_availability_zones(tenant: Client, admin: Client, hosts: dict[str, Hypervisor]) -> None:
    """A router may have the hint of a zone that a host says it is in, and of no other."""
    hosts["h1"].ovs.vsctl("set", "Open_vSwitch", ".", "external_ids:availability-zone=east")
    wait_for("Neutron knows", lambda: "east" in [each["availability_zone"] for each in admin.list("agents", host="h1")])
    router = tenant.create("routers", availability_zone_hints=["east"])
    assert router["availability_zone_hints"] == ["east"]
    status, answer = tenant.request("POST", "routers", {"router": {"availability_zone_hints": ["nowhere"]}})
    assert status == 404, answer
    assert "nowhere" in str(answer)
    tenant.delete("routers", router["id"])


def test_a_subnet_that_is_not_for_gateways(admin: Client) -> None:
    """One for floating IPs alone leaves the gateways of routers as they are, one for everything does not."""
    network = admin.create("networks", name="six", **{"router:external": True})["id"]
    six = admin.create("subnets", network_id=network, ip_version=6, cidr="2001:db8:6::/64", enable_dhcp=False)["id"]
    router = admin.create("routers", external_gateway_info={"network_id": network})["id"]

    def subnets() -> list[str]:
        info = admin.get("routers", router)["external_gateway_info"]
        return [each["subnet_id"] for each in info["external_fixed_ips"]]

    four = {"network_id": network, "ip_version": 4, "enable_dhcp": False}
    admin.create("subnets", cidr="203.0.8.0/24", service_types=["network:floatingip"], **four)
    assert subnets() == [six]
    plain = admin.create("subnets", cidr="203.0.9.0/24", **four)["id"]
    assert {*subnets()} == {six, plain}
    admin.delete("routers", router)
    admin.delete("networks", network)


def test_gateways_and_floating_ips_with_qos(cloud: Cloud, controller: Controller, outside: Outside) -> None:
    admin = cloud.client(ADMIN)
    policy = admin.create("qos/policies", name="slow")["id"]
    info = {"network_id": outside.first, "enable_snat": False, "qos_policy_id": policy}
    router = admin.create("routers", external_gateway_info=info)["id"]
    there = same_revision(admin, controller, "routers", "routers", router)
    assert (there["external_gateway_info"]["qos_policy_id"], there["external_gateway_info"]["enable_snat"]) == (
        policy,
        False,
    )
    floating = admin.create("floatingips", floating_network_id=outside.first, qos_policy_id=policy)["id"]
    arrives(controller, "floating-ips", floating, qos_policy_id=policy)
    admin.update("floatingips", floating, qos_policy_id=None)
    arrives(controller, "floating-ips", floating, qos_policy_id=None)
    same_revision(admin, controller, "floatingips", "floating-ips", floating)
    admin.update("routers", router, external_gateway_info=info | {"qos_policy_id": None})
    there = same_revision(admin, controller, "routers", "routers", router)
    assert "qos_policy_id" not in there["external_gateway_info"]
    admin.delete("floatingips", floating)
    vanishes(controller, "floating-ips", floating)
    admin.delete("routers", router)
    admin.delete("qos/policies", policy)
    vanishes(controller, "qos-policies", policy)


def test_a_floating_ip_that_moves_and_lets_go(tenant: Client, controller: Controller, outside: Outside) -> None:
    """networking-odl's L3 flavor driver sent the floating IP as it was before a change, a disassociation not at all,
    and one without a port never."""
    router = tenant.create("routers", external_gateway_info={"network_id": outside.first})["id"]
    a, b = inside(tenant, "10.3.0.0/24"), inside(tenant, "10.4.0.0/24")
    for each in (a, b):
        interface(tenant, "add", router, subnet_id=each.subnet)

    floating = tenant.create("floatingips", floating_network_id=outside.first)
    id, address = floating["id"], floating["floating_ip_address"]
    arrives(controller, "floating-ips", id, floating_ip_address=address, port_id=None, router_id=None)
    for each in (a, b):
        tenant.update("floatingips", id, port_id=each.port)
        arrives(controller, "floating-ips", id, port_id=each.port, fixed_ip_address=each.address, router_id=router)
    tenant.update("floatingips", id, port_id=None)
    arrives(controller, "floating-ips", id, port_id=None, fixed_ip_address=None, router_id=None)

    # Whoever deletes a port disassociates all of its floating IPs at once, by a statement that no row tells of.
    tenant.update("floatingips", id, port_id=b.port)
    arrives(controller, "floating-ips", id, port_id=b.port)
    tenant.delete("ports", b.port)
    arrives(controller, "floating-ips", id, port_id=None, router_id=None)
    same_revision(tenant, controller, "floatingips", "floating-ips", id)

    # It is shown as working only when the controller says that it acts on floating IPs.
    tenant.update("floatingips", id, port_id=a.port)
    arrives(controller, "floating-ips", id, port_id=a.port)
    _, document = controller.request("GET", "/v1/openapi.json")
    acts = document["x-daybreak-kinds"]["floating_ip"]["in_effect"]
    tenant.wait_for_status("floatingips", id, "ACTIVE" if acts else "DOWN")

    tenant.delete("floatingips", id)
    vanishes(controller, "floating-ips", id)
    for each in (a, b):
        interface(tenant, "remove", router, subnet_id=each.subnet)
    tenant.delete("routers", router)
    tenant.delete("ports", a.port)
    for each in (a, b):
        tenant.delete("networks", each.network)


def test_port_forwardings_and_helpers(tenant: Client, controller: Controller, outside: Outside) -> None:
    router = tenant.create("routers", external_gateway_info={"network_id": outside.first})["id"]
    a = inside(tenant, "10.5.0.0/24")
    interface(tenant, "add", router, subnet_id=a.subnet)
    floating = tenant.create("floatingips", floating_network_id=outside.first)["id"]
    collection = f"floatingips/{floating}/port_forwardings"
    forwarding = tenant.create(
        collection,
        protocol="tcp",
        external_port_range="8000:8003",
        internal_port_range="80:83",
        internal_port_id=a.port,
        internal_ip_address=a.address,
    )["id"]
    arrives(
        controller,
        "port-forwardings",
        forwarding,
        floating_ip_id=floating,
        protocol="tcp",
        external_port_min=8000,
        external_port_max=8003,
        internal_port_id=a.port,
        internal_ip_address=a.address,
        internal_port_min=80,
        internal_port_max=83,
    )
    arrives(controller, "floating-ips", floating, router_id=router)
    same_revision(tenant, controller, "floatingips", "floating-ips", floating)
    same_revision(tenant, controller, "ports", "ports", a.port)
    tenant.update(collection, forwarding, external_port_range="9000:9003")
    arrives(controller, "port-forwardings", forwarding, external_port_min=9000)
    other = tenant.create(
        collection,
        protocol="udp",
        external_port=53,
        internal_port=53,
        internal_port_id=a.port,
        internal_ip_address=a.address,
    )["id"]
    arrives(controller, "port-forwardings", other, external_port_min=53, external_port_max=53)
    tenant.delete(collection, forwarding)
    vanishes(controller, "port-forwardings", forwarding)

    helper = tenant.create(f"routers/{router}/conntrack_helpers", protocol="tcp", port=21, helper="ftp")["id"]
    arrives(
        controller,
        "routers",
        router,
        conntrack_helpers=[{"protocol": "tcp", "port": 21, "helper": "ftp", "id": helper}],
    )
    tenant.delete(f"routers/{router}/conntrack_helpers", helper)
    arrives(controller, "routers", router, conntrack_helpers=[])
    same_revision(tenant, controller, "routers", "routers", router)

    # A port takes the forwardings to it along.
    tenant.delete("ports", a.port)
    vanishes(controller, "port-forwardings", other)
    same_revision(tenant, controller, "floatingips", "floating-ips", floating)
    tenant.delete("floatingips", floating)
    vanishes(controller, "floating-ips", floating)
    interface(tenant, "remove", router, subnet_id=a.subnet)
    tenant.delete("routers", router)
    tenant.delete("networks", a.network)


def test_ndp_proxies(cloud: Cloud, controller: Controller) -> None:
    admin = cloud.client(ADMIN)
    scope = admin.create("address-scopes", name="v6", ip_version=6, shared=True)["id"]
    pool = admin.create(
        "subnetpools", name="v6", prefixes=["2001:db8::/48"], default_prefixlen=64, address_scope_id=scope, shared=True
    )["id"]
    outer = admin.create("networks", name="v6-outside", **{"router:external": True})["id"]
    admin.create("subnets", network_id=outer, ip_version=6, subnetpool_id=pool)
    inner = admin.create("networks", name="v6-inside")["id"]
    subnet = admin.create(
        "subnets",
        network_id=inner,
        ip_version=6,
        subnetpool_id=pool,
        ipv6_address_mode="dhcpv6-stateful",
        ipv6_ra_mode="dhcpv6-stateful",
    )["id"]
    port = admin.create("ports", network_id=inner)
    router = admin.create("routers", external_gateway_info={"network_id": outer}, enable_ndp_proxy=True)["id"]
    arrives(controller, "routers", router, enable_ndp_proxy=True)
    interface(admin, "add", router, subnet_id=subnet)
    proxy = admin.create("ndp-proxies", router_id=router, port_id=port["id"], name="p")["id"]
    address = port["fixed_ips"][0]["ip_address"]
    arrives(controller, "ndp-proxies", proxy, router_id=router, port_id=port["id"], ip_address=address, name="p")
    admin.delete("ndp-proxies", proxy)
    vanishes(controller, "ndp-proxies", proxy)
    admin.update("routers", router, enable_ndp_proxy=False)
    arrives(controller, "routers", router, enable_ndp_proxy=False)
    same_revision(admin, controller, "routers", "routers", router)
    interface(admin, "remove", router, subnet_id=subnet)
    admin.delete("routers", router)
    admin.delete("ports", port["id"])
    for network in (inner, outer):
        admin.delete("networks", network)
    admin.delete("subnetpools", pool)
    admin.delete("address-scopes", scope)
