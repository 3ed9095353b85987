"""What only a store on disk has: restarts, upgrades, a lock, and disks that fail. Each failure is one line."""

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from daybreak.model import Host, Network, Number, Pool, Port, Transaction
from daybreak.store.contract import Committed, Compacted, Exhausted, StoreError
from daybreak.store.sqlite import GROUP, SqliteStore


class NetworkKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "network_key"


class PortKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "port_key"


NETWORK_KEYS = Pool(NetworkKey, Network, 1, 3)
PORT_KEYS = Pool(PortKey, Port, 1, 1000)


@contextlib.asynccontextmanager
async def opened(
    directory: Path, *pools: Pool, kinds: tuple[type, ...] = (Network, Port), log: int = 1000
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(directory, kinds, pools, log)
    try:
        yield store
    finally:
        await store.close()


def put(*records: Network | Port | Host) -> Transaction:
    return Transaction(put=records)


def database(directory: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(directory / "daybreak.db", isolation_level=None))


def why(directory: Path, *pools: Pool) -> str:
    """The one line with which a store that can't be opened says so."""
    with pytest.raises(StoreError) as error:
        SqliteStore.open(directory, (Network, Port), pools)
    message = str(error.value)
    assert "\n" not in message
    return message


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "store", NETWORK_KEYS) as store:
        await store.commit(put(Network("a", mtu=1450), Network("b"), Port("p", "a")))
        await store.commit(Transaction(put=(Network("a", mtu=9000),), delete=((Port, "p"),)))
    async with opened(tmp_path / "store", NETWORK_KEYS) as store:
        assert store.revision == 2
        assert store.rows(Network) == {"a": Network("a", mtu=9000), "b": Network("b")}
        assert store.rows(Port) == {}
        assert store.rows(NetworkKey) == {"a": NetworkKey("a", 1), "b": NetworkKey("b", 2)}
        assert (await store.commit(put(Network("c")))).revision == 3
        assert store.get(NetworkKey, "c") == NetworkKey("c", 3)


async def test_of_writes_to_one_row_in_one_group_the_last_is_on_disk(tmp_path: Path) -> None:
    gone = Transaction(delete=((Port, "p"), (Port, "q"), (Port, "r")))
    async with opened(tmp_path) as store:
        await store.commit(put(Port("p", "1"), Port("q", "1")))
        written = [put(Port("p", "2"), Port("r", "2")), gone, put(Port("p", "3")), gone, put(Port("q", "4"))]
        await asyncio.gather(*(store.commit(txn) for txn in written))
        await asyncio.gather(store.commit(put(Port("s", "5"), Port("t", "5"))), store.commit(put(Port("s", "6"))))
        rows = dict(store.rows(Port))
        assert rows == {"q": Port("q", "4"), "s": Port("s", "6"), "t": Port("t", "5")}
    async with opened(tmp_path) as store:
        assert (store.rows(Port), store.revision) == (rows, 8)
    with database(tmp_path) as db:
        assert db.execute("SELECT key, revision FROM rows ORDER BY key").fetchall() == [("q", 6), ("s", 8), ("t", 7)]


async def test_a_number_rests_across_restarts(tmp_path: Path) -> None:
    async with opened(tmp_path, NETWORK_KEYS) as store:
        await store.commit(put(Network("a"), Network("b"), Network("c")))
        await store.commit(Transaction(delete=((Network, "a"),)))
        await store.commit(Transaction(delete=((Network, "b"),)))
    async with opened(tmp_path, NETWORK_KEYS) as store:
        with pytest.raises(Exhausted):
            await store.commit(put(Network("d")))
        store.release(2)
        await store.commit(put(Network("d")))
        assert store.get(NetworkKey, "d") == NetworkKey("d", 1)
    with database(tmp_path) as db:
        assert db.execute("SELECT value, revision FROM resting").fetchall() == [(2, 3)]
    async with opened(tmp_path, NETWORK_KEYS) as store:
        with pytest.raises(Exhausted):
            await store.commit(put(Network("e")))
        store.release(3)
        await store.commit(put(Network("e")))
        assert store.get(NetworkKey, "e") == NetworkKey("e", 2)


async def test_a_pool_that_is_new_serves_the_owners_that_are_there(tmp_path: Path) -> None:
    async with opened(tmp_path, NETWORK_KEYS) as store:
        await store.commit(put(Network("a"), Port("p", "a"), Port("q", "a")))
    async with opened(tmp_path, NETWORK_KEYS, PORT_KEYS) as store:
        assert store.rows(PortKey) == {"p": PortKey("p", 1), "q": PortKey("q", 2)}
        assert store.revision == 2
    async with opened(tmp_path, NETWORK_KEYS, PORT_KEYS) as store:
        assert store.revision == 2
    narrow = PORT_KEYS._replace(low=2, needs=lambda port: port.id != "q")
    async with opened(tmp_path, NETWORK_KEYS, narrow) as store:
        assert store.rows(PortKey) == {"p": PortKey("p", 3)}  # 1 is out of range, and 2 was freed just now
        assert [committed.revision async for committed in take(store, 0, 3)] == [1, 2, 3]


async def take(store: SqliteStore, after: int, until: int) -> AsyncIterator[Committed]:
    async for committed in store.watch(after):
        yield committed
        if committed.revision == until:
            return


async def test_a_watch_goes_on_after_a_restart_from_disk_to_memory(tmp_path: Path) -> None:
    async with opened(tmp_path, NETWORK_KEYS) as store:
        bulk = [put(Network(f"n{i}"), *(Port(f"p{i}-{j}", "n") for j in range(150))) for i in range(3)]
        written = [await store.commit(txn) for txn in bulk]
        written.append(await store.commit(Transaction(put=(Port("p0-0", "m"),), delete=((Network, "n1"),))))
    async with opened(tmp_path, NETWORK_KEYS) as store:
        seen = []
        async for committed in store.watch(1):
            seen.append(committed)
            if len(seen) == 2:  # while it still reads the disk
                written.append(await store.commit(put(Port("new", "n0"))))
                written.append(await store.commit(put(Port("newer", "n0"))))
            if committed.revision == 6:
                break
        assert seen == written[1:]


async def test_the_log_on_disk_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path, log=30) as store:
        for i in range(100):
            await store.commit(put(*(Port(f"p{j}", f"n{i}") for j in range(10))))
        with pytest.raises(Compacted):
            await anext(store.watch(90))
    with database(tmp_path) as db:
        (kept,) = db.execute("SELECT sum(size) FROM log").fetchone()
    assert 30 <= kept <= 50
    async with opened(tmp_path, log=30) as store:
        assert store.revision == 100
        assert [committed.revision async for committed in take(store, 98, 100)] == [99, 100]
        with pytest.raises(Compacted):
            await anext(store.watch(90))


async def test_one_transaction_may_be_larger_than_group_and_log(tmp_path: Path) -> None:
    async with opened(tmp_path, PORT_KEYS, log=10) as store:
        await store.commit(put(*(Port(f"p{i}", "n") for i in range(900))))
        (committed,) = [committed async for committed in take(store, 0, 1)]
        assert len(committed.changes) == 1800
    async with opened(tmp_path, PORT_KEYS, log=10) as store:
        assert (len(store.rows(Port)), store.revision) == (900, 1)


async def test_a_record_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, NETWORK_KEYS) as store:
        good, bad, other = await asyncio.gather(
            store.commit(put(Network("a"))),
            store.commit(put(Network("b", mtu=1 << 70))),
            store.commit(put(Network("c"))),
            return_exceptions=True,
        )
        assert not isinstance(good, BaseException) and not isinstance(other, BaseException)
        assert isinstance(bad, OverflowError)
        assert (good.revision, other.revision) == (1, 2)
        assert store.get(NetworkKey, "c") == NetworkKey("c", 2)


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    def second() -> str:
        program = "import sys, pathlib, daybreak.store.sqlite as s; s.SqliteStore.open(pathlib.Path(sys.argv[1]), ())"
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()[-1]

    async with opened(tmp_path) as store:
        assert second().endswith(f"StoreError: {tmp_path}: in use by another process ({os.getpid()})")
        await store.commit(put(Port("p", "n")))
    assert second().endswith("holds records of kind 'port', which this version of Daybreak does not know")


async def test_a_database_that_someone_else_writes_fails_the_write_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with database(tmp_path) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"daybreak\.db: database is locked"):
                await store.commit(put(Port("p", "n")))
        assert (await store.commit(put(Port("p", "n")))).revision == 1


async def test_a_write_that_clashes_with_a_strangers_leaves_the_store_usable(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with database(tmp_path) as db:
            db.execute("INSERT INTO log VALUES (1, 0, x'90')")
            with pytest.raises(StoreError, match=r"daybreak\.db: UNIQUE constraint failed: log\.revision"):
                await store.commit(put(Port("p", "n")))
            assert store.rows(Port) == {}
            db.execute("DELETE FROM log")
        assert (await store.commit(put(Port("p", "n")))).revision == 1


async def test_a_bulk_is_answered_group_by_group(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        bulk = [put(*(Port(f"p{i}-{j}", "n") for j in range(GROUP // 2))) for i in range(10)]
        answers = [asyncio.create_task(store.commit(txn)) for txn in bulk]
        await answers[0]
        assert (store.revision, [answer.done() for answer in answers]) == (2, [True] * 2 + [False] * 8)
        await asyncio.gather(*answers)
        assert store.revision == 10


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The system refuses to let a file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_fills_fails_the_write_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path, NETWORK_KEYS) as store:
        await store.commit(put(Network("a")))
        seen: list[int] = []
        store.subscribe(lambda committed: seen.append(committed.revision))
        bulk = put(Network("b"), *(Port(f"p{i}", "b", name="x" * 1000) for i in range(1000)))
        with files_no_larger_than(200_000):
            outcomes = await asyncio.gather(store.commit(bulk), store.commit(bulk), return_exceptions=True)
            assert [str(outcome).startswith(f"{tmp_path}/daybreak.db: ") for outcome in outcomes] == [True, True]
            assert [type(outcome) for outcome in outcomes] == [StoreError, StoreError]
        assert (store.revision, store.get(Network, "b"), len(store.rows(Port)), seen) == (1, None, 0, [])

        assert (await store.commit(put(Network("c")))).revision == 2
        assert store.get(NetworkKey, "c") == NetworkKey("c", 2)
        assert (await store.commit(bulk)).revision == 3
    async with opened(tmp_path, NETWORK_KEYS) as store:
        assert (set(store.rows(Network)), len(store.rows(Port))) == ({"a", "b", "c"}, 1000)


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    assert why(tmp_path / "no" / "where") == f"{tmp_path}/no/where: No such file or directory"


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why(tmp_path / "file") == f"{tmp_path}/file: Not a directory"


def test_a_directory_that_cannot_be_written_is_named() -> None:
    assert why(Path("/sys/kernel")).startswith("/sys/kernel: ")  # not even root may create files there


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "daybreak.db").write_text("something else altogether\n" * 100)
    assert why(tmp_path) == f"{tmp_path}/daybreak.db: file is not a database"


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with database(tmp_path) as db:
        db.execute("CREATE TABLE recipes (name)")
    assert why(tmp_path) == f"{tmp_path}/daybreak.db: not a database of Daybreak"


async def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(put(*(Port(f"p{i}", "n") for i in range(1000))))
    with (tmp_path / "daybreak.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xde\xad" * 20_000)
    assert why(tmp_path) == f"{tmp_path}/daybreak.db: database disk image is malformed"


async def test_a_newer_version_s_database_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(put(Port("p", "n")))
    with database(tmp_path) as db:
        db.execute("PRAGMA user_version = 2")
    assert why(tmp_path) == (
        f"{tmp_path}/daybreak.db: written by a newer version of Daybreak (schema 2, this one knows 1)"
    )
    with database(tmp_path) as db:
        db.execute("PRAGMA user_version = 1")
    async with opened(tmp_path) as store:
        assert set(store.rows(Port)) == {"p"}


async def test_a_kind_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, kinds=(Network, Port, Host)) as store:
        await store.commit(put(Host("h1", "u")))
    unknown = f"{tmp_path}/daybreak.db: holds records of kind 'host', which this version of Daybreak does not know"
    assert why(tmp_path) == unknown


async def test_a_record_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(put(Port("p", "n")))
    with database(tmp_path) as db:
        db.execute("UPDATE rows SET body = x'81a26964c0'")  # {"id": nil}
    assert why(tmp_path) == f"{tmp_path}/daybreak.db: port p: Expected `str`, got `None` - at `$.id`"


async def test_a_store_that_could_not_be_opened_holds_no_lock(tmp_path: Path) -> None:
    (tmp_path / "daybreak.db").write_text("something else altogether\n" * 100)
    why(tmp_path)
    (tmp_path / "daybreak.db").unlink()
    async with opened(tmp_path) as store:
        assert store.revision == 0
