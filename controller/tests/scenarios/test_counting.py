"""Which rules of security groups count a packet: what `daybreak rules` shows as connections and packets."""

import asyncio
from collections import Counter

import pytest

from daybreak.engine.interpreter import Tables, Visit, interpret
from daybreak.engine.pipeline import Counts
from daybreak.features import pipeline
from daybreak.model import SecurityGroupRule

from ..proof.frames import Turn, exchange, ip, mac, tcp
from ..proof.proof import flows_of
from .transcript import Player

CLOUD = """
together
    network blue type=vxlan vni=5000
    host h1 vtep=10.0.0.1
    group front
    group back
    group free stateless
    rule all group=front ingress tcp
    rule ssh group=front ingress tcp 22
    rule near group=front ingress tcp 22 remote=10.1.0.0/24
    rule peers group=front ingress tcp 22 of=back
    rule same group=back ingress tcp 22
    rule sctp group=back ingress sctp 22
    rule any group=back egress
    rule in group=free ingress udp 22
    rule out group=free egress udp
    port a network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1 groups=front
    port b network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2 groups=front,back
    port c network=blue mac=fa:16:3e:00:00:03 ips=10.1.0.3 groups=free
    port d network=blue mac=fa:16:3e:00:00:04 ips=10.1.0.4
    port e network=blue mac=fa:16:3e:00:00:05 ips=10.1.0.5 groups=back
    plug a h1 ofport=1
    plug b h1 ofport=2
    plug c h1 ofport=3
    plug d h1 ofport=4
    plug e h1 ofport=5
"""
PIPELINE = pipeline()
TCP, UDP, SCTP = 6, 17, 132


def said(source: int, target: int, protocol: int) -> list[Turn]:
    """What two ports, by their numbers on the host, say to each other on port 22 of the second."""
    numbers = source, target
    macs = [mac(f"fa:16:3e:00:00:0{number}") for number in numbers]
    ips = [ip(f"10.1.0.{number}") for number in numbers]
    ends = (macs[0], macs[1]), (ips[0], ips[1])
    if protocol == TCP:
        return tcp(*ends, (999, 22))
    question, answer, _, again = exchange(*ends, protocol, (999, 22))
    return [question, answer, again]


@pytest.mark.parametrize(
    ("source", "target", "protocol", "connections", "packets"),
    [
        # Three rules of one group, none of which names a group, allow the same: one of them counts it, and holds it.
        (4, 1, TCP, {"all": 1}, {"all": 7}),
        # A rule that names a group counts beside it; the connection remembers the last. So does the sender's rule.
        (5, 1, TCP, {"any": 1, "all": 1, "peers": 1}, {"any": 7, "peers": 7}),
        # And so does each group of a port.
        (4, 2, TCP, {"all": 1, "same": 1}, {"same": 7}),
        # Where no connections are told apart, each packet counts as one.
        (4, 5, SCTP, {"sctp": 3}, {}),
        (4, 3, UDP, {"in": 2, "out": 1}, {}),
    ],
)
def test_who_counts(
    source: int, target: int, protocol: int, connections: dict[str, int], packets: dict[str, int]
) -> None:
    player = Player(PIPELINE)
    asyncio.run(player.play(CLOUD))
    tables, known = Tables(flows_of(player.engine, "h1")), None
    found: dict[Counts, Counter[str]] = {meaning: Counter() for meaning in Counts}
    for is_back, frame in said(source, target, protocol):
        outcome = interpret(frame, target if is_back else source, tables, known)
        known = outcome.connections
        for visit in outcome.events:
            if isinstance(visit, Visit) and visit.flow is not None:
                memo, meaning = player.engine.memos[visit.flow.cookie], PIPELINE.counted.get(visit.table)
                if meaning is not None and memo.rule.root is SecurityGroupRule:
                    found[meaning][memo.key] += 1
    assert (found[Counts.CONNECTIONS], found[Counts.PACKETS]) == (connections, packets)
