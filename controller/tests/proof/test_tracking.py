"""Connection tracking as the interpreter has it, against that of Open vSwitch's userspace datapath: after each packet
of a story the same state, mark and label. They are moved into the packet's MAC addresses, so that they can be seen."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.engine.interpreter import Connections, Tables, interpret
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.actions import Ct, Load, Move, Output, Step, instructions
from daybreak.wire.openflow.flow import Condition, Match, flow_key

from ..scenarios.tracer import DummySwitch
from .datapath import BELL_PORT, Datapath
from .frames import about, frame, ip, mac, tcp, transport

pytestmark = pytest.mark.ovs

ZONE = 5
MACS = (mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"))
ENDS = {4: (ip("10.0.0.1"), ip("10.0.0.2")), 6: (ip("fd00::1"), ip("fd00::2"))}


def flow(table: int, priority: int, match: Match, *steps: Step) -> tuple[bytes, bytes]:
    return flow_key(table, priority, match), bytes(8) + instructions(steps)


def flows() -> dict[bytes, bytes]:
    """Odd ports commit new connections, with their number as label; all show what is known."""
    shown = (
        Move(f.CT_STATE.bits(0, 8), f.ETH_DST.bits(0, 8)),
        Move(f.CT_LABEL.bits(0, 32), f.ETH_SRC.bits(0, 32)),
        Move(f.CT_MARK.bits(0, 8), f.ETH_DST.bits(8, 8)),
        Output(9),
    )
    found = [flow(0, 9, [Condition(f.ETH_TYPE, 0x88B7)], Output(BELL_PORT))]
    for family in (0x0800, 0x86DD):
        is_ip = Condition(f.ETH_TYPE, family)
        found.append(flow(0, 1, [is_ip], Ct(ZONE, table=1)))
        found.append(flow(1, 0, [is_ip], *shown))
        for port in (1, 3):
            marks = (Load(f.CT_LABEL.bits(0, 32), port), Load(f.CT_MARK, port + 1))
            new = [is_ip, Condition(f.IN_PORT, port), Condition(f.CT_STATE, 0x21, 0x21)]
            found.append(flow(1, 9, new, *shown, Ct(ZONE, commit=True, actions=marks)))
    return dict(found)


@pytest.fixture(scope="module")
def datapath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datapath]:
    switch = DummySwitch(tmp_path_factory.mktemp("datapath"))
    try:
        switch.start()
        datapath = Datapath(switch)
        datapath.control.replace(flows())
        yield datapath
        datapath.close()
    finally:
        switch.stop()


TCP = [
    [made for _, made in tcp(MACS, ends, ports)]
    for ends, ports in ((ENDS[4], (999, 443)), (ENDS[4], (998, 443)), (ENDS[6], (999, 443)))
]


@st.composite
def others(draw: st.DrawFn) -> bytes:
    """A packet of one of few connections of other protocols, so that stories come about, or an error about it."""
    family, turned = draw(st.sampled_from([4, 4, 6])), draw(st.booleans())
    ends = ENDS[family][::-1] if turned else ENDS[family]
    protocol = draw(st.sampled_from([17, 132, 58 if family == 6 else 1, 58 if family == 6 else 1, 58, 1, 47]))
    there = draw(st.sampled_from([443, 444]))
    ports = (there, 999) if turned else (999, there)
    if protocol in (1, 58):
        kinds = [(8, 0), (13, 14), (9, 9)] if protocol == 1 else [(128, 129), (135, 136)]
        ports = (draw(st.sampled_from(kinds))[turned], 7)
    made = frame(MACS, ends, protocol, transport(ends, protocol, ports, b"data"))
    return about(made) if draw(st.integers(0, 6)) == 0 else made


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Ports and frames. TCP connections go on packet by packet, or begin with what never opens one; SYNs come twice."""
    at = [0] * len(TCP)
    story = []
    for _ in range(draw(st.integers(1, 14))):
        port = draw(st.sampled_from([1, 2, 3]))
        number = draw(st.integers(0, 2 * len(TCP) - 1))
        if number >= len(TCP):
            story.append((port, draw(others())))
            continue
        if at[number] == len(TCP[number]):
            continue
        story.append((port, TCP[number][at[number]]))
        if not draw(st.integers(0, 6)):
            story.append((port, about(story[-1][1], draw(st.sampled_from([48, 59, 60])))))
        at[number] += not (at[number] == 0 and (port == 2 or draw(st.booleans())))
    return story


@settings(max_examples=300, deadline=None)
@given(stories())
def test_a_story(datapath: Datapath, story: list[tuple[int, bytes]]) -> None:
    tables, expected = Tables(flows()), []
    known: Connections = {}
    for port, sent in story:
        outcome = interpret(sent, port, tables, known)
        known = outcome.connections
        expected += [copy.frame for copy in outcome.copies]
    datapath.forget()
    assert [each.hex(" ") for each in datapath.send(story).get(9, [])] == [each.hex(" ") for each in expected]
