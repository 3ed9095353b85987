"""io: networks and subnets."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.dns import NetworkDNSDomain
from neutron.db.models.external_net import ExternalNetwork
from neutron.db.models.segment import NetworkSegment
from neutron.db.models.subnet_service_type import SubnetServiceType
from neutron.db.models_v2 import DNSNameServer, IPAllocationPool, Network, Subnet, SubnetPool, SubnetRoute
from neutron.db.port_security.models import NetworkSecurityBinding
from neutron.db.qos.models import QosNetworkPolicyBinding
from neutron.db.rbac_db_models import ACCESS_SHARED, NetworkRBAC
from sqlalchemy.orm.attributes import get_history

from networking_daybreak.resources.kind import OWNERSHIP, Body, Kind, Opendaylight, Owners, chosen, column, references
from networking_daybreak.resources.reading import belonging, objects, paged, valued


def read_networks(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Networks with their segments, whether they're external or shared, and what else belongs to them."""
    found = objects(context, Network, ids)
    segments = belonging(context, NetworkSegment, "network_id", found, "segment_index")
    shares = belonging(context, NetworkRBAC, "object_id", found)
    subnets = belonging(context, Subnet, "network_id", found, "id")
    external = valued(context, ExternalNetwork, "network_id", "is_default", found)
    policies = valued(context, QosNetworkPolicyBinding, "network_id", "policy_id", found)
    secured = valued(context, NetworkSecurityBinding, "network_id", "port_security_enabled", found)
    domains = valued(context, NetworkDNSDomain, "network_id", "dns_domain", found)
    for id, body in found.items():
        body["subnets"] = [each["id"] for each in subnets[id]]
        body["shared"] = any(each["action"] == ACCESS_SHARED and each["target_project"] == "*" for each in shares[id])
        body["router:external"] = id in external
        body["qos_policy_id"] = policies.get(id)
        body["port_security_enabled"] = secured.get(id, True)
        body["dns_domain"] = domains.get(id, "")
        body["network_segments"] = [each for each in segments[id] if not each["is_dynamic"]]
        body.update(segmented(body["network_segments"]))
    return found


def segmented(segments: Sequence[Body]) -> Body:
    """How Neutron's API shows segments: a single one as fields of the network, several as a list."""
    names = ("network_type", "physical_network", "segmentation_id")
    shown = [{f"provider:{name}": each[name] for name in names} for each in segments]
    if len(shown) > 1:
        return {"segments": shown}
    return shown[0] if shown else {}


def network_record(body: Body) -> dict[str, Any]:
    """A network as /v1 takes it."""
    record = chosen(body, "name", "admin_state_up", "shared", "vlan_transparent", "mtu", "qos_policy_id")
    record["external"] = body["router:external"]
    record.update(segment_record(body))
    if body["qinq"]:
        record["vlan_qinq"] = True
    if body["dns_domain"]:
        record["dns_domain"] = body["dns_domain"]
    if "segments" in body:
        record["segments"] = [
            segment_record(shown) | {"id": each["id"]} | ({"name": each["name"]} if each["name"] else {})
            for shown, each in zip(body["segments"], body["network_segments"], strict=True)
        ]
    return record


def segment_record(body: Body) -> dict[str, Any]:
    """A segment as /v1 takes it; the number of a VLAN or VNI is text there."""
    record = {
        name: body[f"provider:{name}"]
        for name in ("network_type", "physical_network", "segmentation_id")
        if body.get(f"provider:{name}") is not None
    }
    if "segmentation_id" in record:
        record["segmentation_id"] = str(record["segmentation_id"])
    return record


def read_subnets(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Subnets with their pools, routes and name servers."""
    found = objects(context, Subnet, ids)
    pools = belonging(context, IPAllocationPool, "subnet_id", found, "first_ip")
    routes = belonging(context, SubnetRoute, "subnet_id", found, "destination", "nexthop")
    servers = belonging(context, DNSNameServer, "subnet_id", found, "order")
    services = belonging(context, SubnetServiceType, "subnet_id", found, "service_type")
    pooled = [body["subnetpool_id"] for body in found.values() if body["subnetpool_id"]]
    scopes = valued(context, SubnetPool, "id", "address_scope_id", pooled) if pooled else {}
    for id, body in found.items():
        body["service_types"] = [each["service_type"] for each in services[id]]
        body["address_scope_id"] = scopes.get(body["subnetpool_id"])
        body["allocation_pools"] = [{"start": each["first_ip"], "end": each["last_ip"]} for each in pools[id]]
        body["host_routes"] = [{name: each[name] for name in ("destination", "nexthop")} for each in routes[id]]
        body["dns_nameservers"] = [each["address"] for each in servers[id]]
    return found


def subnet_record(body: Body) -> dict[str, Any]:
    """A subnet as /v1 takes it."""
    plain = (
        "network_id",
        "name",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "ipv6_address_mode",
        "ipv6_ra_mode",
    )
    more = ("dns_nameservers", "allocation_pools", "host_routes", "segment_id", "address_scope_id")
    record = chosen(body, *plain, *more)
    if body["service_types"]:
        record["service_types"] = body["service_types"]
    return record


def of_pool(session: Any, row: Any) -> Iterable[str]:
    """The subnets of a pool, whose address scope is theirs."""
    table = Subnet.__table__
    return session.scalars(sa.select(table.c.id).where(table.c.subnetpool_id == row.id))


def taken_into_pool(name: str) -> Owners:
    """A column of a subnet that a pool takes in afterwards: no mechanism driver is called for it."""

    def found(session: Any, row: Subnet) -> Iterable[str]:
        is_taken_in = row not in session.new and get_history(row, "subnetpool_id").has_changes()
        return [getattr(row, name)] if is_taken_in else ()

    return found


def opendaylight_network(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "network_segments"}


def opendaylight_subnet(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "address_scope_id"}


KINDS = (
    Kind(
        "network",
        read_networks,
        paged(Network),
        network_record,
        parents=lambda body: references("qos_policy", body["qos_policy_id"]),
        parent_kinds=("qos_policy",),
        opendaylight=Opendaylight(
            "networks",
            "network",
            create=frozenset({"status", "subnets"}),
            update=frozenset({"status", "subnets", "id", *OWNERSHIP}),
            unless_null=frozenset({"qos_policy_id"}),
            shape=opendaylight_network,
        ),
        model=Network,
        rows={
            ExternalNetwork: column("network_id"),
            NetworkRBAC: column("object_id"),
            NetworkSegment: column("network_id"),
            Subnet: taken_into_pool("network_id"),
        },
    ),
    Kind(
        "subnet",
        read_subnets,
        paged(Subnet),
        subnet_record,
        parents=lambda body: references("network", body["network_id"]),
        parent_kinds=("network",),
        opendaylight=Opendaylight(
            "subnets",
            "subnet",
            update=frozenset({"id", "network_id", "ip_version", "cidr", *OWNERSHIP}),
            unless_null=frozenset({"segment_id", "subnetpool_id"}),
            shape=opendaylight_subnet,
        ),
        model=Subnet,
        rows={Subnet: taken_into_pool("id"), SubnetPool: of_pool, SubnetServiceType: column("subnet_id")},
    ),
)
