"""rules: switching inside a network, on one host and across tunnels.

Every MAC is known from the model, so nothing is learned and nothing unknown is flooded. A unicast packet goes to its
port or to the VTEP of the host where the port is located; broadcast and multicast go once to each host that has a
port in the network, and there to each port. What came from a tunnel never goes back into one. A MAC that ports may
use beside their own (allowed address pairs, for a virtual router, say) goes to all of them: who has it now takes it.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from daybreak.engine.pipeline import Counts, Register, Shape, Stage, Table, goto, load, resubmit
from daybreak.engine.rule import Contradiction, Output, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import (
    CANARY,
    CAPABLE,
    CLASSIFY,
    DATAPATH,
    ENCAP,
    FABRIC,
    FACTS,
    FROM_TUNNEL,
    FROM_VM,
    LOCAL,
    LOCAL_PORTS,
    LOCAL_SHARED_MACS,
    MULTICAST,
    NETWORK_MTU,
    ORIGIN,
    OUTPUT,
    PHYSICAL_OUT,
    PLACED,
    PRESENT,
    SHARED_MACS,
    SOURCE,
    SUBSCRIPTIONS,
    SWITCH,
    TARGET,
    VTEP,
    WIRE,
    Facts,
    NetworkKey,
    Place,
    PortKey,
    Vni,
    capable,
    host_topic,
    local_key,
    mac_key,
    network_topic,
    split_local,
    split_mac,
)
from daybreak.model import SETTINGS, Location, Network, Pool, Port, Settings
from daybreak.model.address import ip_number, ipv4_number, ipv6_bytes, mac_bytes
from daybreak.model.tunnel import TUNNEL_PORTS
from daybreak.wire.openflow.actions import Action, SetField
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var

T = TypeVar("T")

ENCAPS = {"vxlan": 1, "geneve": 2, "gre": 3}
DEFAULT_ENCAP = "vxlan"
VNI_HIGH = (1 << 24) - 1
VNI_ALLOCATED_LOW = 1 << 20
"""VNIs that Daybreak chooses begin here, out of the way of those that people choose."""

FLOOD_CHUNK = 400
"""Hosts or ports in one flood flow: an OpenFlow message ends at 64 KB, which is some 1,000 entries."""

TUNNEL_IN = Table("TUNNEL_IN", Stage.TUNNEL_IN, "which network a VNI is, by encapsulation")
SHARED = Table("SHARED", Stage.SWITCH, "copies for the ports of this host that may use a MAC beside their own")
FLOOD = Table("FLOOD", Stage.SWITCH, "copies for the other hosts of a network")
TUNNEL_OUT = Table("TUNNEL_OUT", Stage.SWITCH, "one copy into a tunnel, unless this host is meant")
CHUNK = Register("chunk", 12, "which part of a long list of copies comes next")


# -- networks ---------------------------------------------------------------------------------------------------------


def overlay(network: Network, default: str = DEFAULT_ENCAP) -> str | None:
    """The encapsulation of an overlay network; None for a network on a physical one.

    Untyped and `local` networks are overlays, as is a flat one that names no physical network: there is nothing to
    put it on.
    """
    if network.network_type in ENCAPS:
        return network.network_type
    if network.network_type in ("flat", "vlan") and network.physical_network:
        return None
    return default if network.network_type in (None, "", "local", "flat") else None


def given_vni(network: Network) -> int | None:
    """The VNI that the cloud chose."""
    if network.network_type in ENCAPS and network.segmentation_id and network.segmentation_id.isdecimal():
        return int(network.segmentation_id)
    return None


vnis = Pool(
    Vni,
    Network,
    VNI_ALLOCATED_LOW,
    VNI_HIGH,
    needs=lambda network: network.id != CANARY and overlay(network) is not None and given_vni(network) is None,
    given=given_vni,
)


@rule(Network, reads=(NetworkKey, Vni, Settings), emits=(FACTS, NETWORK_MTU, WIRE))
def network(network: Network, view: View) -> Iterator[Output]:
    """What other rules need of a network."""
    key = view.get(NetworkKey, network.id)
    if key is None:
        return
    if network.mtu:
        yield NETWORK_MTU, network.id, network.mtu
    up = network.admin_state_up is not False
    settings = view.get(Settings, SETTINGS) or Settings()
    encap = overlay(network, settings.overlay)
    if encap is None:
        yield FACTS, network.id, Facts(key.value, up, physical_network=physical(network), vlan=vlan(network))
        return
    vni = given_vni(network)
    if vni is None:
        allocated = view.get(Vni, network.id)
        if allocated is None:
            raise Contradiction("an overlay network without a VNI")
        vni = allocated.value
    if not 0 < vni <= VNI_HIGH:
        raise Contradiction(f"segmentation id {vni} is not a VNI (1 to {VNI_HIGH})")
    yield FACTS, network.id, Facts(key.value, up, encap=encap, vni=vni)
    if up:
        yield WIRE, f"{encap} {vni}", (network.id, key.value)


def physical(network: Network) -> str:
    """The physical network of a provider network."""
    if not network.physical_network:
        raise Contradiction(f"a network of type {network.network_type} without a physical network")
    return network.physical_network


def vlan(network: Network) -> int:
    """The VLAN of a provider network; 0 for a flat one."""
    if network.network_type == "flat":
        return 0
    text = network.segmentation_id or ""
    tag = int(text) if text.isdecimal() else 0
    if not 0 < tag < 4095:
        raise Contradiction(f"segmentation id {network.segmentation_id} is not a VLAN (1 to 4094)")
    return tag


# -- ports on their own host ------------------------------------------------------------------------------------------

FROM_PORT = Shape(
    "from_port",
    CLASSIFY,
    100,
    [(FIELDS["in_port"], Var("ofport")), (FIELDS["vlan_vid"], 0)],
    [load(DATAPATH, Var("network")), load(SOURCE, Var("port")), goto(Stage.SPOOF)],
    "ofport network port",
    "what comes out of a VM's interface is that port's; with a VLAN tag it could get into another network outside",
)
TO_LOCAL_PORT = Shape(
    "to_local_port",
    SWITCH,
    100,
    [(DATAPATH, Var("network")), (FIELDS["eth_dst"], Var("mac"))],
    [load(TARGET, Var("port")), goto(Stage.INGRESS_POLICY)],
    "network mac port",
    "a port of this host",
)
OUT_OF_PORT = Shape(
    "out_of_port",
    OUTPUT,
    100,
    [(TARGET, Var("port"))],
    [Send(Var("ofport"))],
    "port ofport",
    "the interface of a port",
)
TO_LOCAL_PORTS = Shape(
    "to_local_ports",
    LOCAL,
    100,
    [(DATAPATH, Var("network")), (CHUNK, Var("chunk"))],
    [Var("copies", kind="actions")],
    "network chunk copies",
    "all ports of the network on this host",
)


def shared_macs(port: Port) -> set[str]:
    """MACs that a port may use beside its own. One of a group (multicast) is not: it would draw others' broadcasts."""
    if not port.allowed_address_pairs:
        return set()
    macs = {pair.mac_address for pair in port.allowed_address_pairs if pair.mac_address}
    return {mac for mac in macs if mac != port.mac_address and not mac_bytes(mac)[0] & 1}


@rule(PLACED, reads=(Port, PortKey, FACTS), emits=(LOCAL_PORTS, LOCAL_SHARED_MACS))
def local(port_id: str, places: tuple[Place, ...], view: View) -> Iterator[Output]:
    """A port on its own host: where its packets come from and go to."""
    port, key = view.get(Port, port_id), view.get(PortKey, port_id)
    if port is None or key is None or port.admin_state_up is False:
        return
    facts = view.one(FACTS, port.network_id)
    if facts is None or not facts.up:
        return
    for place in places:
        if place.ofport:
            yield from local_on(place.host, place.ofport, port, key, facts)


def local_on(host: str, ofport: int, port: Port, key: PortKey, facts: Facts) -> Iterator[Output]:
    """What one host needs for a port of its own."""
    topic = host_topic(host)
    yield topic, FROM_PORT, (ofport, facts.key, key.value)
    yield topic, OUT_OF_PORT, (key.value, ofport)
    if port.mac_address:
        yield topic, TO_LOCAL_PORT, (facts.key, mac_bytes(port.mac_address), key.value)
    here = local_key(host, port.network_id)
    yield LOCAL_PORTS, here, key.value
    for shared in shared_macs(port):
        yield LOCAL_SHARED_MACS, mac_key(here, shared), key.value


@rule(LOCAL_PORTS, reads=(FACTS, CAPABLE), emits=(SUBSCRIPTIONS,))
def local_ports(key: str, ports: tuple[int, ...], view: View) -> Iterator[Output]:
    """A host that has ports in a network has the network's flows, and copies for each of these ports."""
    host, network = split_local(key)
    facts = view.one(FACTS, network)
    if facts is None:
        return
    topic = network_topic(network)
    yield SUBSCRIPTIONS, host, topic
    for capability in view.all(CAPABLE, host):
        yield SUBSCRIPTIONS, host, capable(topic, capability)
    parts = chunks_of(ports)
    for number, part in enumerate(parts):
        copies = copies_for(part)
        if number + 1 < len(parts):
            copies += (load(CHUNK, number + 1), resubmit(LOCAL))
        elif number:
            copies += (load(CHUNK, 0),)
        yield host_topic(host), TO_LOCAL_PORTS, (facts.key, number, copies)


def chunks_of(items: Sequence[T]) -> list[Sequence[T]]:
    """A list of receivers in parts that fit into a flow each."""
    return [items[start : start + FLOOD_CHUNK] for start in range(0, len(items), FLOOD_CHUNK)]


def copies_for(ports: Sequence[int]) -> tuple[Action, ...]:
    """The actions that give each of these ports of the host a copy."""
    return tuple([action for port in ports for action in (load(TARGET, port), resubmit(Stage.INGRESS_POLICY))])


# -- ports on their way to another host -------------------------------------------------------------------------------

TO_BOTH_ENDS = Shape(
    "to_both_ends",
    SWITCH,
    60,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [load(ENCAP, Var("encap")), SetField(FIELDS["tun_id"], Var("vni")), Var("copies", kind="actions")],
    "network mac encap vni copies",
    "a port that is migrating: to the host where it is and to the one where it will be",
)
HERE_AND_TO_OTHER_END = Shape(
    "here_and_to_other_end",
    SWITCH,
    110,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [
        load(TARGET, Var("port")),
        resubmit(Stage.INGRESS_POLICY),
        load(ENCAP, Var("encap")),
        SetField(FIELDS["tun_id"], Var("vni")),
        Var("copies", kind="actions"),
    ],
    "network mac port encap vni copies",
    "a port that is migrating, from a VM on one of its two hosts",
)


@rule(PLACED, reads=(Port, PortKey, FACTS, VTEP), emits=(PRESENT,))
def migrating(port_id: str, places: tuple[Place, ...], view: View) -> Iterator[Output]:
    """While a port is plugged in on two hosts, each packet goes to both: whichever runs the VM takes it."""
    port, key = view.get(Port, port_id), view.get(PortKey, port_id)
    hosts = tuple(place.host for place in places if place.ofport)
    if len(hosts) < 2 or port is None or key is None or port.admin_state_up is False:
        return
    facts = view.one(FACTS, port.network_id)
    if facts is None or not facts.up:
        return
    for host in hosts:
        yield PRESENT, port.network_id, host
    if not facts.encap or not port.mac_address:
        return
    mac, encap = mac_bytes(port.mac_address), ENCAPS[facts.encap]
    copies = tuple(copies_to(vteps_of(hosts, view)))
    yield network_topic(port.network_id), TO_BOTH_ENDS, (facts.key, mac, encap, facts.vni, copies)
    for host in hosts:
        yield host_topic(host), HERE_AND_TO_OTHER_END, (facts.key, mac, key.value, encap, facts.vni, copies)


# -- ports on other hosts ---------------------------------------------------------------------------------------------

TO_REMOTE_PORT = Shape(
    "to_remote_port",
    SWITCH,
    50,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [SetField(FIELDS["tun_id"], Var("vni")), SetField(FIELDS["tun_dst"], Var("vtep")), Send(Var("tunnel"))],
    "network mac vni vtep tunnel",
    "a port of another host",
)
TO_REMOTE_PORT_V6 = Shape(
    "to_remote_port_v6",
    SWITCH,
    50,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [SetField(FIELDS["tun_id"], Var("vni")), SetField(FIELDS["tun_ipv6_dst"], Var("vtep")), Send(Var("tunnel"))],
    "network mac vni vtep tunnel",
    "a port of another host, over an IPv6 underlay",
)


@rule(Port, reads=(Location, FACTS, VTEP), emits=(PRESENT, SHARED_MACS))
def remote(port: Port, view: View) -> Iterator[Output]:
    """A port as the other hosts of its network see it: at the VTEP of the host where it was last applied."""
    location = view.get(Location, port.id)
    if location is None or port.admin_state_up is False:
        return
    facts = view.one(FACTS, port.network_id)
    if facts is None or not facts.up:
        return
    yield PRESENT, port.network_id, location.host
    for shared in shared_macs(port):
        yield SHARED_MACS, mac_key(port.network_id, shared), location.host
    if not facts.encap or not port.mac_address:
        return
    vtep = view.one(VTEP, location.host)
    if vtep is None:
        return
    topic, mac, tunnel = network_topic(port.network_id), mac_bytes(port.mac_address), TUNNEL_PORTS[facts.encap]
    if ":" in vtep:
        yield topic, TO_REMOTE_PORT_V6, (facts.key, mac, facts.vni, ipv6_bytes(vtep), tunnel)
    else:
        yield topic, TO_REMOTE_PORT, (facts.key, mac, facts.vni, ipv4_number(vtep), tunnel)


# -- tunnels ----------------------------------------------------------------------------------------------------------

FROM_TUNNEL_PORT = Shape(
    "from_tunnel_port",
    CLASSIFY,
    100,
    [(FIELDS["in_port"], Var("tunnel"))],
    [load(ORIGIN, FROM_TUNNEL), goto(TUNNEL_IN)],
    "tunnel",
    "what comes out of a tunnel",
)
FROM_VNI = Shape(
    "from_vni",
    TUNNEL_IN,
    100,
    [(FIELDS["in_port"], Var("tunnel")), (FIELDS["tun_id"], Var("vni"))],
    [load(DATAPATH, Var("network")), goto(SWITCH)],
    "tunnel vni network",
    "a VNI is this network",
)
INTO_TUNNEL = Shape(
    "into_tunnel",
    TUNNEL_OUT,
    10,
    [(ENCAP, Var("encap"))],
    [Send(Var("tunnel"))],
    "encap tunnel",
    "a copy for another host",
)
NOT_INTO_TUNNEL = Shape(
    "not_into_tunnel",
    TUNNEL_OUT,
    100,
    [(FIELDS["tun_dst"], Var("vtep"))],
    [],
    "vtep",
    "flood lists are the same on all hosts: this host's own entry ends here",
    Counts.NOTHING,
)
NOT_INTO_TUNNEL_V6 = Shape(
    "not_into_tunnel_v6",
    TUNNEL_OUT,
    100,
    [(FIELDS["tun_ipv6_dst"], Var("vtep"))],
    [],
    "vtep",
    "flood lists are the same on all hosts: this host's own entry ends here",
    Counts.NOTHING,
)


@rule(None)
def fabric(view: View) -> Iterator[Output]:
    """Tunnels have the same OpenFlow ports on every host."""
    for encap, number in ENCAPS.items():
        yield FABRIC, FROM_TUNNEL_PORT, (TUNNEL_PORTS[encap],)
        yield FABRIC, INTO_TUNNEL, (number, TUNNEL_PORTS[encap])


@rule(VTEP)
def own_tunnel_address(host: str, vteps: tuple[str, ...], view: View) -> Iterator[Output]:
    """A host never sends itself a copy."""
    for vtep in vteps:
        if ":" in vtep:
            yield host_topic(host), NOT_INTO_TUNNEL_V6, (ipv6_bytes(vtep),)
        else:
            yield host_topic(host), NOT_INTO_TUNNEL, (ip_number(vtep),)


@rule(WIRE)
def from_tunnels(wire: str, networks: tuple[tuple[str, int], ...], view: View) -> Iterator[Output]:
    """A VNI leads to the key of its network inside the switch. Of two networks with one VNI, neither is received."""
    if len(networks) > 1:
        raise Contradiction(f"several networks have {wire}: {', '.join(network for network, _ in networks)}")
    ((network, key),) = networks
    encap, _, vni = wire.partition(" ")
    yield network_topic(network), FROM_VNI, (TUNNEL_PORTS[encap], int(vni), key)


# -- broadcast and multicast ------------------------------------------------------------------------------------------

FLOOD_FROM_VM = Shape(
    "flood_from_vm",
    SWITCH,
    20,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], MULTICAST, MULTICAST)],
    [resubmit(LOCAL), load(ENCAP, Var("encap")), SetField(FIELDS["tun_id"], Var("vni")), goto(FLOOD)],
    "network encap vni",
    "broadcast and multicast of a VM",
)
FLOOD_FROM_TUNNEL = Shape(
    "flood_from_tunnel",
    SWITCH,
    20,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_TUNNEL), (FIELDS["eth_dst"], MULTICAST, MULTICAST)],
    [goto(LOCAL)],
    "network",
    "broadcast and multicast of another host's VM",
)
FLOOD_TO_HOSTS = Shape(
    "flood_to_hosts",
    FLOOD,
    100,
    [(DATAPATH, Var("network")), (CHUNK, Var("chunk"))],
    [Var("copies", kind="actions")],
    "network chunk copies",
    "one copy for each host that has a port in the network",
)


@rule(PRESENT, reads=(FACTS, VTEP))
def flood(network_id: str, hosts: tuple[str, ...], view: View) -> Iterator[Output]:
    """Copies of broadcast and multicast: the same list on every host of the network."""
    facts = view.one(FACTS, network_id)
    if facts is None or not facts.encap:
        return
    topic = network_topic(network_id)
    yield topic, FLOOD_FROM_VM, (facts.key, ENCAPS[facts.encap], facts.vni)
    yield topic, FLOOD_FROM_TUNNEL, (facts.key,)
    parts = chunks_of(vteps_of(hosts, view))
    for number, part in enumerate(parts):
        copies = copies_to(part)
        if number + 1 < len(parts):
            copies += [load(CHUNK, number + 1), resubmit(FLOOD)]
        yield topic, FLOOD_TO_HOSTS, (facts.key, number, tuple(copies))


def vteps_of(hosts: tuple[str, ...], view: View) -> list[str]:
    """Tunnel addresses of hosts, each once; IPv4 before IPv6."""
    return sorted({vtep for host in hosts for vtep in view.all(VTEP, host)}, key=lambda vtep: (":" in vtep, vtep))


def copies_to(vteps: Sequence[str]) -> list[Action]:
    """The actions that send one copy to each VTEP.

    Both tunnel destinations stay set from one copy to the next, and the IPv4 one counts as long as it is not zero.
    """
    ipv4, ipv6 = [ip_number(vtep) for vtep in vteps if ":" not in vtep], [ip_number(v) for v in vteps if ":" in v]
    out = resubmit(TUNNEL_OUT)
    copies: list[Action] = [step for vtep in ipv4 for step in (SetField(FIELDS["tun_dst"], vtep), out)]
    if ipv6:
        copies.append(SetField(FIELDS["tun_dst"], 0))
    copies += [step for vtep in ipv6 for step in (SetField(FIELDS["tun_ipv6_dst"], vtep), out)]
    return copies


# -- MACs that several ports may use ----------------------------------------------------------------------------------

TO_SHARED_MAC = Shape(
    "to_shared_mac",
    SWITCH,
    40,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [
        resubmit(SHARED),
        load(ENCAP, Var("encap")),
        SetField(FIELDS["tun_id"], Var("vni")),
        Var("copies", kind="actions"),
    ],
    "network mac encap vni copies",
    "a MAC that ports may use beside their own: to the hosts of all of them",
)
TO_SHARED_MAC_OR_OUT = Shape(
    "to_shared_mac_or_out",
    SWITCH,
    40,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], Var("mac"))],
    [resubmit(SHARED), goto(PHYSICAL_OUT)],
    "network mac",
    "the same on a physical network",
)
TO_SHARED_MAC_HERE = Shape(
    "to_shared_mac_here",
    SWITCH,
    30,
    [(DATAPATH, Var("network")), (FIELDS["eth_dst"], Var("mac"))],
    [goto(SHARED)],
    "network mac",
    "the same, from another host or a physical network",
)
TO_SHARING_PORTS = Shape(
    "to_sharing_ports",
    SHARED,
    100,
    [(DATAPATH, Var("network")), (FIELDS["eth_dst"], Var("mac"))],
    [Var("copies", kind="actions")],
    "network mac copies",
    "all ports of this host that may use the MAC",
)


@rule(SHARED_MACS, reads=(FACTS, VTEP))
def shared_mac(key: str, hosts: tuple[str, ...], view: View) -> Iterator[Output]:
    """A MAC that ports may use beside their own, from wherever it is asked for."""
    network, mac = split_mac(key)
    facts = view.one(FACTS, network)
    if facts is None:
        return
    topic, address = network_topic(network), mac_bytes(mac)
    yield topic, TO_SHARED_MAC_HERE, (facts.key, address)
    if not facts.encap:
        yield topic, TO_SHARED_MAC_OR_OUT, (facts.key, address)
        return
    vteps = vteps_of(hosts, view)
    if len(vteps) > FLOOD_CHUNK:
        raise Contradiction(f"ports on {len(vteps)} hosts may use {mac}; {FLOOD_CHUNK} is the limit")
    copies = tuple(copies_to(vteps))
    yield topic, TO_SHARED_MAC, (facts.key, address, ENCAPS[facts.encap], facts.vni, copies)


@rule(LOCAL_SHARED_MACS, reads=(FACTS,))
def local_shared_mac(key: str, ports: tuple[int, ...], view: View) -> Iterator[Output]:
    """The ports of a host that may use a MAC beside their own."""
    place, mac = split_mac(key)
    host, network = split_local(place)
    facts = view.one(FACTS, network)
    if facts is not None:
        yield host_topic(host), TO_SHARING_PORTS, (facts.key, mac_bytes(mac), copies_for(ports))
