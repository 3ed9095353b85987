"""data: what the clouds want between networks: routers and floating IPs (Neutron API reference, "Layer 3")."""

from typing import ClassVar

import msgspec

from daybreak.model.intent import FixedIp
from daybreak.model.owned import Owned


class Route(msgspec.Struct, frozen=True, gc=False):
    """A static route: `destination` is a prefix, `nexthop` an address of the same family."""

    destination: str
    nexthop: str


class ExternalGateway(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A router's way out. `enable_snat` None counts as true, as in Neutron."""

    network_id: str | None = None
    enable_snat: bool | None = None
    external_fixed_ips: tuple[FixedIp, ...] | None = None


class Router(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A router. Its interfaces are the ports whose device it is."""

    kind: ClassVar[str] = "router"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    distributed: bool | None = None
    gw_port_id: str | None = None
    routes: tuple[Route, ...] | None = None
    external_gateway_info: ExternalGateway | None = None


class FloatingIp(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An address of an external network that stands for a port's fixed address; without `port_id` for none."""

    kind: ClassVar[str] = "floating_ip"

    floating_network_id: str | None = None
    floating_ip_address: str | None = None
    fixed_ip_address: str | None = None
    port_id: str | None = None
    router_id: str | None = None
    status: str | None = None
