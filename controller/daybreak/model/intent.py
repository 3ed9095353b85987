"""data: what the clouds want: networks, subnets, ports.

Addresses are text in canonical form (MAC in lower case with colons; IPv4 and IPv6 as `ipaddress` prints them),
identities are text as the cloud sent them. `None` means that the cloud did not say, which is not the same as an empty
value: the Neutron dialect leaves unset fields out of its answers.
"""

from typing import ClassVar

import msgspec

from daybreak.model.record import Record


class Segment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One segment of a multi-segment network (Neutron API reference, "Networks multiple provider extension").

    `id` is what subnets name where each of them belongs to one segment (a routed network).
    """

    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: str | None = None
    id: str | None = None
    name: str | None = None


class Network(Record, frozen=True, gc=False, omit_defaults=True):
    """A layer-2 broadcast domain.

    `network_type` is one of flat, vlan, vxlan, geneve, gre, local, or None (untyped: an overlay of Daybreak's
    choice). `segmentation_id` is a decimal text (VLAN 1..4094, VNI 1..2^24-1), as clients read it back; None:
    allocated. `mtu` is in bytes, the largest IP packet that a port may send.
    """

    kind: ClassVar[str] = "network"

    id: str
    tenant_id: str | None = None
    project_id: str | None = None
    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    shared: bool | None = None
    external: bool | None = None
    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: str | None = None
    segments: tuple[Segment, ...] | None = None
    vlan_transparent: bool | None = None
    mtu: int | None = None
    qos_policy_id: str | None = None
    revision_number: int | None = None
    vlan_qinq: bool | None = None
    dns_domain: str | None = None
    tags: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return self.id


class AllocationPool(msgspec.Struct, frozen=True, gc=False):
    """Addresses from `start` to `end`, both included."""

    start: str
    end: str


class HostRoute(msgspec.Struct, frozen=True, gc=False):
    """A route that DHCP hands to the VMs of a subnet."""

    destination: str
    nexthop: str


class Subnet(Record, frozen=True, gc=False, omit_defaults=True):
    """A block of addresses on a network. `cidr` has no host bits set.

    Between subnets of one `address_scope_id` routers translate no addresses. `segment_id` is the segment of the network
    that the block is on; None: all of them. `service_types` are the owners of devices whose ports get addresses here;
    none: all.
    """

    kind: ClassVar[str] = "subnet"

    id: str
    network_id: str
    tenant_id: str | None = None
    project_id: str | None = None
    name: str | None = None
    ip_version: int | None = None
    cidr: str | None = None
    gateway_ip: str | None = None
    dns_nameservers: tuple[str, ...] | None = None
    allocation_pools: tuple[AllocationPool, ...] | None = None
    host_routes: tuple[HostRoute, ...] | None = None
    enable_dhcp: bool | None = None
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None
    revision_number: int | None = None
    segment_id: str | None = None
    address_scope_id: str | None = None
    service_types: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return self.id


class FixedIp(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One address of a port."""

    ip_address: str
    subnet_id: str | None = None


class AddressPair(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A further source that a port may use. `ip_address` may be a prefix; no `mac_address` means the port's own."""

    ip_address: str
    mac_address: str | None = None


class DhcpOption(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One of Neutron's extra_dhcp_opts."""

    opt_name: str
    opt_value: str | None = None
    ip_version: int = 4


class PortBinding(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A host that a port is bound to: ACTIVE where it is, INACTIVE where it will be (Neutron, "Port bindings")."""

    host: str
    status: str = "ACTIVE"


class Port(Record, frozen=True, gc=False, omit_defaults=True):
    """A VM's (or router's, or DHCP server's) connection to a network.

    `host_id` is the host that the cloud binds the port to; None or "": any host may claim it. `bindings` are all hosts
    that it is bound to, more than one during a live migration: then each of them has the port's flows.
    `port_security_enabled` None counts as true, as in Neutron. `dns_name` within `dns_domain` (None: that of the
    network) is what its addresses are called. `data_plane_status` is what a monitor said of its data path: ACTIVE,
    DOWN, or None for nothing. `trusted` ports are passed on to interfaces that may change their own addresses.
    """

    kind: ClassVar[str] = "port"

    id: str
    network_id: str
    tenant_id: str | None = None
    project_id: str | None = None
    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    mac_address: str | None = None
    fixed_ips: tuple[FixedIp, ...] | None = None
    device_id: str | None = None
    device_owner: str | None = None
    security_groups: tuple[str, ...] | None = None
    allowed_address_pairs: tuple[AddressPair, ...] | None = None
    host_id: str | None = None
    vnic_type: str | None = None
    vif_type: str | None = None
    profile: str | None = None
    vif_details: tuple[tuple[str, str], ...] | None = None
    extra_dhcp_opts: tuple[DhcpOption, ...] | None = None
    port_security_enabled: bool | None = None
    qos_policy_id: str | None = None
    revision_number: int | None = None
    dns_name: str | None = None
    dns_domain: str | None = None
    data_plane_status: str | None = None
    propagate_uplink_status: bool | None = None
    trusted: bool | None = None
    tags: tuple[str, ...] | None = None
    bindings: tuple[PortBinding, ...] | None = None

    @property
    def key(self) -> str:
        return self.id

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts among which it may be, the one where it is first; none: wherever somebody claims it."""
        if not self.host_id:
            return ()
        if not self.bindings:
            return (self.host_id,)
        return tuple(dict.fromkeys((self.host_id, *(binding.host for binding in self.bindings))))
