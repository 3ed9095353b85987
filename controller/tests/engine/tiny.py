"""data: a world of two kinds of records and one table, for rules that tests make up."""

from typing import Any, ClassVar

from daybreak.engine.engine import Engine, Wave
from daybreak.engine.pipeline import Feature, Pipeline, Shape, Stage, Table
from daybreak.engine.rule import Rule
from daybreak.engine.view import View
from daybreak.model import Change, Record
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.flow import decode_key
from daybreak.wire.openflow.layout import Var


class Thing(Record, frozen=True):
    """A row that belongs to a box."""

    kind: ClassVar[str] = "thing"

    name: str
    box: str = ""
    value: int = 0

    @property
    def key(self) -> str:
        return self.name


class Box(Record, frozen=True):
    """A row that things may read."""

    kind: ClassVar[str] = "box"

    name: str
    value: int = 0

    @property
    def key(self) -> str:
        return self.name


TABLE = Table("ONLY", Stage.SWITCH, "the only table")
FLOW = Shape("flow", TABLE, 10, [(FIELDS["tun_id"], Var("match"))], [Send(Var("port"))], "match port")


def engine_of(*rules: Rule, view: type[View] = View) -> Engine:
    """An engine with these rules, fed with nothing."""
    relations = dict.fromkeys(relation for rule in rules for relation in rule.emits)
    engine = Engine(Pipeline([Feature("tiny", "", (TABLE,), (), (FLOW,), tuple(relations), rules, ())]), view)
    engine.apply(0, ())
    return engine


def put(*records: Record) -> list[Change]:
    """Changes that put records; the engine does not look at what was there before."""
    return [Change(type(record), record.key, None, record) for record in records]


def gone(*records: Record) -> list[Change]:
    """Changes that take records away."""
    return [Change(type(record), record.key, record, None) for record in records]


def feed(engine: Engine, *changes: list[Change]) -> Wave:
    """Feed one transaction."""
    return engine.apply(engine.revision + 1, [change for part in changes for change in part])


def matches(engine: Engine, topic: str) -> list[int]:
    """What the flows of a topic match on."""
    found = engine.topics.get(topic)
    conditions: list[Any] = [decode_key(key)[2] for key in (found.flows if found else ())]
    return sorted(match[0].value for match in conditions)
