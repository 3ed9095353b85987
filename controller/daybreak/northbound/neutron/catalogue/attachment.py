"""data: what joins networks to others, or ports to several: trunks, BGP VPNs, L2 gateways."""

from daybreak.model import (
    Bgpvpn,
    BgpvpnNetworkAssociation,
    BgpvpnRouterAssociation,
    GatewayDevice,
    GatewayInterface,
    L2Gateway,
    L2GatewayConnection,
    SubPort,
    Trunk,
)
from daybreak.northbound.neutron.catalogue.identity import NAME, both_names, identity
from daybreak.northbound.neutron.codec import BOOL, COUNT, TEXT, UUID_TEXT, as_text, choice, listing
from daybreak.northbound.neutron.fields import Kept, field, struct
from daybreak.northbound.neutron.resource import Resource

SUB_PORT = struct(
    SubPort,
    field("port_id", UUID_TEXT),
    field("segmentation_type", TEXT),
    field("segmentation_id", as_text(COUNT)),
)

TRUNKS = Resource(
    path="trunks",
    singular="trunk",
    plural="trunks",
    title="Trunk",
    record=Trunk,
    fields=(
        *identity(),
        NAME,
        field("admin_state_up", BOOL, default=True),
        field("status", TEXT, default="DOWN", query=True),
        field("port_id", UUID_TEXT),
        field("sub_ports", listing(SUB_PORT), default=()),
    ),
)

BGPVPNS = Resource(
    path="bgpvpns",
    singular="bgpvpn",
    plural="bgpvpns",
    title="Bgpvpn",
    record=Bgpvpn,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        field("admin_state_up", BOOL, default=True),
        field("status", TEXT, default="ACTIVE", query=True),
        field("type", choice("l2", "l3"), default="l3", query=True),
        field("technique", TEXT),
        field("route_targets", listing(TEXT)),
        field("import_targets", listing(TEXT)),
        field("export_targets", listing(TEXT)),
        field("route_distinguishers", listing(TEXT)),
        field("vni", COUNT),
        field("auto_aggregate", BOOL, default=False, query=True),
        field("networks", listing(UUID_TEXT)),
        field("routers", listing(UUID_TEXT)),
    ),
)

BGPVPN_NETWORK_ASSOCIATIONS = Resource(
    path="bgpvpn/networkassociations",
    singular="bgpvpn_network_association",
    plural="bgpvpn_network_associations",
    title="BgpvpnNetworkAssociation",
    record=BgpvpnNetworkAssociation,
    derive=both_names,
    fields=(*identity(), field("bgpvpn_id", UUID_TEXT, query=True), field("network_id", UUID_TEXT, query=True)),
)

BGPVPN_ROUTER_ASSOCIATIONS = Resource(
    path="bgpvpn/routerassociations",
    singular="bgpvpn_router_association",
    plural="bgpvpn_router_associations",
    title="BgpvpnRouterAssociation",
    record=BgpvpnRouterAssociation,
    derive=both_names,
    fields=(*identity(), field("bgpvpn_id", UUID_TEXT, query=True), field("router_id", UUID_TEXT, query=True)),
)

GATEWAY_INTERFACE = struct(GatewayInterface, field("name", TEXT), field("segmentation_id", listing(COUNT)))

L2_GATEWAYS = Resource(
    path="l2-gateways",
    singular="l2_gateway",
    plural="l2_gateways",
    title="L2gateway",
    record=L2Gateway,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field(
            "devices",
            listing(
                struct(
                    GatewayDevice,
                    field("id", UUID_TEXT),
                    field("device_name", TEXT),
                    field("interfaces", listing(GATEWAY_INTERFACE)),
                )
            ),
        ),
    ),
)

L2_GATEWAY_CONNECTIONS = Resource(
    path="l2gateway-connections",
    singular="l2gateway_connection",
    plural="l2gateway_connections",
    title="L2gatewayConnection",
    record=L2GatewayConnection,
    derive=both_names,
    editable=False,
    fields=(
        *identity(),
        NAME,
        field("gateway_id", UUID_TEXT, query="l2gateway_id"),
        field("network_id", UUID_TEXT, query=True),
        field("segmentation_id", COUNT, query="segment_id"),
        field("port_id", UUID_TEXT, query=True),
    ),
)
