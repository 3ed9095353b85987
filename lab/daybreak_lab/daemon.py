"""io: a program of a lab that can be killed at any moment, and started again; what it says goes to a log."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from daybreak_lab.namespace import Namespace
from daybreak_lab.process import LabError, started_at, wait_for

STARTING = 60.0
"""Seconds until a program that isn't ready counts as broken; far more than it ever takes."""
ENDING = 30.0


class Daemon:
    """One program with all of its children; it and they share a process group, so that they can be killed at one go.

    It is the lab's: it ends with the lab, or stays with one that is kept.
    """

    def __init__(
        self,
        namespace: Namespace,
        name: str,
        *argv: str,
        env: Mapping[str, str] | None = None,
        ready: Callable[["Daemon"], object] = lambda daemon: True,
    ) -> None:
        """`env` is added to ours, at each start as it is then.

        `ready` says whether the program can be used; it's asked again and again after a start.
        """
        self.namespace = namespace
        self.name = name
        self.argv = argv
        self.log_file = namespace.home / f"{name}.log"
        self.env = dict(env or {})
        self._ready = ready
        self._process: subprocess.Popen[Any] | None = None
        self._since = 0

    def start(self, wait: bool = True) -> None:
        """Start it; unless told not to, wait until it is ready. Raises LabError if it runs already, or ends at once."""
        if self.is_running:
            raise LabError(f"{self.name} runs already")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._since = log.tell()
            self._process = self.namespace.popen(
                *self.argv,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, timeout: float = STARTING) -> None:
        """Raises LabError with what it said last if it ended, or isn't ready in time."""

        try:
            wait_for(f"{self.name} to be ready", lambda: not self.is_running or self._ready(self), timeout)
            if not self.is_running:
                raise LabError(f"{self.name} ended")
        except LabError as error:
            raise LabError(f"{error}; it said:\n{self.said[-3000:]}") from None

    def stop(self, timeout: float = ENDING) -> int:
        """SIGTERM, as systemd does it; returns its exit code. Raises LabError if it doesn't end: then it's killed."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} doesn't end within {timeout:g} s; it said:\n{self.said[-3000:]}") from None
        finally:
            self._end_group(process.pid)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to all of its processes at once: they have no chance to say or write anything."""
        process = self._running()
        self._end_group(process.pid)
        process.wait()
        self._process = None

    def end(self) -> None:
        """Kill it if it runs."""
        if self._process is not None:
            self.kill()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of its first process. Raises LabError if it was not started, or was ended."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All that it ever said."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def said(self) -> str:
        """What it said since it was started last."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(self._since)
            return log.read().decode(errors="replace")

    def processes(self) -> list[int]:
        """The pids of its processes, its first one and their children."""
        return list(members(self.pid))

    def _running(self) -> subprocess.Popen[Any]:
        if self._process is None:
            raise LabError(f"{self.name} does not run")
        return self._process

    @staticmethod
    def _end_group(group: int) -> None:
        """SIGKILL to all processes of a group, until there are none."""
        while pids := list(members(group)):
            with ExitStack() as stack:
                handles = [handle for pid in pids if (handle := opened(pid, stack)) is not None]
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
                for handle in handles:
                    # Readable once all threads are gone; before that they may still have a socket or a lock.
                    if not select.select([handle], [], [], ENDING)[0]:
                        raise LabError(f"one of processes {pids} does not end")


def opened(pid: int, stack: ExitStack) -> int | None:
    """A pidfd (pidfd_open(2)), closed with the stack; None if the process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, handle)
    return handle


def members(group: int) -> Iterator[int]:
    """The pids of the processes of a process group that have not ended (proc(5), stat field 5)."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(fields[2]) == group and started_at(int(entry.name)) is not None:
            yield int(entry.name)
