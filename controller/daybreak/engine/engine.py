"""rules: the incremental engine: records in, flows for topics out.

The engine is fed whole transactions. It runs the rules whose root or reads changed, in the order of their ranks (a
rule that reads a relation comes after all that contribute to it), so each runs once for each key and transaction;
where a result is the same as before, the wave ends there. `recompute` does the same from nothing: what it gives must
always equal what increments gave.

It does no input or output and has no clock. A large wave is computed in slices: `feed` is a generator that pauses
between them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, MutableMapping, Set
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from daybreak.engine.memo import Memo, Topic, pairs
from daybreak.engine.pipeline import Pipeline
from daybreak.engine.rule import Output, Relation, Rule, hash_of
from daybreak.engine.view import View, ordered
from daybreak.model import Change, Record

SLICE = 100
"""Keys that a rule is run for, be they there or gone, between two pauses of a wave: a millisecond or two of work."""

REASON = 500
"""Characters of the reason for a failure that are kept."""

ALWAYS = ""
"""The key of rules without a root."""


NOTHING: tuple[tuple[Any, ...], list[bytes], tuple[Any, ...]] = ((), [], ())
"""What comes of a run that yields nothing."""


class Wave(NamedTuple):
    """What one transaction changed; what is there now is read from the engine (`topics`, `values`).

    It holds until the engine is fed again.
    """

    revision: int
    flows: Mapping[Topic, Set[bytes]]
    facts: Mapping[Relation, Set[str]]
    runs: int


class Conflict(NamedTuple):
    """Two rules want the same table, priority and match in one topic: neither is sent."""

    topic: str
    key: bytes
    cookies: tuple[int, ...]


def ranked(rules: Iterable[Rule]) -> list[Rule]:
    """The rules in an order in which every relation is complete before it is read; ties keep the order of declaration.

    Raises ValueError when rules wait for each other in a circle.
    """
    rules = list(rules)
    sorter: TopologicalSorter[Any] = TopologicalSorter()
    for rule in rules:
        sorter.add(rule)
        for relation in rule.emits:
            sorter.add(relation, rule)
        for source in (*rule.reads, rule.root):
            if isinstance(source, Relation):
                sorter.add(rule, source)
    try:
        order = [node for node in sorter.static_order() if isinstance(node, Rule)]
    except CycleError as error:
        raise ValueError(f"rules wait for each other: {error.args[1]}") from None
    for rank, rule in enumerate(order):
        rule.rank = rank
    return order


def triples(facts: tuple[Any, ...]) -> set[tuple[Relation, str, Any]]:
    """Contributions as memos hold them, one by one."""
    return set(zip(facts[::3], facts[1::3], facts[2::3], strict=True))


def invocation(rule: Rule, view: View) -> Callable[[str, Any], Iterable[Output]]:
    """How a rule's function is called with a key and its row: see `daybreak.engine.rule.rule`."""
    function = rule.function
    if rule.root is None:
        return lambda key, row: function(view)
    if isinstance(rule.root, Relation):
        return lambda key, row: function(key, ordered(row), view)
    return lambda key, row: function(row, view)


def unique(places: tuple[Any, ...], bodies: list[bytes]) -> tuple[tuple[Any, ...], list[bytes]]:
    """Flows with those left out that are there already. ValueError for two of one key that are not the same."""
    flows: dict[tuple[Topic, bytes], bytes] = {}
    for place, body in zip(pairs(places), bodies, strict=True):
        if flows.setdefault(place, body) != body:
            raise ValueError("it yields two different flows of one match")
    return tuple(part for place in flows for part in place), list(flows.values())


class Engine:
    """Memoised rules over records. Not thread-safe; one per process."""

    def __init__(self, pipeline: Pipeline, view: type[View] = View) -> None:
        self.pipeline = pipeline
        self.rules = ranked(pipeline.rules)
        self.revision = 0
        self.records: MutableMapping[type[Record], MutableMapping[str, Record]] = defaultdict(dict)
        self.relations: MutableMapping[Relation, MutableMapping[str, Any]] = defaultdict(dict)
        self.topics: MutableMapping[str, Topic] = {}
        self.memos: MutableMapping[int, Memo] = {}
        self.failures: MutableMapping[int, Memo] = {}
        self.conflicts: dict[tuple[Topic, bytes], dict[int, bytes]] = {}
        self.runs = 0
        self._readers: MutableMapping[Any, MutableMapping[str, set[Memo]]] = defaultdict(dict)
        self._begin()
        self._view = view(self.records, self.relations)
        self._dirty: list[dict[str, None]] = [{} for _ in self.rules]
        self._wakes: dict[Any, list[dict[str, None]]] = defaultdict(list)
        for rule, dirty in zip(self.rules, self._dirty, strict=True):
            for source in {rule.root, *rule.reads}:
                self._wakes[source].append(dirty)
        self._roots = [self._rows(rule) for rule in self.rules]
        self._runners = [self._runner(rule) for rule in self.rules]
        self._changed_flows: dict[Topic, set[bytes]] = defaultdict(set)
        self._changed_facts: dict[Relation, set[str]] = defaultdict(set)
        self._is_first = True

    def _begin(self) -> None:
        """Where it starts from: nothing."""

    # -- reading ------------------------------------------------------------------------------------------------------

    def values(self, relation: Relation, key: str) -> tuple[Any, ...]:
        """The values of a relation's key, sorted."""
        values = self.relations[relation].get(key)
        return () if values is None else ordered(values)

    def conflicting(self) -> list[Conflict]:
        """Flow keys that more than one rule claims; they are withheld."""
        return [Conflict(topic.name, key, tuple(sorted(bodies))) for (topic, key), bodies in self.conflicts.items()]

    def memo(self, rule: Rule, key: str) -> Memo | None:
        """The memo of a rule's key, or None where it never ran."""
        return self.memos.get(rule.cookie(key))

    def readers(self, source: type[Record] | Relation, key: str) -> list[Memo]:
        """The memos that read this row under another key than their own."""
        return list(self._readers[source].get(key, ()))

    # -- feeding ------------------------------------------------------------------------------------------------------

    def apply(self, revision: int, changes: Iterable[Change]) -> Wave:
        """Feed one transaction and compute it to the end."""
        wave = self.feed(revision, changes)
        while True:
            try:
                next(wave)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def feed(self, revision: int, changes: Iterable[Change]) -> Generator[None, None, Wave]:
        """Feed one transaction; pauses every SLICE keys, returns the wave.

        Until it has returned, topics and relations are between two states: nobody may read them.
        """
        self._is_first = not self.memos
        records = self.records
        for kind, key, _old, new in changes:
            table = records[kind]
            if new is None:
                table.pop(key, None)
            else:
                table[key] = new
            if not self._is_first:
                self._touch(kind, key)
        runs, runners, hashes = self.runs, self._runners, dict[str, int]()
        if self._is_first:
            runners = [self._first_runner(rule, hashes) for rule in self.rules]
        for rows, run, dirty in zip(self._roots, runners, self._dirty, strict=True):
            if not (dirty or self._is_first):
                continue
            todo = list(rows.items()) if self._is_first else [(key, rows.get(key)) for key in dirty]
            for number, (key, row) in enumerate(todo, 1):
                run(key, row)
                if number % SLICE == 0:
                    yield
            dirty.clear()
        self.revision = revision
        wave = self._wave(revision, self.runs - runs)
        contested = {topic for topic, _ in self.conflicts}
        for topic in wave.flows:
            if not topic.flows and topic not in contested:
                del self.topics[topic.name]
        return wave

    def _wave(self, revision: int, runs: int) -> Wave:
        """What was noted of a wave; of the first, all that there is."""
        if self._is_first:
            flows: Mapping[Topic, Set[bytes]] = {topic: topic.flows.keys() for topic in self.topics.values()}
            facts: Mapping[Relation, Set[str]] = {each: rows.keys() for each, rows in self.relations.items() if rows}
        else:
            flows, facts = dict(self._changed_flows), dict(self._changed_facts)
        self._changed_flows.clear()
        self._changed_facts.clear()
        return Wave(revision, flows, facts, runs)

    def _touch(self, source: Any, key: str) -> None:
        """Wake what has this row as its root or reads it under its own key, and the memos that noted a read of it."""
        for dirty in self._wakes.get(source, ()):
            dirty[key] = None
        readers = self._readers[source].get(key)
        if readers:
            for memo in readers:
                self._dirty[memo.rule.rank][memo.key] = None

    # -- running ------------------------------------------------------------------------------------------------------

    def _runner(self, rule: Rule) -> Callable[[str, Any], None]:
        """A function that runs the rule for a key and its row: what does not change between keys is looked up once.

        Where nothing came of it and nothing was read, there is nothing to remember: such a run leaves no memo.
        """
        call = invocation(rule, self._view)
        view, memos, noted = self._view, self.memos, self._view.noted

        def run(key: str, row: Any) -> None:
            cookie = rule.cookie(key)
            memo = memos.get(cookie)
            if row is None:
                if memo is not None:
                    self._retract(memo)
                return
            self.runs += 1
            if memo is not None and (memo.key != key or memo.rule is not rule):
                raise RuntimeError(f"{rule}({key}) and {memo} have the same cookie {cookie:#x}")
            view.rule = rule
            view.key = key
            failure = None
            try:
                outputs = list(call(key, row))
                places, bodies, facts = self._encode(cookie, outputs) if outputs else NOTHING
            except Exception as error:
                places, bodies, facts, failure = (), [], (), f"{type(error).__name__}: {error}"[:REASON]
            is_empty = not (places or facts or noted or failure)
            if memo is None:
                if is_empty:
                    return
                memo = memos[cookie] = Memo(rule, key, cookie)
            self._replace(memo, places, bodies, facts, failure)
            if is_empty:
                del memos[cookie]

        return run

    def _first_runner(self, rule: Rule, hashes: dict[str, int]) -> Callable[[str, Any], None]:
        """The same for the first wave, where nothing is there yet: a controller that starts computes all in it.

        It takes for granted that all goes well, and where it does not, leaves the key to the usual run. `hashes` has
        the hash of each key, for many rules run for one.
        """
        call, usual, view, noted = invocation(rule, self._view), self._runner(rule), self._view, self._view.noted

        def run(key: str, row: Any) -> None:
            view.rule = rule
            view.key = key
            try:
                outputs = list(call(key, row))
                if outputs or noted:
                    number = hashes.get(key)
                    if number is None:
                        number = hashes[key] = hash_of(key)
                    self._put(Memo(rule, key, rule.mark ^ number), outputs)
            except Exception:  # whatever it is, the usual run meets it again, and says it
                noted.clear()
                usual(key, row)
            else:
                self.runs += 1

        return run

    def _put(self, memo: Memo, outputs: list[Output]) -> None:
        """A new memo with its result, where nothing is in its way. Raises, and changes nothing, where something is.

        Flows are placed as they are encoded: with `_encode` first, and the rest after it, a start takes a fifth longer.
        """
        if self.conflicts or self.memos.setdefault(memo.cookie, memo) is not memo:
            raise LookupError
        prefix = memo.cookie.to_bytes(8, "big")
        encoders = self.pipeline.encoders
        places: list[Any] = []
        facts: list[Any] = []
        name = None
        try:
            for target, what, value in outputs:
                if type(target) is Relation:
                    facts += (target, what, value)
                    continue
                if target != name:
                    topic, name = self._topic(target), target
                    flows = topic.flows
                key, instructions = encoders[what](*value)
                body = prefix + instructions
                if flows.setdefault(key, body) is not body:
                    raise LookupError
                places += (topic, key)
        except Exception:
            for topic, key in pairs(tuple(places)):
                del topic.flows[key]
            del self.memos[memo.cookie]
            raise
        memo.flows = tuple(places)
        if facts:
            self._exchange(memo, tuple(facts))
        noted = self._view.noted
        if noted:
            self._note(memo, tuple(noted))
            noted.clear()

    def _replace(
        self, memo: Memo, places: tuple[Any, ...], bodies: list[bytes], facts: tuple[Any, ...], failure: str | None
    ) -> None:
        """Have a memo's result be this one, with the reads that the view has noted."""
        if places or memo.flows:
            self._settle(memo, places, bodies)
        if facts != memo.facts:
            self._exchange(memo, facts)
        if failure != memo.failure:
            self._fail(memo, failure)
        noted = self._view.noted
        if noted or memo.reads:
            self._note(memo, tuple(noted))
            noted.clear()

    def _rows(self, rule: Rule) -> Mapping[str, Any]:
        """The rows that the rule runs for."""
        if rule.root is None:
            return {ALWAYS: ()}
        return self.relations[rule.root] if isinstance(rule.root, Relation) else self.records[rule.root]

    def _encode(self, cookie: int, outputs: Iterable[Output]) -> tuple[tuple[Any, ...], list[bytes], tuple[Any, ...]]:
        """A rule's outputs: flows (topic, key, topic, …), their bodies, and contributions (relation, key, value, …)."""
        prefix = cookie.to_bytes(8, "big")
        encoders = self.pipeline.encoders
        places: list[Any] = []
        bodies: list[bytes] = []
        facts: list[Any] = []
        topic, name = None, None
        for target, what, value in outputs:
            if type(target) is Relation:
                facts += (target, what, value)
                continue
            if target != name:
                topic, name = self._topic(target), target
            key, instructions = encoders[what](*value)
            places += (topic, key)
            bodies.append(prefix + instructions)
        if len(bodies) > 1 and len(set(places[1::2])) < len(bodies):
            return *unique(tuple(places), bodies), tuple(facts)
        return tuple(places), bodies, tuple(facts)

    def _topic(self, name: str) -> Topic:
        """The topic of that name, made where there is none."""
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name)
        return topic

    def _settle(self, memo: Memo, places: tuple[Any, ...], bodies: Iterable[bytes]) -> None:
        """Replace a memo's flows; what is the same as before stays untouched."""
        contested = bool(self.conflicts)
        if memo.flows and memo.flows != places:
            self._leave(memo, set(pairs(memo.flows)).difference(pairs(places)))
        memo.flows = places
        first, changes = self._is_first, self._changed_flows
        for (topic, key), body in zip(pairs(places), bodies, strict=True):
            flows = topic.flows
            present = flows.get(key)
            if present == body:
                continue
            if present is None and not contested:
                flows[key] = body
                if not first:
                    changes[topic].add(key)
            else:
                self._offer(topic, key, body, memo.cookie)

    def _fail(self, memo: Memo, failure: str | None) -> None:
        """Keep the list of keys that yield nothing, and why."""
        memo.failure = failure
        if failure is None:
            del self.failures[memo.cookie]
        else:
            self.failures[memo.cookie] = memo

    def _exchange(self, memo: Memo, facts: tuple[Any, ...]) -> None:
        """Take back the contributions of before and make those of now."""
        if not memo.facts and len(facts) == 3:
            memo.facts = facts
            self._contribute(*facts)
            return
        before, after = triples(memo.facts), triples(facts)
        memo.facts = facts
        for relation, key, value in before - after:
            self._take_back(relation, key, value)
        for relation, key, value in after - before:
            self._contribute(relation, key, value)

    def _note(self, memo: Memo, noted: tuple[Any, ...]) -> None:
        """Keep the index from rows to the memos that read them."""
        if memo.reads == noted:
            return
        if not memo.reads:
            for source, key in pairs(noted):
                self._readers[source].setdefault(key, set()).add(memo)
            memo.reads = noted
            return
        old, new = set(pairs(memo.reads)), set(pairs(noted))
        for source, key in old - new:
            readers = self._readers[source][key]
            readers.discard(memo)
            if not readers:
                del self._readers[source][key]
        for source, key in new - old:
            self._readers[source].setdefault(key, set()).add(memo)
        memo.reads = noted

    def _retract(self, memo: Memo) -> None:
        """The memo's root is gone: so is all that followed from it."""
        self._replace(memo, (), [], (), None)
        del self.memos[memo.cookie]

    # -- flows --------------------------------------------------------------------------------------------------------

    def _leave(self, memo: Memo, places: Iterable[tuple[Topic, bytes]]) -> None:
        """Take flows back that do not follow any more."""
        for topic, key in places:
            if self.conflicts:
                self._withdraw(topic, key, memo.cookie)
            else:
                del topic.flows[key]
                self._changed_flows[topic].add(key)

    def _offer(self, topic: Topic, key: bytes, body: bytes, cookie: int) -> None:
        """Put a flow in a topic, or, where another rule has one of the same key, withhold both."""
        present = topic.flows.get(key)
        if present is not None and present[:8] != body[:8]:
            self.conflicts[topic, key] = {int.from_bytes(present[:8], "big"): present, cookie: body}
            del topic.flows[key]
        elif self.conflicts and (topic, key) in self.conflicts:
            self.conflicts[topic, key][cookie] = body
            return
        else:
            topic.flows[key] = body
        self._changed_flows[topic].add(key)

    def _withdraw(self, topic: Topic, key: bytes, cookie: int) -> None:
        """Take a flow from a topic; the last of its rivals comes into its own."""
        rivals = self.conflicts.get((topic, key))
        if rivals is None:
            del topic.flows[key]
        else:
            del rivals[cookie]
            if len(rivals) > 1:
                return
            del self.conflicts[topic, key]
            topic.flows[key] = next(iter(rivals.values()))
        self._changed_flows[topic].add(key)

    # -- relations ----------------------------------------------------------------------------------------------------

    def _contribute(self, relation: Relation, key: str, value: Any) -> None:
        """A value's first contribution wakes the readers. One value is kept as a tuple, several with their counts."""
        rows = self.relations[relation]
        values = rows.get(key)
        if values is None:
            rows[key] = (value,)
        elif type(values) is tuple:
            if values[0] == value:
                rows[key] = {value: 2}
                return
            rows[key] = {values[0]: 1, value: 1}
        elif value in values:
            values[value] += 1
            return
        else:
            values[value] = 1
        if not self._is_first:
            self._changed_facts[relation].add(key)
            self._touch(relation, key)

    def _take_back(self, relation: Relation, key: str, value: Any) -> None:
        """A value's last contribution wakes the readers."""
        rows = self.relations[relation]
        values = rows[key]
        if type(values) is tuple:
            del rows[key]
        elif values[value] > 1:
            values[value] -= 1
            return
        else:
            del values[value]
            if not values:
                del rows[key]
        self._changed_facts[relation].add(key)
        self._touch(relation, key)
