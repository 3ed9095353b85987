"""data: what the clouds want of bandwidth and marking (Neutron API reference, "Quality of Service").

A rule of a policy has an id of its own in Neutron, but lives and dies with its policy. `direction` is ingress or
egress, as the port sees it.
"""

from typing import ClassVar

import msgspec

from daybreak.model.owned import Owned


class BandwidthLimit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """No more than this: kilobits a second, and kilobits of a burst."""

    id: str | None = None
    tenant_id: str | None = None
    max_kbps: int | None = None
    max_burst_kbps: int | None = None
    direction: str = "egress"


class DscpMarking(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The DSCP (RFC 2474) of all that a port sends."""

    id: str | None = None
    tenant_id: str | None = None
    dscp_mark: int | None = None


class MinimumBandwidth(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """No less than this, in kilobits a second."""

    id: str | None = None
    tenant_id: str | None = None
    min_kbps: int | None = None
    direction: str | None = None


class PacketRateLimit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """No more packets than this: thousands a second, and thousands of a burst."""

    id: str | None = None
    tenant_id: str | None = None
    max_kpps: int | None = None
    max_burst_kpps: int | None = None
    direction: str = "egress"


class MinimumPacketRate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """No less than this, in thousands of packets a second. `direction` may be any, too."""

    id: str | None = None
    tenant_id: str | None = None
    min_kpps: int | None = None
    direction: str | None = None


class QosPolicy(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What holds for the ports, networks, floating IPs and gateways of routers that name it."""

    kind: ClassVar[str] = "qos_policy"

    name: str | None = None
    shared: bool | None = None
    bandwidth_limit_rules: tuple[BandwidthLimit, ...] | None = None
    dscp_marking_rules: tuple[DscpMarking, ...] | None = None
    minimum_bandwidth_rules: tuple[MinimumBandwidth, ...] | None = None
    packet_rate_limit_rules: tuple[PacketRateLimit, ...] | None = None
    minimum_packet_rate_rules: tuple[MinimumPacketRate, ...] | None = None
