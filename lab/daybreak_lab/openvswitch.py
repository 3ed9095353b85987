"""io: one Open vSwitch: an ovsdb-server and an ovs-vswitchd of its own in a namespace, stock and unpatched."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from daybreak_lab.namespace import Namespace
from daybreak_lab.process import LabError, end, run, started_at, wait_for

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
DATABASE, SWITCH = "ovsdb-server", "ovs-vswitchd"
QUIET = ("-vconsole:off", "-vsyslog:off", "-vfile:info")


class OpenVSwitch:
    """The two daemons, their database, sockets and logs in one directory. They outlive this Python process."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.directory = namespace.home
        self.socket = self.directory / "db.sock"

    def create(self) -> None:
        """Make an empty database. Raises LabError if Open vSwitch isn't installed."""
        if not SCHEMA.exists():
            raise LabError("Open vSwitch is not installed (Debian package openvswitch-switch)")
        self.directory.mkdir(parents=True, exist_ok=True)
        run("ovsdb-tool", "create", str(self.directory / "conf.db"), str(SCHEMA))

    def start_database(self) -> None:
        """Start ovsdb-server and wait until it listens."""
        self._daemon(
            DATABASE,
            str(self.directory / "conf.db"),
            f"--remote=punix:{self.socket}",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            # As Debian's unit has it: what `ovs-vsctl set-ssl` says is for ssl: and pssl: managers.
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--certificate=db:Open_vSwitch,SSL,certificate",
            "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
        )

    def start_switch(self) -> None:
        """Start ovs-vswitchd and wait until it has applied the database."""
        self._daemon(SWITCH, f"unix:{self.socket}", "--disable-system")

    def stop_database(self, kill: bool = False) -> None:
        """End ovsdb-server in an orderly way, or by SIGKILL."""
        self._stop(DATABASE, kill)

    def stop_switch(self, kill: bool = False) -> None:
        """End ovs-vswitchd in an orderly way, or by SIGKILL; either way it takes its internal ports along."""
        self._stop(SWITCH, kill)

    def pid(self, daemon: str) -> int | None:
        """The process id of ovsdb-server or ovs-vswitchd; None if it doesn't run."""
        try:
            pid = int((self.directory / f"{daemon}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return None if started_at(pid) is None else pid

    def vsctl(self, *args: str, timeout: float = 30.0) -> str:
        """ovs-vsctl(8) against this database; waits until ovs-vswitchd has applied it. Returns its output."""
        return self._run("ovs-vsctl", f"--timeout={timeout:.0f}", *args).stdout.strip()

    def ofctl(self, *args: str, stdin: str | None = None) -> str:
        """ovs-ofctl(8) by the bridges' management sockets, by default with OpenFlow 1.3. Returns its output."""
        return self._run("ovs-ofctl", "--protocols=OpenFlow13", *args, stdin=stdin).stdout.rstrip("\n")

    def appctl(self, *args: str, target: str = SWITCH) -> str:
        """ovs-appctl(8) to a daemon. Returns its output."""
        return self._run("ovs-appctl", "-t", target, *args).stdout.rstrip("\n")

    def wait_for_bridge(self, name: str = "br-int", timeout: float = 10.0) -> None:
        """Wait until ovs-vswitchd runs the bridge. Raises LabError after `timeout` seconds."""
        socket = self.directory / f"{name}.mgmt"
        wait_for(f"bridge {name} on {self.namespace.name}", socket.exists, timeout)

    def settle(self) -> None:
        """Wait until the datapath's cache was looked through once more; a switch that doesn't run is settled.

        A barrier doesn't wait for that: a packet just behind it may still go the way of the flows before.
        """
        if self.pid(SWITCH) is not None:
            self.appctl("revalidator/wait")

    def _run(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return run(*argv, stdin=stdin, env=self.namespace.environment)

    def _daemon(self, name: str, *args: str) -> None:
        if self.pid(name) is not None:
            raise LabError(f"{name} of {self.namespace.name} runs already")
        options: Iterable[str] = (
            "--detach",
            "--no-chdir",
            "--pidfile",
            f"--log-file={self.directory / name}.log",
            *QUIET,
        )
        self.namespace.exec(name, *args, *options)

    def _stop(self, daemon: str, kill: bool) -> None:
        pid = self.pid(daemon)
        if pid is None:
            return
        if kill:
            end(pid, self.namespace.directory, {self.namespace.inode})
        else:
            self.appctl("exit", target=daemon)
            wait_for(f"the end of {daemon}", lambda: self.pid(daemon) is None)
