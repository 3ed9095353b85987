"""io: the controller's figures for Prometheus, read anew for each scrape: of hosts that are gone nothing stays."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector, generate_latest

from daybreak.northbound.admin.answers import CountsAnswer, HostAnswer

MEDIA_TYPE = CONTENT_TYPE_LATEST

OF_ALL = {
    "daybreak_revision": ("revision", "Transactions that changed something, since the store was made."),
    "daybreak_ports": ("ports", "Ports that the clouds have."),
    "daybreak_ports_active": ("ports_active", "Ports that the clouds were told are active."),
    "daybreak_rule_failures": (
        "failures",
        "Rules' keys that yield nothing because the rule failed (daybreak check).",
    ),
    "daybreak_flow_conflicts": ("conflicts", "Flows that two rules want, so that nobody has them; see daybreak check."),
    "daybreak_security_rules": ("rules", "Rules of security groups."),
    "daybreak_security_rules_unused": ("rules_unused", "Rules of security groups that never counted anything."),
    "daybreak_security_connections": ("rule_connections", "Connections that rules which are there now let through."),
    "daybreak_security_packets": ("rule_packets", "Packets that rules which are there now let through."),
    "daybreak_security_bytes": ("rule_bytes", "Bytes that rules which are there now let through."),
}
"""Name → field of CountsAnswer, and what it is."""

DROPPED = "Packets that the switch was seen to drop since the controller started (daybreak why drop)."

OF_HOSTS = {
    "daybreak_host_ovsdb_connected": ("ovsdb", "1 while the host's OVSDB is connected."),
    "daybreak_host_openflow_connected": ("openflow", "1 while the host's switch is connected by OpenFlow."),
    "daybreak_host_in_sync": ("in_sync", "1 while the switch has confirmed every flow that is wanted."),
    "daybreak_host_applied_revision": ("applied", "Revision up to which the switch has confirmed everything."),
    "daybreak_host_flows": ("flows", "Flows that are wanted on the switch."),
    "daybreak_host_quarantined": ("quarantined", "Rules' keys whose flows the switch refuses."),
}
"""Name → field of HostAnswer, and what it is. A host has no figure where the field is null."""


def exposition(counts: CountsAnswer, hosts: list[HostAnswer]) -> bytes:
    """The figures in Prometheus' text format."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for name, (field, doc) in OF_ALL.items():
        Gauge(name, doc, registry=registry).set(getattr(counts, field))
    dropped = Gauge("daybreak_host_dropped_packets", DROPPED, ["host"], registry=registry)
    for key, packets in counts.dropped.items():
        dropped.labels(key).set(packets)
    for name, (field, doc) in OF_HOSTS.items():
        gauge = Gauge(name, doc, ["host"], registry=registry)
        for host in hosts:
            value = getattr(host, field)
            if value is not None:
                gauge.labels(host.name).set(value)
    return generate_latest(registry)
