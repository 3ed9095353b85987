"""Transcripts: what follows from what clouds want and switches report; each of them also in every other order.

    UPDATE=1 pytest controller/tests/scenarios

rewrites what the transcripts expect; read the difference before you believe it. `transcript.py` lists the commands.
"""

import asyncio
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from daybreak.engine.engine import Engine
from daybreak.features import pipeline
from daybreak.model import Change, Host, Interface, Location, Network, Number, Port, PortStatus, Record

from .transcript import Player, faults, flows_of

PIPELINE = pipeline()
TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))
CHECKS = 60
"""Recomputes in one telling of a story; a longer one is checked at so many places, and at fewer when it is large."""

LARGE = 200
"""Records above which a sample of steps and orders has to do."""

REFERRED_FIRST = (Network, Number, Host, Location, Port, Interface, PortStatus)
"""An order of deletion in which each record goes before those that refer to it."""

State = dict[tuple[type[Record], str], Record]
Story = Sequence[Sequence[Change]]


@pytest.fixture(params=TRANSCRIPTS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


def test_a_transcript_reads_as_it_stands(path: Path) -> None:
    expected = path.read_text()
    played = asyncio.run(Player(PIPELINE).play(expected))
    if os.environ.get("UPDATE"):
        path.write_text(played)
    else:
        assert played == expected


def told(path: Path) -> tuple[Player, list[tuple[Change, ...]], State]:
    """A transcript's transactions, and the records that they leave."""
    player = Player(PIPELINE)
    asyncio.run(player.play(path.read_text()))
    state: State = {}
    for change in (change for changes in player.transactions for change in changes):
        if change.new is None:
            del state[change.kind, change.key]
        else:
            state[change.kind, change.key] = change.new
    return player, player.transactions, state


def tell(engine: Engine, story: Story) -> None:
    """Feed transactions; increments and recompute agree all the way."""
    checks = CHECKS if len(story) < 2 * LARGE else 3
    pace = max(1, len(story) // checks)
    for number, changes in enumerate(story):
        engine.apply(engine.revision + 1, changes)
        if number % pace == 0 or number == len(story) - 1:
            assert faults(engine) == []


def creations(records: Iterable[Record]) -> list[Change]:
    return [Change(type(record), record.key, None, record) for record in records]


def deletions(records: Iterable[Record]) -> list[Change]:
    return [Change(type(record), record.key, record, None) for record in records]


def one_by_one(changes: Iterable[Change]) -> Story:
    return [[change] for change in changes]


def state_of(engine: Engine) -> tuple[object, ...]:
    """All that anybody can see of an engine."""
    relations = {
        (relation, key): engine.values(relation, key) for relation, rows in engine.relations.items() for key in rows
    }
    failures = sorted((str(memo), memo.failure) for memo in engine.failures.values())
    return flows_of(engine), relations, failures, sorted(engine.conflicting())


def leaks(engine: Engine) -> Iterator[str]:
    """What is left in an engine without records, besides what rules without a root give."""
    empty = Engine(engine.pipeline)
    empty.apply(0, ())
    yield from (f"memo {memo}" for cookie, memo in engine.memos.items() if cookie not in empty.memos)
    yield from (f"reader of {source} {key}" for source, rows in engine._readers.items() for key in rows)
    yield from (f"{relation} of {key}" for relation, rows in engine.relations.items() for key in rows)
    yield from (f"record {kind.__name__} {key}" for kind, rows in engine.records.items() for key in rows)
    yield from (f"failure {memo}" for memo in engine.failures.values())
    yield from (f"conflict {conflict}" for conflict in engine.conflicting())
    if flows_of(engine) != flows_of(empty):
        yield f"flows of {flows_of(engine).keys() ^ flows_of(empty).keys()}"


def test_the_order_of_records_does_not_matter(path: Path) -> None:
    player, _, state = told(path)
    for seed in range(4 if len(state) < LARGE else 1):
        records = list(state.values())
        random.Random(seed).shuffle(records)
        engine = Engine(PIPELINE)
        tell(engine, one_by_one(creations(records)))
        assert state_of(engine) == state_of(player.engine)


def test_the_size_of_transactions_does_not_matter(path: Path) -> None:
    player, transactions, state = told(path)
    split, merged = Engine(PIPELINE), Engine(PIPELINE)
    tell(split, one_by_one(change for changes in transactions for change in changes))
    tell(merged, [creations(state.values())])
    assert state_of(split) == state_of(merged) == state_of(player.engine)


def test_a_step_told_twice_changes_nothing(path: Path) -> None:
    player, transactions, _ = told(path)
    engine = Engine(PIPELINE)
    for changes in transactions:
        engine.apply(engine.revision + 1, changes)
        before = state_of(engine)
        wave = engine.apply(engine.revision + 1, changes)
        assert (wave.flows, wave.facts) == ({}, {})
        assert state_of(engine) == before
    assert state_of(engine) == state_of(player.engine)


def test_every_record_may_go_and_come_back(path: Path) -> None:
    player, _, state = told(path)
    before = state_of(player.engine)
    records = random.Random(0).sample(list(state.values()), min(len(state), LARGE))
    changes = [(*deletions([record]), *creations([record])) for record in records]
    tell(player.engine, [[change] for both in changes for change in both])
    assert state_of(player.engine) == before
    for both in changes:
        player.engine.apply(player.engine.revision + 1, both)
    assert state_of(player.engine) == before


def test_nothing_is_left_when_all_is_gone(path: Path) -> None:
    player, _, state = told(path)

    def rank(record: Record) -> int:
        return next((n for n, kind in enumerate(REFERRED_FIRST) if isinstance(record, kind)), len(REFERRED_FIRST))

    for order in (sorted(state.values(), key=rank), sorted(state.values(), key=rank, reverse=True)):
        engine = Engine(PIPELINE)
        tell(engine, [creations(state.values())])
        assert state_of(engine) == state_of(player.engine)
        tell(engine, one_by_one(deletions(order)))
        assert list(leaks(engine)) == []
