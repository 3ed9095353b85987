"""io: what the demos share: steps of a story, the controller and its hypervisors, and that nothing is left behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from daybreak_lab import Hypervisor, Lab, LabError, wait_for
from daybreak_lab.daemon import Daemon

BIN = Path(sys.executable).parent
NAME = "demo"
"""Of a lab that is kept; there is only one."""
NORTHBOUND = "127.0.0.1:8181"

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(text: str) -> Iterator[list[str]]:
    """One step of the story: ✓, how long it took, what happened. What is put into the list is added to the text."""
    added: list[str] = []
    began = time.monotonic()
    try:
        with console.status(text):
            yield added
    except BaseException:
        console.print(Text.assemble(("  ✗ ", "bold red"), text))
        raise
    took = f"{time.monotonic() - began:5.2f} s  "
    console.print(Text.assemble(("  ✓ ", "bold green"), (took, "dim"), text, *added))


class Controller(Daemon):
    """`daybreak serve` in a lab, where the hypervisors find it."""

    def __init__(self, lab: Lab) -> None:
        listeners = ("--northbound", NORTHBOUND, "--ovsdb", "ptcp:6640", "--openflow", "ptcp:6653")
        options = ("--data", str(lab.controller_namespace.home / "data"), "--allow-plaintext", "198.18.0.0/16")
        argv = (str(BIN / "daybreak"), "serve", *options, *listeners)
        super().__init__(
            lab.controller_namespace, "controller", *argv, ready=lambda daemon: "event=ready" in daemon.said
        )

    def wait_for_switches(self, number: int) -> None:
        """Wait until it has looked at so many switches since its start, and made them what they should be."""
        wait_for(f"{number} switches", lambda: self.said.count('event="in sync"') >= number, timeout=20)


def add_hosts(lab: Lab, *names: str) -> dict[str, Hypervisor]:
    """Hypervisors as an operator prepares them: a name, a tunnel address, and where the controller is."""
    hosts = {}
    for name in names:
        ids = {"hostname": name, "daybreak-datapath-type": "netdev"}
        hosts[name] = lab.hypervisor(name, external_ids=ids, manager=f"tcp:{lab.controller_address}:6640")
    for host in hosts.values():
        host.wait_for_bridge("br-int", timeout=20)
    return hosts


def show(lab: Lab, *command: str | Path, title: str) -> None:
    """What somebody sees who types this."""
    console.print(f"\n[bold]{title}[/bold] says:")
    done = lab.controller_namespace.exec(*map(str, command), check=False)
    console.print(Text((done.stdout or done.stderr).rstrip()), no_wrap=True, overflow="ignore", crop=False)


def main(tell: Callable[[Lab, bool], None]) -> int:
    """Tell a story in a lab; tear everything down whatever happens, unless it went well and is to be kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keep = os.environ.get("KEEP", "") not in ("", "0")
    try:
        with Lab(NAME if keep else None) as lab:
            try:
                tell(lab, keep)
            except LabError:
                show_last_words(lab)
                raise
            if keep:
                lab.keep()
    except LabError as error:
        console.print(Text.assemble(("\nIt did not work: ", "bold red"), str(error)))
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped; everything is cleaned up.")
        return 130
    return 0


def show_last_words(lab: Lab) -> None:
    """Of every program's log, before it is removed."""
    for log in sorted(lab.controller_namespace.home.glob("*.log")):
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        console.print(Text(f"\nThe last words of {log.stem}:\n{last[-3000:]}", "dim"))
