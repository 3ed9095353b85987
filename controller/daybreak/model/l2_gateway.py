"""data: L2 gateways: switches of metal that join a network (networking-l2gw's API)."""

from typing import ClassVar

import msgspec

from daybreak.model.owned import Owned


class GatewayInterface(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A port of a gateway's device, and the VLANs on it."""

    name: str | None = None
    segmentation_id: tuple[int, ...] | None = None


class GatewayDevice(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A switch of a gateway."""

    id: str | None = None
    device_name: str | None = None
    interfaces: tuple[GatewayInterface, ...] | None = None


class L2Gateway(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Devices that connections use together."""

    kind: ClassVar[str] = "l2_gateway"

    name: str | None = None
    devices: tuple[GatewayDevice, ...] | None = None


class L2GatewayConnection(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A gateway joined to a network; `segmentation_id` is the VLAN where its interfaces name none."""

    kind: ClassVar[str] = "l2_gateway_connection"

    name: str | None = None
    gateway_id: str | None = None
    network_id: str | None = None
    segmentation_id: int | None = None
    port_id: str | None = None
