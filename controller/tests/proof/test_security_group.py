"""Security groups: stories of packets, with the groups changing in their middle.

Every packet is taken through the interpreter and through Open vSwitch's trace, look-up by look-up; then the whole story
is played on Open vSwitch's userspace datapath with its own connection tracking, and the same frames have to come out of
the same ports.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.engine.interpreter import Connections
from daybreak.features import pipeline
from daybreak.wire.openflow.actions import Output, instructions
from daybreak.wire.openflow.fields import ETH_TYPE
from daybreak.wire.openflow.flow import Condition, flow_key

from ..scenarios.tracer import DummySwitch
from ..scenarios.transcript import Player
from .conftest import Oracle
from .datapath import BELL_PORT, BELL_TYPE, Datapath
from .frames import Crowd, about, actor, exchange, tcp
from .proof import Proof, flows_of, missed

pytestmark = pytest.mark.ovs

CLOUD = """
network blue type=vxlan vni=5000
host h1 vtep=10.0.0.1 nd_ext
host h2 vtep=10.0.0.2 nd_ext
group front
group back
group free stateless
addresses office 10.1.0.3,10.3.0.0/16,fd00::3
rule web group=front ingress tcp 80-87
rule web6 group=front ingress tcp 80-87 v6
rule any-out group=front egress
rule any-out6 group=front egress v6
rule db group=back ingress tcp 3306 of=front
rule db6 group=back ingress tcp 3306 of=front v6
rule dns group=back ingress udp 53 addresses=office
rule peers group=back ingress sctp of=back
rule ping group=back ingress icmp 8,0 remote=10.1.0.0/24
rule ping6 group=back ingress icmpv6 128 v6
rule errors group=front ingress icmp 3
rule errors6 group=front ingress icmpv6 1,4 v6
rule gre-out group=back egress 47
rule dns-out group=back egress udp 53 remote=10.1.0.0/31
rule all-in group=free ingress udp
rule all-out group=free egress udp 53
rule some-in group=free ingress tcp 80 of=front
port a network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1,fd00::1 groups=front
port b network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2,fd00::2 groups=back
port c network=blue mac=fa:16:3e:00:00:03 ips=10.1.0.3,fd00::3 groups=front,back
port d network=blue mac=fa:16:3e:00:00:04 ips=10.1.0.4,fd00::4
port e network=blue mac=fa:16:3e:00:00:05 ips=10.1.0.5,fd00::5 groups=none
port f network=blue mac=fa:16:3e:00:00:06 ips=10.1.0.6,fd00::6 groups=free
port g network=blue mac=fa:16:3e:00:00:07 ips=10.1.0.7,fd00::7 groups=front security=off
port far network=blue mac=fa:16:3e:00:00:09 ips=10.1.0.9,fd00::9 groups=front
plug a h1 ofport=1
plug b h1 ofport=2
plug c h1 ofport=3
plug d h1 ofport=4
plug e h1 ofport=5
plug f h1 ofport=6
plug g h1 ofport=7
plug far h2 ofport=1
applied a h1
applied b h1
applied c h1
applied d h1
applied e h1
applied f h1
applied g h1
applied far h2
"""
CHANGES = {
    "nothing": "",
    "a rule goes": "delete rule web\ndelete rule db\ndelete rule any-out6",
    "a port leaves its group": "port c groups=back\nport b groups=none",
    "a port has groups of both kinds": "port f groups=free,back",
    "a member leaves": "port a groups=back",
    "an address leaves": "addresses office 10.3.0.0/16",
    "rules say something else": """
rule web group=front ingress tcp 443
rule ping group=back ingress icmp 8 remote=10.1.0.4
""",
    "a group goes": "delete group front",
    "a group is not asked any more": "port b security=off",
}
"""What may happen in the middle of a story."""

BELL_FLOW = flow_key(0, 65535, [Condition(ETH_TYPE, BELL_TYPE)]), bytes(8) + instructions([Output(BELL_PORT)])

LOCAL = [actor(n, f"fa:16:3e:00:00:0{n}", f"10.1.0.{n}", f"fd00::{n}") for n in range(1, 8)]
TUNNEL = {"tun_id": 5000, "tun_src": 0x0A000002, "tun_dst": 0x0A000001}
FAR = actor(65001, "fa:16:3e:00:00:09", "10.1.0.9", "fd00::9", **TUNNEL)
CROWD = Crowd(
    [*LOCAL, FAR],
    [(999, 80), (999, 87), (999, 88), (999, 443), (999, 3306), (999, 53), (68, 67), (67, 68), (546, 547), (547, 546)],
)


class World:
    """h1's flows, before anything changed and after each change."""

    def __init__(self, after: dict[str, dict[bytes, bytes]], judging: dict[bytes, bytes]) -> None:
        self.judging = judging
        self.before = after["nothing"]
        self.after = after
        self.met: set[bytes] = set()
        self.packets = 0


@pytest.fixture(scope="module")
def world() -> World:
    async def played(change: str) -> Player:
        player = Player(pipeline())
        await player.play(CLOUD + change)
        return player

    engines = {name: asyncio.run(played(change)).engine for name, change in CHANGES.items()}
    judging = flows_of(engines["nothing"], "h1", {"security_group"})
    return World({name: dict([*flows_of(each, "h1").items(), BELL_FLOW]) for name, each in engines.items()}, judging)


@pytest.fixture(scope="module")
def datapath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datapath]:
    switch = DummySwitch(tmp_path_factory.mktemp("datapath"))
    try:
        switch.start()
        datapath = Datapath(switch)
        yield datapath
        datapath.close()
    finally:
        switch.stop()


Sent = tuple[int, bytes]


@st.composite
def talks(draw: st.DrawFn) -> list[Sent]:
    """What two ports of the host say to each other: a connection, or a question with its answer; or a single frame."""
    if draw(st.integers(0, 5)) == 0:
        sender, frame = draw(Crowd(LOCAL, CROWD.ports).frames())
        return [(sender.in_port, frame)]
    here, there = draw(st.permutations(LOCAL))[:2]
    macs, version = (here.mac, there.mac), draw(st.sampled_from([0, 0, 1]))
    ips = (here.ips[version], there.ips[version])
    protocol = draw(st.sampled_from([6, 6, 6, 17, 17, 132, 47, 58 if version else 1]))
    if protocol == 6:
        turns = tcp(macs, ips, (draw(st.sampled_from([999, 998])), draw(st.sampled_from([80, 83, 88, 443, 3306]))))
        at = draw(st.integers(1, len(turns)))
        turns.insert(at, (not turns[at - 1][0], about(turns[at - 1][1])))
    elif protocol in (1, 58):
        turns = exchange(macs, ips, protocol, (128 if version else 8, 7))
    else:
        turns = exchange(macs, ips, protocol, (999, draw(st.sampled_from([53, 54]))))
    return [((there if back else here).in_port, frame) for back, frame in turns]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Sent], str, list[Sent]]:
    """Some talks, mixed, some of their packets lost; and what changes in between."""
    waiting = draw(st.lists(talks(), min_size=1, max_size=4))
    told: list[Sent] = []
    while waiting:
        talk = waiting[draw(st.integers(0, len(waiting) - 1))]
        sent = talk.pop(0)
        if draw(st.integers(0, 15)):
            told.append(sent)
        waiting = [talk for talk in waiting if talk]
    middle = draw(st.integers(0, len(told)))
    return told[:middle], draw(st.sampled_from([*CHANGES])), told[middle:]


@settings(max_examples=300, deadline=None)
@given(stories())
def test_a_story(world: World, oracle: Oracle, datapath: Datapath, story: tuple[list[Sent], str, list[Sent]]) -> None:
    before, change, after = story
    datapath.forget()
    connections: Connections = {}
    for flows, part in ((world.before, before), (world.after[change], after)):
        datapath.replace(flows)
        oracle.control.replace(flows)
        proof = Proof(oracle.traces, flows)
        expected: dict[int, list[bytes]] = defaultdict(list)
        for in_port, frame in part:
            outcome, found = proof.differences(frame, in_port, connections)
            assert found == []
            connections = outcome.connections
            for copy in outcome.copies:
                expected[copy.port].append(copy.frame)
        world.met |= proof.met
        world.packets += len(part)
        left = datapath.send(part)
        for port in range(1, 8):
            assert [each.hex(" ") for each in left.get(port, [])] == [each.hex(" ") for each in expected[port]], port


def test_the_stories_were_long_and_met_most_kinds_of_flows(world: World) -> None:
    """So that they prove something. No packet of a story comes by a tunnel."""
    assert world.packets >= 2000
    assert missed(world.judging, world.met, share=0.5) == []
