"""io: OVN in a lab: its central daemons beside the controller's place, ovn-controller on hypervisors.

The programs are those of the Debian packages ovn-central, ovn-host and ovn-common, unpacked into a folder; nothing is
installed.
"""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

from daybreak_lab import Hypervisor, Lab, wait_for

NORTHBOUND, SOUTHBOUND = 6641, 6642


class Daemons:
    """The two databases, ovn-northd, and an ovn-controller for each hypervisor. They end with `stack`."""

    def __init__(self, lab: Lab, stack: ExitStack, directory: Path) -> None:
        """directory: an empty folder for programs, databases and logs."""
        self.lab, self.stack, self.directory = lab, stack, directory
        self.northbound, self.southbound = (f"tcp:{lab.controller_address}:{port}" for port in (NORTHBOUND, SOUTHBOUND))
        root = unpack(directory)
        self.bin, self.schemas = root / "usr/bin", root / "usr/share/ovn"
        for database, schema, port in (("nb", "OVN_Northbound", NORTHBOUND), ("sb", "OVN_Southbound", SOUTHBOUND)):
            self._database(database, schema, port)
        remotes = [f"--ovn{name}-db=unix:{directory}/{name}.sock" for name in ("nb", "sb")]
        self._run(str(self.bin / "ovn-northd"), *remotes)

    def hypervisor(self, name: str) -> Hypervisor:
        """A hypervisor that is OVN's chassis of that name."""
        host = self.lab.hypervisor(name)
        ids = {
            "ovn-remote": self.southbound,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": str(host.underlay_address),
            "ovn-bridge-datapath-type": "netdev",
        }
        host.ovs_vsctl("set", "Open_vSwitch", ".", *(f"external_ids:{key}={value}" for key, value in ids.items()))
        self._run(str(self.bin / "ovn-controller"), f"unix:{host.ovs.socket}", host=host)
        return host

    def nbctl(self, *args: str) -> None:
        """ovn-nbctl(8)."""
        subprocess.run([self.bin / "ovn-nbctl", f"--db=unix:{self.directory}/nb.sock", *args], check=True)

    def _database(self, name: str, schema: str, port: int) -> None:
        file = self.directory / f"{name}.db"
        subprocess.run(["ovsdb-tool", "create", file, self.schemas / f"ovn-{name}.ovsschema"], check=True)
        remotes = (
            f"--remote=punix:{self.directory}/{name}.sock",
            f"--remote=ptcp:{port}:{self.lab.controller_address}",
        )
        self._run("ovsdb-server", str(file), *remotes, f"--unixctl={self.directory}/{name}.ctl")
        wait_for(f"OVN's {schema}", (self.directory / f"{name}.sock").exists)

    def _run(self, *command: str, host: Hypervisor | None = None) -> None:
        namespace = host.namespace if host else self.lab.controller_namespace
        log = self.directory / f"{Path(command[0]).name}-{namespace.name}-{len(command)}.log"
        environment = os.environ | {"OVN_RUNDIR": str(self.directory)}
        options = ("-vconsole:off", "-vsyslog:off", f"--log-file={log}")
        process = namespace.popen(*command, *options, env=environment)
        self.stack.callback(ended, process)


def unpack(directory: Path) -> Path:
    """OVN's packages, unpacked below `directory`; nothing is installed."""
    packages, root = directory / "packages", directory / "root"
    packages.mkdir()
    command = ["apt-get", "-qq", "download", "ovn-common", "ovn-central", "ovn-host"]
    subprocess.run(command, check=True, cwd=packages, stderr=subprocess.DEVNULL)
    for package in packages.iterdir():
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


def ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process in an orderly way, and wait for it."""
    process.terminate()
    process.wait(10)
