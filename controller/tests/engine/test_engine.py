"""The engine with rules that are made up: what runs, what does not, and what happens when something is wrong."""

from collections.abc import Iterator

import pytest

from daybreak.engine.engine import SLICE, Engine
from daybreak.engine.oracle import differences, overlaps
from daybreak.engine.rule import Contradiction, Output, Relation, rule
from daybreak.engine.view import CheckedView, View

from .tiny import FLOW, Box, Thing, engine_of, feed, gone, matches, put

PARITY = Relation("parity", "box → whether its things are even or odd")
SUMMARY = Relation("summary", "box → what its things are")


@rule(Thing)
def plain(thing: Thing, view: View) -> Iterator[Output]:
    """A flow for each thing."""
    yield f"box/{thing.box}", FLOW, (thing.value, 1)


@rule(Thing, emits=(PARITY,))
def parity(thing: Thing, view: View) -> Iterator[Output]:
    yield PARITY, thing.box, thing.value % 2


@rule(PARITY)
def by_parity(box: str, values: tuple[int, ...], view: View) -> Iterator[Output]:
    for value in values:
        yield f"box/{box}", FLOW, (value, 1)


@rule(Thing, reads=(Box,))
def with_box(thing: Thing, view: View) -> Iterator[Output]:
    """A flow for a thing whose box is there; a box of less than nothing can't be."""
    box = view.get(Box, thing.box)
    if box is not None:
        yield f"box/{thing.box}", FLOW, (box.value, 1)
        if box.value < 0:
            raise Contradiction("less than nothing")


# -- what runs --------------------------------------------------------------------------------------------------------


def test_a_rule_runs_for_the_row_that_changed_alone() -> None:
    engine = engine_of(plain)
    assert feed(engine, put(*(Thing(str(n), "a", n) for n in range(50)))).runs == 50
    assert feed(engine, put(Thing("7", "a", 100))).runs == 1
    assert feed(engine, gone(Thing("7"))).runs == 0
    assert matches(engine, "box/a") == [n for n in range(50) if n != 7]


def test_a_wave_ends_where_a_result_is_the_same_as_before() -> None:
    engine = engine_of(parity, by_parity)
    assert feed(engine, put(Thing("x", "a", 2))).runs == 2
    wave = feed(engine, put(Thing("x", "a", 4)))
    assert (wave.runs, wave.flows, wave.facts) == (1, {}, {})
    assert feed(engine, put(Thing("x", "a", 5))).runs == 2
    assert matches(engine, "box/a") == [1]


def test_contributions_are_counted() -> None:
    engine = engine_of(parity, by_parity)
    feed(engine, put(Thing("x", "a", 2)))
    assert feed(engine, put(Thing("y", "a", 4), Thing("z", "a", 6))).runs == 2, "the reader has an even one already"
    assert feed(engine, gone(Thing("x"), Thing("y"))).runs == 0, "the last one is still there"
    assert matches(engine, "box/a") == [0]
    feed(engine, gone(Thing("z")))
    assert matches(engine, "box/a") == []
    assert engine.relations[PARITY] == {}


def test_a_reader_sees_values_in_their_order_not_in_that_of_arrival() -> None:
    seen: list[tuple[int, ...]] = []

    @rule(PARITY)
    def look(box: str, values: tuple[int, ...], view: View) -> Iterator[Output]:
        seen.append(values)
        yield from ()

    engine = engine_of(parity, look)
    feed(engine, put(Thing("x", "a", 1)))
    feed(engine, put(Thing("y", "a", 2)))
    assert seen == [(1,), (0, 1)]


def test_a_rule_that_reads_a_relation_waits_for_all_that_contribute() -> None:
    """`late` is declared first, and still sees what all things of the transaction contribute, in one run."""

    @rule(PARITY)
    def late(box: str, values: tuple[int, ...], view: View) -> Iterator[Output]:
        yield f"box/{box}", FLOW, (len(values), 1)

    engine = engine_of(late, parity)
    assert feed(engine, put(*(Thing(str(n), "a", n) for n in range(10)))).runs == 11
    assert matches(engine, "box/a") == [2]


def test_what_a_rule_read_wakes_it_and_what_it_read_once_does_not() -> None:
    engine = engine_of(with_box)
    feed(engine, put(Thing("x", "a"), Thing("y", "b")))
    assert feed(engine, put(Box("a", 7))).runs == 1, "it read the box while that was not there"
    assert matches(engine, "box/a") == [7]
    feed(engine, put(Thing("x", "b")))
    assert feed(engine, put(Box("a", 8))).runs == 0
    assert feed(engine, put(Box("b", 9))).runs == 2
    assert matches(engine, "box/a") == []


def test_a_rule_reads_another_row_of_its_own_key_without_a_note() -> None:
    @rule(Thing, reads=(Box,))
    def same_key(thing: Thing, view: View) -> Iterator[Output]:
        box = view.get(Box, thing.name)
        yield "t", FLOW, (box.value if box else 0, 1)

    engine = engine_of(same_key)
    feed(engine, put(Thing("x")))
    memo = engine.memo(same_key, "x")
    assert memo is not None
    assert memo.reads == ()
    assert feed(engine, put(Box("x", 3), Box("other", 4))).runs == 1
    assert matches(engine, "t") == [3]


def test_a_rule_without_a_root_runs_once() -> None:
    @rule(None)
    def always(view: View) -> Iterator[Output]:
        yield "fabric", FLOW, (1, 1)

    engine = engine_of(always, plain)
    assert engine.runs == 1
    assert feed(engine, put(Thing("x", "a"))).runs == 1
    assert matches(engine, "fabric") == [1]


def test_nothing_is_left_of_a_row_that_is_gone() -> None:
    engine = engine_of(parity, by_parity, with_box)
    records = (Thing("x", "a", 1), Thing("y", "a", 2), Box("a", -1))
    feed(engine, put(*records))
    assert engine.failures
    feed(engine, gone(*records))
    assert (engine.memos, engine.failures, engine.conflicts) == ({}, {}, {})
    assert not any(engine._readers.values())
    assert not any(engine.relations.values())
    assert not any(topic.flows for topic in engine.topics.values())


def test_a_wave_says_what_changed() -> None:
    engine = engine_of(plain, parity)
    feed(engine, put(Thing("x", "a", 1)))
    wave = feed(engine, put(Thing("x", "a", 2)))
    assert wave.revision == 2
    assert {topic.name: len(keys) for topic, keys in wave.flows.items()} == {"box/a": 2}, "one goes, one comes"
    assert wave.facts == {PARITY: {"a"}}
    quiet = feed(engine, put(Thing("x", "a", 2)))
    assert (quiet.flows, quiet.facts) == ({}, {})


# -- slices -----------------------------------------------------------------------------------------------------------


def test_a_large_wave_pauses_and_is_complete_only_at_its_end() -> None:
    changes = put(*(Thing(str(n), "a", n) for n in range(10 * SLICE)))
    sliced, whole = engine_of(parity, by_parity, plain), engine_of(parity, by_parity, plain)
    pauses = 0
    slices = sliced.feed(1, changes)
    while True:
        before = sliced.runs
        try:
            next(slices)
        except StopIteration as end:
            wave = end.value
            break
        assert sliced.runs - before <= SLICE
        assert sliced.revision == 0
        pauses += 1
    assert 20 <= pauses <= 21
    assert wave.runs == 20 * SLICE + 1
    assert sliced.revision == 1
    expected = whole.apply(1, changes)
    assert {topic.name: keys for topic, keys in wave.flows.items()} == {t.name: k for t, k in expected.flows.items()}
    assert differences(sliced) == []


def test_a_wave_in_which_much_goes_pauses_as_often() -> None:
    """4,000 ports that were deleted held everybody up for 70 ms."""
    engine = engine_of(plain)
    things = [Thing(str(n), "a", n) for n in range(10 * SLICE)]
    feed(engine, put(*things))
    assert len(list(engine.feed(2, gone(*things)))) == 10
    assert matches(engine, "box/a") == []


def test_a_small_wave_does_not_pause() -> None:
    engine = engine_of(plain)
    with pytest.raises(StopIteration):
        next(engine.feed(1, put(*(Thing(str(n)) for n in range(SLICE - 1)))))


# -- what is wrong with rules -----------------------------------------------------------------------------------------


def test_rules_that_wait_for_each_other_are_refused() -> None:
    @rule(PARITY, emits=(SUMMARY,))
    def there(box: str, values: tuple[int, ...], view: View) -> Iterator[Output]:
        yield from ()

    @rule(Thing, reads=(SUMMARY,), emits=(PARITY,))
    def back(thing: Thing, view: View) -> Iterator[Output]:
        yield from ()

    with pytest.raises(ValueError, match=r"rules wait for each other.*there.*back|rules wait for each other.*back"):
        engine_of(there, back)


def test_a_rule_that_reads_what_it_emits_is_refused() -> None:
    @rule(Thing, reads=(PARITY,), emits=(PARITY,))
    def itself(thing: Thing, view: View) -> Iterator[Output]:
        yield from ()

    with pytest.raises(ValueError, match="wait for each other"):
        engine_of(itself)


def test_a_run_of_which_nothing_came_leaves_no_memo() -> None:
    @rule(Thing, emits=(PARITY,))
    def odd(thing: Thing, view: View) -> Iterator[Output]:
        if thing.value % 2:
            yield PARITY, thing.box, thing.value

    engine = engine_of(odd)
    feed(engine, put(Thing("x", "a", 2), Thing("y", "a", 1)))
    assert [str(memo) for memo in engine.memos.values()] == ["test_engine.odd(y)"]
    feed(engine, put(Thing("x", "a", 3), Thing("y", "a", 4)))
    assert [str(memo) for memo in engine.memos.values()] == ["test_engine.odd(x)"]
    assert (engine.values(PARITY, "a"), differences(engine)) == ((3,), [])


def test_two_memos_of_one_cookie_are_refused() -> None:
    """Cookies are hashes of feature, rule and key: two rules of one name in one feature would share theirs."""

    def twice(name: str) -> Iterator[Output]:
        yield PARITY, name, 1

    first, second = rule(Thing)(lambda thing, view: twice("a")), rule(Thing)(lambda thing, view: twice("b"))
    engine = engine_of(first, second)
    with pytest.raises(RuntimeError, match="have the same cookie"):
        feed(engine, put(Thing("x")))


def test_a_read_that_is_not_declared_is_found() -> None:
    @rule(Thing)
    def sly(thing: Thing, view: View) -> Iterator[Output]:
        box = view.get(Box, thing.box)
        yield "t", FLOW, (box.value if box else 0, 1)

    @rule(Thing, emits=(SUMMARY,))
    def sly_too(thing: Thing, view: View) -> Iterator[Output]:
        yield SUMMARY, thing.box, len(view.all(PARITY, thing.box))

    checked = engine_of(sly, sly_too, view=CheckedView)
    feed(checked, put(Thing("x", "a")))
    assert sorted(memo.failure or "" for memo in checked.failures.values()) == [
        "AssertionError: test_engine.sly reads <class 'controller.tests.engine.tiny.Box'>, which it does not declare",
        "AssertionError: test_engine.sly_too reads parity, which it does not declare",
    ]
    unchecked = engine_of(sly)
    feed(unchecked, put(Thing("x", "a")))
    assert unchecked.failures == {}
    assert any("sly" in text for text in differences(unchecked)), "the oracle checks what production does not"


# -- what goes wrong in rules -----------------------------------------------------------------------------------------


def test_a_rule_that_fails_yields_nothing_for_its_key_and_the_rest_goes_on() -> None:
    engine = engine_of(with_box, parity)
    feed(engine, put(Thing("x", "a", 1), Thing("y", "b", 2), Box("a", 1), Box("b", 2)))
    wave = feed(engine, put(Box("a", -1)))
    assert matches(engine, "box/a") == [], "neither what it yielded before it failed nor what it gave before"
    assert matches(engine, "box/b") == [2]
    assert [str(memo) for memo in engine.failures.values()] == ["test_engine.with_box(x)"]
    assert [memo.failure for memo in engine.failures.values()] == ["Contradiction: less than nothing"]
    assert len(wave.flows) == 1
    assert differences(engine) == []

    feed(engine, put(Box("a", 5)))
    assert engine.failures == {}
    assert matches(engine, "box/a") == [5]
    assert differences(engine) == []


def test_the_contributions_of_a_rule_that_fails_are_taken_back() -> None:
    @rule(Thing, emits=(PARITY,))
    def moody(thing: Thing, view: View) -> Iterator[Output]:
        yield PARITY, thing.box, thing.value % 2
        if thing.value > 9:
            raise KeyError("too much")

    engine = engine_of(moody, by_parity)
    feed(engine, put(Thing("x", "a", 1)))
    feed(engine, put(Thing("x", "a", 11)))
    assert engine.relations[PARITY] == {}
    assert matches(engine, "box/a") == []
    assert [memo.failure for memo in engine.failures.values()] == ["KeyError: 'too much'"]
    feed(engine, put(Thing("x", "a", 12)))
    assert [memo.failure for memo in engine.failures.values()] == ["KeyError: 'too much'"]
    feed(engine, gone(Thing("x")))
    assert engine.failures == {}


def test_a_value_that_does_not_fit_its_place_fails_closed() -> None:
    engine = engine_of(plain)
    feed(engine, put(Thing("x", "a", -1), Thing("y", "a", 1)))
    assert [str(memo) for memo in engine.failures.values()] == ["test_engine.plain(x)"]
    assert matches(engine, "box/a") == [1]


def test_two_flows_of_one_match_from_one_rule_fail() -> None:
    @rule(Thing)
    def torn(thing: Thing, view: View) -> Iterator[Output]:
        yield "t", FLOW, (1, 1)
        yield "t", FLOW, (1, thing.value)

    engine = engine_of(torn)
    feed(engine, put(Thing("x", "a", 2)))
    (memo,) = engine.failures.values()
    assert memo.failure == "ValueError: it yields two different flows of one match"
    feed(engine, put(Thing("x", "a", 1)))
    assert engine.failures == {}, "the same flow twice is one flow"


def test_more_than_one_value_where_one_is_expected_is_a_contradiction() -> None:
    @rule(Thing, reads=(PARITY,))
    def sure(thing: Thing, view: View) -> Iterator[Output]:
        yield "t", FLOW, (view.one(PARITY, thing.box), 1)

    engine = engine_of(parity, sure)
    feed(engine, put(Thing("x", "a", 1)))
    assert matches(engine, "t") == [1]
    feed(engine, put(Thing("y", "a", 2)))
    assert {memo.failure for memo in engine.failures.values()} == {
        "Contradiction: parity of a is not one but 2: (0, 1)"
    }
    assert matches(engine, "t") == []


# -- conflicts --------------------------------------------------------------------------------------------------------


def conflicts(engine: Engine) -> list[tuple[str, list[str]]]:
    """Topics and the memos that claim one flow there."""
    return [
        (conflict.topic, sorted(str(engine.memos[cookie]) for cookie in conflict.cookies))
        for conflict in engine.conflicting()
    ]


def test_a_flow_that_two_claim_is_withheld_from_both_until_one_gives_in() -> None:
    engine = engine_of(plain)
    feed(engine, put(Thing("x", "a", 1)))
    wave = feed(engine, put(Thing("y", "a", 1)))
    assert matches(engine, "box/a") == []
    assert {topic.name: len(keys) for topic, keys in wave.flows.items()} == {"box/a": 1}
    assert conflicts(engine) == [("box/a", ["test_engine.plain(x)", "test_engine.plain(y)"])]

    quiet = feed(engine, put(Thing("z", "a", 1)))
    assert quiet.flows == {}, "a third changes nothing"
    assert conflicts(engine) == [("box/a", [f"test_engine.plain({name})" for name in "xyz"])]

    feed(engine, gone(Thing("x")))
    assert matches(engine, "box/a") == []
    feed(engine, put(Thing("z", "a", 2)))
    assert matches(engine, "box/a") == [1, 2]
    assert engine.conflicts == {}
    assert engine.topics["box/a"].flows.keys() == engine_flows(engine, "y", "z")
    assert differences(engine) == []


def engine_flows(engine: Engine, *names: str) -> set[bytes]:
    """Keys of the flows that are these things'."""
    cookies = {plain.cookie(name).to_bytes(8, "big") for name in names}
    return {key for key, body in engine.topics["box/a"].flows.items() if body[:8] in cookies}


def test_a_rival_may_change_its_mind_while_it_is_withheld() -> None:
    @rule(Thing)
    def to_port(thing: Thing, view: View) -> Iterator[Output]:
        yield "t", FLOW, (1, thing.value)

    engine = engine_of(to_port)
    feed(engine, put(Thing("x", "", 1), Thing("y", "", 2)))
    feed(engine, put(Thing("x", "", 3)))
    assert engine.topics["t"].flows == {}
    feed(engine, gone(Thing("y")))
    ((_, body),) = engine.topics["t"].flows.items()
    alone = engine_of(to_port)
    feed(alone, put(Thing("x", "", 3)))
    assert list(alone.topics["t"].flows.values()) == [body]


def test_a_flow_may_change_hands_within_a_transaction() -> None:
    engine = engine_of(plain)
    feed(engine, put(Thing("x", "a", 1), Thing("y", "a", 2)))
    feed(engine, put(Thing("x", "a", 2), Thing("y", "a", 1)))
    assert engine.conflicts == {}
    assert matches(engine, "box/a") == [1, 2]
    assert differences(engine) == []


def test_one_flow_in_two_topics_of_a_host_is_found() -> None:
    engine = engine_of(plain)
    feed(engine, put(Thing("x", "a", 1), Thing("y", "b", 1)))
    assert engine.conflicts == {}
    assert overlaps(engine, {"h1": frozenset({"box/a"}), "h2": frozenset({"box/b"})}) == []
    (found,) = overlaps(engine, {"h1": frozenset({"box/a", "box/b"})})
    assert found.startswith("h1: box/a and box/b have the same flow ")


# -- the oracle -------------------------------------------------------------------------------------------------------


def test_the_oracle_finds_what_is_not_as_it_should_be() -> None:
    def fresh() -> Engine:
        engine = engine_of(plain, parity, by_parity)
        feed(engine, put(Thing("x", "a", 3), Thing("y", "b", 5)))
        assert differences(engine) == []
        return engine

    lost = fresh()
    lost.topics["box/a"].flows.popitem()
    assert [text.split(":")[0] for text in differences(lost)] == ["flows of box/a"]

    stale = fresh()
    stale.relations[PARITY]["c"] = (1,)
    assert [text.split(":")[0] for text in differences(stale)] == ["relation ('parity', 'c')"]

    forgotten = fresh()
    del forgotten.memos[plain.cookie("x")]
    assert [text.split(":")[0] for text in differences(forgotten)] == ["memo test_engine.plain(x)"]
