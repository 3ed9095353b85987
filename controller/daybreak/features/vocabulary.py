"""data: the words in which features speak to each other: shared tables, registers, relations and numbers.

Features do not import one another. What one derives and another uses is a relation named here; a table that several
fill, and a register that several read, stand here too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from daybreak.engine.pipeline import Register, Stage, Table
from daybreak.engine.rule import Relation
from daybreak.model import Number, Port

CANARY = "bd8db3a8-2b30-4083-a8b3-b3fd46401142"
"""The network that networking-odl keeps to see whether its controller lost its store; nothing is built for it."""

# -- topics -----------------------------------------------------------------------------------------------------------

FABRIC = "fabric"
"""Flows that are the same on every host."""


def host_topic(host: str) -> str:
    """Flows of one host: what depends on its OpenFlow ports."""
    return f"host/{host}"


def network_topic(network: str) -> str:
    """Flows that are the same on every host that has a port in the network."""
    return f"network/{network}"


def group_topic(group: str) -> str:
    """What a security group asks and allows: on every host that has a port with the group."""
    return f"group/{group}"


def members_topic(remote: str, direction: str, tracked: bool) -> str:
    """The addresses of a security or address group, as the other side of what is asked in a direction (ingress,
    egress): on hosts with a group whose rules name it so. Connections and single packets are asked in other fields."""
    return f"members/{remote}/{direction}" + ("" if tracked else "/stateless")


def capable(topic: str, capability: str) -> str:
    """The part of a topic that only hosts get whose datapath can do `capability`."""
    return f"{topic}+{capability}"


USED_CAPABILITIES = ("nd_ext",)
"""Capabilities (Datapath.capabilities, ovs-vswitchd.conf.db(5)) that some feature makes flows for."""


# -- numbers ----------------------------------------------------------------------------------------------------------


class NetworkKey(Number, frozen=True, gc=False, omit_defaults=True):
    """A network's number inside the switches (24 bits), whatever its VNI or VLAN is on the wire."""

    kind: ClassVar[str] = "network_key"


class PortKey(Number, frozen=True, gc=False, omit_defaults=True):
    """A port's number inside the switches (24 bits)."""

    kind: ClassVar[str] = "port_key"


class Vni(Number, frozen=True, gc=False, omit_defaults=True):
    """The VNI of an overlay network for which the cloud named none."""

    kind: ClassVar[str] = "vni"


class GroupKey(Number, frozen=True, gc=False, omit_defaults=True):
    """A security group's number inside the switches (24 bits, the highest 0)."""

    kind: ClassVar[str] = "group_key"


class AddressGroupKey(Number, frozen=True, gc=False, omit_defaults=True):
    """An address group's number inside the switches (24 bits, the highest 1): it shares REMOTE with group keys."""

    kind: ClassVar[str] = "address_group_key"


class RuleKey(Number, frozen=True, gc=False, omit_defaults=True):
    """A security group rule's number (32 bits): what VERDICT and the label of each connection that it admitted say.

    A rule that was changed gets another one, so what the former admitted is judged again.
    """

    kind: ClassVar[str] = "rule_key"


# -- registers --------------------------------------------------------------------------------------------------------

DATAPATH = Register("datapath", 24, "the network (or router) in which the packet is", metadata=True)
ORIGIN = Register("origin", 2, "where the packet came from: 0 a VM, 1 a tunnel, 2 a physical network")
ENCAP = Register("encap", 2, "the tunnel to leave by: 1 vxlan, 2 geneve, 3 gre")
SOURCE = Register("source", 24, "key of the port that sent the packet")
TARGET = Register("target", 24, "key of the port that the packet is for")
SUBJECT = Register("subject", 24, "key of the port whose security groups are asked")
INBOUND = Register("inbound", 1, "0: the packet comes out of the subject port, 1: it goes into it")
ASKED = Register("asked", 1, "the direction in which the packet's connection was begun: 0 egress, 1 ingress")
HOLDING = Register("holding", 1, "1: it is asked whether the rule that admitted the connection still does")
ZONE = Register("zone", 16, "conntrack zone of the subject port; 0: its groups are stateless")
GROUP = Register("group", 24, "key of the security group that is asked")
REMOTE = Register("remote", 24, "key of the group whose members are meant by the other side; 0: not a group's")
VERDICT = Register("verdict", 32, "key of the rule that allows it; 0: none")

FROM_VM, FROM_TUNNEL, FROM_PHYSICAL = 0, 1, 2

MULTICAST = 1 << 40
"""The bit of a MAC that says that it is a group's; broadcast has it too."""

# -- tables -----------------------------------------------------------------------------------------------------------

CLASSIFY = Table(
    "CLASSIFY",
    Stage.CLASSIFY,
    "which port or tunnel a packet came from, and so which network it is in",
    "it came from a port, or with a VLAN or VNI, that belongs to no network here",
)
RESPOND = Table("RESPOND", Stage.RESPOND, "questions that the switch answers itself: ARP and neighbour discovery")
HELD = Table("HELD", Stage.POLICY, "an established connection: does the rule that admitted it still do so?")
ADMITTED = Table("ADMITTED", Stage.VERDICT, "a rule allows it: the connection remembers which")
DENIED = Table("DENIED", Stage.VERDICT, "nothing allows it: dropped, counted by port and direction")
SWITCH = Table(
    "SWITCH",
    Stage.SWITCH,
    "where a MAC is: on this host, behind a tunnel, on a physical network",
    "no port of the network that is anywhere has its destination MAC",
)
LOCAL = Table("LOCAL", Stage.SWITCH, "copies for all ports of a network on this host")
PHYSICAL_OUT = Table("PHYSICAL_OUT", Stage.SWITCH, "out to a physical network, with its VLAN tag")
OUTPUT = Table("OUTPUT", Stage.OUTPUT, "out of the port")

# -- relations --------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a port is plugged in: `ofport` is 0 while the switch has not opened the interface."""

    host: str
    ofport: int
    interface: str


def foremost(host: str | None, places: tuple[Place, ...]) -> Place | None:
    """Of the places of a port, the one on the host that it is bound to; while it is on its way, any other."""
    return min(places, key=lambda place: (place.host != host, place), default=None)


class Facts(NamedTuple):
    """What other rules need of a network: `encap` is that of overlays, `physical_network` that of provider networks."""

    key: int
    up: bool
    encap: str = ""
    vni: int = 0
    physical_network: str = ""
    vlan: int = 0


class Log(NamedTuple):
    """What a network log asks for: `event` is ACCEPT, DROP or ALL, `group` the security group meant, "" for any."""

    meter: int
    event: str
    id: str
    group: str


LOGS = Relation("logs", "port, security group or project → the network logs that name it")
SUBSCRIPTIONS = Relation("subscriptions", "host → the topics whose flows it has")
CLAIMS = Relation("claims", "port → the interfaces that carry its id, with their hosts")
PLACED = Relation("placed", "port → the claim that counts, for each host among its bindings")
DUPLICATES = Relation("duplicates", "port → hosts whose claim does not count")
FACTS = Relation("facts", "network → what other rules need of it")
NETWORK_MTU = Relation("network_mtu", "network → its MTU in bytes")
WIRE = Relation("wire", "encapsulation and VNI → the networks that have it")
PRESENT = Relation("present", "network → hosts where a port of it is located")
LOCAL_PORTS = Relation("local_ports", "host and network → keys of the ports there that take part")
SHARED_MACS = Relation("shared_macs", "network and MAC → hosts of ports that may use it beside their own")
LOCAL_SHARED_MACS = Relation("local_shared_macs", "host, network and MAC → keys of the ports there that may use it")
VTEP = Relation("vtep", "host → its tunnel address")
CAPABLE = Relation("capable", "host → capabilities of its datapath that features make flows for")


def local_key(host: str, network: str) -> str:
    """The key of LOCAL_PORTS. `split_local` takes it apart: a network's id has no space."""
    return f"{host} {network}"


def split_local(key: str) -> tuple[str, str]:
    """(host, network) of a key of LOCAL_PORTS."""
    host, _, network = key.rpartition(" ")
    return host, network


def mac_key(network: str, mac: str) -> str:
    """The key of SHARED_MACS, and of LOCAL_SHARED_MACS behind a host. `split_mac` takes it apart."""
    return f"{network} {mac}"


def split_mac(key: str) -> tuple[str, str]:
    """(network, or host and network; MAC) of a key of SHARED_MACS or LOCAL_SHARED_MACS."""
    network, _, mac = key.rpartition(" ")
    return network, mac


def logs_of(port: Port, named: Callable[[str], tuple[Log, ...]]) -> list[Log]:
    """The network logs that a port's connections are for; none where no security group is asked."""
    if port.security_groups is None or port.port_security_enabled is False:
        return []
    groups = port.security_groups
    found = [log for log in named(f"port {port.id}") if log.group in ("", *groups)]
    found += [log for group in groups for log in named(f"group {group}")]
    return [*dict.fromkeys([*found, *named(f"project {port.project_id or port.tenant_id or ''}")])]
