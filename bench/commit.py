"""io: what a durable write costs, beside what the disk itself can do.

Three questions, each answered within one run because disks differ by a hundred times:

1. Where should commits run? The latency of one small write while another client synchronises many objects, for each
   place: on the event loop, in a thread, on the loop with only COMMIT in a thread, in a process of its own; and as the
   store does it, which is COMMIT in a thread unless a single small write waits for a quick disk. Once with
   an event loop that does nothing else, and once with one that also computes, as it does when flows follow from what
   was written: a thread then has to win back the interpreter's lock after each row. The last columns say how late the
   loop was, for the sessions with the switches share it.
2. How many durable writes are there in a second, one at a time and from 64 writers?
3. How long does it take to load everything at a start?

    python bench/commit.py [--objects 100000] [--rounds 3] [--directory /var/tmp]
"""

import argparse
import asyncio
import os
import pickle
import random
import socket
import statistics
import struct
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

from daybreak.model import FixedIp, Network, Number, Pool, Port, Transaction
from daybreak.store.disk import Batch, connect, encode, insert
from daybreak.store.sqlite import SqliteStore

BATCH = 100
"""Objects in one transaction of the client that synchronises."""
IN_FLIGHT = 4
"""Its transactions that are under way at once."""
WORK, REST = 0.001, 0.0005
"""Seconds that a loop that also computes does so, and then does not."""
BEFORE = 5000
"""Objects that a store holds before durable writes are counted: more than its log takes up to a checkpoint."""
PAUSE = 0.002
"""Seconds between one small write's answer and the next small write."""


class PortKey(Number, frozen=True, gc=False):
    kind: ClassVar[str] = "port_key"


KINDS = (Network, Port)
POOLS = (Pool(PortKey, Port, 1, 1 << 24),)


class OnTheLoop(SqliteStore):
    async def _persist(self, batch: Batch) -> None:
        insert(self._disk.db, batch)
        self._disk.db.execute("COMMIT")
        await asyncio.sleep(0)  # give way to the others, as all other places do


class InAThread(SqliteStore):
    async def _persist(self, batch: Batch) -> None:
        await self._in_thread(self._all, batch)

    def _all(self, batch: Batch) -> None:
        insert(self._disk.db, batch)
        self._disk.db.execute("COMMIT")


class CommitInAThread(SqliteStore):
    async def _persist(self, batch: Batch) -> None:
        insert(self._disk.db, batch)
        await self._in_thread(self._disk.db.execute, "COMMIT")


class InAProcess(SqliteStore):
    _child: "Child | None" = None

    async def _persist(self, batch: Batch) -> None:
        if self._child is None:
            self._child = await Child.start(self._disk.path)
        await self._child.write(batch)

    async def close(self) -> None:
        await super().close()
        if self._child is not None:
            await self._child.stop()


class Child:
    """The other end of InAProcess: a process that writes the batches that come over a socket."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @classmethod
    async def start(cls, path: Path) -> "Child":
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, "--child", str(path), str(theirs.fileno())]
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
        return cls(process, *await asyncio.open_connection(sock=ours))

    async def write(self, batch: Batch) -> None:
        body = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        self._writer.write(struct.pack("!I", len(body)) + body)
        await self._reader.readexactly(1)

    async def stop(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
        await self._process.wait()

    @staticmethod
    def run(path: Path, descriptor: int) -> None:
        db = connect(path)
        with socket.socket(fileno=descriptor) as peer, peer.makefile("rb") as stream:
            while header := stream.read(4):
                insert(db, pickle.loads(stream.read(struct.unpack("!I", header)[0])))
                db.execute("COMMIT")
                peer.sendall(b".")
        db.close()


PLACES: dict[str, type[SqliteStore]] = {
    "on the loop": OnTheLoop,
    "in a thread": InAThread,
    "COMMIT in a thread": CommitInAThread,
    "as the store does": SqliteStore,
    "in a process": InAProcess,
}


def ports(count: int, seed: int) -> list[Port]:
    """Ports as Neutron sends them: random UUIDs, about 600 bytes each as they are kept."""
    dice = random.Random(seed)

    def identity() -> str:
        return str(uuid.UUID(int=dice.getrandbits(128), version=4))

    project, network, subnet, group = (identity() for _ in range(4))
    return [
        Port(
            id=identity(),
            network_id=network,
            tenant_id=project,
            project_id=project,
            name=f"port-{i}",
            admin_state_up=True,
            status="DOWN",
            mac_address=f"fa:16:3e:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}",
            fixed_ips=(FixedIp(f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", subnet),),
            device_id=identity(),
            device_owner="compute:nova",
            security_groups=(group,),
            host_id=f"compute-{i % 100}",
            vnic_type="normal",
            vif_type="ovs",
            port_security_enabled=True,
            revision_number=3,
        )
        for i in range(count)
    ]


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def fdatasync(directory: Path, size: int, times: int = 500) -> list[float]:
    """Seconds that it takes to append `size` bytes to a file and have them on the disk, each time."""
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file.fileno(), bytes(size))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - start)
    return took


@asynccontextmanager
async def scratch(place: type[SqliteStore], directory: Path) -> AsyncIterator[SqliteStore]:
    with tempfile.TemporaryDirectory(dir=directory) as path:
        store = place.open(Path(path), KINDS, POOLS)
        await store.commit(Transaction(put=(Network("n"),)))
        try:
            yield store
        finally:
            await store.close()


async def synchronise(store: SqliteStore, objects: Sequence[Port]) -> None:
    """Commit all objects, some transactions at once."""
    batches = iter([tuple(objects[i : i + BATCH]) for i in range(0, len(objects), BATCH)])

    async def sender() -> None:
        for batch in batches:
            await store.commit(Transaction(put=batch))

    await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))


async def small_writes(store: SqliteStore, objects: Sequence[Port], done: asyncio.Event) -> list[float]:
    """Seconds for each small write while the others go on."""
    took = []
    for port in objects:
        if done.is_set():
            break
        start = time.perf_counter()
        await store.commit(Transaction(put=(port,)))
        took.append(time.perf_counter() - start)
        await asyncio.sleep(PAUSE)
    return took


async def lateness(done: asyncio.Event) -> list[float]:
    """By how many seconds the loop was late, each time that it was asked to wake up in a millisecond."""
    late = []
    while not done.is_set():
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - due)
    return late


async def compute(done: asyncio.Event) -> None:
    """Keep the loop busy, a piece at a time."""
    while not done.is_set():
        until = time.perf_counter() + WORK
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(REST)


class Samples(NamedTuple):
    """What was measured of one place, all rounds together; times in seconds."""

    writes: list[float]
    late: list[float]
    rates: list[float]


async def contend(
    place: type[SqliteStore], directory: Path, bulk: Sequence[Port], small: Sequence[Port], busy: bool
) -> Samples:
    async with scratch(place, directory) as store:
        done = asyncio.Event()
        start = time.perf_counter()
        writing = asyncio.create_task(small_writes(store, small, done))
        waking = asyncio.create_task(lateness(done))
        working = [asyncio.create_task(compute(done))] if busy else []
        await synchronise(store, bulk)
        rate = len(bulk) / (time.perf_counter() - start)
        done.set()
        await asyncio.gather(*working)
        return Samples(await writing, await waking, [rate])


def show(title: str, samples: Mapping[str, Samples], limit: float) -> None:
    """A table of how each place did, in milliseconds and in multiples of what the disk takes."""
    widths = {"median": 8, "x raw": 7, "p99": 8, "x raw ": 7, "max": 8, "objects/s": 11, "late p99": 10, "max ": 8}
    print(f"\n{title}\n" + " " * 20 + "".join(f"{head.strip():>{width}}" for head, width in widths.items()))
    for name, (writes, late, rates) in samples.items():
        took = [statistics.median(writes), percentile(writes, 0.99)]
        ratios = "".join(f"{seconds * 1e3:8.2f}{seconds / limit:7.1f}" for seconds in took)
        loop = f"{percentile(late, 0.99) * 1e3:10.2f}{max(late) * 1e3:8.1f}"
        print(f"{name:20}{ratios}{max(writes) * 1e3:8.1f}{statistics.median(rates):11.0f}{loop}")


async def durable_writes(directory: Path, objects: Sequence[Port], writers: int) -> float:
    """Commits per second of one port each, when SQLite's log has its size, as it has it after the first checkpoint."""
    async with scratch(SqliteStore, directory) as store:
        await synchronise(store, ports(BEFORE, 3))
        queue = iter(objects)

        async def writer() -> None:
            for port in queue:
                await store.commit(Transaction(put=(port,)))

        start = time.perf_counter()
        await asyncio.gather(*(writer() for _ in range(writers)))
        return len(objects) / (time.perf_counter() - start)


async def loading(directory: Path, objects: Sequence[Port], pools: tuple[Pool, ...]) -> float:
    """Seconds that it takes to open a store of so many objects."""
    with tempfile.TemporaryDirectory(dir=directory) as path:
        store = SqliteStore.open(Path(path), KINDS, pools)
        await synchronise(store, objects)
        await store.close()
        start = time.perf_counter()
        store = SqliteStore.open(Path(path), KINDS, pools)
        took = time.perf_counter() - start
        await store.close()
        return took


async def main(objects: int, rounds: int, directory: Path) -> None:
    bulk, small = ports(objects, 1), ports(100_000, 2)
    size = len(encode(bulk[0]))
    samples = {busy: {name: Samples([], [], []) for name in PLACES} for busy in (False, True)}
    raw = []
    for _ in range(rounds):
        for name, place in PLACES.items():
            for busy in samples:
                raw += fdatasync(directory, size)
                for gathered, new in zip(
                    samples[busy][name], await contend(place, directory, bulk, small, busy), strict=True
                ):
                    gathered.extend(new)

    limit = statistics.median(raw)
    print(f"raw: append {size} bytes and fdatasync: median {limit * 1e3:.2f}, p99 {percentile(raw, 0.99) * 1e3:.2f} ms")
    what = f"ms for a small write while {objects} objects come, {BATCH} in a transaction, {IN_FLIGHT} of them in flight"
    show(f"{what}; {rounds} rounds", samples[False], limit)
    show(
        f"the same while the loop also computes, {WORK * 1e3:.1f} of each {(WORK + REST) * 1e3:.1f} ms",
        samples[True],
        limit,
    )

    print("\ndurable writes of one port, per second; the disk measured before and after each; median of the rounds")
    for writers, count in ((1, 2000), (64, 20_000)):
        pairs = []
        for _ in range(2 * rounds):
            before = fdatasync(directory, size, 250)
            rate = await durable_writes(directory, small[:count], writers)
            pairs.append((rate, 1 / statistics.mean(before + fdatasync(directory, size, 250))))
        rate, syncs = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = sorted(rate / syncs for rate, syncs in pairs)
        spread = f"ratio {statistics.median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{writers:4} at a time {rate:9.0f}   raw fdatasync {syncs:7.0f}   {spread}")

    print(f"\nload of {objects} objects")
    print(f"without numbers {await loading(directory, bulk, ()):6.2f} s")
    print(f"with one number {await loading(directory, bulk, POOLS):6.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        Child.run(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        options = argparse.ArgumentParser(description="What a durable write costs.")
        options.add_argument("--objects", type=int, default=100_000)
        options.add_argument("--rounds", type=int, default=3)
        options.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
        chosen = options.parse_args()
        asyncio.run(main(chosen.objects, chosen.rounds, chosen.directory))
