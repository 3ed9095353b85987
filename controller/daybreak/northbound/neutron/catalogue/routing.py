"""data: routers and floating IPs."""

import msgspec

from daybreak.model import ExternalGateway, FixedIp, FloatingIp, Route, Router
from daybreak.northbound.neutron.catalogue.identity import ADMIN, NAME, both_names, identity
from daybreak.northbound.neutron.codec import BOOL, IP, PREFIX, TENANT, TEXT, UUID_TEXT, listing
from daybreak.northbound.neutron.fields import Kept, field, struct
from daybreak.northbound.neutron.resource import Resource

EXTERNAL_FIXED_IP = struct(FixedIp, field("subnet_id", UUID_TEXT), field("ip_address", IP))

ROUTERS = Resource(
    path="routers",
    singular="router",
    plural="routers",
    title="Router",
    record=Router,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        *ADMIN,
        field("distributed", BOOL),
        field("gw_port_id", UUID_TEXT),
        field("routes", listing(struct(Route, field("destination", PREFIX), field("nexthop", IP)))),
        field(
            "external_gateway_info",
            struct(
                ExternalGateway,
                field("network_id", UUID_TEXT),
                field("enable_snat", BOOL),
                field("external_fixed_ips", listing(EXTERNAL_FIXED_IP)),
            ),
        ),
    ),
)


class RouterInterface(msgspec.Struct, frozen=True):
    """What add_router_interface and remove_router_interface are told."""

    id: str | None = None
    tenant_id: str | None = None
    port_id: str | None = None
    subnet_id: str | None = None


ROUTER_INTERFACE = struct(
    RouterInterface,
    field("id", UUID_TEXT),
    field("tenant_id", TENANT),
    field("port_id", UUID_TEXT),
    field("subnet_id", UUID_TEXT),
)

FLOATING_IPS = Resource(
    path="floatingips",
    singular="floatingip",
    plural="floatingips",
    title="FloatingIP",
    record=FloatingIp,
    derive=both_names,
    fields=(
        *identity(),
        field("floating_network_id", UUID_TEXT, query=True),
        field("port_id", UUID_TEXT, query=True),
        field("fixed_ip_address", IP, query=True),
        field("floating_ip_address", IP, query=True),
        field("router_id", UUID_TEXT, query=True),
        field("status", TEXT, query=True),
    ),
)
