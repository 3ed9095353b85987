"""What every backend promises: the same transcript against memory and SQLite."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from daybreak.model import Change, Expect, Host, Network, Number, Pool, Port, Transaction
from daybreak.store.contract import Committed, Compacted, Conflict, Exhausted, Store, StoreError
from daybreak.store.memory import MemoryStore
from daybreak.store.sqlite import SqliteStore


class NetworkKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "network_key"


class Vni(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "vni"


POOLS = (
    Pool(NetworkKey, Network, 1, 1000),
    Pool(
        Vni,
        Network,
        5000,
        5002,
        needs=lambda network: network.network_type != "vlan",
        given=lambda network: int(network.segmentation_id) if network.segmentation_id else None,
    ),
)
KINDS = (Network, Port, Host)
LOG = 20

Open = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store
    if request.param == "memory":
        store = MemoryStore(KINDS, POOLS, log=LOG)
    else:
        store = SqliteStore.open(tmp_path / "store", KINDS, POOLS, log=LOG)
    yield store
    await store.close()


def put(*records: Network | Port | Host) -> Transaction:
    return Transaction(put=records)


def vnis(store: Store) -> dict[str, int]:
    return {key: number.value for key, number in store.rows(Vni).items()}


async def test_a_store_begins_empty(store: Store) -> None:
    assert store.revision == 0
    assert store.get(Network, "red") is None
    assert store.rows(Network) == {}


async def test_a_commit_says_what_changed_and_shows_it(store: Store) -> None:
    red = Network("red", mtu=1450)
    committed = await store.commit(put(red))
    assert committed == Committed(
        1,
        (
            Change(Network, "red", None, red),
            Change(NetworkKey, "red", None, NetworkKey("red", 1)),
            Change(Vni, "red", None, Vni("red", 5000)),
        ),
    )
    assert store.revision == 1
    assert store.get(Network, "red") == red
    assert store.rows(Network) == {"red": red}
    assert store.get(Vni, "red") == Vni("red", 5000)


async def test_what_changes_nothing_is_no_revision(store: Store) -> None:
    await store.commit(put(Network("red")))
    assert await store.commit(put(Network("red"))) == Committed(1, ())
    assert await store.commit(Transaction(delete=((Port, "none"),))) == Committed(1, ())
    assert await store.commit(Transaction()) == Committed(1, ())
    both = Transaction(put=(Network("red"), Network("blue")))
    assert [change.key for change in (await store.commit(both)).changes if change.kind is Network] == ["blue"]
    assert store.revision == 2


async def test_deletions_come_before_puts(store: Store) -> None:
    await store.commit(put(Port("p", "red"), Host("h", "u")))
    txn = Transaction(put=(Port("p", "blue"), Port("q", "blue")), delete=((Port, "p"), (Host, "h")))
    assert (await store.commit(txn)).changes == (
        Change(Port, "p", Port("p", "red"), Port("p", "blue")),
        Change(Host, "h", Host("h", "u"), None),
        Change(Port, "q", None, Port("q", "blue")),
    )


async def test_an_expectation_guards_all_of_a_transaction(store: Store) -> None:
    await store.commit(put(Port("p", "red")))
    absent = Expect(Port, "p", None)
    with pytest.raises(Conflict, match="port p is not absent") as conflict:
        await store.commit(Transaction(put=(Network("blue"), Port("p", "blue")), expect=(absent,)))
    assert conflict.value.expect == absent
    assert (store.revision, store.get(Port, "p"), store.get(Network, "blue")) == (1, Port("p", "red"), None)

    same = (Expect(Port, "p", Port("p", "red")), Expect(Port, "q", None))
    assert (await store.commit(Transaction(put=(Port("p", "blue"),), expect=same))).revision == 2
    with pytest.raises(Conflict, match="port p is not as expected"):
        await store.commit(Transaction(put=(Port("p", "green"),), expect=same))


async def test_of_two_that_race_from_the_same_state_one_wins(store: Store) -> None:
    claims = [Transaction(put=(Port("p", f"n{i}"),), expect=(Expect(Port, "p", None),)) for i in range(10)]
    outcomes = await asyncio.gather(*(store.commit(txn) for txn in claims), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Committed] + [Conflict] * 9
    assert store.get(Port, "p") == Port("p", "n0")


async def test_a_failed_transaction_does_not_harm_those_beside_it(store: Store) -> None:
    unwritable = Port("x", "red", revision_number=1.5)  # type: ignore[arg-type]
    outcomes = await asyncio.gather(
        store.commit(put(Port("a", "red"))),
        store.commit(Transaction(put=(Port("b", "red"),), expect=(Expect(Port, "b", unwritable),))),
        store.commit(put(Port("c", "red"))),
        store.commit(put(*(Network(f"n{i}") for i in range(4)))),
        store.commit(put(Network("red"))),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Conflict, Committed, Exhausted, Committed]
    assert [outcome.revision for outcome in outcomes if isinstance(outcome, Committed)] == [1, 2, 3]
    assert set(store.rows(Port)) == {"a", "c"}
    assert vnis(store) == {"red": 5000}


async def test_kinds_that_nobody_may_write_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="Vni is not a kind"):
        await store.commit(Transaction(put=(Vni("red", 1),)))
    with pytest.raises(ValueError, match="Vni is not a kind"):
        await store.commit(Transaction(delete=((Vni, "red"),)))
    assert (await store.commit(put(Port("p", "red")))).revision == 1


async def test_a_freed_number_rests_until_it_is_applied(store: Store) -> None:
    await store.commit(put(Network("a"), Network("b"), Network("c")))
    assert vnis(store) == {"a": 5000, "b": 5001, "c": 5002}
    freed = await store.commit(Transaction(delete=((Network, "b"),)))
    assert Change(Vni, "b", Vni("b", 5001), None) in freed.changes

    with pytest.raises(Exhausted, match="no vni left between 5000 and 5002") as exhausted:
        await store.commit(put(Network("d"), Port("p", "d")))
    assert exhausted.value.pool is POOLS[1]
    assert (store.revision, store.get(Network, "d"), store.get(NetworkKey, "d")) == (2, None, None)

    store.release(freed.revision - 1)
    with pytest.raises(Exhausted):
        await store.commit(put(Network("d")))
    store.release(freed.revision)
    await store.commit(put(Network("d")))
    assert vnis(store) == {"a": 5000, "c": 5002, "d": 5001}
    assert store.get(NetworkKey, "d") == NetworkKey("d", 2)  # as it was lowest, and free again


async def test_a_failed_transaction_takes_no_number(store: Store) -> None:
    with pytest.raises(Exhausted):
        await store.commit(put(*(Network(f"n{i}") for i in range(4))))
    await store.commit(put(*(Network(f"n{i}") for i in range(3))))
    assert sorted(vnis(store).values()) == [5000, 5001, 5002]
    assert sorted(key.value for key in store.rows(NetworkKey).values()) == [1, 2, 3]


async def test_an_owner_that_changes_keeps_its_number_while_it_needs_one(store: Store) -> None:
    await store.commit(put(Network("a"), Network("b")))
    assert len((await store.commit(put(Network("b", name="renamed")))).changes) == 1
    lost = await store.commit(put(Network("b", network_type="vlan")))
    assert lost.changes[1:] == (Change(Vni, "b", Vni("b", 5001), None),)
    gained = await store.commit(put(Network("b", network_type="vxlan")))
    assert gained.changes[1:] == (Change(Vni, "b", None, Vni("b", 5002)),)  # 5001 still rests


async def test_a_given_number_is_kept_from_others(store: Store) -> None:
    await store.commit(put(Network("a", segmentation_id="5000"), Network("b")))
    assert vnis(store) == {"a": 5000, "b": 5001}
    await store.commit(put(Network("b"), Network("c", segmentation_id="7")))
    assert vnis(store) == {"a": 5000, "b": 5001, "c": 7}


async def test_the_clients_choice_wins(store: Store) -> None:
    await store.commit(put(Network("a"), Network("b")))
    chosen = await store.commit(put(Network("c", segmentation_id="5000")))
    assert chosen.changes[2:] == (
        Change(Vni, "c", None, Vni("c", 5000)),
        Change(Vni, "a", Vni("a", 5000), Vni("a", 5002)),
    )
    with pytest.raises(Exhausted):
        await store.commit(put(Network("d", segmentation_id="5001")))  # b would have nowhere to go
    assert vnis(store) == {"a": 5002, "b": 5001, "c": 5000}


async def test_a_number_read_back_and_given_is_the_same_number(store: Store) -> None:
    await store.commit(put(Network("a")))
    for said in ("5000", None, "5000"):
        committed = await store.commit(put(Network("a", segmentation_id=said)))
        assert committed.changes[1:] == ()
    assert vnis(store) == {"a": 5000}


async def test_two_may_bring_the_same_number_and_it_rests_after_the_last(store: Store) -> None:
    twins = put(Network("a", segmentation_id="5000"), Network("b", segmentation_id="5000"), Network("c"))
    await store.commit(twins)
    assert vnis(store) == {"a": 5000, "b": 5000, "c": 5001}
    await store.commit(Transaction(delete=((Network, "a"),)))
    store.release(store.revision)
    await store.commit(put(Network("d")))
    with pytest.raises(Exhausted):
        await store.commit(put(Network("e")))
    await store.commit(Transaction(delete=((Network, "b"),)))
    with pytest.raises(Exhausted):
        await store.commit(put(Network("e")))
    store.release(store.revision)
    await store.commit(put(Network("e")))
    assert vnis(store) == {"c": 5001, "d": 5002, "e": 5000}


async def test_a_subscriber_sees_each_revision_as_it_becomes_visible(store: Store) -> None:
    seen: list[tuple[int, int, set[str]]] = []
    end = store.subscribe(lambda committed: seen.append((committed.revision, store.revision, set(store.rows(Port)))))
    await asyncio.gather(*(store.commit(put(Port(name, "red"))) for name in "abc"))
    assert seen == [(1, 1, {"a"}), (2, 2, {"a", "b"}), (3, 3, {"a", "b", "c"})]
    end()
    await store.commit(put(Port("d", "red")))
    assert len(seen) == 3


async def test_a_subscriber_that_fails_harms_nobody(store: Store) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
    fault = RuntimeError("not my day")

    def fail(_: Committed) -> None:
        raise fault

    seen: list[int] = []
    store.subscribe(fail)
    store.subscribe(lambda committed: seen.append(committed.revision))
    assert (await store.commit(put(Port("a", "red")))).revision == 1
    assert (complaints, seen) == ([fault], [1])


async def read(store: Store, after: int, until: int) -> list[Committed]:
    seen = []
    async for committed in store.watch(after):
        seen.append(committed)
        if committed.revision == until:
            break
    return seen


async def test_a_watch_replays_and_then_follows(store: Store) -> None:
    first = [await store.commit(put(Port(f"p{i}", "red"))) for i in range(3)]
    watching = asyncio.create_task(read(store, 1, until=5))
    await asyncio.sleep(0)
    rest = [await store.commit(put(Port(f"p{i}", "red"))) for i in range(3, 5)]
    assert await watching == [*first[1:], *rest]


async def test_a_watch_has_no_gap_and_no_duplicate_while_writers_run(store: Store) -> None:
    total = 200
    watches = []

    async def writer(name: str) -> None:
        for i in range(total // 8):
            committed = await store.commit(put(Port(f"{name}{i}", "red")))
            if i % 5 == 0:  # from the newest, and from as far back as the log is sure to reach
                after = max(store.revision - (i % 2) * (LOG // 2), 0)
                watches.append((after, asyncio.create_task(read(store, after, until=total))))
            assert store.revision >= committed.revision

    await asyncio.gather(*(writer(name) for name in "abcdefgh"))
    assert len(watches) == 40
    for after, watch in watches:
        seen = await watch
        assert [committed.revision for committed in seen] == list(range(after + 1, total + 1))
    assert len(store.rows(Port)) == total


async def test_a_watch_from_where_the_log_does_not_reach_is_told(store: Store) -> None:
    for i in range(3 * LOG):
        await store.commit(put(Port("p", f"n{i}")))
    with pytest.raises(Compacted, match="follows revision 0"):
        await anext(store.watch(0))
    with pytest.raises(Compacted, match="follows revision 9999"):
        await anext(store.watch(9999))
    last = store.revision
    assert [c.revision for c in await read(store, last - LOG // 2, until=last)] == list(
        range(last - LOG // 2 + 1, last + 1)
    )


async def test_closing_ends_watches_and_refuses_writers(store: Store) -> None:
    await store.commit(put(Port("a", "red")))
    watching = asyncio.create_task(read(store, 0, until=99))
    writing = asyncio.create_task(store.commit(put(Port("b", "red"))))
    await asyncio.sleep(0)
    await store.close()
    assert (await writing).revision == 2
    assert [committed.revision for committed in await watching] == [1, 2]
    with pytest.raises(StoreError, match="closed"):
        await store.commit(put(Port("c", "red")))
    await store.close()


async def test_whoever_gives_up_waiting_breaks_nothing(store: Store) -> None:
    tasks = [asyncio.create_task(store.commit(put(Port(f"p{i}", "red")))) for i in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    after = await store.commit(put(Port("last", "red")))
    assert all(isinstance(outcome, Committed) for outcome in outcomes[1::2])
    assert {f"p{i}" for i in range(1, 20, 2)} | {"last"} <= set(store.rows(Port))
    assert after.revision == len(store.rows(Port))
