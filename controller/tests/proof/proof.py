"""rules: what the interpreter says, held against what Open vSwitch says; each disagreement in words.

The proof of a feature is: packets of all kinds, each taken through the tables by the interpreter, by ofproto/trace, and
by real switches between network namespaces. See docs/contribute/proof.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daybreak.engine.engine import Engine
from daybreak.engine.interpreter import Connections, Copy, Outcome, Tables, Visit, interpret
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.wire.openflow import actions as a
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.fields import FIELDS, Field
from daybreak.wire.openflow.flow import Condition, decode_key
from daybreak.wire.openflow.headers import Fields, read
from daybreak.wire.openflow.text import format_flow, format_match

from .switch import Section, Traces

RELATED, TRACEABLE = 0x04, 0x0B
"""A trace refuses the addresses of a connection for a packet that is merely related to it (rel, not rpl)."""
STATES = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
NAMES = {a.LOCAL: "LOCAL"}


def state_words(state: int) -> str:
    """A ct_state as ofproto/trace takes it."""
    return ",".join(name for bit, name in enumerate(STATES) if state >> bit & 1)


def in_words(fields: Mapping[Field, int]) -> str:
    """Fields as ofproto/trace takes them: without masks, so that the rest is zero."""
    parts = []
    for field, value in sorted(fields.items(), key=lambda item: item[0].order):
        if field is f.CT_STATE:
            parts.append("ct_state=" + "|".join(state_words(value).split(",")))
        elif field is f.IN_PORT:
            parts.append(f"in_port={value}")
        elif value or field is f.ETH_TYPE:
            parts.append(format_match((Condition(field, value),)))
    return ",".join(parts)


def pass_numbers(outcome: Outcome) -> list[int]:
    """The passes: the first, and those in which connection tracking sent the packet on."""
    return [0, *(each.resumed for each in outcome.lookups if each.resumed is not None)]


def as_section(outcome: Outcome, number: int) -> tuple[list[Visit], list[str]]:
    """One pass, as a trace shows it: look-ups of tables, and where copies left to."""
    visits, ports = [], []
    for event in outcome.events:
        if event.pass_ != number:
            continue
        if isinstance(event, Visit):
            visits.append(event)
        elif isinstance(event, Copy):
            back = event.port == event.fields.get(f.IN_PORT, 0)
            ports.append("CONTROLLER" if event.port == a.CONTROLLER else "IN_PORT" if back else str(event.port))
    return visits, ports


def differences(visits: list[Visit], ports: list[str], section: Section) -> list[str]:
    """Where a pass of the interpreter is not what Open vSwitch traced."""
    mine = [
        (visit.table, None, 0) if visit.flow is None else (visit.table, visit.flow.priority, visit.flow.cookie)
        for visit in visits
    ]
    for visit, here, there in zip(visits, mine, section.visits, strict=False):
        others = [(each.table, each.priority, each.cookie) for each in visit.rivals]
        if here != there and there not in others:
            return [f"look-up {here} against {there}"]
    if len(mine) != len(section.visits):
        return [f"{len(mine)} look-ups against {len(section.visits)}"]
    if ports != list(section.ports):
        return [f"copies to {ports} against {list(section.ports)}"]
    return []


def flows_of(engine: Engine, host: str, features: Iterable[str] = ()) -> dict[bytes, bytes]:
    """What a host's switch is sent: key → body; of all features, or of these."""
    topics = [engine.topics[name] for name in engine.values(SUBSCRIPTIONS, host) if name in engine.topics]
    flows = {key: body for topic in topics for key, body in topic.flows.items()}
    wanted = set(features) or {feature.name for feature in engine.pipeline.features}
    return {key: body for key, body in flows.items() if engine.memos[int.from_bytes(body[:8])].rule.feature in wanted}


def kind_of(key: bytes) -> tuple[Any, ...]:
    """What flows have in common that differ in values alone."""
    table, priority, match = decode_key(key)
    return table, priority, tuple(condition.field for condition in match)


def missed(flows: Mapping[bytes, bytes], met: Iterable[bytes], share: float = 0.1) -> list[str]:
    """Kinds (table, priority, fields of the match) of flows of which no packet met one; an example each. [] where they
    are fewer than `share` of all kinds: chance has it that some are."""
    kinds = {kind_of(key) for key in met}
    examples = {kind_of(key): key for key in flows}
    found = [format_flow(key, flows[key]) for kind, key in examples.items() if kind not in kinds]
    return found if len(found) > share * len(examples) else []


class Proof:
    """One host's flows in the interpreter, and the same bytes in a real Open vSwitch that traces."""

    def __init__(self, traces: Traces, flows: Mapping[bytes, bytes]) -> None:
        self._traces = traces
        self.met: set[bytes] = set()
        self.tables = Tables(flows)

    def differences(
        self,
        frame: bytes,
        in_port: int,
        connections: Connections | None = None,
        metadata: Mapping[Field, int] | None = None,
    ) -> tuple[Outcome, list[str]]:
        """What the interpreter says, and where Open vSwitch disagrees.

        A trace does not look connections up, so each pass that follows a look-up is a trace of its own: from the table
        where it begins, with all that is known of the packet then.
        """
        outcome = interpret(frame, in_port, self.tables, connections, metadata=metadata)
        self.met |= {visit.flow.key for visit in outcome.visits if visit.flow is not None}
        entry = {**(metadata or {}), f.IN_PORT: in_port}
        order = pass_numbers(outcome)
        sections: list[Section | None] = [self._traces.trace(in_words(entry), frame)]
        sections += [self._resumed(outcome, number) for number in order[1:]]
        found = []
        for number, section in zip(order, sections, strict=True):
            if section is None:
                continue
            texts = differences(*as_section(outcome, number), section)
            found += [f"pass {number}: {text}\n{section.text}" for text in texts]
        return outcome, found

    def _resumed(self, outcome: Outcome, number: int) -> Section | None:
        """A trace of one later pass, from what was known of the packet when it began; None where it can't be told."""
        first = next(visit for visit in outcome.visits if visit.pass_ == number)
        if first.fields.get(f.CT_STATE, 0) & RELATED and not first.fields[f.CT_STATE] & TRACEABLE:
            return None
        return self._traces.resume(in_words(first.fields), first.table)


def metadata(**values: int) -> dict[Field, int]:
    """Fields by their names."""
    return {FIELDS[name]: value for name, value in values.items()}


def headers(frame: bytes) -> Fields:
    """What flows can match of a frame."""
    return read(frame).values
