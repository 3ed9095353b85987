"""io: floating IPs and their port forwardings: those of Daybreak's routers, and those of no router at all."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.dns import FloatingIPDNS
from neutron.db.models.l3 import FloatingIP
from neutron.db.models.port_forwarding import PortForwarding
from neutron.db.models.servicetype import ProviderResourceAssociation
from neutron.db.qos.models import QosFIPPolicyBinding
from sqlalchemy import inspect

from networking_daybreak.l3.ownership import noted, ours_or_free, providers
from networking_daybreak.resources.kind import Body, Kind, Opendaylight, Owners, chosen, references
from networking_daybreak.resources.reading import belonging, objects, paged, valued
from networking_daybreak.resources.router import ids_where, with_router


def our_floating_ips(table: sa.Table) -> sa.ColumnElement[bool]:
    """Those of Daybreak's routers, and those of none."""
    return ours_or_free(table.c.router_id)


def of_our_floating_ips(table: sa.Table) -> sa.ColumnElement[bool]:
    floating = FloatingIP.__table__
    return table.c.floatingip_id.in_(sa.select(floating.c.id).where(our_floating_ips(floating)))


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


# -- whose the rows are ------------------------------------------------------------------------------------------------


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


KINDS = (
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
)
