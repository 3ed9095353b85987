"""rules: what things and flows are called where people read of them: by name first."""

from __future__ import annotations

import re
from typing import NamedTuple

from daybreak.engine.pipeline import Pipeline
from daybreak.model import Record
from daybreak.northbound.admin.answers import Object
from daybreak.wire.openflow.actions import decode_instructions
from daybreak.wire.openflow.flow import decode_key
from daybreak.wire.openflow.shared import is_meter, is_shared
from daybreak.wire.openflow.text import Names, format_match, format_shared, format_steps

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def short(key: str) -> str:
    """The first eight characters of a UUID; every other id whole."""
    return key[:8] if UUID.fullmatch(key) else key


def name_of(record: Record) -> str | None:
    """A record's name; None where the cloud gave none, or kinds of it have none."""
    return getattr(record, "name", None) or None


def as_object(record: Record) -> Object:
    """What a record is, for programs."""
    return Object(record.kind, record.key, name_of(record))


def title(record: Record) -> str:
    """What a record is, for people: `port web (0ccd8fa9)`, `host h1`."""
    name = name_of(record)
    return f"{record.kind} {short(record.key)}" if name is None else f"{record.kind} {name} ({short(record.key)})"


class FlowText(NamedTuple):
    """A flow in words. Match and actions are in the language of ovs-ofctl(8)."""

    number: int
    table: str
    priority: int
    match: str
    actions: str

    @property
    def head(self) -> str:
        """What the flow is known by."""
        return f"table={self.table}, priority={self.priority}{', ' if self.match else ''}{self.match}"

    def __str__(self) -> str:
        return f"{self.head} actions={self.actions}"


class FlowNames:
    """Tables and registers of a pipeline, for reading flows."""

    def __init__(self, pipeline: Pipeline) -> None:
        tables = {number: table.name for table, number in pipeline.numbers.items()}
        self._names = Names(tables, tuple(pipeline.registers.values()))

    def table(self, number: int) -> str:
        """A table's name, or its number where the pipeline has none such."""
        return self._names.table(number)

    def text(self, key: bytes, body: bytes) -> FlowText:
        """A flow's key and body in words. ValueError where they can't be understood: then they are not ours.

        Meters and groups stand before all tables, under a name of their own.
        """
        if is_shared(key):
            number, does = format_shared(key, body, self._names)
            return FlowText(-1, "METERS" if is_meter(key) else "GROUPS", 0, number, does)
        table, priority, match = decode_key(key)
        steps = format_steps(decode_instructions(body[8:]), self._names)
        return FlowText(table, self._names.table(table), priority, format_match(match, self._names), steps)

    def line(self, key: bytes, body: bytes) -> str:
        """A flow as a line, whatever it is."""
        try:
            return str(self.text(key, body))
        except ValueError as error:
            return f"a flow that can't be read ({error})"
