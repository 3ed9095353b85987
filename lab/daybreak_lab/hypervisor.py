"""io: a hypervisor and a physical network: each a network namespace with an Open vSwitch of its own."""

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address

from daybreak_lab.link import Link
from daybreak_lab.namespace import Namespace
from daybreak_lab.openvswitch import OpenVSwitch
from daybreak_lab.process import run

PHYSICAL_BRIDGE = "br-phy"
PREFIX = 16


class PhysicalNetwork:
    """A switch of the provider's network, outside of any cloud: one bridge that learns, and knows VLANs."""

    bridge = "br-switch"

    def __init__(self, name: str, ovs: OpenVSwitch) -> None:
        self.name = name
        self.ovs = ovs
        self.namespace = ovs.namespace

    def create(self) -> None:
        self.namespace.create()
        silence(self.namespace)
        self.ovs.create()
        self.ovs.start_database()
        self.ovs.vsctl("--no-wait", "init")
        self.ovs.start_switch()
        add_learning_bridge(self.ovs, self.bridge)


class Hypervisor:
    """A compute node: a management address, an underlay address, and Open vSwitch with the userspace datapath.

    The underlay's address is on the internal port of a bridge br-phy, since the userspace datapath sends tunnels by
    routes through its own bridges only (Open vSwitch manual, "Native Tunneling in Open vSwitch").
    """

    def __init__(
        self,
        name: str,
        ovs: OpenVSwitch,
        management: Link,
        underlay: Link,
        management_address: IPv4Address,
        underlay_address: IPv4Address,
    ) -> None:
        self.name = name
        self.ovs = ovs
        self.namespace = ovs.namespace
        self.management = management
        """The cable to the network of the controller."""
        self.underlay = underlay
        """The cable to the network of the tunnels."""
        self.management_address = management_address
        self.underlay_address = underlay_address

    def create(self, external_ids: Mapping[str, str], other_config: Mapping[str, str]) -> None:
        """Make it and start it; these go into the Open_vSwitch table beside system-id, hostname and local_ip."""
        self.namespace.create()
        silence(self.namespace)
        self.management.connect()
        self.underlay.connect()
        self.namespace.ip(f"address add {self.management_address}/{PREFIX} dev {self.management.device}")
        self.ovs.create()
        self.ovs.start_database()
        columns = {
            "external_ids": {"system-id": self.name, "hostname": self.name, **external_ids},
            "other_config": {"local_ip": str(self.underlay_address), **other_config},
        }
        settings = [f'{column}:{key}="{value}"' for column, pairs in columns.items() for key, value in pairs.items()]
        settings.append(f"ovs_version={version()}")
        self.ovs.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", *settings)
        self.ovs.start_switch()
        # Not the address of the cable's end, which the bridge would take: else the kernel answers for both.
        hardware = "02:00:" + self.underlay_address.packed.hex(":")
        add_learning_bridge(self.ovs, PHYSICAL_BRIDGE, self.underlay.device, hardware)
        self._address_underlay()

    def connect_provider(self, network: PhysicalNetwork, bridge: str = "br-ex") -> None:
        """Make a provider bridge with a cable to a physical network. The cloud's mapping is the caller's to write."""
        device, port = f"to-{network.name}"[:15], f"to-{self.name}"[:15]
        self.namespace.ip(
            f"link add {device} type veth peer name {port} netns {network.namespace.name}", f"link set {device} up"
        )
        network.namespace.ip(f"link set {port} up")
        network.ovs.vsctl("add-port", network.bridge, port)
        add_learning_bridge(self.ovs, bridge, device)

    # power and failure

    def restart_switch(self, kill: bool = False) -> None:
        """ovs-vswitchd ends, in an orderly way or by SIGKILL, and starts again."""
        self.stop_switch(kill)
        self.start_switch()

    def stop_switch(self, kill: bool = False) -> None:
        self.ovs.stop_switch(kill)

    def start_switch(self) -> None:
        """Start ovs-vswitchd; the underlay's address comes back with it, for it's on an internal port."""
        self.ovs.start_switch()
        self._address_underlay()

    def restart_database(self, kill: bool = False) -> None:
        """ovsdb-server ends, in an orderly way or by SIGKILL, and starts again."""
        self.ovs.stop_database(kill)
        self.ovs.start_database()

    def stop(self) -> None:
        """Pull the plug: both daemons are gone at once, and both cables are dead."""
        self.management.cut()
        self.underlay.cut()
        self.ovs.stop_switch(kill=True)
        self.ovs.stop_database(kill=True)

    def start(self) -> None:
        """Power it on again, with the database as it was."""
        self.ovs.start_database()
        self.start_switch()
        self.management.heal()
        self.underlay.heal()

    # commands

    def ovs_vsctl(self, *args: str) -> str:
        """ovs-vsctl(8) on this hypervisor; returns its output."""
        return self.ovs.vsctl(*args)

    def ovs_ofctl(self, *args: str, stdin: str | None = None) -> str:
        """ovs-ofctl(8) on this hypervisor; returns its output."""
        return self.ovs.ofctl(*args, stdin=stdin)

    def appctl(self, *args: str) -> str:
        """ovs-appctl(8) to ovs-vswitchd of this hypervisor; returns its output."""
        return self.ovs.appctl(*args)

    def wait_for_bridge(self, name: str = "br-int", timeout: float = 10.0) -> None:
        """Wait until the switch runs a bridge. Raises LabError after `timeout` seconds."""
        self.ovs.wait_for_bridge(name, timeout)

    def exec(self, *argv: str, check: bool = True, timeout: float = 60.0) -> str:
        """Run a command on it; returns its output. Raises LabError if it fails."""
        return self.namespace.exec(*argv, check=check, timeout=timeout).stdout

    def _address_underlay(self) -> None:
        self.namespace.ip(
            f"address replace {self.underlay_address}/{PREFIX} dev {PHYSICAL_BRIDGE}", f"link set {PHYSICAL_BRIDGE} up"
        )


@cache
def version() -> str:
    """What Open vSwitch is installed, as its own start script writes it into the database."""
    return run("ovs-vswitchd", "--version").stdout.split("\n", 1)[0].split()[-1]


def silence(namespace: Namespace) -> None:
    """Keep the kernel from answering on cards that belong to the switch: it sees every frame there too."""
    namespace.sysctl(ipv4__conf__all__arp_ignore=1, ipv6__conf__default__disable_ipv6=1)


def add_learning_bridge(ovs: OpenVSwitch, name: str, port: str | None = None, hardware: str | None = None) -> None:
    """A bridge of the userspace datapath that works as an ordinary learning switch."""
    address = () if hardware is None else (f'other_config:hwaddr="{hardware}"',)
    member = () if port is None else ("--", "add-port", name, port)
    settings = ("datapath_type=netdev", "fail_mode=standalone", *address)
    ovs.vsctl("add-br", name, "--", "set", "Bridge", name, *settings, *member)
