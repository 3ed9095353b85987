"""Supposing a transaction says what the transaction does, and does nothing."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.engine.engine import Engine
from daybreak.engine.supposition import Supposition, changes_of
from daybreak.features import pipeline
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.model import Record, Transaction
from daybreak.store.memory import MemoryStore

from ..scenarios.test_random_clouds import BASE, records
from ..scenarios.transcript import KINDS, flows_of

PIPELINE = pipeline()
STEPS = st.lists(st.tuples(st.sampled_from([True, True, False]), records), min_size=1, max_size=4)
Story = list[list[tuple[bool, Record]]]


def everything(engine: Engine) -> Any:
    """All that an engine says, and what it would look at if something changed."""
    relations = {
        (relation.name, key): engine.values(relation, key)
        for relation, rows in list(engine.relations.items())
        for key in list(rows)
    }
    failures = {repr(memo): memo.failure for memo in engine.failures.values()}
    return flows_of(engine), relations, failures, sorted(engine.memos), len(engine.conflicts)


async def supposed(story: Story) -> None:
    """Before each step of the story it is supposed; what is said then is compared with what comes."""
    store, engine = MemoryStore(KINDS, PIPELINE.pools), Engine(PIPELINE)
    for step in [[(True, record) for record in BASE], *story]:
        put = {(type(record), record.key): record for there, record in step if there}
        delete = tuple({(type(record), record.key) for there, record in step if not there} - put.keys())
        before = everything(engine)
        rows: dict[tuple[type[Record], str], Record | None] = {**dict.fromkeys(delete), **put}
        supposition = Supposition(engine)
        guessed = changes_of(engine, rows)
        supposition.apply(engine.revision, guessed)
        assert everything(engine) == before
        committed = await store.commit(Transaction(tuple(put.values()), delete))
        assert {(change.kind, change.key) for change in guessed} == {
            (change.kind, change.key) for change in committed.changes
        }
        supposition = Supposition(engine)
        wave = supposition.apply(committed.revision, committed.changes)
        shifts, flows = supposition.shifts(wave), flows_of(engine)
        engine.apply(committed.revision, committed.changes)
        after = flows_of(engine)
        for host in ("h1", "h2"):
            assert supposition.values(SUBSCRIPTIONS, host) == engine.values(SUBSCRIPTIONS, host)
        said = {(shift.topic, shift.key): (shift.before, shift.after) for shift in shifts}
        happened = {
            (topic, key): (flows.get(topic, {}).get(key), after.get(topic, {}).get(key))
            for topic in flows.keys() | after.keys()
            for key in flows.get(topic, {}).keys() | after.get(topic, {}).keys()
        }
        assert said == {flow: change for flow, change in happened.items() if change[0] != change[1]}


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=8))
def test_a_supposition_is_what_would_happen(story: Story) -> None:
    asyncio.run(supposed(story))
