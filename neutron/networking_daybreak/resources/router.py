"""io: routers, floating IPs and what goes through them; of Daybreak's routers only (l3/ownership.py)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.conntrack_helper import ConntrackHelper
from neutron.db.models.dns import FloatingIPDNS
from neutron.db.models.l3 import FloatingIP, Router, RouterPort, RouterRoute
from neutron.db.models.l3_attrs import RouterExtraAttributes
from neutron.db.models.ndp_proxy import NDPProxy, RouterNDPProxyState
from neutron.db.models.port_forwarding import PortForwarding
from neutron.db.models.servicetype import ProviderResourceAssociation
from neutron.db.models_v2 import IPAllocation, Port
from neutron.db.qos.models import QosFIPPolicyBinding, QosRouterGatewayIPPolicyBinding
from neutron_lib import constants
from oslo_serialization import jsonutils
from sqlalchemy import inspect

from networking_daybreak.l3.ownership import noted, ours, ours_or_free, providers
from networking_daybreak.resources.kind import OWNERSHIP, Body, Kind, Opendaylight, Owners, chosen, references
from networking_daybreak.resources.reading import Row, belonging, objects, paged, valued

EXTRA = ("distributed", "ha", "enable_default_route_ecmp", "enable_default_route_bfd")


def our_routers(table: sa.Table) -> sa.ColumnElement[bool]:
    return ours(table.c.id)


def of_our_routers(table: sa.Table) -> sa.ColumnElement[bool]:
    return ours(table.c.router_id)


def our_floating_ips(table: sa.Table) -> sa.ColumnElement[bool]:
    """Those of Daybreak's routers, and those of none."""
    return ours_or_free(table.c.router_id)


def of_our_floating_ips(table: sa.Table) -> sa.ColumnElement[bool]:
    floating = FloatingIP.__table__
    return table.c.floatingip_id.in_(sa.select(floating.c.id).where(our_floating_ips(floating)))


def read_routers(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Routers with their gateways, routes and helpers."""
    found = objects(context, Router, ids, our_routers)
    extras = belonging(context, RouterExtraAttributes, "router_id", found)
    routes = belonging(context, RouterRoute, "router_id", found, "destination", "nexthop")
    helpers = belonging(context, ConntrackHelper, "router_id", found, "id")
    policies = valued(context, QosRouterGatewayIPPolicyBinding, "router_id", "policy_id", found)
    proxied = valued(context, RouterNDPProxyState, "router_id", "enable_ndp_proxy", found)
    gateways = read_gateways(context, found)
    for id, body in found.items():
        (extra,) = extras[id] or ({},)
        body.update({name: bool(extra.get(name)) for name in EXTRA})
        body["availability_zone_hints"] = jsonutils.loads(extra.get("availability_zone_hints") or "[]")
        body["routes"] = [{name: each[name] for name in ("destination", "nexthop")} for each in routes[id]]
        body["conntrack_helpers"] = [
            {name: each[name] for name in ("id", "protocol", "port", "helper")} for each in helpers[id]
        ]
        body["enable_ndp_proxy"] = bool(body["gw_port_id"] and proxied.get(id))
        shared = {"enable_snat": body.pop("enable_snat"), "qos_policy_id": policies.get(id)}
        ways = sorted(gateways[id], key=lambda each: (each["port_id"] != body["gw_port_id"], each["port_id"]))
        body["external_gateways"] = [
            {"network_id": each["network_id"], "external_fixed_ips": each["fixed_ips"], **shared} for each in ways
        ]
        body["external_gateway_info"] = body["external_gateways"][0] if body["gw_port_id"] and ways else None
    return found


def read_gateways(context: Any, routers: Iterable[str]) -> dict[str, list[Row]]:
    """The gateway ports of each router: `port_id`, `network_id`, `fixed_ips`."""
    attached = belonging(context, RouterPort, "router_id", routers)
    ports = [
        each["port_id"]
        for part in attached.values()
        for each in part
        if each["port_type"] == constants.DEVICE_OWNER_ROUTER_GW
    ]
    networks = valued(context, Port, "id", "network_id", ports)
    addresses = belonging(context, IPAllocation, "port_id", ports, "subnet_id", "ip_address")
    for id, part in attached.items():
        attached[id] = [
            {
                "port_id": each["port_id"],
                "network_id": networks[each["port_id"]],
                "fixed_ips": [
                    {name: address[name] for name in ("subnet_id", "ip_address")}
                    for address in addresses[each["port_id"]]
                ],
            }
            for each in part
            if each["port_id"] in networks
        ]
    return attached


def router_record(body: Body) -> dict[str, Any]:
    """A router as /v1 takes it."""
    plain = ("name", "admin_state_up", "gw_port_id", "flavor_id", "routes", "conntrack_helpers", "enable_ndp_proxy")
    record = chosen(body, *plain, *EXTRA, "availability_zone_hints")
    record["external_gateways"] = [gateway_record(each) for each in body["external_gateways"]]
    if body["external_gateway_info"]:
        record["external_gateway_info"] = gateway_record(body["external_gateway_info"])
    return record


def gateway_record(gateway: Body) -> dict[str, Any]:
    return {name: value for name, value in gateway.items() if value is not None}


def router_parents(body: Body) -> Iterable[tuple[str, str]]:
    """What a router refers to. Its interfaces are ports that refer to it without needing it."""
    yield from references("port", body["gw_port_id"])
    for gateway in body["external_gateways"]:
        yield from references("network", gateway["network_id"])
        yield from references("qos_policy", gateway["qos_policy_id"])


def read_floating_ips(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Floating IPs in the words of the API."""
    found = objects(context, FloatingIP, ids, our_floating_ips)
    policies = valued(context, QosFIPPolicyBinding, "fip_id", "policy_id", found)
    names = belonging(context, FloatingIPDNS, "floatingip_id", found)
    for id, body in found.items():
        body["port_id"] = body.pop("fixed_port_id")
        body["qos_policy_id"] = policies.get(id)
        (name,) = names[id] or ({},)
        body["dns_name"], body["dns_domain"] = name.get("dns_name", ""), name.get("dns_domain", "")
        del body["floating_port_id"], body["last_known_router_id"]
    return found


def floating_ip_record(body: Body) -> dict[str, Any]:
    """A floating IP as /v1 takes it. Its status is left out: it comes from there."""
    plain = ("floating_network_id", "floating_ip_address", "fixed_ip_address", "port_id", "router_id", "qos_policy_id")
    record = chosen(body, *plain)
    return record | {name: body[name] for name in ("dns_name", "dns_domain") if body[name]}


def floating_ip_parents(body: Body) -> Iterable[tuple[str, str]]:
    yield from references("network", body["floating_network_id"])
    yield from references("port", body["port_id"])
    yield from references("router", body["router_id"])
    yield from references("qos_policy", body["qos_policy_id"])


def read_port_forwardings(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    return objects(context, PortForwarding, ids, of_our_floating_ips)


def port_forwarding_record(body: Body) -> dict[str, Any]:
    """A port forwarding as /v1 takes it."""
    record = chosen(body, "protocol", "internal_ip_address")
    return record | {
        "floating_ip_id": body["floatingip_id"],
        "internal_port_id": body["internal_neutron_port_id"],
        "external_port_min": body["external_port_start"],
        "external_port_max": body["external_port_end"],
        "internal_port_min": body["internal_port_start"],
        "internal_port_max": body["internal_port_end"],
    }


def read_ndp_proxies(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    return objects(context, NDPProxy, ids, of_our_routers)


# -- whose the rows are ------------------------------------------------------------------------------------------------


def noted_router(session: Any, row: Any) -> Iterable[str]:
    """The router of a row that names it, if it is Daybreak's."""
    return noted(session, [row.router_id])


def router_itself(session: Any, row: Any) -> Iterable[str]:
    return noted(session, [row.id])


def associated(session: Any, row: Any) -> Iterable[str]:
    """The router that comes to Daybreak, or leaves, with its note."""
    return [row.resource_id] if row.provider_name in providers().names else ()


def with_router(model: Any) -> Owners:
    """What names the router that comes or leaves, and does so with it."""
    table = model.__table__
    return ids_where(table, lambda router: table.c.router_id == router)


def ids_where(table: sa.Table, clause: Callable[[str], sa.ColumnElement[bool]]) -> Owners:
    """The ids of what a clause finds for the router that comes or leaves."""

    def found(session: Any, row: Any) -> Iterable[str]:
        for router in associated(session, row):
            yield from session.scalars(sa.select(table.c.id).where(clause(router)))

    return found


def forwarded(router: str) -> sa.ColumnElement[bool]:
    """That a port forwarding is of a floating IP of the router."""
    floating = FloatingIP.__table__
    return PortForwarding.__table__.c.floatingip_id.in_(sa.select(floating.c.id).where(floating.c.router_id == router))


def floating_ip_itself(session: Any, row: Any) -> Iterable[str]:
    """A floating IP that is, or was before, of a router of Daybreak's, or of none."""
    routers = {row.router_id, *(inspect(row).attrs.router_id.history.deleted or ())}
    return [row.id] if concerned(session, routers) else ()


def concerned(session: Any, routers: Iterable[str | None]) -> bool:
    """Whether a floating IP of these routers is told of, or was."""
    return bool(providers().names) and (None in routers or bool(noted(session, filter(None, routers))))


def floating_ip_of(column: str) -> Owners:
    """The floating IP that a row names, if it is Daybreak's."""
    table = FloatingIP.__table__

    def found(session: Any, row: Any) -> Iterable[str]:
        return session.scalars(sa.select(table.c.id).where(table.c.id == getattr(row, column), our_floating_ips(table)))

    return found


def forwarded_floating_ip(session: Any, row: Any) -> Iterable[str]:
    """The floating IP of a forwarding, which counts up its revision; the first one brings it to a router.

    Neutron writes that by a statement of its own, so that the session still has the router from before.
    """
    table = FloatingIP.__table__
    after = session.scalar(sa.select(table.c.router_id).where(table.c.id == row.floatingip_id))
    before = row.floating_ip.router_id if row.floating_ip is not None else None
    return [row.floatingip_id] if concerned(session, {before, after}) else ()


def forwarding_itself(session: Any, row: Any) -> Iterable[str]:
    """A port forwarding whose floating IP is of a router of Daybreak's.

    The last forwarding that goes takes the floating IP off its router, so that nothing tells any more whose it was.
    """
    table = FloatingIP.__table__
    router = session.scalar(sa.select(table.c.router_id).where(table.c.id == row.floatingip_id))
    told = row in session.deleted if router is None else noted(session, [router])
    return [row.id] if told else ()


def proxy_itself(session: Any, row: Any) -> Iterable[str]:
    return [row.id] if noted(session, [row.router_id]) else ()


KINDS = (
    Kind(
        "router",
        read_routers,
        paged(Router, our_routers),
        router_record,
        parents=router_parents,
        parent_kinds=("network", "port", "qos_policy"),
        opendaylight=Opendaylight("routers", "router", update=frozenset({"id", "status", *OWNERSHIP})),
        model=Router,
        where=our_routers,
        rows={
            ProviderResourceAssociation: associated,
            Router: router_itself,
            **dict.fromkeys(
                (
                    RouterExtraAttributes,
                    RouterPort,
                    RouterRoute,
                    RouterNDPProxyState,
                    ConntrackHelper,
                    QosRouterGatewayIPPolicyBinding,
                ),
                noted_router,
            ),
        },
    ),
    Kind(
        "floating_ip",
        read_floating_ips,
        paged(FloatingIP, our_floating_ips),
        floating_ip_record,
        parents=floating_ip_parents,
        parent_kinds=("network", "port", "router", "qos_policy"),
        opendaylight=Opendaylight(
            "floatingips",
            "floatingip",
            unless_null=frozenset({"port_id", "fixed_ip_address", "router_id"}),
        ),
        model=FloatingIP,
        where=our_floating_ips,
        rows={
            ProviderResourceAssociation: with_router(FloatingIP),
            FloatingIP: floating_ip_itself,
            QosFIPPolicyBinding: floating_ip_of("fip_id"),
            FloatingIPDNS: floating_ip_of("floatingip_id"),
            PortForwarding: forwarded_floating_ip,
        },
    ),
    Kind(
        "port_forwarding",
        read_port_forwardings,
        paged(PortForwarding, of_our_floating_ips),
        port_forwarding_record,
        parents=lambda body: (("floating_ip", body["floatingip_id"]), ("port", body["internal_neutron_port_id"])),
        parent_kinds=("floating_ip", "port"),
        model=PortForwarding,
        where=of_our_floating_ips,
        rows={
            ProviderResourceAssociation: ids_where(PortForwarding.__table__, forwarded),
            PortForwarding: forwarding_itself,
        },
    ),
    Kind(
        "ndp_proxy",
        read_ndp_proxies,
        paged(NDPProxy, of_our_routers),
        lambda body: chosen(body, "router_id", "name", "port_id", "ip_address"),
        parents=lambda body: (("router", body["router_id"]), ("port", body["port_id"])),
        parent_kinds=("router", "port"),
        model=NDPProxy,
        where=of_our_routers,
        rows={ProviderResourceAssociation: with_router(NDPProxy), NDPProxy: proxy_itself},
    ),
)
