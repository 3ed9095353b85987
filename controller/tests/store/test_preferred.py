"""Numbers that owners would rather have: made from what they are, the same again in another store."""

from typing import ClassVar

from daybreak.model import Network, Number, Pool, Transaction
from daybreak.store.ledger import Ledger


class Key(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "key"


KEYS = Pool(Key, Network, 1, 1000, prefers=lambda network: network.mtu)


def commit(ledger: Ledger, *put: Network, delete: str = "") -> None:
    ledger.adopt(ledger.draft(Transaction(put, ((Network, delete),) if delete else ())))


def keys(ledger: Ledger) -> dict[str, int]:
    return {key: number.value for key, number in ledger.rows(Key).items()}


def test_an_owner_gets_what_it_prefers_and_another_what_is_left() -> None:
    ledger = Ledger((Network,), (KEYS,))
    commit(ledger, Network("a", mtu=700), Network("b", mtu=700), Network("c"), Network("d", mtu=1))
    assert keys(ledger) == {"a": 700, "b": 1, "c": 2, "d": 3}


def test_a_store_that_was_lost_gives_the_same_again_whatever_comes_first() -> None:
    names = ("a", "b", "c")
    networks = [Network(name, mtu=500 - number) for number, name in enumerate(names)]
    one, other = Ledger((Network,), (KEYS,)), Ledger((Network,), (KEYS,))
    for network in networks:
        commit(one, network)
    for network in reversed(networks):
        commit(other, network)
    assert keys(one) == keys(other) == {"a": 500, "b": 499, "c": 498}


def test_an_owner_that_is_another_now_gets_another_number() -> None:
    ledger = Ledger((Network,), (KEYS,))
    commit(ledger, Network("a", mtu=700))
    commit(ledger, Network("a", mtu=700, name="renamed"))
    assert keys(ledger) == {"a": 700}
    commit(ledger, Network("a", mtu=800))
    assert keys(ledger) == {"a": 800}


def test_a_number_that_rests_is_nobodys_choice() -> None:
    ledger = Ledger((Network,), (KEYS,))
    commit(ledger, Network("a", mtu=700))
    commit(ledger, delete="a")
    commit(ledger, Network("b", mtu=700))
    assert keys(ledger) == {"b": 1}
    ledger.release(ledger.revision)
    commit(ledger, Network("c", mtu=700))
    assert keys(ledger) == {"b": 1, "c": 700}
