"""io: the process that test_crash kills: writes without end, and prints the number of each write that was answered.

Write n creates network n and two ports on it, moves a row that all writers share, and deletes network n - 50.
"""

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from daybreak.model import Host, Network, Number, Pool, Port, Transaction
from daybreak.store.sqlite import SqliteStore


class NetworkKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "network_key"


def txn(n: int) -> Transaction:
    return Transaction(
        put=(Network(f"{n}"), Port(f"{n}-a", f"{n}"), Port(f"{n}-b", f"{n}"), Host("shared", f"{n}")),
        delete=((Network, f"{n - 50}"),),
    )


async def main(directory: Path, first: int) -> None:
    store = SqliteStore.open(directory, (Network, Port, Host), (Pool(NetworkKey, Network, 1, 10_000),))

    async def write(n: int) -> None:
        while True:
            await store.commit(txn(n))
            store.release(store.revision - 10)
            sys.stdout.write(f"{n}\n")
            sys.stdout.flush()
            n += 8

    await asyncio.gather(*(write(n) for n in range(first, first + 8)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
