"""data: what the clouds want between networks: routers, floating IPs and what goes through them (Neutron API reference,
"Layer 3").
"""

from typing import ClassVar

import msgspec

from daybreak.model.intent import FixedIp
from daybreak.model.owned import Owned


class Route(msgspec.Struct, frozen=True, gc=False):
    """A static route: `destination` is a prefix, `nexthop` an address of the same family."""

    destination: str
    nexthop: str


class ExternalGateway(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A router's way out. `enable_snat` None counts as true, as in Neutron. `qos_policy_id` holds for its addresses."""

    network_id: str | None = None
    enable_snat: bool | None = None
    external_fixed_ips: tuple[FixedIp, ...] | None = None
    qos_policy_id: str | None = None


class ConntrackHelper(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What reads the connections to a `port` through a router, to expect those that follow from them.

    `protocol` is tcp or udp; `helper` is the kernel's name of it: ftp, tftp, sip, h323, irc, pptp, amanda …
    """

    protocol: str
    port: int
    helper: str
    id: str | None = None


class Router(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A router. Its interfaces are the ports whose device it is.

    `external_gateways` are all its ways out; the first of them is `external_gateway_info`, which clouds that know of
    one only set alone. With `enable_default_route_ecmp` the default route goes through all of them, with
    `enable_default_route_bfd` only through those that answer (RFC 5880). `flavor_id` is what the cloud chose the
    router's backend by.
    """

    kind: ClassVar[str] = "router"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    distributed: bool | None = None
    gw_port_id: str | None = None
    routes: tuple[Route, ...] | None = None
    external_gateway_info: ExternalGateway | None = None
    external_gateways: tuple[ExternalGateway, ...] | None = None
    enable_default_route_ecmp: bool | None = None
    enable_default_route_bfd: bool | None = None
    enable_ndp_proxy: bool | None = None
    ha: bool | None = None
    availability_zone_hints: tuple[str, ...] | None = None
    flavor_id: str | None = None
    conntrack_helpers: tuple[ConntrackHelper, ...] | None = None


class FloatingIp(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An address of an external network that stands for a port's fixed address; without `port_id` for none."""

    kind: ClassVar[str] = "floating_ip"

    floating_network_id: str | None = None
    floating_ip_address: str | None = None
    fixed_ip_address: str | None = None
    port_id: str | None = None
    router_id: str | None = None
    status: str | None = None
    qos_policy_id: str | None = None
    dns_name: str | None = None
    dns_domain: str | None = None


class PortForwarding(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Some ports of a floating IP that stand for those of a port's fixed address.

    `protocol` is a name such as tcp or udp. Ranges include both ends; both are of the same length, or the inner one is
    a single port.
    """

    kind: ClassVar[str] = "port_forwarding"

    floating_ip_id: str
    protocol: str | None = None
    external_port_min: int | None = None
    external_port_max: int | None = None
    internal_port_id: str | None = None
    internal_ip_address: str | None = None
    internal_port_min: int | None = None
    internal_port_max: int | None = None


class NdpProxy(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An IPv6 address of a port that its router answers for on the external network (RFC 4389)."""

    kind: ClassVar[str] = "ndp_proxy"

    router_id: str
    name: str | None = None
    port_id: str | None = None
    ip_address: str | None = None
