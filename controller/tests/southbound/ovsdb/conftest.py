"""Real Open vSwitch: ovsdb-server calls the test's process, ovs-vswitchd is in a network namespace of its own.

Both have their folder, and are ended by their process id.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from daybreak.model import Host, Interface
from daybreak.southbound.ovsdb.session import Listener, Session, listen

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
DEADLINE = 30.0


class Switch:
    """One hypervisor's Open vSwitch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {key: str(folder) for key in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")}
        self.server: subprocess.Popen[bytes] | None = None
        self.vswitchd: subprocess.Popen[bytes] | None = None
        self.marks = 0

    def start_server(self) -> None:
        database = self.folder / "conf.db"
        if not database.exists():
            self.run("ovsdb-tool", "create", str(database), SCHEMA)
        remotes = ("--remote=punix:db.sock", "--remote=db:Open_vSwitch,Open_vSwitch,manager_options")
        columns = {"private-key": "private_key", "certificate": "certificate", "ca-cert": "ca_cert"}
        tls = (f"--{option}=db:Open_vSwitch,SSL,{column}" for option, column in columns.items())
        self.server = self.start("ovsdb-server", str(database), *remotes, *tls)
        until_true(lambda: (self.folder / "db.sock").exists())
        self.vsctl("--no-wait", "init")

    def start_vswitchd(self) -> None:
        control = f"--unixctl={self.folder}/vswitchd.ctl"
        daemon = ("ovs-vswitchd", f"unix:{self.folder}/db.sock", "--disable-system", control)
        self.vswitchd = self.start("unshare", "--net", *daemon)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{argv[0]}.log").open("ab") as out:
            return subprocess.Popen(argv, env=self.environment, cwd=self.folder, stdout=out, stderr=out)

    def stop_server(self) -> None:
        (self.folder / "db.sock").unlink(missing_ok=True)
        end(self.server)

    def stop_vswitchd(self) -> None:
        end(self.vswitchd)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, env=self.environment, cwd=self.folder, timeout=DEADLINE, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def vsctl(self, *arguments: str) -> str:
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", *arguments)

    def get(self, table: str, record: str, column: str) -> str:
        return self.vsctl("get", table, record, column).strip('"')

    def mark(self) -> str:
        """Write something new, by which a reader knows that it has seen all that was written before."""
        self.marks += 1
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"external_ids:mark={self.marks}")
        return str(self.marks)

    def appctl(self, *arguments: str) -> str:
        return self.run("ovs-appctl", "-t", f"{self.folder}/vswitchd.ctl", *arguments)

    def ofctl(self, *arguments: str) -> str:
        return self.run("ovs-ofctl", "-OOpenFlow13", *arguments)

    def call(self, port: int) -> None:
        """Have it call a controller."""
        self.vsctl("--no-wait", "set-manager", f"tcp:127.0.0.1:{port}")


class Recorder:
    """An owner that keeps what it's told."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.hosts: dict[str, Host] = {}
        self.interfaces: dict[str, Mapping[str, Interface]] = {}
        self.lessons = 0
        self.losses: list[str] = []

    def learned(self, session: Session, host: Host, interfaces: Mapping[str, Interface]) -> None:
        self.lessons += 1
        self.sessions[host.id] = session
        self.hosts[host.id] = host
        self.interfaces[host.id] = interfaces

    def lost(self, session: Session, reason: str) -> None:
        self.losses.append(reason)
        self.sessions = {host: other for host, other in self.sessions.items() if other is not session}


def end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.terminate()
        process.wait(DEADLINE)


def until_true(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def database() -> Iterator[Switch]:
    """An ovsdb-server alone."""
    folder = Path(tempfile.mkdtemp(prefix="daybreak-ovs-"))  # short: the name of a socket has 108 characters at most
    switch = Switch(folder)
    try:
        switch.start_server()
        yield switch
    finally:
        end(switch.vswitchd)
        end(switch.server)
        shutil.rmtree(folder)


@pytest.fixture
def switch(database: Switch) -> Switch:
    """An ovsdb-server with its ovs-vswitchd; bridges are to be of the userspace datapath."""
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:system-id=h1", "external_ids:hostname=h1")
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:daybreak-datapath-type=netdev")
    database.start_vswitchd()
    return database


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits until something is so, while the event loop runs."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def listener(recorder: Recorder) -> AsyncIterator[Listener]:
    listener = listen("127.0.0.1", 0, recorder)
    yield listener
    await listener.close()


@pytest.fixture
def switch_class() -> type[Switch]:
    return Switch
