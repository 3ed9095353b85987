"""What flows can say, one by one: the interpreter and Open vSwitch agree, and what it does not know it refuses."""

import pytest

from daybreak.engine.interpreter import NotInterpreted, Outcome, Stop, Tables, interpret
from daybreak.wire.openflow import actions as a
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.actions import Clone, Ct, CtClear, DecTtl, Goto, Load, Move, Output, Pop, Push, Resubmit
from daybreak.wire.openflow.fields import FIELDS, REG, XREG
from daybreak.wire.openflow.flow import Condition, flow_key
from daybreak.wire.packet import Ethernet, EtherType, Vlan

from .conftest import Oracle
from .frames import frame, ip, mac, transport
from .proof import Proof

pytestmark = pytest.mark.ovs

MACS = (mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"))
IPS = (ip("10.0.0.1"), ip("10.0.0.2"))
TCP = frame(MACS, IPS, 6, transport(IPS, 6, (999, 443), b"data"))
IP, TAGGED = Condition(f.ETH_TYPE, 0x0800), Condition(f.VLAN_VID, 0x1000, 0x1000)
FROM_2 = Condition(f.IN_PORT, 2)

Program = list[tuple[int, int, list[Condition], list[a.Step]]]

PROGRAMS: dict[str, Program] = {
    "the highest priority counts": [
        (0, 5, [], [Output(2)]),
        (0, 9, [IP, Condition(f.IPV4_DST, 0x0A000000, 0xFF000000)], [Output(3)]),
        (0, 7, [IP, Condition(f.IP_PROTO, 6), Condition(f.TCP_DST, 443)], [Output(4)]),
    ],
    "nothing matches": [(0, 5, [Condition(f.ETH_DST, 5)], [Output(2)])],
    "a flow without actions": [(0, 5, [], [])],
    "on to later tables": [
        (0, 1, [], [Load(REG[1], 7), a.WriteMetadata(0x500, 0xF00), Goto(3)]),
        (3, 1, [Condition(REG[1], 7), Condition(FIELDS["metadata"], 0x500, 0xFFF)], [Output(2), Goto(9)]),
        (9, 1, [], [Output(3)]),
    ],
    "what a resubmit changes stays, and it comes back": [
        (0, 1, [], [Resubmit(5), Resubmit(6), Output(4), Goto(7)]),
        (5, 1, [], [Load(REG[0].bits(4, 8), 0xAB), Output(2)]),
        (7, 1, [Condition(REG[0], 0xAB0)], [Output(3)]),
    ],
    "a resubmit as if from another port": [
        (0, 1, [], [Resubmit(5, port=2), Resubmit(5), Output(2)]),
        (5, 1, [FROM_2], [Output(3), Output(2), Output(1), Output(a.IN_PORT)]),
    ],
    "not back where it came from, unless it is said": [(0, 1, [], [Output(1), Output(2), Output(a.IN_PORT)])],
    "the stack": [
        (0, 1, [IP], [Push(f.IPV4_SRC), Push(f.ETH_SRC), Pop(f.ETH_DST), Pop(REG[2]), Goto(1)]),
        (1, 1, [Condition(REG[2], 0x0A000001), Condition(f.ETH_DST, 0x020000000001)], [Output(2)]),
    ],
    "moves, wider registers, masked sets": [
        (0, 1, [IP], [Move(f.IPV4_DST, XREG[1].bits(8, 32)), a.SetField(REG[5], 0x30, 0xF0), Goto(1)]),
        (1, 1, [Condition(XREG[1], 0x0A00000200), Condition(REG[5], 0x30)], [Output(2)]),
    ],
    "a clone changes nothing": [
        (0, 1, [], [Clone((Load(REG[0], 1), Resubmit(4), Output(2))), Goto(4)]),
        (4, 2, [Condition(REG[0], 1)], [Output(5)]),
        (4, 1, [], [Output(6)]),
    ],
    "addresses and ports are rewritten": [
        (
            0,
            1,
            [IP, Condition(f.IP_PROTO, 6)],
            [a.SetField(f.IPV4_DST, 0x0A090909), a.SetField(f.TCP_DST, 80), a.SetField(f.ETH_DST, 9), Goto(1)],
        ),
        (
            1,
            1,
            [IP, Condition(f.IP_PROTO, 6), Condition(f.IPV4_DST, 0x0A090909), Condition(f.TCP_DST, 80)],
            [Output(2)],
        ),
    ],
    "VLAN tags": [
        (0, 1, [Condition(f.VLAN_VID, 0)], [a.PushVlan(), a.SetField(f.VLAN_VID, 0x1007), Output(2), Goto(1)]),
        (0, 1, [TAGGED], [a.PopVlan(), Output(4), Goto(1)]),
        (1, 1, [Condition(f.VLAN_VID, 0x1007)], [a.PopVlan(), Goto(2)]),
        (1, 1, [Condition(f.VLAN_VID, 0)], [Output(5)]),
        (2, 1, [Condition(f.VLAN_VID, 0)], [Output(3)]),
    ],
    "time to live": [(0, 1, [IP], [Output(2), DecTtl(), Output(3)])],
    "to the controller, queues and notes": [(0, 1, [], [a.to_controller(64), a.SetQueue(1), a.Note(b"x"), Output(2)])],
    "out of the port that a register says": [(0, 1, [], [Load(REG[3], 6), a.OutputFrom(REG[3].bits(0, 16))])],
    "connection tracking goes on elsewhere, and here untracked": [
        (0, 1, [IP], [Ct(7, table=3), Resubmit(5), Output(9)]),
        (3, 1, [IP, Condition(f.CT_STATE, 0x21, 0x21)], [Ct(7, commit=True, actions=(Load(f.CT_MARK, 3),), table=4)]),
        (4, 1, [IP, Condition(f.CT_MARK, 3), Condition(f.FIELDS["ct_zone"], 7)], [CtClear(), Resubmit(5)]),
        (5, 2, [IP, Condition(f.CT_STATE, 0x20, 0x20)], [Output(2)]),
        (5, 1, [IP], [Output(3)]),
    ],
}
FRAMES = {
    "tcp": TCP,
    "at its end": frame(MACS, IPS, 6, transport(IPS, 6, (999, 443), b"data"))[:22] + b"\1" + TCP[23:],
    "tagged": Ethernet(MACS[1], MACS[0], EtherType.IPV4, TCP[14:], (Vlan(7, 5), Vlan(8))).encode(),
    "ipv6": frame(MACS, (ip("fd00::1"), ip("fd00::2")), 58, b"\x80\0\0\0"),
}


def encoded(program: Program) -> dict[bytes, bytes]:
    return {
        flow_key(table, priority, match): number.to_bytes(8, "big") + a.instructions(steps)
        for number, (table, priority, match, steps) in enumerate(program, 1)
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_open_vswitch_agrees(name: str, oracle: Oracle) -> None:
    flows = encoded(PROGRAMS[name])
    oracle.control.replace(flows)
    proof = Proof(oracle.traces, flows)
    assert {what: found for what, sent in FRAMES.items() if (found := proof.differences(sent, 1)[1])} == {}


def ports(outcome: Outcome) -> list[int]:
    return [copy.port for copy in outcome.copies]


def test_the_frame_that_leaves_is_rewritten_with_its_checksums() -> None:
    program = encoded(PROGRAMS["addresses and ports are rewritten"])
    (copy,) = interpret(TCP, 1, Tables(program)).copies
    there = (IPS[0], ip("10.9.9.9"))
    assert copy.frame == frame((MACS[0], mac("00:00:00:00:00:09")), there, 6, transport(there, 6, (999, 80), b"data"))


@pytest.mark.parametrize(
    "step",
    [
        a.Group(1),
        Output(a.NORMAL),
        Output(a.FLOOD),
        Ct(1, commit=True, actions=(a.Nat("src", 0x0A000001),)),
        Ct(1, commit=True, alg=21),
        a.Conjunction(1, 0, 2),
        a.CheckPktLarger(1400, REG[0].bits(0, 1)),
        a.Raw(bytes.fromhex("ffff 0010 00002320 0063 000000000000")),
        a.RawInstruction(bytes.fromhex("0003 0008 00000000")),
        Pop(REG[0]),
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_is_not_known_is_refused(step: a.Step) -> None:
    with pytest.raises(NotInterpreted, match="table=0, priority=1, cookie=0x1"):
        interpret(TCP, 1, Tables(encoded([(0, 1, [], [step])])))


def test_a_fragment_can_not_be_tracked() -> None:
    fragment = TCP[:20] + b"\x20\x00" + TCP[22:]
    with pytest.raises(NotInterpreted, match="fragment"):
        interpret(fragment, 1, Tables(encoded([(0, 1, [IP], [Ct(1, table=1)])])))


def test_a_loop_of_resubmits_ends_as_in_open_vswitch() -> None:
    outcome = interpret(TCP, 1, Tables(encoded([(0, 1, [], [Output(2), Resubmit(0)])])))
    assert ports(outcome) == []
    assert isinstance(outcome.events[-1], Stop)


def test_ten_thousand_flows_are_looked_up_by_their_kind() -> None:
    """Whatever the number of flows: how many kinds of matches there are is what a look-up costs."""
    flows = encoded(
        [(0, 5, [IP, Condition(f.IPV4_DST, n)], [Output(2)]) for n in range(0x0A000002, 0x0A000002 + 10_000)]
    )
    tables = Tables(flows)
    assert ports(interpret(TCP, 1, tables)) == [2]
    assert len(tables.kinds(0)) == 1
