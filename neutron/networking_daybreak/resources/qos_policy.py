"""io: QoS policies with their rules."""

from collections.abc import Mapping, Sequence
from typing import Any

from neutron.db.qos.models import (
    QosBandwidthLimitRule,
    QosDscpMarkingRule,
    QosMinimumBandwidthRule,
    QosMinimumPacketRateRule,
    QosPacketRateLimitRule,
    QosPolicy,
    QosPolicyDefault,
)
from neutron.db.rbac_db_models import ACCESS_SHARED, QosPolicyRBAC

from networking_daybreak.resources.kind import Body, Kind, Opendaylight, chosen, column
from networking_daybreak.resources.reading import belonging, objects, paged

RULES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "bandwidth_limit": (QosBandwidthLimitRule, ("max_kbps", "max_burst_kbps", "direction")),
    "dscp_marking": (QosDscpMarkingRule, ("dscp_mark",)),
    "minimum_bandwidth": (QosMinimumBandwidthRule, ("min_kbps", "direction")),
    "packet_rate_limit": (QosPacketRateLimitRule, ("max_kpps", "max_burst_kpps", "direction")),
    "minimum_packet_rate": (QosMinimumPacketRateRule, ("min_kpps", "direction")),
}
"""Type of a rule, as in the API → its rows, and the columns that say what it demands."""


def read(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Policies with all their rules: a policy may have several of a type, one for each direction."""
    found = objects(context, QosPolicy, ids)
    shares = belonging(context, QosPolicyRBAC, "object_id", found)
    defaults = belonging(context, QosPolicyDefault, "qos_policy_id", found)
    for id, body in found.items():
        body["rules"] = []
        body["is_default"] = id in defaults
        body["shared"] = any(each["action"] == ACCESS_SHARED and each["target_project"] == "*" for each in shares[id])
    for type, (model, columns) in RULES.items():
        for id, rules in belonging(context, model, "qos_policy_id", found, "id").items():
            found[id]["rules"] += [
                {"type": type, "qos_policy_id": id, **{name: rule[name] for name in ("id", *columns)}} for rule in rules
            ]
    return found


def by_type(body: Body) -> dict[str, list[Body]]:
    """A list of rules for each type."""
    lists: dict[str, list[Body]] = {f"{type}_rules": [] for type in RULES}
    for rule in body["rules"]:
        shown = {name: value for name, value in rule.items() if name not in ("type", "qos_policy_id")}
        lists[f"{rule['type']}_rules"].append({**shown, "tenant_id": body["tenant_id"]})
    return lists


def record(body: Body) -> dict[str, Any]:
    """A policy as /v1 takes it; what a rule doesn't say is left out."""
    lists = {
        name: [{field: value for field, value in rule.items() if value is not None} for rule in rules]
        for name, rules in by_type(body).items()
    }
    return chosen(body, "name", "shared") | {name: rules for name, rules in lists.items() if rules}


def opendaylight(body: Body) -> Body:
    """A policy as networking-odl sends it, with every rule: the rules by type, each with the policy's owner."""
    shaped = {name: value for name, value in body.items() if name not in ("rules", "tenant_id")}
    return shaped | {name: rules for name, rules in by_type(body).items() if rules}


KINDS = (
    Kind(
        "qos_policy",
        read,
        paged(QosPolicy),
        record,
        opendaylight=Opendaylight("qos/policies", "policy", shape=opendaylight),
        model=QosPolicy,
        rows={
            QosPolicy: column("id"),
            QosPolicyDefault: column("qos_policy_id"),
            QosPolicyRBAC: column("object_id"),
            **{model: column("qos_policy_id") for model, _ in RULES.values()},
        },
    ),
)
