"""io: what switches show of connections that clouds want logged, as one line each: who, whether, by which rule.

A line is a JSON object. A first packet that is sent again says nothing new and is not logged again.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from struct import error as StructError
from struct import unpack_from
from typing import Any, NamedTuple

import msgspec

from daybreak.engine.engine import Engine, Wave
from daybreak.engine.memo import Memo
from daybreak.engine.pipeline import Register
from daybreak.features.vocabulary import INBOUND, LOGS, VERDICT, Log, RuleKey, logs_of
from daybreak.model import Network, Port, SecurityGroupRule
from daybreak.store.contract import Committed
from daybreak.wire.openflow.messages_packet import PacketIn

REPEATED = 30.0
"""Seconds in which the same first packet is not logged again."""

REMEMBERED = 10_000
"""Connections, and drops, that are remembered."""

PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 89: "ospf", 132: "sctp"}
WITH_PORTS = ("tcp", "udp", "sctp")
VLAN, IPV4, IPV6 = 0x8100, 0x0800, 0x86DD


class Said(NamedTuple):
    """What a packet says. `extra` are its ports, or type and code."""

    source: str
    destination: str
    protocol: str
    extra: dict[str, int]


def read(frame: bytes) -> Said | None:
    """The beginning of a frame, as far as it is there; None where it is not IP."""
    try:
        (ethertype,) = unpack_from("!H", frame, 12)
        at = 14
        if ethertype == VLAN:
            (ethertype,), at = unpack_from("!H", frame, 16), 18
        if ethertype == IPV4:
            head, number, source, target = (
                frame[at] & 15,
                frame[at + 9],
                frame[at + 12 : at + 16],
                frame[at + 16 : at + 20],
            )
            rest, is_first = at + 4 * head, not unpack_from("!H", frame, at + 6)[0] & 0x1FFF
        elif ethertype == IPV6:
            number, source, target = frame[at + 6], frame[at + 8 : at + 24], frame[at + 24 : at + 40]
            rest, is_first = at + 40, True
        else:
            return None
        protocol = PROTOCOLS.get(number, str(number))
        extra = dict(_extra(frame, rest, protocol)) if is_first else {}
        return Said(str(ip_address(source)), str(ip_address(target)), protocol, extra)
    except (StructError, IndexError, ValueError):
        return None


def _extra(frame: bytes, at: int, protocol: str) -> Iterator[tuple[str, int]]:
    if protocol in WITH_PORTS and len(frame) >= at + 4:
        yield from zip(("source_port", "destination_port"), unpack_from("!HH", frame, at), strict=True)
    elif protocol in ("icmp", "icmpv6") and len(frame) >= at + 2:
        yield from (("type", frame[at]), ("code", frame[at + 1]))


class SecurityLog:
    """Takes packets, gives lines to `write`. `drops` are the latest that were dropped: (UNIX time, port, line)."""

    def __init__(self, engine: Engine, write: Callable[[str], None], now: Callable[[], float] = time.time) -> None:
        self.drops: deque[tuple[float, str, dict[str, Any]]] = deque(maxlen=REMEMBERED)
        self._engine = engine
        self._write = write
        self._now = now
        self._rules: dict[int, str] = {}
        self._seen: OrderedDict[tuple[Any, ...], float] = OrderedDict()

    def start(self) -> None:
        """Learn the numbers of rules."""
        self._rules = {row.value: row.owner for row in self._engine.records[RuleKey].values()}  # type: ignore[attr-defined]

    def wave(self, committed: Committed, wave: Wave) -> None:
        """Numbers that are given out and taken back."""
        numbers = [(old, new) for kind, _, old, new in committed.changes if kind is RuleKey]
        for old, _ in numbers:
            if isinstance(old, RuleKey):
                self._rules.pop(old.value, None)
        for _, new in numbers:
            if isinstance(new, RuleKey):
                self._rules[new.value] = new.owner

    def packet(self, host: str, memo: Memo, packet: PacketIn) -> None:
        """A packet that a switch shows, of a port whose connections are logged."""
        port, said = self._engine.records[Port].get(memo.key), read(packet.data)
        if not isinstance(port, Port) or said is None:
            return
        verdict, inbound = self._value(VERDICT, packet), self._value(INBOUND, packet)
        event = "ACCEPT" if verdict else "DROP"
        rule = self._engine.records[SecurityGroupRule].get(self._rules.get(verdict, ""))
        group = rule.security_group_id if isinstance(rule, SecurityGroupRule) else None
        logs = [log.id for log in self._logs(port) if concerns(log, event, group)]
        if not logs or self._is_repeated((port.id, inbound, event, *said[:3], *said.extra.values())):
            return
        network = self._engine.records[Network].get(port.network_id)
        now = self._now()
        line = {
            "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "direction": "ingress" if inbound else "egress",
            "host": host,
            "port": {"id": port.id, "name": port.name},
            "network": {"id": port.network_id, "name": network.name if isinstance(network, Network) else None},
            "project": port.project_id or port.tenant_id,
            "group": group,
            "rule": rule.key if rule else None,
            "protocol": said.protocol,
            "source": said.source,
            "destination": said.destination,
            **said.extra,
            "logs": logs,
        }
        if event == "DROP":
            self.drops.append((now, port.id, line))
        self._write(msgspec.json.encode(line).decode())

    def dropped(self, port: str, since: float) -> list[dict[str, Any]]:
        """What was dropped of a port since a UNIX time, as it was logged."""
        return [line for at, key, line in self.drops if key == port and at >= since]

    def _logs(self, port: Port) -> list[Log]:
        return logs_of(port, lambda about: self._engine.values(LOGS, about))

    def _value(self, register: Register, packet: PacketIn) -> int:
        bits = self._engine.pipeline.registers[register]
        number = int(bits.field.name.removeprefix("reg"))
        return packet.registers.get(number, 0) >> bits.offset & (1 << bits.width) - 1

    def _is_repeated(self, connection: tuple[Any, ...]) -> bool:
        """Whether this very connection was logged a moment ago."""
        now = self._now()
        if self._seen.get(connection, 0.0) > now - REPEATED:
            return True
        self._seen[connection] = now
        self._seen.move_to_end(connection)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False


def concerns(log: Log, event: str, group: str | None) -> bool:
    """Whether a log asks for this. What no rule allows is no single group's doing, so it is every log's."""
    return log.event in ("ALL", event) and (event == "DROP" or log.group in ("", group))
