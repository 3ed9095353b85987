"""rules: flat and VLAN provider networks, by a patch port to the bridge of the physical network.

The physical bridge and its flows belong to the operator: Daybreak adds its patch port and nothing else. Inside the
overlay's switch a provider network is a network like any other; a MAC that is no port's is looked for on the physical
network.
"""

from collections.abc import Iterator

from daybreak.engine.pipeline import Shape, goto, load, resubmit
from daybreak.engine.rule import Output, Relation, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import (
    CLASSIFY,
    DATAPATH,
    FACTS,
    FROM_PHYSICAL,
    FROM_VM,
    LOCAL,
    LOCAL_PORTS,
    MULTICAST,
    ORIGIN,
    PHYSICAL_OUT,
    SWITCH,
    Facts,
    host_topic,
    local_key,
    network_topic,
    split_local,
)
from daybreak.model import Host
from daybreak.wire.openflow.actions import Output as Send
from daybreak.wire.openflow.actions import PopVlan, PushVlan, SetField
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var

VLAN_PRESENT = 0x1000
"""The bit of vlan_vid that says that there is a tag at all (OpenFlow 1.3.5, section 7.2.3.8)."""

PATCH = Relation("patch", "host and physical network → the OpenFlow port that leads there")

FROM_PHYSICAL_TAGGED = Shape(
    "from_physical_tagged",
    CLASSIFY,
    100,
    [(FIELDS["in_port"], Var("patch")), (FIELDS["vlan_vid"], Var("vid"))],
    [PopVlan(), load(DATAPATH, Var("network")), load(ORIGIN, FROM_PHYSICAL), goto(SWITCH)],
    "patch vid network",
    "a VLAN of a physical network is this network",
)
FROM_PHYSICAL_UNTAGGED = Shape(
    "from_physical_untagged",
    CLASSIFY,
    100,
    [(FIELDS["in_port"], Var("patch")), (FIELDS["vlan_vid"], 0)],
    [load(DATAPATH, Var("network")), load(ORIGIN, FROM_PHYSICAL), goto(SWITCH)],
    "patch network",
    "what comes untagged from a physical network is its flat network",
)
TO_PHYSICAL_TAGGED = Shape(
    "to_physical_tagged",
    PHYSICAL_OUT,
    100,
    [(DATAPATH, Var("network"))],
    [PushVlan(), SetField(FIELDS["vlan_vid"], Var("vid")), Send(Var("patch"))],
    "network vid patch",
    "out with the network's VLAN tag",
)
TO_PHYSICAL_UNTAGGED = Shape(
    "to_physical_untagged",
    PHYSICAL_OUT,
    100,
    [(DATAPATH, Var("network"))],
    [Send(Var("patch"))],
    "network patch",
    "out as it is",
)
UNKNOWN_TO_PHYSICAL = Shape(
    "unknown_to_physical",
    SWITCH,
    10,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM)],
    [goto(PHYSICAL_OUT)],
    "network",
    "no port of this host: on the physical network",
)
FLOOD_TO_PHYSICAL = Shape(
    "flood_to_physical",
    SWITCH,
    20,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_VM), (FIELDS["eth_dst"], MULTICAST, MULTICAST)],
    [resubmit(LOCAL), goto(PHYSICAL_OUT)],
    "network",
    "broadcast and multicast of a VM",
)
FLOOD_FROM_PHYSICAL = Shape(
    "flood_from_physical",
    SWITCH,
    20,
    [(DATAPATH, Var("network")), (ORIGIN, FROM_PHYSICAL), (FIELDS["eth_dst"], MULTICAST, MULTICAST)],
    [goto(LOCAL)],
    "network",
    "broadcast and multicast of the physical network",
)


@rule(Host, emits=(PATCH,))
def patches(host: Host, view: View) -> Iterator[Output]:
    """Where a host's patch ports are."""
    for physical_network, ofport in host.patches:
        yield PATCH, local_key(host.id, physical_network), ofport


@rule(LOCAL_PORTS, reads=(FACTS, PATCH))
def provider_network(key: str, ports: tuple[int, ...], view: View) -> Iterator[Output]:
    """A provider network on a host that has ports in it and a bridge for its physical network."""
    host, network = split_local(key)
    facts = view.one(FACTS, network)
    if facts is None or not facts.physical_network or not facts.up:
        return
    topic = host_topic(host)
    for patch in view.all(PATCH, local_key(host, facts.physical_network)):
        if facts.vlan:
            vid = facts.vlan | VLAN_PRESENT
            yield topic, FROM_PHYSICAL_TAGGED, (patch, vid, facts.key)
            yield topic, TO_PHYSICAL_TAGGED, (facts.key, vid, patch)
        else:
            yield topic, FROM_PHYSICAL_UNTAGGED, (patch, facts.key)
            yield topic, TO_PHYSICAL_UNTAGGED, (facts.key, patch)


@rule(FACTS)
def on_physical(network_id: str, facts: tuple[Facts, ...], view: View) -> Iterator[Output]:
    """What the switch does not know itself is on the physical network."""
    (fact,) = facts
    if fact.physical_network and fact.up:
        topic = network_topic(network_id)
        yield topic, UNKNOWN_TO_PHYSICAL, (fact.key,)
        yield topic, FLOOD_TO_PHYSICAL, (fact.key,)
        yield topic, FLOOD_FROM_PHYSICAL, (fact.key,)
