"""io: what large security groups cost: flows of a host, one rule more, one member more, and until switches know.

    python bench/security_group.py [--ports 1000] [--members 5000] [--switches 20]

The engine is measured by itself; then a controller with its SQLite store and as many switches as said, which are none
(`fake_switch.py`), all in this process: so the figures until switches know hold their work too.
"""

import asyncio
import gc
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import structlog
import uvloop
from fake_switch import FakeHost
from fleet import free_ports, line

from daybreak.engine.engine import Engine
from daybreak.features import pipeline, pools
from daybreak.features.vocabulary import SUBSCRIPTIONS, RuleKey
from daybreak.model import (
    Change,
    FixedIp,
    Host,
    Interface,
    Location,
    Network,
    Port,
    Record,
    SecurityGroup,
    SecurityGroupRule,
    Transaction,
)
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.ovsdb.session import EVERYWHERE
from daybreak.southbound.ovsdb.session import listen as listen_ovsdb
from daybreak.store.memory import MemoryStore
from daybreak.store.sqlite import SqliteStore

WATCHED = 50
"""Ports of the group on the host whose flows are counted."""
DEADLINE = 60.0


def address(n: int) -> str:
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def port(n: int, host: str, ofport: int, groups: tuple[str, ...] | None) -> Iterator[Record]:
    """A port in a network of its tenant, plugged in and applied."""
    name, mac = f"port-{n}", f"fa:16:3e:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
    yield Port(name, "net", mac_address=mac, fixed_ips=(FixedIp(address(n)),), host_id=host, security_groups=groups)
    yield Interface(host, f"tap{n}", name, ofport)
    yield Location(name, host)


def rule(n: int, group: str, remote: str | None = None) -> SecurityGroupRule:
    """For one port of TCP."""
    said = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": n, "port_range_max": n}
    return SecurityGroupRule(id=f"rule-{group}-{n}", security_group_id=group, remote_group_id=remote, **said)


def host(n: int) -> Host:
    return Host(f"host-{n}", f"ovs-{n}", vtep=address(n + 1), dpid=n + 1, capabilities=("nd_ext",))


def base() -> Iterator[Record]:
    """Three groups, each with some rules."""
    yield Network("net", network_type="vxlan", segmentation_id="5000")
    for group in ("front", "back", "large"):
        yield SecurityGroup(id=group)
        yield SecurityGroupRule(id=f"out-{group}", security_group_id=group, direction="egress", ethertype="IPv4")
        for n in range(1, 11):
            yield rule(n, group)


def numbered(records: list[Record]) -> list[Change]:
    """The changes that make these records, and the numbers that the store gives out for them."""
    store = MemoryStore(KINDS, pipeline().pools)
    committed = asyncio.run(store.commit(Transaction(tuple(records))))
    return list(committed.changes)


def milliseconds(apply: Callable[[int], None], rounds: int) -> float:
    """Median of some rounds, less the first."""
    times = []
    for n in range(rounds + 1):
        began = time.perf_counter()
        apply(n)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]) * 1e3


# -- flows of a host --------------------------------------------------------------------------------------------------


def flows_of(groups: tuple[str, ...] | None, members: int) -> int:
    """All flows of a host with 50 ports of these groups, where one rule names the members of another."""
    records = [*base(), host(0), host(1), rule(100, "front", "large")]
    for n in range(WATCHED):
        records += port(n, "host-0", n + 1, groups)
    for n in range(members):  # of the same tenant, on a network that this host has not
        name = f"member-{n}"
        fixed = (FixedIp(address(WATCHED + n)),)
        records.append(Port(name, "other", mac_address=None, fixed_ips=fixed, security_groups=("large",)))
    engine = Engine(pipeline())
    engine.apply(1, numbered(records))
    topics = engine.values(SUBSCRIPTIONS, "host-0")
    return sum(len(engine.topics[topic].flows) for topic in topics if topic in engine.topics)


# -- the engine -------------------------------------------------------------------------------------------------------


def engine_times(ports: int, members: int, switches: int, rounds: int) -> dict[str, float]:
    """Milliseconds of engine time: a rule, a rule for another remote group, a member, the first use of all members."""
    records = [*base(), *map(host, range(switches)), rule(100, "front", "large")]
    for n in range(ports):
        records += port(n, f"host-{n % switches}", n // switches + 1, ("front",))
    for n in range(ports, ports + members):
        records += port(n, f"host-{n % switches}", n // switches + 1, ("large",))
    engine = Engine(pipeline())
    engine.apply(1, numbered(records))
    added = [rule(200 + n, "front") for n in range(rounds + 1)]
    keys = [c.new for c in numbered([*base(), *added]) if isinstance(c.new, RuleKey)][-len(added) :]
    gc.collect()
    gc.freeze()

    def feed(*put: Record) -> None:
        old = engine.records
        changes = [Change(type(new), new.key, old[type(new)].get(new.key), new) for new in put]
        engine.apply(engine.revision + 1, changes)

    def one_rule(n: int) -> None:
        feed(added[n], keys[n])

    def another_remote(n: int) -> None:
        feed(rule(200, "front", None if n % 2 else "back"))

    def one_member(n: int) -> None:
        old: Any = engine.records[Port][f"port-{ports + n}"]
        feed(msgspec.structs.replace(old, fixed_ips=(FixedIp(address(1 << 20 | n)),)))

    def all_members(n: int) -> None:
        feed(rule(100, "front", None if n % 2 else "large"))

    return {
        "rule": milliseconds(one_rule, rounds),
        "remote": milliseconds(another_remote, rounds),
        "member": milliseconds(one_member, rounds),
        "members": milliseconds(all_members, 6),
    }


# -- until switches know ----------------------------------------------------------------------------------------------


async def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


async def told(directory: Path, ports: int, switches: int, rounds: int) -> tuple[float, float]:
    """Milliseconds from a rule's transaction until all switches confirmed it: median and the longest."""
    store = SqliteStore.open(directory, KINDS, pools(pipeline(), (1 << 20, (1 << 24) - 1)))
    places = [(n, f"host-{n % switches}", n // switches + 1) for n in range(ports)]
    await store.commit(Transaction(tuple(base())))
    for n, name, ofport in places:
        await store.commit(Transaction(tuple(port(n, name, ofport, ("front",)))))
    controller = Controller(store, reconcile_seconds=3600, grace_seconds=3600)
    controller.start()
    ovsdb, openflow = free_ports(2)
    server = await asyncio.get_running_loop().create_server(
        Listener(controller.switches, allowed=EVERYWHERE), "127.0.0.1", openflow
    )
    databases = await listen_ovsdb("127.0.0.1", ovsdb, controller.hosts, allowed=EVERYWHERE)
    fakes = []
    for n in range(switches):
        plugged = [(f"tap{number}", f"port-{number}", ofport) for number, name, ofport in places if name == f"host-{n}"]
        fakes.append(FakeHost(f"host-{n}", n + 1, address(n + 1), plugged))
    for fake in fakes:
        await fake.connect("127.0.0.1", ovsdb, openflow)
    appliers = controller.switches.appliers
    await until(lambda: len(appliers) == switches and all(applier.idle for applier in appliers.values()))
    await asyncio.sleep(2)
    gc.collect()
    gc.freeze()
    times = []
    for n in range(rounds):
        began = time.perf_counter()
        committed = await store.commit(Transaction((rule(1000 + n, "front", "back" if n % 2 else None),)))
        at = committed.revision
        await until(lambda: all(controller.switches.applied(name, at) for name in appliers))  # noqa: B023
        times.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(0.02)
    for fake in fakes:
        fake.disconnect()
    server.close()
    await databases.close()
    await controller.close()
    await store.close()
    return statistics.median(times), max(times)


@click.command()
@click.option("--ports", default=1000, show_default=True, help="Of the group that gets a rule.")
@click.option("--members", default=5000, show_default=True, help="Of the group that a rule names.")
@click.option("--switches", default=20, show_default=True)
@click.option("--rounds", default=50, show_default=True)
def main(ports: int, members: int, switches: int, rounds: int) -> None:
    """Large security groups."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    without, few, many = flows_of(None, members), flows_of(("front",), 0), flows_of(("front",), members)
    extra, least = many - without, members + WATCHED
    line(f"flows for groups: {WATCHED} ports, a remote group of {members}", f"{extra}", f"≈ {least}", True)
    line("  against ports and members together", f"{extra / least:.2f} ×", "≤ 1.15 ×", extra <= 1.15 * least)
    print(f"{'  of them without any member':74} {few - without:>12}")
    print(f"{'  a flow for each port and member would be':74} {WATCHED * members:>12}")
    times = engine_times(ports, members, switches, rounds)
    line(f"a rule for a group of {ports} ports: engine", f"{times['rule']:.2f} ms", "≤ 20 ms", times["rule"] <= 20)
    line("  one that names a group as no rule did yet", f"{times['remote']:.2f} ms", "≤ 20 ms", times["remote"] <= 20)
    line(f"a member more among {members}", f"{times['member']:.2f} ms", "≤ 1 ms", times["member"] <= 1)
    print(f"{f'  all {members} members asked for, or no more':74} {times['members']:>9.1f} ms")
    with tempfile.TemporaryDirectory() as directory:
        middle, longest = uvloop.run(told(Path(directory), ports, switches, rounds))
    line(f"a rule until {switches} switches confirmed it: median", f"{middle:.1f} ms", "≤ 100 ms", middle <= 100)
    line("  the longest", f"{longest:.1f} ms", "≤ 100 ms", longest <= 100)


if __name__ == "__main__":
    sys.exit(main())
