"""Random rules on random records: increments give what a full recompute gives, whatever happens in which order."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.engine.engine import Engine
from daybreak.engine.oracle import differences
from daybreak.engine.rule import Contradiction, Output, Relation, Rule, rule
from daybreak.engine.view import View
from daybreak.model import Change, Record

from .tiny import FLOW, Box, Thing, engine_of, feed

LAYERS = tuple(Relation(f"layer{n}", "made up") for n in range(3))
KEYS = ("a", "b", "c")


class Spec(NamedTuple):
    """A rule: its root, what it reads and emits by number of layer, and numbers that decide what it makes of it."""

    root: int
    reads: tuple[int, ...]
    emits: int
    modulus: int
    failing: int
    """Sums that leave this remainder by seven make it fail."""


specs = st.builds(
    lambda root, reads, emits, modulus, failing: Spec(
        root, tuple(sorted({layer for layer in reads if layer < emits})), max(emits, root + 1), modulus, failing
    ),
    root=st.integers(-2, 1),
    reads=st.lists(st.integers(0, 1), max_size=2),
    emits=st.integers(0, 2),
    modulus=st.integers(1, 4),
    failing=st.integers(0, 10),
)


def made_up(number: int, spec: Spec) -> Rule:
    """The rule of a spec. What it reads next depends on what it has read."""

    def outputs(key: str, total: int, view: View) -> Iterator[Output]:
        for layer in spec.reads:
            total += sum(view.all(LAYERS[layer], KEYS[total % 3]))
            total += sum(view.all(LAYERS[layer], key))
        box = view.get(Box, KEYS[total % 3])
        total += box.value if box else 0
        yield LAYERS[spec.emits], KEYS[total % 3], total % spec.modulus
        if total % 7 == spec.failing:
            raise Contradiction(f"{total} leaves {spec.failing}")
        yield f"topic/{total % 2}", FLOW, (total % 5, total % spec.modulus)

    def of_record(record: Any, view: View) -> Iterator[Output]:
        return outputs(record.key, record.value, view)

    def of_relation(key: str, values: tuple[int, ...], view: View) -> Iterator[Output]:
        return outputs(key, sum(values) * 2 + len(values), view)

    function: Callable[..., Iterator[Output]] = of_record if spec.root < 0 else of_relation
    function.__name__ = f"rule{number}"
    root: Any = LAYERS[spec.root] if spec.root >= 0 else (Thing, Box)[spec.root]
    return rule(root, reads=(Box, *(LAYERS[n] for n in spec.reads)), emits=(LAYERS[spec.emits],))(function)


def record(kind: type[Thing] | type[Box], key: str, value: int) -> Record:
    return kind(name=key, value=value)


changes = st.builds(
    lambda kind, key, value: Change(kind, key, None, None if value is None else record(kind, key, value)),
    kind=st.sampled_from([Thing, Box]),
    key=st.sampled_from([*KEYS, "d", "e"]),
    value=st.none() | st.integers(0, 20),
)
transactions = st.lists(st.lists(changes, max_size=4), max_size=8)


def visible(engine: Engine) -> tuple[object, ...]:
    flows = {name: topic.flows for name, topic in engine.topics.items() if topic.flows}
    facts = {(layer, key): engine.values(layer, key) for layer in LAYERS for key in engine.relations[layer]}
    return flows, facts, {str(memo): memo.failure for memo in engine.failures.values()}, sorted(engine.conflicting())


@settings(max_examples=300, deadline=None)
@given(st.lists(specs, min_size=1, max_size=6), transactions)
def test_increments_give_what_a_full_recompute_gives(rules: list[Spec], story: list[list[Change]]) -> None:
    engine = engine_of(*(made_up(number, spec) for number, spec in enumerate(rules)))
    for transaction in story:
        feed(engine, transaction)
        assert differences(engine) == []
    told_at_once = engine_of(*engine.pipeline.rules)
    feed(
        told_at_once,
        [Change(kind, key, None, row) for kind, rows in engine.records.items() for key, row in rows.items()],
    )
    assert visible(told_at_once) == visible(engine)
    feed(engine, [Change(kind, key, row, None) for kind, rows in engine.records.items() for key, row in rows.items()])
    assert (engine.memos, engine.failures, engine.conflicts) == ({}, {}, {})
    assert not any(engine._readers.values())
    assert not any(engine.relations.values())
