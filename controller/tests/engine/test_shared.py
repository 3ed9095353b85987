"""Meters and groups are output of rules like flows: they follow records, have owners and conflicts, and can be read."""

from collections.abc import Iterator

from daybreak.engine.document import pipeline_page
from daybreak.engine.engine import Engine
from daybreak.engine.oracle import differences
from daybreak.engine.pipeline import Feature, GroupShape, MeterShape, Pipeline, Shape
from daybreak.engine.rule import Output, rule
from daybreak.engine.view import View
from daybreak.service.naming import FlowNames
from daybreak.wire.openflow.actions import Meter
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.messages_group import GroupType, MeterFlags

from .tiny import TABLE, Thing, feed, gone, put

LIMIT = MeterShape("limit", MeterFlags.PKTPS, "what a thing may send")
COPIES = GroupShape("copies", GroupType.ALL, "to everybody")
LIMITED = Shape("limited", TABLE, 10, [(FIELDS["tun_id"], Var("id"))], [Meter(Var("meter")), Send(1)], "id meter")


@rule(Thing)
def limits(thing: Thing, view: View) -> Iterator[Output]:
    """A thing's meter has the thing's value for a number."""
    yield "all", LIMIT, (thing.value, 10, 0)
    yield "all", LIMITED, (ord(thing.name), thing.value)


@rule(None)
def always(view: View) -> Iterator[Output]:
    """A group that is always there."""
    yield "all", COPIES, (9, ((Send(1),), (Send(2), Send(3))))


PIPELINE = Pipeline([Feature("tiny", "", (TABLE,), (), (LIMITED,), (), (limits, always), (), (LIMIT, COPIES))])


def shown(engine: Engine) -> list[str]:
    names = FlowNames(engine.pipeline)
    return sorted(names.line(key, body) for key, body in engine.topics["all"].flows.items())


GROUP = "table=GROUPS, priority=0, group_id=9 actions=type=all,bucket=actions=output:1,bucket=actions=output:2,output:3"


def test_they_come_and_go_with_the_records_that_they_follow_from() -> None:
    engine = Engine(PIPELINE)
    feed(engine, put(Thing("a", value=5)))
    assert shown(engine) == [
        GROUP,
        "table=METERS, priority=0, meter=5 actions=pktps,burst,stats,bands=drop:rate=10,burst_size=10",
        "table=ONLY, priority=10, tun_id=0x61 actions=meter:5,output:1",
    ]
    wave = feed(engine, put(Thing("a", value=6)))
    (keys,) = wave.flows.values()
    assert len(keys) == 3, "one meter goes, one comes, a flow changes"
    assert differences(engine) == []
    feed(engine, gone(Thing("a")))
    assert shown(engine) == [GROUP]


def test_two_that_want_the_same_meter_are_a_conflict_and_neither_has_it() -> None:
    engine = Engine(PIPELINE)
    feed(engine, put(Thing("a", value=5), Thing("b", value=5)))
    (conflict,) = engine.conflicting()
    assert [str(engine.memos[cookie]) for cookie in sorted(conflict.cookies, key=lambda c: engine.memos[c].key)] == [
        "test_shared.limits(a)",
        "test_shared.limits(b)",
    ]
    assert not [line for line in shown(engine) if "METERS" in line]
    feed(engine, gone(Thing("b")))
    assert [line for line in shown(engine) if "METERS" in line]
    assert differences(engine) == []


def test_the_reference_tells_them() -> None:
    page = pipeline_page(PIPELINE)
    assert "| meter, pktps | `<number>`, `<rate>`, `<burst>` | what a thing may send | tiny.limit |" in page
    assert "| group, all | `<number>`, `<buckets>` | to everybody | tiny.copies |" in page
    assert "`meter:<meter>,output:1`" in page
