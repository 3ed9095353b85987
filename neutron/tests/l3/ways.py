"""io: what tests of routers have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from daybreak_lab.openstack import Client

from ..cloud import JOURNAL, Cloud


class Inside(NamedTuple):
    """A tenant's network with a subnet, and a port of a VM."""

    network: str
    subnet: str
    port: str
    address: str


def inside(tenant: Client, cidr: str) -> Inside:
    network = tenant.create("networks", name="inside")["id"]
    subnet = tenant.create("subnets", network_id=network, ip_version=4, cidr=cidr)["id"]
    port = tenant.create("ports", network_id=network, name="vm")
    return Inside(network, subnet, port["id"], port["fixed_ips"][0]["ip_address"])


def interface(client: Client, verb: str, router: str, **what: str) -> Any:
    return client.call("PUT", f"routers/{router}/{verb}_router_interface", what)


def flavor_of(admin: Client, driver: str, name: str) -> str:
    profile = admin.call("POST", "service_profiles", {"service_profile": {"driver": driver}})["service_profile"]["id"]
    flavor = str(admin.create("flavors", name=name, service_type="L3_ROUTER_NAT")["id"])
    admin.call("POST", f"flavors/{flavor}/service_profiles", {"service_profile": {"id": profile}})
    return flavor


@contextmanager
def paused(cloud: Cloud) -> Iterator[None]:
    """The dispatcher is away meanwhile: what is recorded stays in the journal, to be seen."""
    journal = cloud.neutron.daemons[JOURNAL]
    journal.stop()
    try:
        yield
    finally:
        journal.start()


def recorded(cloud: Cloud, *ids: str) -> set[str]:
    """Those of the ids that the journal has notes of."""
    listed = ", ".join(f"'{id}'" for id in ids)
    return {
        row[0] for row in cloud.database.query(f"SELECT object_id FROM daybreak_journal WHERE object_id IN ({listed})")
    }
