"""io: how long the engine takes, beside the same rules in a plain loop that remembers nothing.

    python bench/compute.py [--ports 100000]

Prints the full compute of the model, one port's change in it, and the memory that model and flows take. Times are
CPU seconds of this process: it waits for nothing, and machines are shared.
"""

import gc
import multiprocessing
import resource
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import msgspec
from model import cloud, identity

from daybreak.engine.engine import Engine
from daybreak.engine.rule import Relation
from daybreak.engine.view import View
from daybreak.features import pipeline
from daybreak.model import Change, Port

HOSTS, NETWORKS = 200, 10_000


def plain(changes: list[Change]) -> dict[str, dict[bytes, bytes]]:
    """The same rules in their order, every row once: no memo, no reads noted, nothing to compare with."""
    linked = pipeline()
    engine = Engine(linked)
    records: dict[Any, dict[str, Any]] = defaultdict(dict)
    for kind, key, _old, new in changes:
        records[kind][key] = new
    relations: dict[Any, dict[str, Any]] = defaultdict(dict)
    topics: dict[str, dict[bytes, bytes]] = defaultdict(dict)

    class PlainView(View):
        def get(self, kind: Any, key: str) -> Any:
            return records[kind].get(key)

        def all(self, relation: Relation, key: str) -> tuple[Any, ...]:
            values = relations[relation].get(key)
            return () if values is None else tuple(sorted(values))

    view = PlainView(records, relations)
    encoders = linked.encoders
    for rule in engine.rules:
        root = rule.root
        rows: Any = {"": None} if root is None else relations[root] if isinstance(root, Relation) else records[root]
        for key, row in list(rows.items()):
            cookie = rule.cookie(key).to_bytes(8, "big")
            if root is None:
                outputs = rule.function(view)
            elif isinstance(root, Relation):
                outputs = rule.function(key, tuple(sorted(row)), view)
            else:
                outputs = rule.function(row, view)
            for target, what, value in outputs:
                if type(target) is Relation:
                    relations[target].setdefault(what, set()).add(value)
                else:
                    flow, instructions = encoders[what](*value)
                    topics[target][flow] = cookie + instructions
    return topics


def rss() -> int:
    """Resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def memory(ports: int, send: Any) -> None:
    """In a process of its own: bytes for model, memos and flows (the changes that made it are gone by then)."""
    linked = pipeline()
    engine = Engine(linked)
    gc.collect()
    before = rss()
    gc.disable()
    engine.apply(1, cloud(ports, HOSTS, ports // 10))
    gc.collect()
    send.send((rss() - before, sum(len(topic.flows) for topic in engine.topics.values())))


def changes_of_one_port(engine: Engine, ports: int, rounds: int) -> list[float]:
    """Seconds for one port's change of MAC, again and again on other ports."""
    times = []
    for n in range(rounds):
        key = identity(2, (n * 7919) % ports)
        old: Any = engine.records[Port][key]
        new = msgspec.structs.replace(old, mac_address=f"fa:17:00:00:{n >> 8:02x}:{n & 255:02x}")
        start = time.process_time()
        engine.apply(engine.revision + 1, [Change(Port, key, old, new)])
        times.append(time.process_time() - start)
    return times


@click.command()
@click.option("--ports", default=100_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(ports: int, rounds: int) -> None:
    """Full compute, one change, memory."""
    engine_times, plain_times, one = [], [], {}
    changes = cloud(ports, HOSTS, NETWORKS)
    for _ in range(rounds):
        for times, compute in (
            (plain_times, lambda: plain(changes)),
            (engine_times, lambda: Engine(pipeline()).apply(1, changes)),
        ):
            gc.collect()
            gc.freeze()
            gc.disable()
            start = time.process_time()
            compute()
            times.append(time.process_time() - start)
            gc.enable()
            gc.unfreeze()
    full, loop = statistics.median(engine_times), statistics.median(plain_times)
    for size in (ports // 10, ports):
        engine = Engine(pipeline())
        engine.apply(1, cloud(size, HOSTS, size // 10))
        gc.collect()
        gc.freeze()
        changes_of_one_port(engine, size, 200)
        one[size] = statistics.median(changes_of_one_port(engine, size, 2000)) * 1e6
        del engine
        gc.unfreeze()
    receive, send = multiprocessing.get_context("spawn").Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=memory, args=(ports, send))
    child.start()
    used, flows = receive.recv()
    child.join()
    small, large = one[ports // 10], one[ports]
    print(f"{'measured':62} {'here':>14} {'target':>10}")
    print(f"{f'full compute of {ports} ports, {flows} flows':62} {full:>12.2f} s")
    print(f"{'  against the same rules in a plain loop':62} {full / loop:>12.2f} × {'≤ 2 ×':>10}   (loop {loop:.2f} s)")
    print(f"{'one change of a port':62} {large:>11.1f} µs {'≤ 50 µs':>10}")
    print(f"{f'  against the same with {ports // 10} ports':62} {large / small:>12.2f} × {'≤ 1.4 ×':>10}")
    print(f"{'memory of model, memos and flows, a port':62} {used / ports / 1024:>11.2f} KB {'≤ 8 KB':>10}")


if __name__ == "__main__":
    sys.exit(main())
