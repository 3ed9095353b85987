"""io: draining the Neutron driver's journal into a controller, beside a bare loop of the same transactions.

    python bench/neutron_journal.py [--rows 4000]

A real MariaDB with Neutron's tables, a real controller, dispatchers as operators run them. The peer posts the same
bodies from memory, one transaction after the other, each as large as a dispatcher's batch, without a database. With a
delay every request takes so many milliseconds longer, by a relay. networking-odl, measured on the same machine against
a stub that answers at once, drained 200 rows a second, and 37 to 64 with 20 ms.

Runs in Neutron's environment (.venv-neutron), to which it changes by itself.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-neutron/bin/python"
if __name__ == "__main__" and Path(sys.prefix) != PYTHON.parents[1]:
    if not PYTHON.exists():
        sys.exit("There's no .venv-neutron: make setup-neutron makes it")
    os.execv(PYTHON, [str(PYTHON), "-W", "ignore", *sys.argv])
sys.path.insert(0, str(ROOT / "neutron"))

BATCH = 250


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
    parser.add_argument("--rows", type=int, default=4000)
    rows = parser.parse_args().rows
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
        finally:
            ground.end()
            controller.kill()
            database.remove()


def measure(ground: object, controller: object, relay: Relay, rows: int, delay: int) -> None:
    """All figures of one delay."""
    for dispatchers, streams in ((1, 1), (1, 2), (2, 2)):
        figure = drain(ground, controller, relay, rows, dispatchers, streams, "daybreak")
        say(delay, f"{dispatchers} × {streams} streams, batches of {BATCH}", figure)
    for streams in (1, 8):
        figure = drain(ground, controller, relay, rows // 4, 1, streams, "opendaylight")
        say(delay, f"1 × {streams} streams, OpenDaylight's northbound", figure)
    controller.empty()
    say(delay, f"bare loop, batches of {BATCH}", bare(relay, rows, BATCH))
    controller.empty()
    say(delay, "bare loop, one by one", bare(relay, rows // 8, 1))


def say(delay: int, what: str, figure: float) -> None:
    print(f"{delay:>4} ms  {what:<46}{figure:>8.0f}", flush=True)


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
    batch = BATCH if northbound == "daybreak" else 16
    with ground.in_use():
        options = {"northbound": northbound, "streams": streams, "batch": batch}
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
