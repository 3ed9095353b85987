"""io: a lab: hypervisors, machines, an underlay and a management network, all in network namespaces of its own.

Everything that a lab makes carries its mark, so that a later run can clean up after one that was killed, and nothing
else is ever touched: namespaces are called `dbl-<lab>-<node>` and carry the lab's directory as alias of their loopback
interface, processes carry it in their environment. Nothing is made in the root namespace.
"""

import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from uuid import uuid4

from daybreak_lab import namespace as namespaces
from daybreak_lab.hypervisor import PREFIX, Hypervisor, PhysicalNetwork, silence
from daybreak_lab.link import Link
from daybreak_lab.machine import Machine, MachineRecord
from daybreak_lab.namespace import Namespace
from daybreak_lab.openvswitch import OpenVSwitch
from daybreak_lab.process import LabError, end, processes, started_at

FOLDER = Path("/run/daybreak-lab")
# RFC 2544's range for benchmarks: it occurs nowhere else, and here only inside the lab's namespaces.
MANAGEMENT, UNDERLAY = IPv4Network("198.18.0.0/16"), IPv4Network("198.19.0.0/16")
STATE = "state.json"
FABRIC, CONTROLLER = "fabric", "controller"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")
NODE = re.compile(r"[a-z0-9][a-z0-9-]{0,10}")  # part of a device's name, which is 15 characters at most

_unnamed = itertools.count(1)


@dataclass
class HypervisorRecord:
    """What is kept about a hypervisor: its number makes its addresses."""

    name: str
    number: int


@dataclass
class State:
    """What is kept about a lab, on disk, so that another process finds it and can clean up."""

    owner: tuple[int, int] | None = None
    """(pid, start time) of the process that it ends with; None if it stays until `down`."""
    namespaces: list[str] = field(default_factory=list)
    """Their nodes' names; each is noted before its namespace is made."""
    hypervisors: list[HypervisorRecord] = field(default_factory=list)
    machines: list[MachineRecord] = field(default_factory=list)
    physical_networks: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "State":
        raw = json.loads(path.read_text())
        return cls(
            owner=raw["owner"] and tuple(raw["owner"]),
            namespaces=raw["namespaces"],
            hypervisors=[HypervisorRecord(**item) for item in raw["hypervisors"]],
            machines=[MachineRecord(**item) for item in raw["machines"]],
            physical_networks=raw["physical_networks"],
        )

    def write(self, path: Path) -> None:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=1))
        draft.replace(path)

    def is_abandoned(self) -> bool:
        """Whether the process that it should have ended with is gone."""
        return self.owner is not None and started_at(self.owner[0]) != self.owner[1]


class Lab:
    """A lab of a name of your choice, by default one that no other process has; several live side by side.

    As a context manager it is made on entering and torn down on leaving. If this process is killed before, the next lab
    to be made removes it. `up`, `keep`, `find` and `down` are the same in steps.
    """

    def __init__(self, name: str | None = None) -> None:
        name = name or f"p{os.getpid()}-{next(_unnamed)}"
        if not NAME.fullmatch(name):
            raise LabError(f"a lab's name is 1 to 24 of a–z, 0–9 and -, not {name!r}")
        self.name = name
        self.directory = FOLDER / name
        self.hypervisors: dict[str, Hypervisor] = {}
        self.machines: dict[str, Machine] = {}
        self.physical_networks: dict[str, PhysicalNetwork] = {}
        self._state = State()
        self._lock = threading.RLock()
        self._fabric = self._namespace(FABRIC)
        self.controller_namespace = self._namespace(CONTROLLER)
        """Where to start a controller: controller_namespace.popen(…), or open sockets within entered()."""
        self.controller_address = str(MANAGEMENT[1])
        """Where the hypervisors reach it."""

    def __enter__(self) -> "Lab":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        if self._state.owner is not None:
            self.down()

    # making and finding

    def up(self) -> None:
        """Make the networks, and remove what killed processes left. Raises LabError if there is a lab of that name."""
        if os.geteuid() != 0:
            raise LabError("a lab needs root: it makes network namespaces")
        remove_abandoned()
        if self._path.exists():
            raise LabError(f"there is a lab {self.name}; remove it with: daybreak-lab down --name {self.name}")
        self.down()
        self.directory.mkdir(parents=True, mode=0o700)
        pid = os.getpid()
        self._state = State(owner=(pid, started_at(pid) or 0))
        self._save()
        try:
            self._make_networks()
        except BaseException:
            self.down()
            raise

    def keep(self) -> None:
        """Let it outlive this process, until somebody calls `down`."""
        self._state.owner = None
        self._save()

    @classmethod
    def find(cls, name: str) -> "Lab":
        """The lab of that name that some process made. Raises LabError if there is none."""
        lab = cls(name)
        if not lab._path.exists():
            raise LabError(f"there is no lab {name}; make it with: daybreak-lab up --name {name}")
        lab._state = State.read(lab._path)
        for network in lab._state.physical_networks:
            lab.physical_networks[network] = PhysicalNetwork(network, lab._switch(network))
        for host in lab._state.hypervisors:
            lab.hypervisors[host.name] = lab._hypervisor(host)
        for machine in lab._state.machines:
            lab.machines[machine.name] = lab._machine(machine)
        return lab

    def down(self) -> None:
        """Remove all that the lab made, whoever made it; nothing else. It may be run twice."""
        listed = State.read(self._path).namespaces if self._path.exists() else []
        ours = [found for found in namespaces.find(self.directory) if found.node in listed or found.is_ours()]
        inodes = {found.inode for found in ours}
        while pids := list(processes(self.directory, inodes)):  # again, for they may have had children meanwhile
            for pid in pids:
                end(pid, self.directory, inodes)
        for found in ours:
            found.delete()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.hypervisors, self.machines, self.physical_networks = {}, {}, {}

    # nodes

    def hypervisor(
        self,
        name: str,
        external_ids: Mapping[str, str] | None = None,
        other_config: Mapping[str, str] | None = None,
        providers: Mapping[str, PhysicalNetwork] | None = None,
        manager: str | None = None,
    ) -> Hypervisor:
        """Make and start a hypervisor.

        external_ids, other_config: for its Open_vSwitch table, beside system-id, hostname and local_ip.
        providers: provider bridges by name, and the physical network that each is connected to.
        manager: the OVSDB manager's target, such as `tcp:198.18.0.1:6640`.
        """
        with self._lock:
            self._claim(name)
            record = HypervisorRecord(name, len(self._state.hypervisors) + 1)
            self._state.hypervisors.append(record)
            self._save()
        host = self._hypervisor(record)
        host.create(external_ids or {}, other_config or {})
        for bridge, network in (providers or {}).items():
            host.connect_provider(network, bridge)
        if manager:
            host.ovs_vsctl("set-manager", manager)
        self.hypervisors[name] = host
        return host

    def physical_network(self, name: str) -> PhysicalNetwork:
        """Make a provider's network; give it to hypervisors as provider, and attach machines to it."""
        network = PhysicalNetwork(name, self._switch(name))
        self._claim(name)
        network.create()
        self._state.physical_networks.append(name)
        self._save()
        self.physical_networks[name] = network
        return network

    def vm(
        self,
        name: str,
        mac: str | None = None,
        ips: Sequence[str] = (),
        gateways: Sequence[str] = (),
        mtu: int = 1450,
        accept_ra: bool = False,
    ) -> Machine:
        """Make a virtual machine, not yet plugged in.

        mac: by default one made from the name.
        ips: addresses with prefix length, `10.0.0.5/24`, `fd00::5/64`; they need no duplicate address detection.
        gateways: default routes, at most one for each IP version.
        mtu: bytes; by default what VXLAN leaves of 1500.
        accept_ra: whether it listens to IPv6 router advertisements.
        """
        if wrong := [text for text in ips if "/" not in text]:
            raise LabError(f"{wrong[0]} needs its prefix length, as in 10.0.0.5/24")
        mac = mac or "fa:16:3e:" + hashlib.sha256(name.encode()).digest()[:3].hex(":")
        record = MachineRecord(name, mac, list(ips), list(gateways), mtu, str(uuid4()))
        machine = self._machine(record)
        self._claim(name)
        machine.namespace.create()
        machine.namespace.sysctl(
            ipv6__conf__all__accept_dad=0,
            ipv6__conf__default__accept_dad=0,
            ipv6__conf__default__accept_ra=2 if accept_ra else 0,
        )
        self._state.machines.append(record)
        self._save()
        self.machines[name] = machine
        return machine

    def delete_vm(self, machine: Machine) -> None:
        """Unplug a machine and forget it."""
        if machine.record.at is not None:
            machine.unplug()
        machine.namespace.delete()
        self._state.namespaces.remove(machine.name)
        self._state.machines.remove(machine.record)
        self._save()
        del self.machines[machine.name]

    def node(self, name: str) -> Namespace:
        """The namespace of a hypervisor, machine or physical network, of `controller` or `fabric`, by its name."""
        if name not in self._state.namespaces:
            raise LabError(f"lab {self.name} has no {name}; it has {', '.join(self._state.namespaces)}")
        return self._namespace(name)

    # inside

    @property
    def _path(self) -> Path:
        return self.directory / STATE

    def _save(self) -> None:
        with self._lock:
            self._state.write(self._path)

    def _namespace(self, node: str) -> Namespace:
        return Namespace(self.directory, node)

    def _claim(self, node: str) -> None:
        """Note that this namespace is about to be made by us, unless there is one."""
        if not NODE.fullmatch(node):
            raise LabError(f"a node's name is 1 to 11 of a–z, 0–9 and -, not {node!r}")
        namespace = self._namespace(node)
        with self._lock:
            if node in self._state.namespaces:
                raise LabError(f"lab {self.name} has {node} already")
            if namespace.exists():
                raise LabError(f"network namespace {namespace.name} exists already, and another made it")
            self._state.namespaces.append(node)
            self._save()

    def _make_networks(self) -> None:
        for node in (FABRIC, CONTROLLER):
            self._claim(node)
        self._fabric.create()
        silence(self._fabric)
        bridges = ("management", "underlay")
        self._fabric.ip(
            *(f"link add {name} type bridge" for name in bridges), *(f"link set {name} up" for name in bridges)
        )
        self.controller_namespace.create()
        cable = Link(self._fabric, "management", CONTROLLER, self.controller_namespace, "management")
        cable.connect()
        self.controller_namespace.ip(f"address add {self.controller_address}/{PREFIX} dev management")

    def _switch(self, node: str) -> OpenVSwitch:
        return OpenVSwitch(self._namespace(node))

    def _hypervisor(self, record: HypervisorRecord) -> Hypervisor:
        ovs = self._switch(record.name)
        management = Link(self._fabric, "management", f"{record.name}.m", ovs.namespace, "management")
        underlay = Link(self._fabric, "underlay", f"{record.name}.u", ovs.namespace, "phy")
        addresses = (management_address(record.number), underlay_address(record.number))
        return Hypervisor(record.name, ovs, management, underlay, *addresses)

    def _machine(self, record: MachineRecord) -> Machine:
        at = self.hypervisors.get(record.at or "") or self.physical_networks.get(record.at or "")
        return Machine(self._namespace(record.name), record, at.ovs if at else None, self._save)


def management_address(number: int) -> IPv4Address:
    """Of hypervisor `number`, from 1."""
    return MANAGEMENT[256 + number]


def underlay_address(number: int) -> IPv4Address:
    """Of hypervisor `number`, from 1."""
    return UNDERLAY[256 + number]


def existing() -> Iterator[str]:
    """The names of the labs on this machine."""
    if FOLDER.exists():
        yield from sorted(entry.name for entry in FOLDER.iterdir() if (entry / STATE).exists())


def remove_abandoned() -> list[str]:
    """Remove the labs whose process was killed; returns their names."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = os.open(FOLDER, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # one process at a time
        abandoned = [name for name in existing() if _is_abandoned(name)]
        for name in abandoned:
            Lab(name).down()
    finally:
        os.close(folder)
    return abandoned


def _is_abandoned(name: str) -> bool:
    try:
        return State.read(FOLDER / name / STATE).is_abandoned()
    except FileNotFoundError:  # its process has just removed it
        return False
