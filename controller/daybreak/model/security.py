"""data: what the clouds want let through: security groups and firewalls (Neutron API reference, "Security")."""

from typing import ClassVar

from daybreak.model.owned import Owned


class SecurityGroup(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A set of ports that the same rules hold for. What no rule of a port's groups allows is dropped.

    `stateful` None counts as true, as in Neutron: what a rule admits is a connection, with all its packets. With false
    each packet needs a rule of its own, the answers too.
    """

    kind: ClassVar[str] = "security_group"

    name: str | None = None
    stateful: bool | None = None


class SecurityGroupRule(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a group lets through.

    `direction` is ingress or egress, as the port sees it; `ethertype` IPv4 or IPv6. `protocol` is a name (tcp, udp,
    icmp, icmpv6, igmp …) or a number from 0 to 255 as decimal text; None: any. The port range is that of destination
    ports, both included; for ICMP it is type and code. The other side is `remote_ip_prefix` (an address or a prefix),
    any member of `remote_group_id` or any address of `remote_address_group_id`; none of them: anybody.
    """

    kind: ClassVar[str] = "security_group_rule"

    security_group_id: str
    direction: str | None = None
    ethertype: str | None = None
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None


class AddressGroup(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Addresses and prefixes that rules name together (Neutron API reference, "Address groups")."""

    kind: ClassVar[str] = "address_group"

    name: str | None = None
    addresses: tuple[str, ...] | None = None


class Firewall(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A policy in force for the routers of a tenant (FWaaS v1)."""

    kind: ClassVar[str] = "firewall"

    name: str | None = None
    admin_state_up: bool | None = None
    shared: bool | None = None
    firewall_policy_id: str | None = None


class FirewallPolicy(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An ordered set of firewall rules; each names its policy and its position."""

    kind: ClassVar[str] = "firewall_policy"

    name: str | None = None
    shared: bool | None = None
    audited: bool | None = None


class FirewallRule(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One rule of a firewall.

    `protocol` is tcp, udp or icmp (None: any), `action` allow or deny; addresses may be prefixes, port ranges include
    both ends, `position` counts from 1.
    """

    kind: ClassVar[str] = "firewall_rule"

    name: str | None = None
    shared: bool | None = None
    firewall_policy_id: str | None = None
    protocol: str | None = None
    ip_version: int | None = None
    source_ip_address: str | None = None
    destination_ip_address: str | None = None
    source_port_range_min: int | None = None
    source_port_range_max: int | None = None
    destination_port_range_min: int | None = None
    destination_port_range_max: int | None = None
    position: int | None = None
    action: str | None = None
    enabled: bool | None = None
