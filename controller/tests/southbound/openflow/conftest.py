"""One real Open vSwitch in a network namespace of its own, and a place where switches are met."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.openflow.session import Switch
from daybreak.wire.openflow.messages import Message

DEADLINE = 20.0
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class OpenVSwitch:
    """The daemons, in their own namespace and directory; sockets are reached by path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.namespace = f"ofsession-{os.getpid()}"
        self.environment = os.environ | {f"OVS_{kind}DIR": str(directory) for kind in ("RUN", "DB", "LOG")}
        self.bridges = 0

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def start(self) -> None:
        database = f"{self.directory}/conf.db"
        self.run("ip", "netns", "add", self.namespace)
        self.run("ovsdb-tool", "create", database, SCHEMA)
        self._daemon("ovsdb-server", database, f"--remote=punix:{self.directory}/db.sock")
        self._daemon("ovs-vswitchd", f"unix:{self.directory}/db.sock")

    def stop(self) -> None:
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            self._end(daemon)
        self.run("ip", "netns", "del", self.namespace)

    def restart(self) -> None:
        """ovs-vswitchd loses all flows, meters and groups, of all bridges."""
        self._end("ovs-vswitchd")
        self._daemon("ovs-vswitchd", f"unix:{self.directory}/db.sock")

    def _daemon(self, *command: str) -> None:
        options = ("--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off", "-vsyslog:off")
        self.run("ip", "netns", "exec", self.namespace, *command, *options)

    def _end(self, daemon: str) -> None:
        pidfile = self.directory / f"{daemon}.pid"
        if pidfile.exists():
            pid = int(pidfile.read_text())
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + DEADLINE
            while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
                time.sleep(0.01)

    def vsctl(self, *arguments: str) -> str:
        return self.run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", *arguments)

    def ofctl(self, *arguments: str) -> str:
        return self.run("ovs-ofctl", "-O", "OpenFlow13", *arguments)

    def flows(self, bridge: str) -> list[str]:
        """The flows without what differs each time."""
        lines = self.ofctl("--no-stats", "dump-flows", bridge).splitlines()
        return sorted(line.strip() for line in lines if "reply" not in line)

    def bridge(self, *, controller: str = "") -> str:
        """A new bridge that connects to `controller`, or to the socket next to it; its name."""
        self.bridges += 1
        name = f"br{self.bridges}"
        self.vsctl(
            *("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure"),
            *("protocols=OpenFlow13", f"other-config:datapath-id={self.bridges:016x}"),
            *("--", "set-controller", name, controller or f"unix:{self.directory}/{name}.controller"),
            *("--", "set", "controller", name, "max_backoff=1000"),
        )
        return name

    @property
    def next_socket(self) -> Path:
        """Where the next bridge will look for its controller: Open vSwitch takes no other UNIX sockets."""
        return self.directory / f"br{self.bridges + 1}.controller"


@pytest.fixture(scope="session")
def openvswitch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVSwitch]:
    switch = OpenVSwitch(tmp_path_factory.mktemp("ovs"))
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


class Owner:
    """Notes what it is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.switches: list[Switch] = []
        self.messages: list[Message] = []
        self.reasons: list[str] = []
        self._told = asyncio.Event()

    def connected(self, switch: Switch) -> None:
        self.switches.append(switch)
        self._told.set()

    def message(self, switch: Switch, message: Message) -> None:
        self.messages.append(message)
        self._told.set()

    def lost(self, switch: Switch, reason: str) -> None:
        self.switches.remove(switch)
        self.reasons.append(reason)
        self._told.set()

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not what():
                self._told.clear()
                await self._told.wait()

    async def switch(self) -> Switch:
        """The first switch that is connected."""
        await self.until(lambda: bool(self.switches))
        return self.switches[0]


class Meeting:
    """A UNIX socket on which switches and strangers are met."""

    def __init__(self, path: Path) -> None:
        self.owner = Owner()
        self.listener = Listener(self.owner)
        self.path = path

    async def stranger(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path))

    async def __aenter__(self) -> Meeting:
        self._server = await asyncio.get_running_loop().create_unix_server(self.listener, str(self.path))
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for switch in list(self.owner.switches):
            switch.close()
        await self.owner.until(lambda: not self.owner.switches)


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[Meeting]:
    """A place for strangers."""
    async with Meeting(tmp_path / "controller") as meeting:
        yield meeting


@pytest.fixture
async def switch_meeting(openvswitch: OpenVSwitch) -> AsyncIterator[Meeting]:
    """A place where the next bridge comes to."""
    async with Meeting(openvswitch.next_socket) as meeting:
        yield meeting
