"""io: what gathering counters costs, and whether it is in the way of changes.

    sudo python bench/counters.py [--flows 10000] [--looks 20] [--changes 300]

A controller runs in this process, a real Open vSwitch in a network namespace. One port has a security group with as
many rules as make the flows. A look is measured twice: with the switch as it is, where nothing has met a packet, and
with answers in which every flow met some since the last look, the worst that can be. Shares are those of one core at
the default interval. Changes are a rule that comes or goes, from the commit to the switch's confirmation, alone and
while looks follow one another without a pause.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import median
from struct import pack_into, unpack_from
from typing import Any, NamedTuple

import click
import uvloop
from rich.console import Console
from rich.table import Table

from daybreak.features import pipeline, pools
from daybreak.model import Network, Port, Record, SecurityGroup, SecurityGroupRule, Transaction
from daybreak.service.config import Config
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.ovsdb.session import EVERYWHERE
from daybreak.southbound.ovsdb.session import listen as listen_ovsdb
from daybreak.store.memory import MemoryStore
from daybreak_lab.hypervisor import Hypervisor
from daybreak_lab.lab import Lab

HOST, PORT, GROUP = "h1", "3eb00000-0000-4000-8000-000000000001", "5ec00000-0000-4000-8000-000000000001"
TICKS = os.sysconf("SC_CLK_TCK")
INTERVAL = Config().counters_interval


class Cost(NamedTuple):
    """Seconds of processor time, and of the clock."""

    ours: float
    switch: float
    elapsed: float


def allow(number: int) -> SecurityGroupRule:
    """A rule of its own prefix and port: two flows."""
    prefix = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"
    named = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "remote_ip_prefix": prefix}
    return SecurityGroupRule(
        id=f"rule-{number}", security_group_id=GROUP, port_range_min=80, port_range_max=80, **named
    )


class Bench:
    """The controller, the switch, and what is asked of them."""

    def __init__(self, controller: Controller, store: MemoryStore, hypervisor: Hypervisor) -> None:
        self.controller, self.store, self.hypervisor = controller, store, hypervisor
        self.pretending = 0.0
        self.pid = int((hypervisor.namespace.home / "ovs-vswitchd.pid").read_text())

    async def commit(self, *records: Record, delete: tuple[tuple[type[Record], str], ...] = ()) -> float:
        """Seconds until the switch has it."""
        began = time.perf_counter()
        revision = (await self.store.commit(Transaction(records, delete))).revision
        await self.controller.compute.settled()
        while not self.controller.switches.applied(HOST, revision):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return time.perf_counter() - began

    async def measure(self, work: Callable[[], Awaitable[object]]) -> Cost:
        """The cost of some work."""
        ours, switch, began = time.process_time() - self.pretending, self.switch_seconds(), time.perf_counter()
        await work()
        own = time.process_time() - self.pretending - ours
        return Cost(own, self.switch_seconds() - switch, time.perf_counter() - began)

    def switch_seconds(self) -> float:
        """Processor time of ovs-vswitchd so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    async def looks(self, number: int) -> None:
        for _ in range(number):
            await self.controller.counters.look(HOST)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Looks without a pause."""
        task = asyncio.create_task(self.looks(1_000_000))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def everything_met_packets(self) -> None:
        """From now on the switch's answers say that each flow met packets since the last one."""
        switch, met = self.controller.switches.appliers[HOST].switch, count(1)
        dump = switch.dump_flows_raw

        async def changed(query: Any) -> list[bytes]:
            parts, packets = await dump(query), next(met)
            began = time.process_time()
            parts = [with_counters(part, packets) for part in parts]
            self.pretending += time.process_time() - began
            return parts

        switch.dump_flows_raw = changed  # type: ignore[assignment,method-assign]


def with_counters(part: bytes, packets: int) -> bytes:
    """A part of a flow-stats reply with these counters in each entry."""
    changed, at = bytearray(part), 0
    while at < len(changed):
        pack_into("!QQ", changed, at + 32, packets, 100 * packets)
        at += unpack_from("!H", changed, at)[0]
    return bytes(changed)


async def prepared(bench: Bench, flows: int) -> int:
    """Have the switch hold as many flows; returns how many there are."""
    network = Network("blue", network_type="vxlan", segmentation_id="5000")
    port = Port(PORT, "blue", mac_address="fa:16:3e:00:00:01", security_groups=(GROUP,))
    command = ("add-port", "br-int", "t1", "--", "set", "Interface", "t1", "type=internal")
    await asyncio.to_thread(bench.hypervisor.ovs_vsctl, *command, f"external_ids:iface-id={PORT}")
    while HOST not in bench.controller.switches.appliers:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await bench.commit(network, port, SecurityGroup(id=GROUP))
    for start in range(0, flows // 2, 500):
        await bench.commit(*(allow(number) for number in range(start, min(start + 500, flows // 2))))
    return sum(len(topic.flows) for topic in bench.controller.switches.topics(HOST))


async def changes(bench: Bench, number: int) -> list[float]:
    """Seconds of each change: a rule comes, and goes again."""
    one = allow(1 << 20)
    times = []
    for _ in range(number // 2):
        times.append(await bench.commit(one))
        times.append(await bench.commit(delete=((SecurityGroupRule, one.id),)))
        await asyncio.sleep(0.002)
    return times


async def run(lab: Lab, flows: int, looks: int, number: int) -> Table:
    """Measure."""
    table = Table("measured", "figure", "target", "", box=None, pad_edge=False)
    store = MemoryStore(KINDS, pools(pipeline(), (1000, 2000)))
    controller = Controller(store)
    controller.start()
    with lab.controller_namespace.entered():
        door = Listener(controller.switches, allowed=EVERYWHERE)
        openflow = await asyncio.get_running_loop().create_server(door, None, 6653)
        ovsdb = await listen_ovsdb(None, 6640, controller.hosts, allowed=EVERYWHERE)
    ids = {"hostname": HOST, "daybreak-datapath-type": "netdev"}
    manager = f"tcp:{lab.controller_address}:6640"
    hypervisor = await asyncio.to_thread(lab.hypervisor, HOST, external_ids=ids, manager=manager)
    bench = Bench(controller, store, hypervisor)
    present = await prepared(bench, flows)

    await bench.looks(2)
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(5):
        quiet += await changes(bench, number // 5)
        async with bench.looking():
            busy += await changes(bench, number // 5)
    for words, prepare in (("nothing met a packet", None), ("every flow met some", bench.everything_met_packets)):
        if prepare:
            prepare()
            await bench.looks(1)
        costs = [await bench.measure(lambda: bench.looks(1)) for _ in range(looks)]
        ours, switch = (median(getattr(cost, who) for cost in costs) for who in ("ours", "switch"))
        switch = sum(cost.switch for cost in costs) / len(costs)  # the system counts it in hundredths of a second
        share = ours / INTERVAL
        head = f"a look at {present:,} flows, {words}"
        figure = f"{ours * 1e3:.1f} ms ours, {switch * 1e3:.0f} ms the switch's"
        table.add_row(head, figure, "", "")
        reached = "reached" if share <= 0.005 else "missed"
        table.add_row(f"  of a core, every {INTERVAL:g} s", f"{share:.2%}, {switch / INTERVAL:.2%}", "≤ 0.5 %", reached)
    for words, times in (("alone", quiet), ("while looks never pause", busy)):
        p99 = sorted(times)[int(len(times) * 0.99)]
        table.add_row(f"a rule comes or goes, {words}", f"{median(times) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms", "", "")
    ratio = median(busy) / median(quiet)
    table.add_row("  the second beside the first", f"{ratio:.2f} ×", "≤ 5 ×", "reached" if ratio <= 5 else "missed")
    openflow.close()
    await ovsdb.close()
    await controller.close()
    return table


@click.command()
@click.option("--flows", default=10_000, show_default=True)
@click.option("--looks", default=20, show_default=True)
@click.option("--changes", "number", default=300, show_default=True)
def main(flows: int, looks: int, number: int) -> None:
    """What gathering counters costs."""
    with Lab() as lab:
        Console(width=120).print(uvloop.run(run(lab, flows, looks, number)))


if __name__ == "__main__":
    main()
