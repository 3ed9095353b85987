"""data: what the clouds want of IPsec VPNs (Neutron API reference, "VPN as a Service")."""

from typing import Any, ClassVar

import msgspec

from daybreak.model.owned import Owned


class VpnService(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The router at which connections end, and the subnet that they are for."""

    kind: ClassVar[str] = "vpn_service"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    router_id: str | None = None
    subnet_id: str | None = None


class Lifetime(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How long keys are good for: `value` in `units` (seconds)."""

    units: str | None = None
    value: int | None = None


class IkePolicy(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How two sides agree on keys (IKE, RFC 7296)."""

    kind: ClassVar[str] = "ike_policy"

    name: str | None = None
    auth_algorithm: str | None = None
    encryption_algorithm: str | None = None
    phase1_negotiation_mode: str | None = None
    pfs: str | None = None
    ike_version: str | None = None
    lifetime: Lifetime | None = None


class IpsecPolicy(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How packets are protected (ESP or AH: RFC 4301)."""

    kind: ClassVar[str] = "ipsec_policy"

    name: str | None = None
    transform_protocol: str | None = None
    encapsulation_mode: str | None = None
    auth_algorithm: str | None = None
    encryption_algorithm: str | None = None
    pfs: str | None = None
    lifetime: Lifetime | None = None


class DeadPeerDetection(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is done about a silent peer; `interval` and `timeout` in seconds."""

    action: str | None = None
    interval: int | None = None
    timeout: int | None = None


class IpsecSiteConnection(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A tunnel to another site. `psk` is a secret: it is not part of what is printed. `mtu` is in bytes."""

    kind: ClassVar[str] = "ipsec_site_connection"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    peer_address: str | None = None
    peer_id: str | None = None
    peer_cidrs: tuple[str, ...] | None = None
    route_mode: str | None = None
    mtu: int | None = None
    auth_mode: str | None = None
    psk: str | None = None
    initiator: str | None = None
    ikepolicy_id: str | None = None
    ipsecpolicy_id: str | None = None
    vpnservice_id: str | None = None
    dpd: DeadPeerDetection | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, "…" if name == "psk" else getattr(self, name)) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"IpsecSiteConnection({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
