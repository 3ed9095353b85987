"""io: what people can ask about what is let through and what is dropped: rules with their counters, drops of a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

from daybreak.features.vocabulary import PLACED
from daybreak.model import AddressGroup, Port, Record, SecurityGroup, SecurityGroupRule
from daybreak.northbound.admin.answers import DropAnswer, Object, RuleAnswer, WhyDropAnswer
from daybreak.service.controller import Controller
from daybreak.service.drops import Drop, Reasons
from daybreak.service.naming import FlowNames, as_object, name_of
from daybreak.service.slices import paced

ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
"""Protocols whose "ports" are type and code."""


def iso(at: float) -> str:
    """A UNIX time in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def ports_of(rule: SecurityGroupRule) -> str | None:
    """A rule's ports, or type and code."""
    low, high = rule.port_range_min, rule.port_range_max
    if low is None:
        return None
    if rule.protocol in ICMP:
        return f"type {low}" if high is None else f"type {low} code {high}"
    return str(low) if high in (None, low) else f"{low}-{high}"


class Policy:
    """Answers from the controller's records and counters."""

    def __init__(self, controller: Controller, names: FlowNames) -> None:
        self._controller = controller
        self._engine = controller.engine
        self._names = names
        self._reasons = Reasons(controller.engine.pipeline)
        self._tables = {number: table.name for table, number in controller.engine.pipeline.numbers.items()}

    def figures(self) -> dict[str, Any]:
        """Sums over all rules, and drops by host, for CountsAnswer."""
        totals = self._controller.counters.totals(SecurityGroupRule)
        return {
            "rules": len(totals),
            "rules_unused": sum(total.last is None for total in totals),
            "rule_connections": sum(total.connections for total in totals),
            "rule_packets": sum(total.packets for total in totals),
            "rule_bytes": sum(total.octets for total in totals),
            "dropped": dict(self._controller.counters.dropped),
        }

    # -- rules --------------------------------------------------------------------------------------------------------

    async def rules(self, group: str | None) -> AsyncIterator[RuleAnswer]:
        """The rules of a group, or of all, by group, direction and what they allow."""
        found = [
            rule
            async for rule in paced([*self._engine.records[SecurityGroupRule].values()])
            if isinstance(rule, SecurityGroupRule) and group in (None, rule.security_group_id)
        ]
        async for answer in paced(sorted(map(self._rule, found), key=in_order)):
            yield answer

    def _rule(self, rule: SecurityGroupRule) -> RuleAnswer:
        total = self._controller.counters.total(SecurityGroupRule, rule.id)
        remote = None
        if rule.remote_group_id:
            remote = self._thing(SecurityGroup, rule.remote_group_id)
        elif rule.remote_address_group_id:
            remote = self._thing(AddressGroup, rule.remote_address_group_id)
        return RuleAnswer(
            id=rule.id,
            group=self._thing(SecurityGroup, rule.security_group_id),
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            ports=ports_of(rule),
            remote_prefix=rule.remote_ip_prefix,
            remote_group=remote,
            connections=total.connections,
            packets=total.packets,
            bytes=total.octets,
            since=iso(total.since),
            last=None if total.last is None else iso(total.last),
        )

    def _thing(self, kind: type[Record], key: str) -> Object:
        record = self._engine.records[kind].get(key)
        return Object(kind.kind, key, name_of(record) if record else None)

    # -- drops --------------------------------------------------------------------------------------------------------

    async def dropped(self, port: Port, seconds: float) -> WhyDropAnswer:
        """What was dropped of a port, and on its hosts of nobody in particular."""
        controller = self._controller
        counters = controller.counters
        hosts = tuple(sorted(place.host for place in self._engine.values(PLACED, port.id)))
        if counters.interval:
            await asyncio.gather(*(counters.look(host) for host in hosts))
        since = counters.now() - seconds
        drops = [each for each in counters.drops.since(since) if each.subject == port.id or concerns(each, hosts)]
        return WhyDropAnswer(
            port=as_object(port),
            since=iso(since),
            interval=counters.interval,
            hosts=hosts,
            missing=tuple(host for host in hosts if host not in controller.switches.appliers),
            drops=tuple(sorted(self._sums(drops, port), key=lambda each: (not each.own, -each.packets, each.table))),
            logged=tuple(controller.security_log.dropped(port.id, since)),
        )

    def _sums(self, drops: Iterable[Drop], port: Port) -> Iterable[DropAnswer]:
        """One answer for each flow or table of a host."""
        found: dict[tuple[str, int, bytes], list[Drop]] = {}
        for drop in drops:
            found.setdefault((drop.host, drop.table, drop.key), []).append(drop)
        for (host, table, key), parts in found.items():
            yield DropAnswer(
                host=host,
                table=self._tables[table],
                own=parts[0].subject == port.id,
                reason=self._reasons.of(parts[0]),
                match=self._names.text(key, bytes(8)).match if key else None,
                packets=sum(part.packets for part in parts),
                bytes=sum(part.octets for part in parts) if key else None,
                first=iso(parts[0].at),
                last=iso(parts[-1].at),
            )


def concerns(drop: Drop, hosts: tuple[str, ...]) -> bool:
    """Whether a drop may be that of any port of these hosts: its flow is nobody's in particular."""
    return drop.host in hosts and (not drop.key or drop.subject == "")


def in_order(answer: RuleAnswer) -> tuple[str, ...]:
    """By group, then by what is allowed."""
    group = answer.group
    parts = (answer.direction, answer.ethertype, answer.protocol, answer.ports, answer.id)
    return (group.name or "", group.id, *(part or "" for part in parts))
