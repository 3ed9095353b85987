"""io: a thousand switches on one controller process: what they cost while idle, and how they all come back at once.

    python bench/fleet.py [--switches 1000] [--ports 60] [--idle 60]

`daybreak serve` runs as a process of its own, on a store with all ports; the switches are bench/fake_switch.py, in one
process, and a third process is a cloud that writes ports all the time. A machine of 2 cores runs all three.
"""

import asyncio
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import click
import msgspec
import uvloop
from end_to_end import HEADERS, port_body
from fake_switch import FakeHost, keep
from model import cloud

from daybreak.features import pipeline, pools
from daybreak.model import Interface, Number, Transaction
from daybreak.service.controller import KINDS
from daybreak.store.sqlite import SqliteStore

NEUTRON = "/controller/nb/v2/neutron/ports"
PER_NETWORK = 10
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
PAUSE = 0.01
DEADLINE = 300.0


# -- the switches: a process of their own -----------------------------------------------------------------------------


def hosts_of(switches: int, ports: int) -> list[FakeHost]:
    """The hypervisors of the model, with their interfaces."""
    interfaces: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for change in cloud(switches * ports, switches, switches * ports // PER_NETWORK):
        if isinstance(change.new, Interface):
            row = change.new
            interfaces[row.host].append((row.name, row.iface_id, row.ofport or 0))
    return [FakeHost(f"host-{n}", n + 1, f"10.0.{n >> 8}.{n & 255}", interfaces[f"host-{n}"]) for n in range(switches)]


async def play(switches: int, ports: int, ovsdb: int, openflow: int) -> None:
    """Connect when a line comes; with each further line all connections break, and come back at once."""
    hosts = hosts_of(switches, ports)
    asking = asyncio.create_task(keep(hosts))
    print("made", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        for host in hosts:
            host.disconnect()
        await asyncio.sleep(0.5)
        print(time.monotonic(), flush=True)
        await asyncio.gather(*(host.connect("127.0.0.1", ovsdb, openflow) for host in hosts))
    asking.cancel()


# -- the cloud: a process of its own ----------------------------------------------------------------------------------


def write(address: str) -> None:
    """Create and delete a port over and over, until a line comes; print how long each call took, in seconds."""
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port))
    times: list[float] = []
    body = port_body(1, 1)
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        for method, path, content in (("POST", NEUTRON, {"port": body}), ("DELETE", f"{NEUTRON}/{body['id']}", None)):
            began = time.perf_counter()
            connection.request(method, path, None if content is None else msgspec.json.encode(content), HEADERS)
            response = connection.getresponse()
            response.read()
            assert response.status < 300, response.status
            times.append(time.perf_counter() - began)
    del times[0]  # with this one the password was hashed
    print(msgspec.json.encode(times).decode())


# -- the measurement --------------------------------------------------------------------------------------------------


class Process:
    """What /proc says of the controller."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE


def free_ports(number: int) -> list[int]:
    """TCP ports that nobody has."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


def serving(directory: Path, ovsdb: int, openflow: int, http: int) -> list[str]:
    """The command line of a controller that has nothing in common with others on this machine."""
    (websocket,) = free_ports(1)
    (directory / "daybreak.toml").write_text(f"websocket_port = {websocket}\n")
    return [
        str(Path(sys.executable).with_name("daybreak")),
        "serve",
        f"--config={directory / 'daybreak.toml'}",
        f"--ovsdb=ptcp:{ovsdb}:127.0.0.1",
        f"--openflow=ptcp:{openflow}:127.0.0.1",
        f"--northbound=127.0.0.1:{http}",
        f"--data={directory / 'data'}",
    ]


async def fill(directory: Path, switches: int, ports: int) -> None:
    """The store, as clouds and hosts would have written it."""
    store = SqliteStore.open(directory, KINDS, pools(pipeline(), (1 << 20, (1 << 24) - 1)))
    model = cloud(switches * ports, switches, switches * ports // PER_NETWORK)
    records = [change.new for change in model if change.new is not None and not isinstance(change.new, Number)]
    for start in range(0, len(records), 1000):
        await store.commit(Transaction(tuple(records[start : start + 1000])))
    await store.close()


@contextmanager
def running(*argv: str, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process of our own, ended by its id."""
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("w")) if log else None
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(BrokenPipeError):
                process.communicate(timeout=60)


class Log:
    """The controller's log, and how often a line was there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wait(self, words: str, times: int) -> float:
        """Return when there are as many lines with these words; says when that was."""
        began = time.monotonic()
        while (seen := self.path.read_text().count(words)) < times:
            if time.monotonic() > began + DEADLINE:
                raise TimeoutError(f"{seen} of {times} lines with {words}")
            time.sleep(0.05)
        return time.monotonic()


def percentile(times: list[float]) -> float:
    """The 99th, in milliseconds."""
    return statistics.quantiles(times, n=100)[98] * 1e3


def line(what: str, value: str, target: str, reached: bool) -> None:
    print(f"{what:74} {value:>12} {target:>10} {'' if reached else 'MISSED'}")


def measure(directory: Path, switches: int, ports: int, idle: float) -> None:
    asyncio.run(fill(directory / "data", switches, ports))
    ovsdb, openflow, http = free_ports(3)
    log = Log(directory / "log")
    role = [sys.executable, __file__, "--switches", str(switches), "--ports", str(ports)]
    with ExitStack() as stack:
        fakes = stack.enter_context(running(*role, "--play", f"{ovsdb}:{openflow}"))
        assert fakes.stdin and fakes.stdout
        controller = stack.enter_context(running(*serving(directory, ovsdb, openflow, http), log=log.path))
        process = Process(controller.pid)
        log.wait("event=ready", 1)
        assert fakes.stdout.readline() == "made\n"
        before = process.memory

        def reconnect(times: int) -> float:
            """All at once; the seconds until the last is in sync."""
            fakes.stdin.write("\n")
            fakes.stdin.flush()
            began = float(fakes.stdout.readline())
            return log.wait('event="in sync"', times * switches) - began

        print(f"{switches} switches with {ports} ports each")
        print(f"  first connection: tables filled in {reconnect(1):.1f} s")
        time.sleep(10)
        memory = (process.memory - before) / switches
        cpu, began = process.cpu, time.monotonic()
        time.sleep(idle)
        share = (process.cpu - cpu) / (time.monotonic() - began)
        writer = stack.enter_context(running(*role, "--write", f"127.0.0.1:{http}"))
        time.sleep(2)
        cpu = process.cpu
        seconds = reconnect(2)
        storm = (process.cpu - cpu) / switches
        assert writer.stdin and writer.stdout
        writer.stdin.write("\n")
        writer.stdin.flush()
        times = msgspec.json.decode(writer.stdout.readline(), type=list[float])
    line(f"idle: CPU of a core, over {idle:.0f} s", f"{share:.1%}", "≤ 5 %", share <= 0.05)
    line("memory for each switch", f"{memory / 1024:.0f} KB", "≤ 250 KB", memory <= 250 * 1024)
    line("all reconnect at once: until the last is in sync", f"{seconds:.1f} s", "≤ 15 s", seconds <= 15)
    print(f"{'  CPU of the controller for each':74} {storm * 1e3:>9.1f} ms")
    p99 = percentile(times)
    line(f"  API calls meanwhile ({len(times)}): p99", f"{p99:.0f} ms", "≤ 100 ms", p99 <= 100)


@click.command()
@click.option("--switches", default=1000, show_default=True)
@click.option("--ports", default=60, show_default=True, help="Of each switch.")
@click.option("--idle", default=60.0, show_default=True, help="Seconds for which the idle fleet is watched.")
@click.option("--play", "southbound", hidden=True)
@click.option("--write", "northbound", hidden=True)
def main(switches: int, ports: int, idle: float, southbound: str | None, northbound: str | None) -> None:
    """What a fleet costs."""
    if southbound is not None:
        ovsdb, openflow = map(int, southbound.split(":"))
        uvloop.run(play(switches, ports, ovsdb, openflow))
        return
    if northbound is not None:
        write(northbound)
        return
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), switches, ports, idle)


if __name__ == "__main__":
    main()
