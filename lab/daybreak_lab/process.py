"""io: run a command to its end, and find the processes that a lab started.

A process belongs to a lab if two things hold: it carries the lab's directory in its environment, and it lives in one of
the lab's network namespaces. Both are read from /proc (proc(5)) while a pidfd holds the process, so that a pid that was
given to another program meanwhile is never signalled.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")
ENDING = 10.0
"""Seconds that a killed process may take to be gone."""
BECOMING = 0.1
"""Seconds that a process may take to become another program."""
MARK = "DAYBREAK_LAB"


class LabError(Exception):
    """Something that the lab was asked to do cannot be done; the message says what to do about it."""


class CommandFailed(LabError):
    """A command ended with another code than 0. The message holds its last lines."""

    def __init__(self, argv: tuple[str, ...], code: int, output: str) -> None:
        super().__init__(f"{' '.join(argv)}: exit {code}\n{output.strip()[-2000:]}")
        self.code = code


def run(
    *argv: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run argv and wait for its end, `timeout` seconds at most. Raises LabError if it's missing, late or fails."""
    everything = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            argv, input=stdin or "", capture_output=True, text=True, env=everything, timeout=timeout, check=False
        )
    except FileNotFoundError as missing:
        raise LabError(f"{argv[0]} is not installed") from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(argv)}: no end after {timeout:g} s") from late
    if check and done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stderr or done.stdout)
    return done


def wait_for(what: str, ask: Callable[[], Answer], timeout: float = 10.0) -> Answer:
    """Ask until the answer is true, and return it. Raises LabError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s for {what}")
        time.sleep(0.01)
    return answer


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), stat field 22); None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def netns_of(pid: int) -> int | None:
    """The inode number of a process's network namespace; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def belongs(pid: int, directory: Path, namespaces: set[int]) -> bool:
    """Whether a process was started by the lab of this directory, in one of these namespaces (inode numbers)."""
    return netns_of(pid) in namespaces and f"{MARK}={directory}".encode() in environment_of(pid)


def environment_of(pid: int) -> list[bytes]:
    """What a process was started with; empty for one that is gone, or was given nothing.

    One that becomes another program has nothing for a moment (execve(2)), so it is looked at again.
    """
    until = time.monotonic() + BECOMING
    while True:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # gone meanwhile
            return []
        if environ or started_at(pid) is None or time.monotonic() > until:
            return environ.split(b"\0")
        time.sleep(0.001)


def processes(directory: Path, namespaces: set[int]) -> Iterator[int]:
    """The pids of all processes of a lab."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and belongs(int(entry.name), directory, namespaces):
            yield int(entry.name)


def end(pid: int, directory: Path, namespaces: set[int], how: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process if it belongs to the lab, and wait until it's gone. A stranger's process is left alone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if belongs(pid, directory, namespaces):
            signal.pidfd_send_signal(handle, how)
            # Readable once all its threads are gone; before that a killed switch still holds the lock on its pid file.
            if not select.select([handle], [], [], ENDING)[0]:
                raise LabError(f"process {pid} does not end")
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
