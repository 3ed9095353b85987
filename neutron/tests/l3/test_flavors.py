"""Several L3 backends in one cloud: Daybreak's routers are on the controller, the others' never get there."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Lab
from daybreak_lab.openstack import ADMIN, Client, PostgreSQL, Settings

from ..cloud import DRIVEN, OTHER_ROUTERS, Cloud, Schema
from ..services.ways import arrives, vanishes
from .ways import Inside, flavor_of, inside, interface, paused, recorded

DRIVER = "networking_daybreak.l3.flavor.DaybreakL3ServiceProvider"
BESIDE = Settings(
    mechanism_drivers=DRIVEN.mechanism_drivers,
    extension_drivers=DRIVEN.extension_drivers,
    service_plugins=("router", "port_forwarding", "qos", "segments"),
    sections={
        **DRIVEN.sections,
        "service_providers": {"service_provider": f"L3_ROUTER_NAT:daybreak:{DRIVER}:default"},
    },
)
"""Neutron's own router plugin, where Daybreak is one of several backends and the default."""


@pytest.fixture(scope="module")
def beside(schema: Schema) -> Iterator[Cloud]:
    """On PostgreSQL, so that the queries about whose a router is are tried there, too."""
    with Lab() as lab, Cloud(lab, schema.database(lab, PostgreSQL), BESIDE) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def admin(beside: Cloud) -> Client:
    return beside.client(ADMIN)


@pytest.fixture(scope="module")
def outside(admin: Client) -> str:
    network = str(admin.create("networks", name="outside", **{"router:external": True})["id"])
    admin.create("subnets", network_id=network, ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
    return network


def taken_apart(admin: Client, router: str, part: Inside) -> None:
    interface(admin, "remove", router, subnet_id=part.subnet)
    admin.delete("routers", router)
    admin.delete("ports", part.port)
    admin.delete("networks", part.network)


def test_the_default_provider_takes_routers_without_a_flavor(beside: Cloud, admin: Client, outside: str) -> None:
    providers = {each["name"]: each["default"] for each in admin.list("service-providers")}
    assert providers["daybreak"]
    router = admin.create("routers", name="plain", external_gateway_info={"network_id": outside})["id"]
    arrives(beside.controller, "routers", router, name="plain")
    part = inside(admin, "10.11.0.0/24")
    interface(admin, "add", router, subnet_id=part.subnet)
    floating = admin.create("floatingips", floating_network_id=outside, port_id=part.port)["id"]
    there = arrives(beside.controller, "floating-ips", floating, router_id=router, port_id=part.port)
    assert there["fixed_ip_address"] == part.address
    admin.update("floatingips", floating, port_id=None)
    arrives(beside.controller, "floating-ips", floating, router_id=None, port_id=None)
    admin.delete("floatingips", floating)
    vanishes(beside.controller, "floating-ips", floating)
    taken_apart(admin, router, part)
    vanishes(beside.controller, "routers", router)


def test_a_router_of_another_flavor_never_reaches_the_controller(beside: Cloud, admin: Client, outside: str) -> None:
    """Nor do its floating IPs, their forwardings, its changes, tags and end; its ports do, as what they are: ports of
    networks."""
    other = flavor_of(admin, OTHER_ROUTERS, "agents")
    free = admin.create("floatingips", floating_network_id=outside)["id"]
    arrives(beside.controller, "floating-ips", free, router_id=None)
    part = inside(admin, "10.12.0.0/24")
    vm = admin.create("ports", network_id=part.network)
    with paused(beside):
        info = {"network_id": outside}
        router = admin.create("routers", name="theirs", flavor_id=other, external_gateway_info=info)["id"]
        port = interface(admin, "add", router, subnet_id=part.subnet)["port_id"]
        floating = admin.create("floatingips", floating_network_id=outside, port_id=part.port)["id"]
        admin.update("floatingips", floating, description="changed")
        admin.update("routers", router, name="still theirs", routes=[])
        admin.call("PUT", f"routers/{router}/tags/mine")
        assert recorded(beside, router, floating, port) == {port}

        # A floating IP that was nobody's goes with the router that its first forwarding is through.
        forwarding = admin.create(
            f"floatingips/{free}/port_forwardings",
            protocol="tcp",
            external_port=80,
            internal_port=80,
            internal_port_id=vm["id"],
            internal_ip_address=vm["fixed_ips"][0]["ip_address"],
        )["id"]
        assert recorded(beside, router, floating, forwarding, free) == {free}
    vanishes(beside.controller, "floating-ips", free)
    with paused(beside):
        admin.delete("floatingips", floating)
        admin.delete("ports", vm["id"])  # and with it the forwarding
        admin.delete("floatingips", free)
        taken_apart(admin, router, part)
        assert recorded(beside, router, floating) == set()


def test_two_flavors_of_one_cloud(beside: Cloud, admin: Client, outside: str) -> None:
    """A floating IP that goes from a router of Daybreak's to another's leaves the controller, and comes back."""
    ours, theirs = flavor_of(admin, DRIVER, "daybreak"), flavor_of(admin, OTHER_ROUTERS, "theirs")
    a, b = inside(admin, "10.13.0.0/24"), inside(admin, "10.14.0.0/24")
    info = {"network_id": outside}
    one = admin.create("routers", name="one", flavor_id=ours, external_gateway_info=info)["id"]
    two = admin.create("routers", name="two", flavor_id=theirs, external_gateway_info=info)["id"]
    interface(admin, "add", one, subnet_id=a.subnet)
    interface(admin, "add", two, subnet_id=b.subnet)
    arrives(beside.controller, "routers", one, flavor_id=ours)
    floating = admin.create("floatingips", floating_network_id=outside, port_id=a.port)["id"]
    arrives(beside.controller, "floating-ips", floating, router_id=one)
    admin.update("floatingips", floating, port_id=b.port)
    vanishes(beside.controller, "floating-ips", floating)
    admin.update("floatingips", floating, port_id=a.port)
    arrives(beside.controller, "floating-ips", floating, router_id=one)
    assert recorded(beside, two) == set()
    admin.delete("floatingips", floating)
    taken_apart(admin, one, a)
    taken_apart(admin, two, b)
    vanishes(beside.controller, "routers", one)


def test_a_router_moves_between_providers_with_its_floating_ips(beside: Cloud, admin: Client, outside: str) -> None:
    """Neutron moves a router without a flavor when its `distributed` becomes what its provider can't do."""
    router = admin.create("routers", name="nomad", external_gateway_info={"network_id": outside})["id"]
    part = inside(admin, "10.15.0.0/24")
    interface(admin, "add", router, subnet_id=part.subnet)
    floating = admin.create("floatingips", floating_network_id=outside, port_id=part.port)["id"]
    arrives(beside.controller, "floating-ips", floating, router_id=router)
    arrives(beside.controller, "routers", router)

    admin.update("routers", router, admin_state_up=False)
    admin.update("routers", router, distributed=True)
    vanishes(beside.controller, "routers", router)
    vanishes(beside.controller, "floating-ips", floating)
    with paused(beside):
        admin.update("routers", router, name="away")
        admin.update("floatingips", floating, description="away")
        assert recorded(beside, router, floating) == set()

    admin.update("routers", router, distributed=False)
    admin.update("routers", router, admin_state_up=True)
    arrives(beside.controller, "routers", router, name="away", admin_state_up=True, distributed=False)
    arrives(beside.controller, "floating-ips", floating, router_id=router, port_id=part.port)
    admin.delete("floatingips", floating)
    taken_apart(admin, router, part)
    vanishes(beside.controller, "routers", router)
