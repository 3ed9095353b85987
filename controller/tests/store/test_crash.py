"""kill -9 in the midst of writes: what was answered is there, and nothing is there by half.

That an answered write also survives a power failure rests on SQLite's own promise for synchronous=FULL: a process that
is killed leaves what it handed to the kernel behind, synced or not, so no test of this kind can tell.
"""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from daybreak.model import Host, Network, Number, Pool, Port
from daybreak.store.contract import Committed
from daybreak.store.sqlite import SqliteStore

ROUNDS = 24


class NetworkKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "network_key"


POOL = Pool(NetworkKey, Network, 1, 10_000)


def write_until_killed(directory: Path, first: int, dice: random.Random) -> list[int]:
    """Start a writer, kill it some moment after some answer, and return the writes that it had the answers to."""
    command = [sys.executable, str(Path(__file__).with_name("crash_writer.py")), str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        answered = [int(writer.stdout.readline()) for _ in range(dice.randrange(1, 150))]
        time.sleep(dice.uniform(0, 0.005))  # not to wait for anything: to hit another moment within a write
        writer.kill()
        answered += [int(line) for line in writer.stdout if line.endswith("\n")]
    return answered


async def test_what_was_answered_survives_and_nothing_is_there_by_half(tmp_path: Path) -> None:
    dice = random.Random(20)
    answered: set[int] = set()
    ahead = 0
    for _ in range(ROUNDS):
        first = max(answered, default=0) + 100
        answered |= set(write_until_killed(tmp_path, first, dice))

        store = SqliteStore.open(tmp_path, (Network, Port, Host), (POOL,))
        written = {int(key.removesuffix("-a")) for key in store.rows(Port) if key.endswith("-a")}
        assert answered <= written
        ahead += len(written - answered)
        assert set(store.rows(Port)) == {f"{n}-{side}" for n in written for side in "ab"}
        assert store.revision == len(written)  # one revision for each write, and none twice

        networks = set(store.rows(Network))
        assert networks <= {f"{n}" for n in written}
        assert all(f"{n}" in networks or n + 50 in written for n in written)
        assert set(store.rows(NetworkKey)) == networks
        assert len({number.value for number in store.rows(NetworkKey).values()}) == len(networks)
        last = [committed async for committed in _tail(store)][-1]
        assert store.get(Host, "shared") in [change.new for change in last.changes]
        await store.close()
    with closing(sqlite3.connect(tmp_path / "daybreak.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert ahead > 0  # some were killed between write and answer, so the moments were worth trying


async def _tail(store: SqliteStore) -> AsyncIterator[Committed]:
    async for committed in store.watch(max(store.revision - 3, 0)):
        yield committed
        if committed.revision == store.revision:
            return
