"""Switching, port security and answers: the interpreter and Open vSwitch agree on whatever frames come in."""

import asyncio

import pytest
from hypothesis import given, settings

from daybreak.features import pipeline

from ..scenarios.transcript import Player
from .conftest import Oracle
from .frames import Actor, Crowd, actor
from .proof import Proof, flows_of, metadata, missed

pytestmark = pytest.mark.ovs

CLOUD = """
network blue type=vxlan vni=5000
network red type=vlan vlan=7 physical=physnet1
host h1 vtep=10.0.0.1 patches=physnet1:9 nd_ext
host h2 vtep=10.0.0.2 patches=physnet1:9 nd_ext
host h3 vtep=2001:db8::3 nd_ext
port web network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1,fd00::1
port api network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2,fd00::2 pairs=10.2.0.0/16,10.1.0.9@fa:16:3e:00:00:09
port free network=blue mac=fa:16:3e:00:00:03 ips=10.1.0.3 security=off
port bare network=blue mac=fa:16:3e:00:00:04
port db network=blue mac=fa:16:3e:00:00:05 ips=10.1.0.5,fd00::5
port log network=blue mac=fa:16:3e:00:00:06 ips=10.1.0.6 pairs=10.1.0.9@fa:16:3e:00:00:09
port ext network=red mac=fa:16:3e:00:00:07 ips=10.7.0.1,fd07::1
port out network=red mac=fa:16:3e:00:00:08 ips=10.7.0.2
plug web h1 ofport=1
plug api h1 ofport=2
plug free h1 ofport=3
plug bare h1 ofport=4
plug ext h1 ofport=5
plug db h2 ofport=1
plug out h2 ofport=2
plug log h3 ofport=1
applied web h1
applied api h1
applied free h1
applied bare h1
applied ext h1
applied db h2
applied out h2
applied log h3
"""
HOST = "h1"
TUNNEL = {"tun_src": 0x0A000002, "tun_dst": 0x0A000001}
CROWD = Crowd(
    [
        actor(1, "fa:16:3e:00:00:01", "10.1.0.1", "fd00::1"),
        actor(2, "fa:16:3e:00:00:02", "10.1.0.2", "fd00::2", "10.2.3.4"),
        actor(2, "fa:16:3e:00:00:09", "10.1.0.9"),
        actor(3, "fa:16:3e:00:00:03", "10.1.0.3"),
        actor(4, "fa:16:3e:00:00:04", "10.1.0.4"),
        actor(5, "fa:16:3e:00:00:07", "10.7.0.1", "fd07::1"),
        actor(6, "fa:16:3e:00:00:0a", "10.1.0.10"),
        actor(9, "fa:16:3e:00:00:08", "10.7.0.2"),
        *(
            actor(port, "fa:16:3e:00:00:05", "10.1.0.5", "fd00::5", tun_id=vni, **TUNNEL)
            for port, vni in ((65001, 5000), (65001, 7), (65002, 5000), (65003, 5000))
        ),
        actor(65001, "fa:16:3e:00:00:06", "10.1.0.6", tun_id=5000, **TUNNEL),
    ],
    [(68, 67), (67, 68), (546, 547), (547, 546), (443, 443)],
    (6, 17, 17, 132, 1, 58, 58, 47),
)


FEATURES = {"l2", "provider", "port_security", "responder"}


@pytest.fixture(scope="module")
def player() -> Player:
    player = Player(pipeline())
    asyncio.run(player.play(CLOUD))
    return player


@pytest.fixture(scope="module")
def proof(oracle: Oracle, player: Player) -> Proof:
    flows = flows_of(player.engine, HOST)
    oracle.control.replace(flows)
    assert oracle.control.flows() == flows
    return Proof(oracle.traces, flows)


@settings(max_examples=1500, deadline=None)
@given(CROWD.frames())
def test_any_frame(proof: Proof, sent: tuple[Actor, bytes]) -> None:
    sender, frame = sent
    _, found = proof.differences(frame, sender.in_port, metadata=metadata(**sender.metadata))
    assert found == []


def test_hardly_a_kind_of_flow_was_missed(proof: Proof, player: Player) -> None:
    """So the frames above are not all alike."""
    assert missed(flows_of(player.engine, HOST, FEATURES), proof.met) == []
