"""data: networks, subnets and ports."""

from ipaddress import ip_address, ip_network
from itertools import pairwise

import msgspec

from daybreak.model import (
    AddressPair,
    AllocationPool,
    DhcpOption,
    FixedIp,
    HostRoute,
    Network,
    Port,
    PortStatus,
    Segment,
    Subnet,
)
from daybreak.northbound.checks import check_subnet
from daybreak.northbound.neutron.catalogue.identity import ADMIN, NAME, both_names, identity
from daybreak.northbound.neutron.codec import (
    BOOL,
    CIDR,
    COUNT,
    IP,
    IP_OR_PREFIX,
    IP_VERSION,
    JSON_TEXT,
    MAC_TEXT,
    MAPPING,
    PREFIX,
    REFERENCE,
    SEGMENTATION,
    TEXT,
    UUID_TEXT,
    choice,
    listing,
)
from daybreak.northbound.neutron.fields import Kept, field, struct
from daybreak.northbound.neutron.resource import Lookup, Resource

IPV6_MODE = choice("off", "dhcpv6-stateful", "dhcpv6-stateless", "slaac")
NETWORK_TYPE = choice("flat", "vlan", "vxlan", "gre", "geneve", "local")


SEGMENT = (
    field("provider:network_type", NETWORK_TYPE, "network_type"),
    field("provider:physical_network", TEXT, "physical_network"),
    field("provider:segmentation_id", SEGMENTATION, "segmentation_id"),
)

NETWORKS = Resource(
    path="networks",
    singular="network",
    plural="networks",
    title="Network",
    record=Network,
    paged=True,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        *ADMIN,
        field("shared", BOOL, default=False, query=True),
        field("router:external", BOOL, "external", default=False, query="router_external"),
        field("provider:network_type", NETWORK_TYPE, "network_type", default="flat"),
        *SEGMENT[1:],
        field("segments", listing(struct(Segment, *SEGMENT))),
        field("vlan_transparent", BOOL),
        field("mtu", COUNT),
        field("qos_policy_id", UUID_TEXT, query=True),
    ),
)


def derive_subnet(subnet: Subnet) -> Subnet:
    """The version that the block has, the pools that it leaves free, and both names of the tenant."""
    version = subnet.ip_version or (ip_network(subnet.cidr).version if subnet.cidr else 4)
    pools = subnet.allocation_pools
    if pools is None and subnet.cidr:
        pools = free_pools(subnet.cidr, subnet.gateway_ip)
    return both_names(msgspec.structs.replace(subnet, ip_version=version, allocation_pools=pools))


def free_pools(cidr: str, gateway: str | None) -> tuple[AllocationPool, ...]:
    """All host addresses of a block but the gateway's, as ranges.

    Left out are a block's own address and IPv4's broadcast address, except where a block has only one or two
    addresses (RFC 3021).
    """
    block = ip_network(cidr)
    first, last = int(block.network_address), int(block.broadcast_address)
    if block.num_addresses > 2:
        first, last = first + 1, last - (block.version == 4)
    taken = int(ip_address(gateway)) if gateway and ip_address(gateway) in block else first - 1
    edges = sorted((first - 1, min(max(taken, first - 1), last + 1), last + 1))
    at = type(block.network_address)
    return tuple(AllocationPool(str(at(low + 1)), str(at(high - 1))) for low, high in pairwise(edges) if high - low > 1)


SUBNETS = Resource(
    path="subnets",
    singular="subnet",
    plural="subnets",
    title="Subnet",
    record=Subnet,
    paged=True,
    derive=derive_subnet,
    check=check_subnet,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        field("network_id", UUID_TEXT, query=True, kept=Kept.ALWAYS),
        field("ip_version", IP_VERSION, query=True, kept=Kept.ALWAYS),
        field("cidr", CIDR, query=True, kept=Kept.ALWAYS),
        field("gateway_ip", IP, query=True),
        field("dns_nameservers", listing(IP), default=()),
        field("allocation_pools", listing(struct(AllocationPool, field("start", IP), field("end", IP)))),
        field(
            "host_routes",
            listing(struct(HostRoute, field("destination", PREFIX), field("nexthop", IP))),
            default=(),
        ),
        field("enable_dhcp", BOOL, default=True, query=True),
        field("ipv6_address_mode", IPV6_MODE, query=True),
        field("ipv6_ra_mode", IPV6_MODE, query=True),
    ),
)


def present_port(port: Port, lookup: Lookup) -> Port:
    """A port as it is, not as the cloud wished it: ACTIVE once the switch has confirmed its flows, else DOWN."""
    status = lookup(PortStatus, port.id)
    return msgspec.structs.replace(port, status="ACTIVE" if status is not None and status.active else "DOWN")


PORTS = Resource(
    path="ports",
    singular="port",
    plural="ports",
    title="Port",
    record=Port,
    paged=True,
    present=present_port,
    fields=(
        *identity(tenant=Kept.IF_ABSENT),
        NAME,
        *ADMIN,
        field("network_id", UUID_TEXT, query=True, kept=Kept.IF_ABSENT),
        field("mac_address", MAC_TEXT, query=True, kept=Kept.IF_ABSENT),
        field(
            "fixed_ips",
            listing(struct(FixedIp, field("ip_address", IP), field("subnet_id", UUID_TEXT))),
            default=(),
            kept=Kept.IF_ABSENT,
        ),
        field("device_id", TEXT, query=True),
        field("device_owner", TEXT, query=True),
        field("security_groups", listing(REFERENCE)),
        field(
            "allowed_address_pairs",
            listing(struct(AddressPair, field("ip_address", IP_OR_PREFIX), field("mac_address", MAC_TEXT))),
        ),
        field("binding:host_id", TEXT, "host_id"),
        field("binding:vnic_type", TEXT, "vnic_type"),
        field("binding:vif_type", TEXT, "vif_type"),
        field("binding:profile", JSON_TEXT, "profile"),
        field("binding:vif_details", MAPPING, "vif_details"),
        field(
            "extra_dhcp_opts",
            listing(
                struct(
                    DhcpOption,
                    field("opt_name", TEXT),
                    field("opt_value", TEXT),
                    field("ip_version", IP_VERSION),
                )
            ),
        ),
        field("port_security_enabled", BOOL, default=True, query=True),
        field("qos_policy_id", UUID_TEXT, query=True),
    ),
)
