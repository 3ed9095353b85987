"""data: what services need the controller to act on: kinds of /v1, or fields of them."""

from collections.abc import Mapping

QOS_RULES: Mapping[str, str] = {
    "bandwidth_limit": "qos_policy.bandwidth_limit_rules",
    "dscp_marking": "qos_policy.dscp_marking_rules",
    "minimum_bandwidth": "qos_policy.minimum_bandwidth_rules",
    "packet_rate_limit": "qos_policy.packet_rate_limit_rules",
    "minimum_packet_rate": "qos_policy.minimum_packet_rate_rules",
}
"""Type of a rule → what carries it out."""

TRUNK, LOG, FLOATING_IP, ROUTER = "trunk", "network_log", "floating_ip", "router"

NEEDS = frozenset({*QOS_RULES.values(), TRUNK, LOG, FLOATING_IP, ROUTER})
"""All of them."""
