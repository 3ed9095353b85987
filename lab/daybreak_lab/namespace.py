"""io: one network namespace, made and named by a lab."""

import ctypes
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak_lab.process import MARK, LabError, netns_of, run, wait_for

FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # setns(2)
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(path: Path) -> Iterator[None]:
    """Move the calling thread into any network namespace, and back."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


@dataclass(frozen=True)
class Namespace:
    """A network namespace (ip-netns(8)) that carries its lab's mark: the alias of its loopback interface."""

    directory: Path
    """Where its lab keeps its state, /run/daybreak-lab/LAB; this is also the mark of the lab's processes."""
    node: str

    @property
    def name(self) -> str:
        """What ip-netns(8) calls it."""
        return f"dbl-{self.directory.name}-{self.node}"

    @property
    def home(self) -> Path:
        """The node's files: database, sockets and logs of its Open vSwitch, if it has one."""
        return self.directory / self.node

    @property
    def path(self) -> Path:
        return FOLDER / self.name

    @property
    def inode(self) -> int:
        return self.path.stat().st_ino

    def exists(self) -> bool:
        return self.path.exists()

    def is_ours(self) -> bool:
        """Whether it exists and was made by the lab of this directory."""
        if not self.exists():
            return False
        links = json.loads(run("ip", "-n", self.name, "-j", "link", "show", "lo").stdout)
        return bool(links[0].get("ifalias") == str(self.directory))

    def create(self) -> None:
        """Make it, with loopback up. Raises LabError if there is one of that name: it isn't ours to use."""
        if self.exists():
            raise LabError(f"network namespace {self.name} exists already")
        run("ip", "netns", "add", self.name)
        self.ip(f"link set lo alias {self.directory}", "link set lo up")

    def delete(self) -> None:
        if self.exists():
            run("ip", "netns", "delete", self.name)

    def ip(self, *commands: str) -> None:
        """Run ip(8) commands in it, in one process."""
        run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(commands))

    def sysctl(self, **values: int | str) -> None:
        """Set net.* variables; dots of the name are double underscores: ipv4__ip_forward=1."""
        with self.entered():
            for name, value in values.items():
                Path("/proc/sys/net", *name.split("__")).write_text(f"{value}\n")

    def exec(
        self,
        *argv: str,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it and wait for the end; `env` is added to ours. Raises LabError as process.run does."""
        environment = {**(env or {}), **self.environment}
        return run(*self._argv(argv), stdin=stdin, env=environment, timeout=timeout, check=check)

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a command in it; the options are subprocess.Popen's. The lab ends it when it is torn down."""
        environment = {**(options.pop("env", None) or os.environ), **self.environment}
        process = subprocess.Popen(self._argv(argv), env=environment, **options)
        # Only there is it known as the lab's.
        wait_for("a process to enter", lambda: process.poll() is not None or netns_of(process.pid) == self.inode)
        return process

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread into it: sockets made inside belong to it for good. Don't await inside."""
        with inside(self.path):
            yield

    @property
    def environment(self) -> dict[str, str]:
        """What its processes know beside ours: whose they are, and which Open vSwitch is theirs (ovs-vsctl(8))."""
        return {
            MARK: str(self.directory),
            "SPT_NOENV": "1",  # else programs that give themselves a title (setproctitle) write it over the mark
            **{f"OVS_{kind}DIR": str(self.home) for kind in ("RUN", "LOG", "DB", "SYSCONF")},
        }

    def _argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        # ip netns exec, not a bare setns: it also shows the namespace's own /sys/class/net, which ovs-vswitchd reads.
        return ("ip", "netns", "exec", self.name, *argv)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise LabError(f"can't enter the network namespace: {os.strerror(error)}")


def find(directory: Path) -> list[Namespace]:
    """The existing namespaces whose names are those of a lab; see is_ours."""
    prefix = Namespace(directory, "").name
    names = sorted(entry.name for entry in FOLDER.iterdir()) if FOLDER.exists() else []
    return [Namespace(directory, name.removeprefix(prefix)) for name in names if name.startswith(prefix)]
