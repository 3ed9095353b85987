"""data: BGP VPNs (networking-bgpvpn's API reference; RFC 4364 for L3, RFC 7432 for L2)."""

from typing import ClassVar

from daybreak.model.owned import Owned


class Bgpvpn(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A VPN of `type` l2 or l3, with its route targets and distinguishers ("64512:1"), and what is attached to it."""

    kind: ClassVar[str] = "bgpvpn"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    type: str | None = None
    technique: str | None = None
    route_targets: tuple[str, ...] | None = None
    import_targets: tuple[str, ...] | None = None
    export_targets: tuple[str, ...] | None = None
    route_distinguishers: tuple[str, ...] | None = None
    vni: int | None = None
    auto_aggregate: bool | None = None
    networks: tuple[str, ...] | None = None
    routers: tuple[str, ...] | None = None


class BgpvpnNetworkAssociation(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A network that is attached to a VPN."""

    kind: ClassVar[str] = "bgpvpn_network_association"

    bgpvpn_id: str | None = None
    network_id: str | None = None


class BgpvpnRouterAssociation(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A router that is attached to a VPN."""

    kind: ClassVar[str] = "bgpvpn_router_association"

    bgpvpn_id: str | None = None
    router_id: str | None = None
