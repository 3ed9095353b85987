"""io: draining the Neutron driver's journal into a controller, beside a bare loop of the same transactions.

    python bench/neutron_journal.py [--rows 8000] [--waiting 100000]

A real MariaDB with Neutron's tables, a real controller, dispatchers as operators run them. The peer posts the same
bodies from memory, one transaction after the other, each as large as a dispatcher's batch, without a database. With a
delay every request takes so many milliseconds longer, by a relay. networking-odl, measured on the same machine against
a stub that answers at once, drained 200 rows a second, and 37 to 64 with 20 ms. Then so many rows wait: how fast they
are drained by one, two and four servers, that nothing of it is lost, what a dispatcher needs of memory, and how long it
takes to say all of it again to a controller that has lost its store.

Runs in Neutron's environment (.venv-neutron), to which it changes by itself.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-neutron/bin/python"
if __name__ == "__main__" and Path(sys.prefix) != PYTHON.parents[1]:
    if not PYTHON.exists():
        sys.exit("There's no .venv-neutron: make setup-neutron makes it")
    os.execv(PYTHON, [str(PYTHON), "-W", "ignore", *sys.argv])
sys.path.insert(0, str(ROOT / "neutron"))

BATCH = 1000
PEER = {0: 200, 20: 37}
"""Rows a second of networking-odl 22 with one worker, by the milliseconds that the controller was away."""


class Relay:
    """Passes bytes on to a controller; what comes from its clients it holds up."""

    def __init__(self, port: int, delay: float) -> None:
        self._to, self._delay = port, delay
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        with suppress(ConnectionError):  # dispatchers are killed when they're done
            await asyncio.gather(self._copy(reader, back, self._delay), self._copy(there, writer, 0))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
        loop = asyncio.get_running_loop()
        while data := await source.read(1 << 20):
            if delay:
                loop.call_later(delay, sink.write, data)
            else:
                sink.write(data)
        if delay:
            await asyncio.sleep(delay)
        sink.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--waiting", type=int, default=20_000)
    options = parser.parse_args()
    rows = options.rows
    from oslo_config import cfg
    from tests.cloud import Schema
    from tests.journal.ground import Controller, Ground

    from daybreak_lab import Lab

    cfg.CONF([], project="neutron")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        database = Schema(lab).database(lab)
        ground, controller = Ground(database.url, Path(folder)), Controller(Path(folder) / "controller")
        controller.start()
        try:
            print(f"{rows} rows; rows a second:")
            for delay in (0, 20):
                relay = Relay(controller.port, delay / 1000)
                measure(ground, controller, relay, rows, delay)
            print(f"\n{options.waiting} rows waiting; rows a second, and the dispatchers' largest memory:")
            for servers in (1, 2, 4):
                backlog(ground, controller, options.waiting, servers)
            say_again(ground, controller, options.waiting)
        finally:
            ground.end()
            controller.kill()
            database.remove()


def measure(ground: object, controller: object, relay: Relay, rows: int, delay: int) -> None:
    """All figures of one delay."""
    for dispatchers, streams in ((1, 1), (1, 2), (2, 2)):
        figure = drain(ground, controller, relay, rows, dispatchers, streams, "daybreak")
        against = f"  {figure / PEER[delay]:.1f} × networking-odl's {PEER[delay]}"
        say(delay, f"{dispatchers} × {streams} streams, batches of {BATCH}", figure, against)
    for streams in (1, 8):
        figure = drain(ground, controller, relay, rows // 8, 1, streams, "opendaylight")
        say(delay, f"1 × {streams} streams, OpenDaylight's northbound", figure)
    controller.empty()
    say(delay, f"bare loop, batches of {BATCH}", bare(relay, rows, BATCH))
    controller.empty()
    say(delay, "bare loop, one by one", bare(relay, rows // 8, 1))


def say(delay: int, what: str, figure: float, beside: str = "") -> None:
    print(f"{delay:>4} ms  {what:<46}{figure:>8.0f}{beside}", flush=True)


def backlog(ground: object, controller: object, rows: int, servers: int) -> None:
    """Drain what waited when the dispatchers started."""
    from tests.journal.ground import wait_for

    ground.empty()
    controller.empty()
    fill(ground, rows)
    with ground.in_use():
        processes = [ground.process(f"s{number}", controller, batch=BATCH) for number in range(servers)]
        wait_for("active", lambda: "active" in ground.members().values())
        began = time.monotonic()
        wait_for("drained", ground.drained, timeout=1200)
        figure = rows / (time.monotonic() - began)
        memory = max(largest(process.pid) for process in processes)
    lost = "nothing lost" if controller.digests() == ground.digests() else "NOT EQUAL"
    print(f"{servers} server{'s' * (servers > 1)}{figure:>12.0f}  {memory:.0f} MB  {lost}", flush=True)


def say_again(ground: object, controller: object, rows: int) -> None:
    """A full sync: the controller has lost its store."""
    from tests.journal.ground import BIN, wait_for

    controller.kill()
    shutil.rmtree(controller.folder / "data")
    controller.start()
    with ground.in_use():
        ground.process("s0", controller, batch=BATCH, sync_interval=3600)
        wait_for("active", lambda: "active" in ground.members().values())
        began = time.monotonic()
        command = [BIN / "neutron-daybreak", f"--config-file={ground.folder / 's0/neutron.conf'}", "sync", "--repair"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wait_for("drained", ground.drained, timeout=1200)
        seconds = time.monotonic() - began
    lost = "equal" if controller.digests() == ground.digests() else "NOT EQUAL"
    print(f"full sync of {rows} objects into an empty controller: {seconds:.0f} s, then {lost}", flush=True)


def fill(ground: object, rows: int) -> None:
    """Networks and ports, and a row of the journal for each."""
    import sqlalchemy as sa
    from neutron.db.models_v2 import Port
    from tests.journal.ground import ATTRIBUTES, J

    networks = [ground.network(f"n{number}") for number in range(20)]
    with ground.engine.begin() as connection:
        first = (connection.execute(sa.select(sa.func.max(ATTRIBUTES.c.id))).scalar() or 0) + 1
        for start in range(20, rows, 5000):
            numbers = range(start, min(start + 5000, rows))
            described = {"resource_type": "ports", "revision_number": 1, "description": ""}
            connection.execute(sa.insert(ATTRIBUTES), [{"id": first + number, **described} for number in numbers])
            ports = [port(number, networks[number % 20], first + number) for number in numbers]
            connection.execute(sa.insert(Port.__table__), ports)
            note = {"kind": "port", "recorded_at": time.time()}
            connection.execute(sa.insert(J), [{"object_id": each["id"], **note} for each in ports])


def port(number: int, network: str, attributes: int) -> dict[str, object]:
    """A row of Neutron's table."""
    mac = f"fa:17:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    named = {"id": str(uuid4()), "name": f"p{number}", "network_id": network, "mac_address": mac, "project_id": "red"}
    state = {"status": "DOWN", "admin_state_up": True, "device_id": "", "device_owner": ""}
    return {**named, **state, "standard_attr_id": attributes}


def largest(pid: int) -> float:
    """The most memory that a process has had, in MB (VmHWM; proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def drain(
    ground: object, controller: object, relay: Relay, rows: int, dispatchers: int, streams: int, northbound: str
) -> float:
    """Networks and ports, each port on one of the networks."""
    from tests.journal.ground import wait_for

    ground.empty()
    controller.empty()
    networks = [ground.network(f"n{number}") for number in range(20)]
    for network in networks:
        ground.ports(network, *(f"p{number}" for number in range(rows // 20 - 1)))
    url = f"http://127.0.0.1:{relay.port}"
    with ground.in_use():
        options = {"northbound": northbound, "streams": streams, "batch": BATCH}
        for number in range(dispatchers):
            ground.process(f"d{number}", SimpleNamespace(url=url), **options)
        wait_for("active", lambda: "active" in ground.members().values())
        began = time.monotonic()
        wait_for("drained", ground.drained, timeout=600)
        return rows / (time.monotonic() - began)


def bare(relay: Relay, rows: int, batch: int) -> float:
    """The same bodies, from memory."""
    import requests

    def port(number: int) -> dict[str, object]:
        body = {"id": f"b{number}", "network_id": "n1", "tenant_id": "red", "project_id": "red", "name": f"p{number}"}
        body |= {
            "mac_address": f"fa:16:3f:00:{number >> 8:02x}:{number & 255:02x}",
            "fixed_ips": [],
            "vif_type": "unbound",
        }
        body |= {"admin_state_up": True, "port_security_enabled": True, "host_id": "", "vnic_type": "normal"}
        return {"put": {"kind": "port", "body": {**body, "revision_number": 1}, "revision": 1}}

    session = requests.Session()
    session.auth = ("admin", "admin")
    operations = [port(number) for number in range(rows)]
    began = time.monotonic()
    for start in range(0, rows, batch):
        body = {"operations": operations[start : start + batch], "fence": {"client": "neutron"}}
        answer = session.post(f"http://127.0.0.1:{relay.port}/v1/transactions", json=body)
        assert answer.status_code == 200, answer.text
    return rows / (time.monotonic() - began)


if __name__ == "__main__":
    main()
