"""io: how fast flows get into a real Open vSwitch and back out, beside `ovs-ofctl` and the switch's own CPU time.

    python bench/southbound.py [--flows 100000] [--rounds 3]

Needs root and Open vSwitch: it makes a hypervisor of its own in a network namespace, and removes it. Every push starts
from keys and bodies, as the engine holds them for all switches (bench/encode.py measures how these are made), and ends
when the switch has confirmed; ovs-ofctl starts from a file that was written before, with the same flows (the tables
are compared byte for byte). Rounds of all ways are interleaved. The switch's CPU time is that of ovs-vswitchd in /proc,
ours is that of this process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.openflow.session import Switch
from daybreak.wire.openflow.actions import Ct, Goto, Load, Output, SetField
from daybreak.wire.openflow.fields import (
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    IN_PORT,
    IP_PROTO,
    IPV4_SRC,
    METADATA,
    REG,
    TCP_DST,
    TUN_DST,
    TUN_ID,
)
from daybreak.wire.openflow.flow import Condition, flow_delete, flow_mod, stats_entries
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.messages import Message
from daybreak.wire.openflow.shape import Shape
from daybreak.wire.openflow.text import format_flow
from daybreak_lab.hypervisor import Hypervisor
from daybreak_lab.lab import Lab

CHUNK = 5_000
OPERATIONS = 20
DELTAS, BLOCKS = 200, 10
PORTS = 60_000  # Open vSwitch has fewer than 65,280
COOKIE = (0xDA).to_bytes(8)
TICKS = os.sysconf("SC_CLK_TCK")

CLASSIFY = Shape(
    ("port", "mac", "ip", "network", "zone", "key"),
    table=0,
    priority=100,
    match=(
        Condition(IN_PORT, Var("port")),
        Condition(ETH_SRC, Var("mac")),
        Condition(ETH_TYPE, 0x0800),
        Condition(IPV4_SRC, Var("ip")),
        Condition(METADATA, 0),
    ),
    actions=(
        Load(REG[11].bits(0, 16), Var("network")),
        Load(REG[13], Var("zone")),
        Load(REG[14], Var("key")),
        Goto(10),
    ),
)
ALLOW = Shape(
    ("key", "ip", "port"),
    table=40,
    priority=2000,
    match=(
        Condition(ETH_TYPE, 0x0800),
        Condition(IPV4_SRC, Var("ip")),
        Condition(IP_PROTO, 6),
        Condition(TCP_DST, Var("port")),
        Condition(REG[15], Var("key")),
        Condition(CT_STATE, 0x21, 0x3F),
    ),
    actions=(Ct(commit=True, zone=REG[13].bits(0, 16)), Goto(50)),
)
REMOTE = Shape(
    ("network", "mac", "vni", "vtep", "router"),
    table=60,
    priority=100,
    match=(Condition(ETH_DST, Var("mac")), Condition(REG[11], Var("network")), Condition(METADATA, Var("router"))),
    actions=(SetField(TUN_ID, Var("vni")), SetField(TUN_DST, Var("vtep")), Load(REG[15], Var("router")), Output(7)),
)


def flows(number: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and body of `number` flows, a third of each shape, all different."""
    for n in range(1, number + 1):
        mac, ip = (0xFA163E << 24 | n).to_bytes(6), 10 << 24 | n
        match n % 3:
            case 0:
                key, instructions = CLASSIFY.encode(n % PORTS + 1, mac, ip, n & 0xFFFF, n & 0xFFFF, n)
            case 1:
                key, instructions = ALLOW.encode(n, ip, n & 0xFFFF)
            case _:
                key, instructions = REMOTE.encode(n, mac, n, ip, n)
        yield key, COOKIE + instructions


class Cost(NamedTuple):
    """Seconds from the first value to the switch's confirmation, and of CPU time: ours and the switch's."""

    elapsed: float
    ours: float
    switch: float


class Bench:
    """A switch that is connected, and the stop-watches."""

    def __init__(self, hypervisor: Hypervisor, bridge: str, switch: Switch) -> None:
        self.hypervisor, self.bridge, self.switch = hypervisor, bridge, switch
        self.pid = int((hypervisor.namespace.home / "ovs-vswitchd.pid").read_text())

    def switch_cpu(self) -> float:
        """Seconds of CPU that ovs-vswitchd has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    async def measure(self, work: Callable[[], Awaitable[object]]) -> Cost:
        """Time `work` without the garbage collector's pauses."""
        gc.collect()
        gc.disable()
        theirs, ours, start = self.switch_cpu(), time.process_time(), time.perf_counter()
        await work()
        elapsed, used = time.perf_counter() - start, time.process_time() - ours
        gc.enable()
        return Cost(elapsed, used, self.switch_cpu() - theirs)

    async def clear(self) -> None:
        """Delete every flow."""
        await asyncio.to_thread(self.hypervisor.ovs_ofctl, "-O", "OpenFlow13", "del-flows", self.bridge)
        await self.switch.barrier()

    async def plain(self, desired: Mapping[bytes, bytes]) -> None:
        assert not await self.switch.plain([flow_mod(*flow) for flow in desired.items()])

    async def chunks(self, desired: Mapping[bytes, bytes]) -> None:
        messages = [flow_mod(*flow) for flow in desired.items()]
        for at in range(0, len(messages), CHUNK):
            await self.switch.bundle(messages[at : at + CHUNK])

    async def atomic(self, desired: Mapping[bytes, bytes]) -> None:
        await self.switch.bundle([flow_mod(*flow) for flow in desired.items()])

    async def ofctl(self, path: Path) -> None:
        arguments = ("-O", "OpenFlow13", "--bundle", "add-flows", self.bridge, str(path))
        await asyncio.to_thread(self.hypervisor.ovs_ofctl, *arguments)

    async def delta(self, messages: Sequence[bytes]) -> float:
        """Seconds for one bundle, with the barrier before its commit, until the switch has committed it."""
        start = time.perf_counter()
        await self.switch.bundle(messages)
        return time.perf_counter() - start


def back_and_forth() -> tuple[list[bytes], list[bytes]]:
    """Operations that replace ten flows by ten others, and those that undo it."""
    extra = list(flows(400_000 + OPERATIONS))[-OPERATIONS:]
    one, other = extra[: OPERATIONS // 2], extra[OPERATIONS // 2 :]
    there = [flow_mod(*flow) for flow in other] + [flow_delete(key) for key, _ in one]
    back = [flow_mod(*flow) for flow in one] + [flow_delete(key) for key, _ in other]
    return there, back


class Owner:
    """Waits for the switch; nothing else is expected of it."""

    def __init__(self) -> None:
        self.switch: asyncio.Future[Switch] = asyncio.get_running_loop().create_future()

    def connected(self, switch: Switch) -> None:
        self.switch.set_result(switch)

    def message(self, switch: Switch, message: Message) -> None:
        raise RuntimeError(f"unexpected: {message}")

    def lost(self, switch: Switch, reason: str) -> None:
        """At the end; before, whoever waits for the switch hears of it."""


async def reconcile(switch: Switch, desired: dict[bytes, bytes]) -> int:
    """Dump the table, decode it and count what differs from `desired`."""
    actual: dict[bytes, bytes] = {}
    for body in await switch.dump_flows_raw():
        actual.update(stats_entries(body))
    return len(actual.items() ^ desired.items())


class Result(NamedTuple):
    """One line of the table: what was measured, how it was judged."""

    what: str
    measured: str
    ratio: str
    target: str
    reached: bool | None


async def pushes(bench: Bench, number: int, rounds: int, path: Path) -> list[Result]:
    """Every way to fill an empty table, interleaved."""
    desired = dict(flows(number))
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "ovs-ofctl --bundle add-flows": lambda: bench.ofctl(path),
        "plain and one barrier": lambda: bench.plain(desired),
        f"bundles of {CHUNK:,}": lambda: bench.chunks(desired),
        "one atomic bundle": lambda: bench.atomic(desired),
    }
    costs: dict[str, list[Cost]] = defaultdict(list)
    for _ in range(rounds):
        for name, way in ways.items():
            await bench.clear()
            costs[name].append(await bench.measure(way))
            assert await bench.switch.dump_flows() == desired or "ofctl" in name, f"{name} left another table"
    reference = costs["ovs-ofctl --bundle add-flows"]
    targets = {"plain and one barrier": 1.2, "one atomic bundle": 1.0}
    results = []
    for name, way_costs in costs.items():
        ratio = median(theirs.elapsed / ours.elapsed for theirs, ours in zip(reference, way_costs, strict=True))
        elapsed = median(cost.elapsed for cost in way_costs)
        target = targets.get(name)
        results.append(
            Result(
                name,
                f"{number / elapsed:,.0f} flows/s",
                f"{ratio:.2f} × ovs-ofctl",
                f"≥ {target} ×" if target else "",
                ratio >= target if target else None,
            )
        )
        if target:
            share = median(cost.ours / cost.switch for cost in way_costs)
            cpu = f"{median(c.ours for c in way_costs):.3f} s of {median(c.switch for c in way_costs):.2f} s"
            results.append(Result("  our CPU beside the switch's", cpu, f"{share:.1%}", "≤ 15 %", share <= 0.15))
    return results


async def changes(small: Bench, large: Bench, number: int) -> list[Result]:
    """Small bundles into a small and a large table, in turn."""
    tables = {1_000: small, number: large}
    seconds: dict[int, list[float]] = defaultdict(list)
    turns = back_and_forth()
    for present, bench in tables.items():
        await bench.clear()
        await bench.plain(dict(flows(present)))
        await bench.delta(turns[1])
    for _ in range(BLOCKS):
        for present, bench in tables.items():
            seconds[present] += [await bench.delta(turns[n % 2]) for n in range(DELTAS)]
    results: list[Result] = []
    for present, times in seconds.items():
        p99 = sorted(times)[int(len(times) * 0.99)]
        text = f"{median(times) * 1e3:.3f} ms, p99 {p99 * 1e3:.3f} ms"
        what = f"{OPERATIONS} operations in a bundle, {present:,} flows present"
        results.append(Result(what, text, "", "≤ 0.3 ms", median(times) <= 0.3e-3))
    growth = median(seconds[number]) / median(seconds[1_000])
    results.append(Result("  large table beside small", "", f"{growth:.2f} ×", "≤ 1.2 ×", growth <= 1.2))
    return results


async def dumps(bench: Bench, number: int, rounds: int) -> list[Result]:
    """The table read back, and compared with what it should be."""
    desired = dict(flows(number))
    bare, compared = [], []
    for _ in range(max(rounds, 5)):
        bare.append((await bench.measure(bench.switch.dump_flows_raw)).elapsed)
        compared.append((await bench.measure(lambda: reconcile(bench.switch, desired))).elapsed)
    assert await reconcile(bench.switch, desired) == 0
    ratio = median(b / a for a, b in zip(bare, compared, strict=True))
    return [
        Result("dump alone", f"{number / median(bare):,.0f} flows/s", "", "", None),
        Result(
            "dump, decode and compare",
            f"{number / median(compared):,.0f} flows/s",
            f"{ratio:.2f} × the dump",
            "≤ 2.5 ×",
            ratio <= 2.5,
        ),
    ]


async def connect(hypervisor: Hypervisor, bridge: str) -> Bench:
    """Make a bridge that connects to us."""
    owner = Owner()
    socket = hypervisor.namespace.home / f"{bridge}.controller"
    server = await asyncio.get_running_loop().create_unix_server(Listener(owner), str(socket))
    await asyncio.to_thread(
        hypervisor.ovs_vsctl,
        *("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure"),
        *("protocols=OpenFlow13", "--", "set-controller", bridge, f"unix:{socket}"),
    )
    switch = await owner.switch
    server.close()
    return Bench(hypervisor, bridge, switch)


async def run(hypervisor: Hypervisor, number: int, rounds: int) -> list[Result]:
    """Connect the switches and measure."""
    path = hypervisor.namespace.home / "flows.txt"
    path.write_text("".join(format_flow(*flow) + "\n" for flow in flows(number)))
    bench, other = await connect(hypervisor, "br-bench"), await connect(hypervisor, "br-other")
    await bench.ofctl(path)
    assert await reconcile(bench.switch, dict(flows(number))) == 0, "ovs-ofctl made other flows of the file"
    results = await pushes(bench, number, rounds, path)
    results += await changes(other, bench, number)
    await bench.clear()
    await bench.plain(dict(flows(number)))
    results += await dumps(bench, number, rounds)
    for switch in (bench.switch, other.switch):
        switch.close()
    return results


@click.command()
@click.option("--flows", "number", default=100_000, show_default=True, help="Flows in the large table.")
@click.option("--rounds", default=3, show_default=True, help="Interleaved rounds of each way to push.")
def main(number: int, rounds: int) -> None:
    """Push flows into a real Open vSwitch, change them, read them back; print rates beside their targets."""
    with Lab() as lab:
        results = asyncio.run(run(lab.hypervisor("bench"), number, rounds))
    version = subprocess.run(["ovs-vswitchd", "--version"], capture_output=True, text=True, check=True).stdout
    table = Table("", "measured", "ratio", "target", "", title=f"{number:,} flows, {version.splitlines()[0]}")
    for what, measured, ratio, target, reached in results:
        table.add_row(what, measured, ratio, target, {True: "reached", False: "MISSED", None: ""}[reached])
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
