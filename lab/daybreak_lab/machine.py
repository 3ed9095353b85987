"""io: a virtual machine: a network namespace with one network card, plugged into a switch as Nova would."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, ip_interface
from uuid import uuid4

from daybreak_lab import frames, traffic
from daybreak_lab.frames import Capture
from daybreak_lab.hypervisor import Hypervisor, PhysicalNetwork
from daybreak_lab.namespace import Namespace
from daybreak_lab.openvswitch import OpenVSwitch
from daybreak_lab.ping import Ping, PingResult
from daybreak_lab.process import LabError, wait_for
from daybreak_lab.traffic import Protocol, Reply, Server

CARD = "eth0"
INTEGRATION_BRIDGE = "br-int"


@dataclass
class MachineRecord:
    """What is kept about a machine."""

    name: str
    mac: str
    ips: list[str]
    """Interface addresses with prefix length, IPv4 and IPv6."""
    gateways: list[str]
    mtu: int
    uuid: str
    port_id: str | None = None
    """The cloud's id of the port it's plugged in with."""
    at: str | None = None
    """The name of the hypervisor or physical network that it's plugged into."""


class Machine:
    """A VM. Unplugged it has no card, and keeps its addresses in mind."""

    def __init__(
        self, namespace: Namespace, record: MachineRecord, at: OpenVSwitch | None, save: Callable[[], None]
    ) -> None:
        self.namespace = namespace
        self.record = record
        self._at = at
        self._save = save

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def mac(self) -> str:
        return self.record.mac

    @property
    def port_id(self) -> str | None:
        return self.record.port_id

    @property
    def tap(self) -> str:
        """The device on the hypervisor, named as Nova does: tap and the first 11 characters of the port's id."""
        if self.record.port_id is None:
            raise LabError(f"{self.name} isn't plugged in")
        return f"tap{self.record.port_id[:11]}"

    @property
    def address(self) -> str:
        """Its first address, without prefix length. Raises LabError if it has none."""
        if not self.record.ips:
            raise LabError(f"{self.name} has no address of its own")
        return self.addresses[0]

    @property
    def addresses(self) -> list[str]:
        """Its addresses, without prefix length."""
        return [str(ip_interface(text).ip) for text in self.record.ips]

    # plugging

    def plug(
        self, host: Hypervisor, port_id: str | None = None, bridge: str = INTEGRATION_BRIDGE, timeout: float = 10.0
    ) -> None:
        """Make its card and add the other end to a bridge, once there is that bridge, `timeout` seconds at most."""
        host.ovs.wait_for_bridge(bridge, timeout)
        self._make_card(host.name, host.ovs, port_id or str(uuid4()))
        self._add_port(host.ovs, bridge)

    def attach(self, network: PhysicalNetwork, vlan: int | None = None) -> None:
        """Connect it to a physical network instead, as a router or server there: untagged, or in a VLAN."""
        self._make_card(network.name, network.ovs, str(uuid4()))
        tag = () if vlan is None else (f"tag={vlan}",)
        network.ovs.vsctl("add-port", network.bridge, self.tap, *tag)

    def unplug(self) -> None:
        """Take the port off the bridge and destroy the card, as Nova does when a machine is deleted."""
        switch = self._switch()
        switch.vsctl("--if-exists", "del-port", self.tap)
        switch.namespace.ip(f"link delete {self.tap}")
        self._note(None, None, None)

    def move(self, host: Hypervisor, bridge: str = INTEGRATION_BRIDGE, timeout: float = 10.0) -> None:
        """Live migration: the card stays up and keeps its neighbours; its other end moves to the new host.

        The old host's port goes last, as Nova's post-migration clean-up does it.
        """
        source, tap, port_id = self._switch(), self.tap, self.port_id
        host.ovs.wait_for_bridge(bridge, timeout)
        source.namespace.ip(f"link set {tap} netns {host.namespace.name}")
        host.namespace.ip(f"link set {tap} up")
        self._note(host.name, host.ovs, port_id)
        self._add_port(host.ovs, bridge)
        source.vsctl("--if-exists", "del-port", tap)

    def prepare(self, host: Hypervisor, bridge: str = INTEGRATION_BRIDGE, timeout: float = 10.0) -> None:
        """Live migration, as QEMU and libvirt do it: the new host has a card with the port's id, at which the machine
        waits to be run; it still runs on the old host. `arrive` is what comes then.
        """
        host.ovs.wait_for_bridge(bridge, timeout)
        waiting = self._waiting
        host.namespace.ip(
            f"link add {self.tap} mtu {self.record.mtu} type veth peer name {waiting} address {self.mac}",
            f"link set {self.tap} up",
        )
        host.namespace.sysctl(**{f"ipv6__conf__{waiting}__disable_ipv6": 1})  # who waits says nothing
        host.namespace.ip(f"link set {waiting} mtu {self.record.mtu} up")
        self._add_port(host.ovs, bridge)

    def arrive(self, host: Hypervisor) -> None:
        """The machine goes on at the host that was prepared; its card on the old one is destroyed, the port stays."""
        there = self.namespace
        host.namespace.ip(f"link set {self._waiting} netns {there.name}")
        there.exec("ethtool", "-K", self._waiting, "tx", "off")
        there.sysctl(**{f"ipv6__conf__{self._waiting}__disable_ipv6": 0})
        there.ip(
            f"link delete {CARD}",
            f"link set {self._waiting} name {CARD} mtu {self.record.mtu} up",
            *(f"address add {address} dev {CARD}" for address in self.record.ips),
            *(f"route add default via {gateway} dev {CARD}" for gateway in self.record.gateways),
        )
        self._note(host.name, host.ovs, self.port_id)

    @property
    def _waiting(self) -> str:
        """The card of a machine that is not run yet."""
        return f"wait{(self.port_id or '')[:11]}"

    def leave(self, host: Hypervisor) -> None:
        """What Nova cleans up on the host that the machine was on."""
        host.ovs.vsctl("--if-exists", "del-port", self.tap)

    def _make_card(self, name: str, switch: OpenVSwitch, port_id: str) -> None:
        if self._at is not None:
            raise LabError(f"{self.name} is plugged in at {self.record.at} already")
        self._note(name, switch, port_id)
        record = self.record
        switch.namespace.ip(
            f"link add {self.tap} mtu {record.mtu} type veth peer name {CARD} address {record.mac} mtu {record.mtu}"
            f" netns {self.namespace.name}",
            f"link set {self.tap} up",
        )
        # The userspace datapath takes frames as they are: the machine has to complete its checksums itself.
        self.namespace.exec("ethtool", "-K", CARD, "tx", "off")
        # Ask for a neighbour as long as Linux does, three seconds, but more often: a test shall not wait for a second
        # because Open vSwitch dropped the first packet to a VTEP.
        for version in ("ipv4", "ipv6"):
            neighbours = f"{version}__neigh__{CARD}__"
            self.namespace.sysctl(**{f"{neighbours}retrans_time_ms": 100, f"{neighbours}mcast_solicit": 30})
        self.namespace.ip(
            f"link set {CARD} up",
            *(f"address add {address} dev {CARD}" for address in record.ips),
            *(f"route add default via {gateway} dev {CARD}" for gateway in record.gateways),
        )

    def _add_port(self, switch: OpenVSwitch, bridge: str) -> None:
        ids = {
            "iface-id": self.port_id,
            "attached-mac": self.mac,
            "vm-uuid": self.record.uuid,
            "iface-status": "active",
        }
        settings = (f"external_ids:{key}={value}" for key, value in ids.items())
        switch.vsctl("--", "--may-exist", "add-port", bridge, self.tap, "--", "set", "Interface", self.tap, *settings)

    def _note(self, name: str | None, switch: OpenVSwitch | None, port_id: str | None) -> None:
        self.record.at, self._at, self.record.port_id = name, switch, port_id
        self._save()

    def _switch(self) -> OpenVSwitch:
        if self._at is None:
            raise LabError(f"{self.name} isn't plugged in")
        return self._at

    # traffic

    def ping(
        self, to: "Machine | str", count: int = 3, interval: float = 0.1, size: int = 56, timeout: float = 1.0
    ) -> PingResult:
        """`count` echo requests, `interval` seconds apart; `timeout` seconds after the last one all is lost."""
        return self.pinging(to, interval, count, size, timeout).start().wait()

    def pinging(
        self, to: "Machine | str", interval: float = 0.01, count: int | None = None, size: int = 56, grace: float = 1.0
    ) -> Ping:
        """A continuous ping: `with vm.pinging(other) as ping: …` and then ping.result; or start() and stop()."""
        return Ping(self.namespace, to if isinstance(to, str) else to.address, interval, count, size, grace)

    def wait_until_reaches(self, to: "Machine | str", timeout: float = 10.0) -> None:
        """Ping until there is an answer. Raises LabError after `timeout` seconds."""
        target = to if isinstance(to, str) else to.address
        wait_for(f"{self.name} to reach {target}", lambda: self.ping(target, count=1, timeout=0.2).ok, timeout)

    def listen(self, protocol: Protocol, port: int) -> Server:
        """A server on this machine: `with vm.listen("tcp", 80) as server:`."""
        return Server(self.namespace, protocol, port)

    def call(self, to: "Machine | str", protocol: Protocol, port: int, timeout: float = 2.0, size: int = 5) -> Reply:
        """Call a server on another machine; true if it replied. `size`: bytes of a UDP payload."""
        target = to if isinstance(to, str) else to.address
        return traffic.call(self.namespace, protocol, target, port, timeout, bytes(size))

    def arping(self, address: str, timeout: float = 1.0) -> str | None:
        """The MAC address that answers for an IPv4 address; None after `timeout` seconds without an answer."""
        target = IPv4Address(address)
        own = [item.ip for item in map(ip_interface, self.record.ips) if isinstance(item, IPv4Interface)]
        request = frames.arp_request(frames.mac_bytes(self.mac), own[0] if own else IPv4Address(0), target)
        with self.capture() as capture:
            self.send(request)
            try:
                reply = capture.wait_for(lambda data: frames.arp_answer(data, target) is not None, timeout)
            except LabError:
                return None
        return frames.arp_answer(reply, target)

    def announce(self) -> None:
        """Broadcast what QEMU does at the end of a live migration, so that switches learn the new place."""
        self.send(frames.rarp_announcement(frames.mac_bytes(self.mac)))

    def capture(self) -> Capture:
        """The frames on its card: `with vm.capture() as capture: …` and then capture.frames."""
        return Capture(self.namespace, CARD)

    def send(self, frame: bytes) -> None:
        """Put a frame of any kind on the wire."""
        frames.send(self.namespace, CARD, frame)

    def exec(self, *argv: str, check: bool = True, timeout: float = 60.0) -> str:
        """Run a command in the machine; returns its output. Raises LabError if it fails."""
        return self.namespace.exec(*argv, check=check, timeout=timeout).stdout
