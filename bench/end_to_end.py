"""io: from `POST /ports` to the barrier that a real switch answered, in a large model, quiet and busy.

    sudo python bench/end_to_end.py [--ports 100000] [--posts 400]

A controller with its SQLite store, HTTP server and southbound runs in this process; clients run in processes of their
own. The interfaces of the ports are plugged before, so each POST makes flows at once. The time ends when the switch's
barrier is in.
"""

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import AsyncExitStack, ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import click
import uvloop
from model import cloud, identity

from daybreak.features import pipeline, pools
from daybreak.features.vocabulary import PLACED
from daybreak.model import Number, Transaction
from daybreak.northbound import neutron
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import app, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.ovsdb.session import EVERYWHERE
from daybreak.southbound.ovsdb.session import listen as listen_ovsdb
from daybreak.store.sqlite import SqliteStore
from daybreak_lab.hypervisor import Hypervisor
from daybreak_lab.lab import Lab

PORTS = "/controller/nb/v2/neutron/ports"
HEADERS = {"Authorization": f"Basic {b64encode(b'admin:admin').decode()}", "Content-Type": "application/json"}
HOSTS, NETWORKS = 200, 10_000
PAUSE = 0.005
PLUGGED = 20
BULK = 100


# -- clients: processes of their own ----------------------------------------------------------------------------------


def call(connection: HTTPConnection, method: str, path: str, body: Any = None) -> None:
    """One request that has to succeed."""
    connection.request(method, PORTS + path, None if body is None else json.dumps(body), HEADERS)
    response = connection.getresponse()
    answer = response.read()
    assert response.status < 300, (response.status, answer[:300])


def port_body(number: int, network: int) -> dict[str, Any]:
    """A port of its own MAC and address."""
    mac = f"fa:18:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    address = f"172.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    fixed = [{"ip_address": address}]
    return {"id": identity(7, number), "network_id": identity(1, network), "mac_address": mac, "fixed_ips": fixed}


def single(address: str, count: int) -> None:
    """POST ports one by one, over and over the same; print when each began (CLOCK_MONOTONIC, seconds)."""
    connection = HTTPConnection(address, 8181)
    begun: dict[str, list[float]] = {}
    for turn in range(count):
        body = port_body(turn % PLUGGED, turn % PLUGGED)
        begun.setdefault(body["id"], []).append(time.monotonic())
        call(connection, "POST", "", {"port": body})
        time.sleep(PAUSE)
        call(connection, "DELETE", f"/{body['id']}")
        time.sleep(PAUSE)
    print(json.dumps(begun))


def bulk(address: str, count: int) -> None:
    """Synchronise: POST ports by the hundred."""
    connection = HTTPConnection(address, 8181)
    for start in range(1 << 20, (1 << 20) + count, BULK):
        call(connection, "POST", "", {"ports": [port_body(n, n % NETWORKS) for n in range(start, start + BULK)]})


# -- the controller: this process -------------------------------------------------------------------------------------


async def fill(store: SqliteStore, ports: int) -> None:
    """The model, as its clouds and hosts would have written it."""
    records = [c.new for c in cloud(ports, HOSTS, NETWORKS) if c.new is not None and not isinstance(c.new, Number)]
    for start in range(0, len(records), 1000):
        await store.commit(Transaction(tuple(records[start : start + 1000])))


def plug(host: Hypervisor) -> None:
    """Interfaces that carry the ids of the ports to come."""
    for n in range(PLUGGED):
        interface = ["set", "Interface", f"t{n}", "type=internal", f"external_ids:iface-id={identity(7, n)}"]
        host.ovs_vsctl("add-port", "br-int", f"t{n}", "--", *interface)


class Stopwatch:
    """When each plugged port's flows were confirmed, each time that it came."""

    def __init__(self, controller: Controller) -> None:
        self.confirmed: dict[str, list[float]] = {}
        self.open: dict[str, tuple[str, int]] = {}
        self.controller = controller
        controller.compute.listeners.append(self.wave)
        controller.switches.confirmed_listeners.append(self.check)

    def wave(self, committed: Any, wave: Any) -> None:
        for port in wave.facts.get(PLACED, ()):
            for place in self.controller.engine.values(PLACED, port):
                self.open[port] = (place.host, wave.revision)

    def check(self, host: str) -> None:
        now = time.monotonic()
        for port, (where, revision) in list(self.open.items()):
            if where == host and self.controller.switches.applied(host, revision):
                self.confirmed.setdefault(port, []).append(now)
                del self.open[port]

    def since(self, begun: dict[str, list[float]]) -> list[float]:
        """Seconds for each POST."""
        times = []
        for port, starts in begun.items():
            ends = self.confirmed.pop(port)
            assert len(ends) == len(starts), (port, len(starts), len(ends))
            times += [end - start for start, end in zip(starts, ends, strict=True)]
        return times


async def client(lab: Lab, kind: str, count: int) -> Any:
    """Run a client process to its end; what it printed."""
    argv = [sys.executable, __file__, "--client", kind, "--count", str(count)]
    argv += ["--address", lab.controller_address]
    process = lab.controller_namespace.popen(*argv, stdout=subprocess.PIPE, text=True)
    out, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    return json.loads(out) if out.strip() else None


def quantiles(times: list[float]) -> tuple[float, float]:
    """Median and p99 in milliseconds."""
    return statistics.median(times) * 1e3, statistics.quantiles(times, n=100)[98] * 1e3


async def measure(lab: Lab, ports: int, posts: int, directory: Path) -> None:
    linked = pipeline()
    store = SqliteStore.open(directory, KINDS, pools(linked, (1 << 20, (1 << 24) - 1)))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await fill(store, ports)
        controller = Controller(store, reconcile_seconds=3600, grace_seconds=3600)
        started = time.perf_counter()
        controller.start()
        print(f"  {ports} ports loaded, computed in {time.perf_counter() - started:.1f} s", flush=True)
        stack.push_async_callback(controller.close)
        application = app(store, Credentials({"admin": hash_password("admin")}), [neutron.routes])
        with lab.controller_namespace.entered():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(
                Listener(controller.switches, allowed=EVERYWHERE), lab.controller_address, 6653
            )
            stack.callback(server.close)
            databases = await listen_ovsdb(lab.controller_address, 6640, controller.hosts, allowed=EVERYWHERE)
            stack.push_async_callback(databases.close)
            await stack.enter_async_context(serve_http(application, lab.controller_address, 8181))
        manager = f"tcp:{lab.controller_address}:6640"
        identities = {"hostname": "bench", "daybreak-datapath-type": "netdev"}
        host = await asyncio.to_thread(lab.hypervisor, "bench", external_ids=identities, manager=manager)
        await asyncio.to_thread(host.wait_for_bridge)
        stopwatch = Stopwatch(controller)
        await asyncio.to_thread(plug, host)
        while sum(bool(row.ofport) for row in controller.hosts.interfaces("bench").values()) < PLUGGED:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        gc.collect()
        gc.freeze()
        stopwatch.since(await client(lab, "single", 2 * PLUGGED))
        quiet = quantiles(stopwatch.since(await client(lab, "single", posts)))
        began = time.perf_counter()
        syncing = asyncio.create_task(client(lab, "bulk", 100_000))
        busy = quantiles(stopwatch.since(await client(lab, "single", posts)))
        overlapped = not syncing.done()
        await syncing
        took = time.perf_counter() - began
    print(f"{'measured':66} {'here':>12} {'target':>10}")
    print(f"{'POST port until its barrier: median':66} {quiet[0]:>9.2f} ms {'≤ 2 ms':>10}")
    print(f"{'  p99':66} {quiet[1]:>9.2f} ms {'≤ 10 ms':>10}")
    print(f"{f'  median while 100,000 objects are synchronised (in {took:.0f} s)':66} {busy[0]:>9.2f} ms")
    print(f"{'  p99 while 100,000 objects are synchronised':66} {busy[1]:>9.2f} ms {'≤ 50 ms':>10}")
    if not overlapped:
        print("  (the synchronisation ended before the writes did: fewer --posts)")


@click.command()
@click.option("--ports", default=100_000, show_default=True, help="Ports in the model.")
@click.option("--posts", default=400, show_default=True, help="Measured writes, quiet and busy each.")
@click.option("--client", "kind", type=click.Choice(["single", "bulk"]), hidden=True)
@click.option("--address", hidden=True)
@click.option("--count", type=int, hidden=True)
def main(ports: int, posts: int, kind: str | None, address: str, count: int) -> None:
    """Latency of a write, from the client to the switch."""
    if kind is not None:
        {"single": single, "bulk": bulk}[kind](address, count)
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(Lab())
        uvloop.run(measure(lab, ports, posts, directory / "store"))


if __name__ == "__main__":
    main()
