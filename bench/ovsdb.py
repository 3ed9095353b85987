"""io: ports written to a real ovsdb-server, through our session and through ovsdbapp.

    python bench/ovsdb.py [--ports 200] [--rounds 5]

Each round adds ports to a bridge, one transaction for each: with our session one after the other and 32 at a time,
with ovsdbapp (the library of OpenStack's own agents, on the `ovs` package) as its users do it, one command after the
other. Each way has a process of its own, rounds are interleaved, on one ovsdb-server without ovs-vswitchd.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import click
from fleet import line
from ovs.db.idl import Idl, SchemaHelper
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.open_vswitch.impl_idl import OvsdbIdl, OvsVsctlTransaction

from daybreak.model import Host, Interface
from daybreak.southbound.ovsdb.session import Session
from daybreak.wire.ovsdb import UUID, NamedUUID
from daybreak.wire.ovsdb.operations import insert, mutate
from daybreak.wire.ovsdb.vswitch import Bridge

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
BRIDGE = "br-bench"
IN_FLIGHT = 32


@contextmanager
def server(directory: Path) -> Iterator[Path]:
    """An ovsdb-server of our own, with a bridge; gives its socket."""
    database, sock = directory / "conf.db", directory / "db.sock"
    subprocess.run(["ovsdb-tool", "create", database, SCHEMA], check=True)
    options = [f"--remote=punix:{sock}", "--no-chdir", "-vconsole:off", "-vsyslog:off"]
    options.append(f"--unixctl={directory}/server.ctl")
    process = subprocess.Popen(["ovsdb-server", database, *options])
    try:
        while not sock.is_socket():
            time.sleep(0.01)
        time.sleep(0.2)
        vsctl = ["ovs-vsctl", f"--db=unix:{sock}", "--no-wait"]
        subprocess.run([*vsctl, "init"], check=True)
        yield sock
    finally:
        process.terminate()
        process.wait()


class WithoutSwitch(OvsVsctlTransaction):
    """ovsdbapp's transaction, less its waiting for ovs-vswitchd, which isn't there."""

    def post_commit(self, txn: object) -> None: ...


class Peer(OvsdbIdl):
    """ovsdbapp as agents use it."""

    def create_transaction(self, check_error: bool = False, log_errors: bool = True, **_: object) -> WithoutSwitch:
        return WithoutSwitch(self, self.ovsdb_connection, 60, check_error, log_errors)


class Owner:
    """Nothing is learned from this database that matters here."""

    def learned(self, session: Session, host: Host, interfaces: Mapping[str, Interface]) -> None: ...

    def lost(self, session: Session, reason: str) -> None: ...


async def connect(sock: Path) -> Session:
    """A session that has read everything."""
    session = Session(Owner())
    read = asyncio.Event()
    session.watchers.append(read.set)
    await asyncio.get_running_loop().create_unix_connection(lambda: session, str(sock))
    await read.wait()
    return session


async def add(session: Session, bridge: UUID, name: str) -> None:
    """One port, as `ovs-vsctl add-port` makes it."""
    interface, port = NamedUUID("interface"), NamedUUID("port")
    await session.transact(
        [
            insert("Interface", {"name": name, "type": "internal", "external_ids": {"iface-id": name}}, interface),
            insert("Port", {"name": name, "interfaces": (interface,)}, port),
            mutate("Bridge", bridge, "ports", "insert", (port,)),
        ]
    )


async def ours(session: Session, names: list[str], in_flight: int) -> float:
    """Seconds for all of them."""
    (bridge,) = (row.uuid for row in session.replica.rows(Bridge).values() if row.name == BRIDGE)
    assert isinstance(bridge, UUID)
    queue = iter(names)

    async def work() -> None:
        for name in queue:
            await add(session, bridge, name)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return time.perf_counter() - began


def peer(sock: Path, names: list[str]) -> float:
    """The same with ovsdbapp, in this process."""
    helper = SchemaHelper(SCHEMA)
    helper.register_all()
    api = Peer(connection.Connection(Idl(f"unix:{sock}", helper), timeout=60))
    began = time.perf_counter()
    for name in names:
        with api.transaction(check_error=True) as transaction:
            transaction.add(api.add_port(BRIDGE, name))
            columns = (("type", "internal"), ("external_ids", {"iface-id": name}))
            transaction.add(api.db_set("Interface", name, *columns))
    took = time.perf_counter() - began
    api.ovsdb_connection.stop(5)
    return took


async def session_of_our_own(sock: Path, names: list[str], in_flight: int) -> float:
    session = await connect(sock)
    took = await ours(session, names, in_flight)
    session.close("the measurement is over")
    return took


def take(sock: Path, way: str, names: list[str]) -> float:
    """Seconds of one way."""
    if way == "ovsdbapp":
        return peer(sock, names)
    return asyncio.run(session_of_our_own(sock, names, IN_FLIGHT if way == "many" else 1))


def measure(sock: Path, ports: int, rounds: int) -> dict[str, list[float]]:
    """Each way, in turn, in a process and on a bridge of its own."""
    seconds: dict[str, list[float]] = {"ovsdbapp": [], "single": [], "many": []}
    vsctl = ["ovs-vsctl", f"--db=unix:{sock}", "--no-wait"]
    for _ in range(rounds):
        for way, times in seconds.items():
            subprocess.run([*vsctl, "--if-exists", "del-br", BRIDGE, "--", "add-br", BRIDGE], check=True)
            command = [sys.executable, "-W", "ignore", __file__, "--way", way, "--sock", str(sock)]
            done = subprocess.run([*command, "--ports", str(ports)], check=True, capture_output=True, text=True)
            times.append(float(done.stdout.splitlines()[-1]))
    return seconds


@click.command()
@click.option("--ports", default=200, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--way", hidden=True)
@click.option("--sock", type=click.Path(path_type=Path), hidden=True)
def main(ports: int, rounds: int, way: str | None, sock: Path) -> None:
    """Port writes for each second."""
    if way is not None:
        print(take(sock, way, [f"p{number}" for number in range(ports)]))
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seconds = measure(stack.enter_context(server(directory)), ports, rounds)
    theirs = seconds["ovsdbapp"]
    print(f"{'ovsdbapp, one after the other':74} {ports / median(theirs):>8,.0f} /s")
    print(f"{'our session, one after the other':74} {ports / median(seconds['single']):>8,.0f} /s")
    print(f"{'  beside ovsdbapp':74} {beside(theirs, seconds['single']):>10.1f} ×")
    print(f"{f'our session, {IN_FLIGHT} at a time':74} {ports / median(seconds['many']):>8,.0f} /s")
    ratio = beside(theirs, seconds["many"])
    line("  beside ovsdbapp", f"{ratio:.1f} ×", "≥ 10 ×", ratio >= 10)


def beside(theirs: list[float], ours: list[float]) -> float:
    """How many times as fast, round by round."""
    return median(a / b for a, b in zip(theirs, ours, strict=True))


if __name__ == "__main__":
    main()
