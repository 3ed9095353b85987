"""io: routers and NDP proxies: Daybreak's only (l3/ownership.py)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.conntrack_helper import ConntrackHelper
from neutron.db.models.l3 import Router, RouterPort, RouterRoute
from neutron.db.models.l3_attrs import RouterExtraAttributes
from neutron.db.models.ndp_proxy import NDPProxy, RouterNDPProxyState
from neutron.db.models.servicetype import ProviderResourceAssociation
from neutron.db.models_v2 import IPAllocation, Port
from neutron.db.qos.models import QosRouterGatewayIPPolicyBinding
from neutron_lib import constants
from oslo_serialization import jsonutils

from networking_daybreak.l3.ownership import noted, ours, providers
from networking_daybreak.resources.kind import OWNERSHIP, Body, Kind, Opendaylight, Owners, chosen, references
from networking_daybreak.resources.reading import Row, belonging, objects, paged, valued

EXTRA = ("distributed", "ha", "enable_default_route_ecmp", "enable_default_route_bfd")


def our_routers(table: sa.Table) -> sa.ColumnElement[bool]:
    return ours(table.c.id)


def of_our_routers(table: sa.Table) -> sa.ColumnElement[bool]:
    return ours(table.c.router_id)


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


def read_ndp_proxies(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    return objects(context, NDPProxy, ids, of_our_routers)


# -- whose the rows are ------------------------------------------------------------------------------------------------


def noted_router(session: Any, row: Any) -> Iterable[str]:
    """The router of a row that names it, if it is Daybreak's."""
    return noted(session, [row.router_id])


def router_itself(session: Any, row: Any) -> Iterable[str]:
    return noted(session, [row.id])


def gateway_address(session: Any, row: IPAllocation) -> Iterable[str]:
    """The router of a gateway's address, if it is Daybreak's: these come and go with the gateway's port alone."""
    is_gateway = row.port is not None and row.port.device_owner == constants.DEVICE_OWNER_ROUTER_GW
    return noted(session, [row.port.device_id]) if is_gateway else ()


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
            IPAllocation: gateway_address,
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
