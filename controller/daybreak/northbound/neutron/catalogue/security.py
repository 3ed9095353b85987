"""data: security groups and firewalls."""

from daybreak.model import Firewall, FirewallPolicy, FirewallRule, SecurityGroup, SecurityGroupRule
from daybreak.northbound.neutron.catalogue.identity import NAME, both_names, identity
from daybreak.northbound.neutron.codec import (
    BOOL,
    COUNT,
    IP_OR_PREFIX,
    IP_VERSION,
    PORT_NUMBER,
    UUID_TEXT,
    choice,
    protocol,
)
from daybreak.northbound.neutron.fields import Field, field
from daybreak.northbound.neutron.resource import Resource

DIRECTION = choice("ingress", "egress")
ETHERTYPE = choice("IPv4", "IPv6")
PROTOCOL = protocol("tcp", "udp", "icmp", "icmpv6", "igmp", numbers=True)


def port_range(prefix: str = "") -> tuple[Field, ...]:
    """The lowest and the highest port, both included."""
    return tuple(field(f"{prefix}port_range_{end}", PORT_NUMBER, query=True) for end in ("min", "max"))


SECURITY_GROUPS = Resource(
    path="security-groups",
    singular="security_group",
    plural="security_groups",
    title="Security Group",
    record=SecurityGroup,
    derive=both_names,
    fields=(*identity(), NAME),
)

SECURITY_GROUP_RULES = Resource(
    path="security-group-rules",
    singular="security_group_rule",
    plural="security_group_rules",
    title="Security Rule",
    record=SecurityGroupRule,
    derive=both_names,
    fields=(
        *identity(),
        field("direction", DIRECTION, query=True),
        field("protocol", PROTOCOL, query=True),
        *port_range(),
        field("ethertype", ETHERTYPE, query=True),
        field("remote_ip_prefix", IP_OR_PREFIX, query=True),
        field("remote_group_id", UUID_TEXT, query=True),
        field("security_group_id", UUID_TEXT, query=True),
    ),
)

FIREWALLS = Resource(
    path="fw/firewalls",
    singular="firewall",
    plural="firewalls",
    title="Firewall",
    record=Firewall,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("admin_state_up", BOOL, query=True),
        field("shared", BOOL, query=True),
        field("firewall_policy_id", UUID_TEXT, query=True),
    ),
)

FIREWALL_POLICIES = Resource(
    path="fw/firewall_policies",
    singular="firewall_policy",
    plural="firewall_policies",
    title="Firewall Policy",
    record=FirewallPolicy,
    derive=both_names,
    fields=(*identity(), NAME, field("shared", BOOL, query=True), field("audited", BOOL, query=True)),
)

FIREWALL_RULES = Resource(
    path="fw/firewall_rules",
    singular="firewall_rule",
    plural="firewall_rules",
    title="Firewall Rule",
    record=FirewallRule,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("shared", BOOL, query=True),
        field("firewall_policy_id", UUID_TEXT, query=True),
        field("protocol", protocol("tcp", "udp", "icmp"), query=True),
        field("ip_version", IP_VERSION, query=True),
        field("source_ip_address", IP_OR_PREFIX, query=True),
        field("destination_ip_address", IP_OR_PREFIX, query=True),
        *port_range("source_"),
        *port_range("destination_"),
        field("position", COUNT, query=True),
        field("action", choice("allow", "deny"), query=True),
        field("enabled", BOOL, query=True),
    ),
)
