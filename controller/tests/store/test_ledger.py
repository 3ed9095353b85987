"""The ledger against a model that is too simple to be wrong: it looks at everything, each time."""

import copy
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daybreak.model import Expect, Host, Network, Number, Pool, Port, Record, Transaction
from daybreak.store.contract import Conflict, Exhausted
from daybreak.store.ledger import Draft, Ledger


class Vni(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "vni"


class NetworkKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "network_key"


VNIS = Pool(
    Vni,
    Network,
    2,
    6,
    needs=lambda network: network.network_type != "vlan",
    given=lambda network: int(network.segmentation_id) if network.segmentation_id else None,
)
KEYS = Pool(NetworkKey, Network, 1, 5)
KINDS = (Network, Port)


class Numbers:
    """One pool as its documentation puts it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.values: dict[str, int] = {}
        self.resting: dict[int, int] = {}

    def claims(self, owners: dict[str, Network]) -> set[int]:
        return {given for owner in owners.values() if (given := self.pool.given(owner)) is not None}

    def used(self, owners: dict[str, Network]) -> set[int]:
        given_out = {value for key, value in self.values.items() if self.pool.given(owners[key]) is None}
        return self.claims(owners) | given_out

    def step(self, before: dict[str, Network], after: dict[str, Network], touched: list[str], revision: int) -> None:
        claims = self.claims(after)
        old = dict(self.values)
        used = self.used(before)
        evicted = {key for key, value in old.items() if self.pool.given(before[key]) is None and value in claims}
        affected = [*touched, *sorted(evicted - set(touched))]
        self.values = {key: value for key, value in old.items() if key not in affected}
        for key in affected:
            value = old.get(key)
            if key not in after or not self.pool.needs(after[key]):
                continue
            taken = claims | {value for other, value in self.values.items() if self.pool.given(after[other]) is None}
            given = self.pool.given(after[key])
            if given is not None:
                self.values[key] = given
            elif value is not None and self.pool.low <= value <= self.pool.high and value not in taken:
                self.values[key] = value
            else:
                free = set(range(self.pool.low, self.pool.high + 1)) - taken - used - self.resting.keys()
                if not free:
                    raise Exhausted(self.pool)
                self.values[key] = min(free)
        for value in used - self.used(after):
            if self.pool.low <= value <= self.pool.high:
                self.resting[value] = revision


class Model:
    """All rows, and the numbers of both pools."""

    def __init__(self) -> None:
        self.revision = 0
        self.networks: dict[str, Network] = {}
        self.vnis = Numbers(VNIS)
        self.keys = Numbers(KEYS)

    def after(self, txn: Transaction) -> "Model":
        new = copy.deepcopy(self)
        for _, key in txn.delete:
            new.networks.pop(key, None)
        for network in txn.put:
            assert isinstance(network, Network)
            new.networks[network.key] = network
        order = dict.fromkeys([key for _, key in txn.delete] + [record.key for record in txn.put])
        touched = [key for key in order if self.networks.get(key) != new.networks.get(key)]
        if touched:
            new.revision += 1
            for numbers in (new.vnis, new.keys):
                numbers.step(self.networks, new.networks, touched, new.revision)
        return new

    def release(self, applied: int) -> None:
        for numbers in (self.vnis, self.keys):
            numbers.resting = {value: freed for value, freed in numbers.resting.items() if freed > applied}

    def rows(self) -> dict[type[Record], dict[str, Record]]:
        return {
            Network: dict(self.networks),
            Vni: {key: Vni(key, value) for key, value in self.vnis.values.items()},
            NetworkKey: {key: NetworkKey(key, value) for key, value in self.keys.values.items()},
        }


names = st.sampled_from("abcdefg")
networks = st.builds(
    Network,
    names,
    network_type=st.sampled_from((None, None, "vlan")),
    segmentation_id=st.sampled_from((None, None, "2", "4", "6", "9")),
)
transactions = st.builds(
    Transaction,
    put=st.lists(networks, max_size=4).map(tuple),
    delete=st.lists(st.tuples(st.just(Network), names), max_size=2).map(tuple),
    expect=st.just(()),
)


class LedgerMachine(RuleBasedStateMachine):
    """Drafts, adopts, discards, releases and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(KINDS, (VNIS, KEYS))
        self.durable = Model()
        self.newest = self.durable
        self.drafts: list[Draft] = []

    @rule(txn=transactions)
    def draft(self, txn: Transaction) -> None:
        try:
            expected = self.newest.after(txn)
        except Exhausted as exhausted:
            with pytest.raises(Exhausted) as error:
                self.ledger.draft(txn)
            assert error.value.pool.number is exhausted.pool.number
            return
        draft = self.ledger.draft(txn)
        assert draft.committed.revision == expected.revision
        if draft.committed.changes:
            self.drafts.append(draft)
        before, after = self.newest.rows(), expected.rows()
        changes = {(kind, key): (old, new) for kind, key, old, new in draft.committed.changes}
        assert len(changes) == len(draft.committed.changes)
        assert changes == {
            (kind, key): (before[kind].get(key), after[kind].get(key))
            for kind in before
            for key in before[kind].keys() | after[kind].keys()
            if before[kind].get(key) != after[kind].get(key)
        }
        self.newest = expected

    @rule()
    def adopt(self) -> None:
        for draft in self.drafts:
            self.ledger.adopt(draft)
        self.drafts = []
        self.durable = self.newest

    @rule()
    @precondition(lambda self: self.drafts)
    def discard(self) -> None:
        self.ledger.discard()
        self.drafts = []
        self.newest = self.durable

    @rule(back=st.integers(0, 3))
    def release(self, back: int) -> None:
        applied = self.durable.revision - back
        self.ledger.release(applied)
        for model in (self.durable, self.newest):
            model.release(applied)

    @rule()
    @precondition(lambda self: not self.drafts)
    def restart(self) -> None:
        old = self.ledger
        records = [record for kind in (Network, Vni, NetworkKey) for record in old.rows(kind).values()]
        self.ledger = Ledger(KINDS, (VNIS, KEYS), records, old.revision, list(old.rests))
        assert self.ledger.settle().committed.changes == ()

    @invariant()
    def readers_see_what_is_durable(self) -> None:
        assert self.ledger.revision == self.durable.revision
        assert {kind: dict(self.ledger.rows(kind)) for kind in (Network, Vni, NetworkKey)} == self.durable.rows()

    @invariant()
    def what_was_given_out_is_unique_and_does_not_rest(self) -> None:
        for pool in (VNIS, KEYS):
            rows = self.ledger.rows(pool.number)
            given = {pool.given(owner) for owner in self.ledger.rows(pool.owner).values()}
            out = [number.value for key, number in rows.items() if pool.given(self.durable.networks[key]) is None]
            assert len(set(out)) == len(out)
            assert not given & set(out)
            assert all(pool.low <= value <= pool.high for value in out)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)


def test_a_pool_of_all_numbers_takes_the_same_time_at_the_end_as_at_the_start() -> None:
    """Counted in lookups, not in seconds: free numbers are not searched among those that are taken."""
    ledger = Ledger((Network,), (KEYS._replace(high=50_000),))
    for start in range(0, 50_000, 1000):
        ledger.adopt(ledger.draft(Transaction(put=tuple(Network(f"{i}") for i in range(start, start + 1000)))))
    freed = ledger.draft(Transaction(delete=((Network, "31415"),)))
    ledger.adopt(freed)
    ledger.release(freed.committed.revision)
    ledger.adopt(ledger.draft(Transaction(put=(Network("new"),))))
    assert ledger.get(NetworkKey, "new") == NetworkKey("new", 31416)


def test_an_expectation_is_held_against_the_newest_draft() -> None:
    ledger = Ledger((Port,))
    ledger.draft(Transaction(put=(Port("p", "n"),)))
    assert ledger.get(Port, "p") is None
    with pytest.raises(Conflict):
        ledger.draft(Transaction(put=(Port("p", "m"),), expect=(Expect(Port, "p", None),)))
    ledger.discard()
    assert ledger.draft(Transaction(put=(Port("p", "m"),), expect=(Expect(Port, "p", None),))).committed.revision == 1


def test_kinds_and_pools_that_contradict_each_other_are_refused() -> None:
    class Other(Record, frozen=True, gc=False):
        kind: ClassVar[str] = "network"

    with pytest.raises(ValueError, match="same name"):
        Ledger((Network, Other))
    with pytest.raises(ValueError, match="number of its own"):
        Ledger((Network,), (KEYS, KEYS._replace(low=10, high=20)))
    with pytest.raises(ValueError, match="owner of a known kind"):
        Ledger((Host,), (KEYS,))
