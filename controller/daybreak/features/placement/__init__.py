"""rules: which interface of which host is a port.

An interface claims the port whose id it carries in `external_ids:iface-id`. A claim counts only on a host that the
cloud bound the port to: one, or during a live migration two. Where the cloud names none, the first claim holds (the
port's Location remembers it) until it is released. Of several on one host, one whose interface is open comes first. All
other claims are duplicates, and listed. Every port and network gets its key here.
"""

from collections.abc import Iterator

from daybreak.engine.rule import Output, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import (
    CANARY,
    CAPABLE,
    CLAIMS,
    DUPLICATES,
    FABRIC,
    PLACED,
    SUBSCRIPTIONS,
    USED_CAPABILITIES,
    VTEP,
    NetworkKey,
    Place,
    PortKey,
    capable,
    host_topic,
)
from daybreak.model import Host, Interface, Location, Network, Pool, Port

KEYS_HIGH = (1 << 24) - 1

network_keys = Pool(NetworkKey, Network, 1, KEYS_HIGH, needs=lambda network: network.id != CANARY)
port_keys = Pool(PortKey, Port, 1, KEYS_HIGH)


@rule(Interface, emits=(CLAIMS,))
def claim(interface: Interface, view: View) -> Iterator[Output]:
    """An interface claims the port whose id it carries."""
    yield CLAIMS, interface.iface_id, Place(interface.host, interface.ofport or 0, interface.name)


@rule(Port, reads=(CLAIMS, Location), emits=(PLACED, DUPLICATES))
def place(port: Port, view: View) -> Iterator[Output]:
    """Of all claims to a port one counts on each host that it is bound to."""
    claims = view.all(CLAIMS, port.id)
    if not claims:
        return
    if hosts := port.hosts:
        groups = [[claim for claim in claims if claim.host == host] for host in hosts]
    else:
        location = view.get(Location, port.id)
        held = [claim for claim in claims if location is not None and claim.host == location.host]
        groups = [held or list(claims)]
    count = {min(group, key=lambda claim: (not claim.ofport, claim)) for group in groups if group}
    for claim in claims:
        if claim in count:
            yield PLACED, port.id, claim
        else:
            yield DUPLICATES, port.id, claim.host


@rule(Host, emits=(VTEP, CAPABLE, SUBSCRIPTIONS))
def host(host: Host, view: View) -> Iterator[Output]:
    """What other rules need of a host, and the topics that every host has."""
    if host.vtep:
        yield VTEP, host.id, host.vtep
    yield SUBSCRIPTIONS, host.id, FABRIC
    yield SUBSCRIPTIONS, host.id, host_topic(host.id)
    for capability in USED_CAPABILITIES:
        if capability in host.capabilities:
            yield CAPABLE, host.id, capability
            yield SUBSCRIPTIONS, host.id, capable(FABRIC, capability)
