"""Connections through security groups, packet by packet, in the interpreter: who is heard before and after a change.

That Open vSwitch does the same with these flows is the proof's to show (tests/proof).
"""

from textwrap import dedent

import pytest

from daybreak.engine.interpreter import Connections, Tables, interpret
from daybreak.features import pipeline
from daybreak.features.vocabulary import RuleKey

from ..proof.frames import about, exchange, ip, mac, tcp
from ..proof.proof import flows_of
from .transcript import Player

CLOUD = """
network blue type=vxlan vni=5000
host h1 vtep=10.0.0.1
group d
group o
rule o-out group=o egress
rule o-in group=o ingress
port a network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1 groups=d
port b network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2 groups=o
plug a h1 ofport=1
plug b h1 ofport=2
applied a h1
applied b h1
"""
MACS = mac("fa:16:3e:00:00:02"), mac("fa:16:3e:00:00:01")
IPS = ip("10.1.0.2"), ip("10.1.0.1")
_, ANSWER, _, SAYS, ANSWERS, *_ = (made for _, made in tcp(MACS, IPS, (999, 80)))
SYN = tcp(MACS, IPS, (999, 80))[0][1]
PING, PONG, ERROR, _ = (made for _, made in exchange(MACS, IPS, 1, (8, 7)))


class Story:
    """A host, and what b (by port 2) and a (by port 1) say to each other there."""

    def __init__(self) -> None:
        self.player = Player(pipeline())
        self.connections: Connections = {}

    async def change(self, text: str) -> None:
        await self.player.play(dedent(text))

    def hears(self, frame: bytes) -> bool:
        """Whether the other one hears this frame."""
        is_b = frame[6:12] == MACS[0]
        outcome = interpret(frame, 2 if is_b else 1, Tables(flows_of(self.player.engine, "h1")), self.connections)
        self.connections = outcome.connections
        return [copy.port for copy in outcome.copies] == [1 if is_b else 2]

    def holder(self) -> str:
        """The rule that the first connection belongs to in a's zone."""
        label = next(known.label for (zone, _), known in self.connections.items() if zone == 1)
        owners = {record.value: record.owner for record in self.player.engine.records[RuleKey].values()}  # type: ignore[attr-defined]
        return str(owners[label])


@pytest.fixture
async def story() -> Story:
    story = Story()
    await story.change(CLOUD)
    return story


async def test_an_error_does_not_bring_a_connection_back(story: Story) -> None:
    """Its rule is gone. That errors are allowed is no reason to let the connection on that they are about."""
    await story.change("rule web group=d ingress tcp 80\nrule errors group=d ingress icmp 3")
    assert all(map(story.hears, (SYN, ANSWER, SAYS, ANSWERS, about(ANSWERS))))
    await story.change("delete rule web")
    assert not any(map(story.hears, (SAYS, ANSWERS, about(ANSWERS), SAYS, ANSWERS)))


async def test_a_ping_that_two_rules_allow(story: Story) -> None:
    """One of them goes while the answer is under way, which is of another type than both ask for."""
    await story.change("rule all group=d ingress icmp 8\nrule from-b group=d ingress icmp 8,0 remote=10.1.0.2")
    assert story.hears(PING)
    await story.change(f"delete rule {story.holder()}")
    assert all(map(story.hears, (PONG, ERROR, PING, PONG)))
    await story.change(f"delete rule {story.holder()}")
    assert not any(map(story.hears, (PONG, ERROR, PING)))


async def test_a_peer_left_the_group_that_a_stateless_rule_of_another_port_names_too(story: Story) -> None:
    await story.change("""
        group l stateless
        rule web group=d ingress tcp 80 of=d
        rule other group=l ingress udp of=d
        port b network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2 groups=d,o
        port c network=blue mac=fa:16:3e:00:00:03 ips=10.1.0.3 groups=l
        plug c h1 ofport=3
    """)
    assert all(map(story.hears, (SYN, ANSWER, SAYS, ANSWERS)))
    await story.change("port b groups=o")
    assert not any(map(story.hears, (SAYS, ANSWERS)))


@pytest.mark.parametrize("side", ["", "of=o", "addresses=office", "remote=10.1.0.0/24"])
async def test_stateless_rules_of_a_port_with_a_stateful_group(story: Story, side: str) -> None:
    """They admit connections like the others, whoever the other side is."""
    await story.change(f"""
        group l stateless
        addresses office 10.1.0.2
        rule web group=l ingress tcp 80 {side}
        port a network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1 groups=d,l
    """)
    assert all(map(story.hears, (SYN, ANSWER, SAYS, ANSWERS)))
    await story.change("delete rule web")
    assert not any(map(story.hears, (SAYS, ANSWERS)))
