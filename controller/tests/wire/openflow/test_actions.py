"""Actions and instructions: bytes against os-ken's, and back again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import nicira_ext  # type: ignore[import-untyped]
from os_ken.ofproto import ofproto_v1_3_parser as osken

from daybreak.wire.openflow.actions import (
    CONTROLLER,
    Action,
    CheckPktLarger,
    Clone,
    Conjunction,
    Ct,
    CtClear,
    DecTtl,
    Goto,
    Group,
    Load,
    Meter,
    Move,
    Nat,
    Note,
    Output,
    OutputFrom,
    PopVlan,
    PushVlan,
    Raw,
    RawInstruction,
    Resubmit,
    SetField,
    SetQueue,
    Step,
    WriteMetadata,
    decode_actions,
    decode_instructions,
    encode_actions,
    instructions,
    to_controller,
)
from daybreak.wire.openflow.fields import (
    CT_MARK,
    ETH_DST,
    ETH_SRC,
    FIELDS,
    IPV6_DST,
    METADATA,
    REG,
    TUN_ID,
    XREG,
    XXREG,
    BitField,
)

REG4_LOW = nicira_ext.ofs_nbits(0, 15)

AGAINST_OSKEN: list[tuple[Action, Any]] = [
    (Output(5), osken.OFPActionOutput(5, 0)),
    (to_controller(), osken.OFPActionOutput(CONTROLLER, 0xFFFF)),
    (Group(7), osken.OFPActionGroup(7)),
    (SetQueue(3), osken.OFPActionSetQueue(3)),
    (PushVlan(), osken.OFPActionPushVlan(0x8100)),
    (PopVlan(), osken.OFPActionPopVlan()),
    (DecTtl(), osken.OFPActionDecNwTtl()),
    (SetField(ETH_DST, 0xFA163E000001), osken.OFPActionSetField(eth_dst="fa:16:3e:00:00:01")),
    (SetField(TUN_ID, 77), osken.OFPActionSetField(tunnel_id=77)),
    (SetField(IPV6_DST, 1), osken.OFPActionSetField(ipv6_dst="::1")),
    (SetField(REG[3], 5), osken.OFPActionSetField(reg3=5)),
    (SetField(REG[3], 5, 0xF), osken.NXActionRegLoad2(dst="reg3", value=5, mask=0xF)),
    (Load(REG[4].bits(0, 16), 9), osken.NXActionRegLoad(REG4_LOW, "reg4", 9)),
    (Load(ETH_DST, 9), osken.NXActionRegLoad(nicira_ext.ofs_nbits(0, 47), "eth_dst_nxm", 9)),
    (Move(ETH_SRC, ETH_DST), osken.NXActionRegMove("eth_src_nxm", "eth_dst_nxm", 48)),
    (Move(REG[1].bits(0, 8), REG[2].bits(16, 8)), osken.NXActionRegMove("reg1", "reg2", 8, 0, 16)),
    (Resubmit(9), osken.NXActionResubmitTable(0xFFF8, 9)),
    (Resubmit(9, 3), osken.NXActionResubmitTable(3, 9)),
    (OutputFrom(REG[4].bits(0, 16)), osken.NXActionOutputReg(REG4_LOW, "reg4", 0xFFFF)),
    (Conjunction(7, 1, 2), osken.NXActionConjunction(1, 2, 7)),
    (CtClear(), osken.NXActionCTClear()),
    (Note(b"abcdef"), osken.NXActionNote([*b"abcdef"])),
    (Ct(zone=5, commit=True), osken.NXActionCT(1, "", 5, 255, 0, [])),
    (Ct(zone=REG[4].bits(0, 16), table=9, alg=21), osken.NXActionCT(0, "reg4", REG4_LOW, 9, 21, [])),
    (Ct(commit=True, force=True, actions=(Nat(),)), osken.NXActionCT(3, "", 0, 255, 0, [osken.NXActionNAT(0)])),
    (
        # os-ken does not pad nat: so here are those that end at a multiple of eight
        Ct(actions=(Nat("src", 0x0A000001, port=80, last_port=90, random=True), SetField(CT_MARK, 1))),
        osken.NXActionCT(
            0,
            "",
            0,
            255,
            0,
            [
                osken.NXActionNAT(17, "10.0.0.1", range_proto_min=80, range_proto_max=90),
                osken.OFPActionSetField(ct_mark=1),
            ],
        ),
    ),
    (
        Nat("dst", 1, 2, ipv6=True, persistent=True, hash=True),
        osken.NXActionNAT(2 | 4 | 8, range_ipv6_min="::1", range_ipv6_max="::2"),
    ),
]


def serialized(action: Any) -> bytes:
    buffer = bytearray()
    action.serialize(buffer, 0)
    return bytes(buffer)


@pytest.mark.parametrize(("ours", "theirs"), AGAINST_OSKEN, ids=lambda x: type(x).__name__)
def test_actions_are_osken_s_bytes(ours: Action, theirs: Any) -> None:
    assert encode_actions([ours]) == serialized(theirs)
    assert decode_actions(serialized(theirs)) == (ours,)


def test_instructions_are_osken_s_bytes_in_the_order_of_open_vswitch() -> None:
    theirs = bytearray()
    for instruction in (
        osken.OFPInstructionMeter(3),
        osken.OFPInstructionActions(4, [osken.OFPActionOutput(5, 0), osken.OFPActionGroup(7)]),
        osken.OFPInstructionWriteMetadata(5, 0xFF),
        osken.OFPInstructionGotoTable(9),
    ):
        instruction.serialize(theirs, len(theirs))
    assert instructions((Goto(9), Output(5), Meter(3), WriteMetadata(5, 0xFF), Group(7))) == bytes(theirs)


def test_no_actions_are_no_bytes() -> None:
    assert instructions(()) == b""
    assert decode_instructions(b"") == ()


@pytest.mark.parametrize(
    "step",
    [
        Output(1 << 32),
        Group(-1),
        SetField(ETH_DST, 1 << 48),
        SetField(REG[1], 0x10, 0x0F),
        Load(REG[1].bits(0, 4), 16),
        Load(XXREG[1], 0),
        Load(FIELDS["tun_metadata0"], 1),
        SetField(FIELDS["tun_metadata0"], 1),
        Load(FIELDS["actset_output"], 1),
        Move(ETH_SRC, REG[1]),
        Note(b"ends in zero\0"),
        Ct(zone=1 << 16),
        Goto(256),
        Clone((Output(1),) * 5000),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_value_error(step: Step) -> None:
    with pytest.raises(ValueError, match=r"."):
        instructions((step,))


def test_an_instruction_comes_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        instructions((Goto(1), Goto(2)))


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("ffff0010000023200029000000000000"),  # a Nicira action that we do not declare
        bytes.fromhex("ffff0010000000010007000000000000"),  # an unknown vendor
        bytes.fromhex("0099000800000000"),  # an unknown standard action
        bytes.fromhex("0000001000000005000000000000000f"),  # output with something in its padding
        bytes.fromhex("ffff0018000023200007000f7fff04040000000000000005"),  # a load into an unknown field
        bytes.fromhex("ffff001000002320002400000003000000000000"[:32]),  # nat with both directions
        bytes.fromhex("001900108000060600000000000100ff"),  # set-field with something in its padding
    ],
)
def test_what_we_do_not_know_stays_as_it_is(data: bytes) -> None:
    assert decode_actions(data) == (Raw(data),)
    assert encode_actions((Raw(data),)) == data


def test_unknown_instructions_stay_as_they_are() -> None:
    clear = bytes.fromhex("0005000800000000")
    steps = (Output(1), RawInstruction(clear), Goto(2))
    assert decode_instructions(instructions(steps)) == steps


def test_actions_nested_too_deeply_are_raw() -> None:
    data = encode_actions((Output(1),))
    for _ in range(1000):
        data = encode_actions((Clone((Raw(data),)),))
    (decoded,) = decode_actions(data)
    assert encode_actions((decoded,)) == data
    for _ in range(4):
        assert isinstance(decoded, Clone)
        (decoded,) = decoded.actions
    assert isinstance(decoded, Raw)


numbers = {bits: st.integers(0, (1 << bits) - 1) for bits in (1, 4, 8, 16, 32, 48, 64, 128)}
targets = st.builds(BitField, st.sampled_from([*REG, *XREG, METADATA, TUN_ID]), st.integers(0, 15), st.integers(1, 16))
settable = st.sampled_from([f for f in FIELDS.values() if f.writable and not f.variable_length])
set_fields = settable.flatmap(lambda f: st.integers(0, f.full).map(lambda v: SetField(f, v)))
masked_set_fields = settable.flatmap(
    lambda f: st.tuples(st.integers(0, f.full), st.integers(0, f.full - 1)).map(
        lambda x: SetField(f, x[0] & x[1], x[1])
    )
)
loads = targets.flatmap(lambda t: st.integers(0, (1 << t.width) - 1).map(lambda v: Load(t, v)))
addresses = st.one_of(st.none(), numbers[32])
nats = st.one_of(
    st.builds(Nat, st.sampled_from([None, "src", "dst"])),
    st.builds(
        Nat,
        st.sampled_from(["src", "dst"]),
        numbers[32],
        addresses,
        numbers[16],
        numbers[16],
        st.just(False),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Nat, st.just("dst"), numbers[128], numbers[128], ipv6=st.just(True)),
)
flat: st.SearchStrategy[Action] = st.one_of(
    st.builds(Output, numbers[32], numbers[16]),
    st.builds(OutputFrom, targets, numbers[16]),
    st.builds(Group, numbers[32]),
    st.builds(SetQueue, numbers[32]),
    set_fields,
    masked_set_fields,
    loads,
    targets.flatmap(lambda t: st.just(Move(t, XXREG[0].bits(7, t.width)))),
    st.builds(Resubmit, st.one_of(st.none(), st.integers(0, 254)), numbers[16]),
    st.just(CtClear()),
    st.builds(PushVlan, numbers[16]),
    st.sampled_from([PopVlan(), DecTtl()]),
    st.builds(Note, st.binary(max_size=40).map(lambda b: b.rstrip(b"\0"))),
    st.builds(Conjunction, numbers[32], numbers[8], numbers[8]),
    st.builds(CheckPktLarger, numbers[16], st.integers(0, 31).map(lambda n: REG[5].bits(n, 1))),
)
nested: st.SearchStrategy[Action] = st.one_of(
    flat,
    st.builds(Clone, st.lists(flat, max_size=3).map(tuple)),
    st.builds(
        Ct,
        st.one_of(numbers[16], targets),
        st.booleans(),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 254)),
        numbers[16],
        st.lists(st.one_of(nats, flat), max_size=3).map(tuple),
    ),
)
steps = st.tuples(
    st.lists(st.builds(Meter, numbers[32]), max_size=1),
    st.lists(nested, max_size=6),
    st.lists(st.builds(WriteMetadata, numbers[64], numbers[64]), max_size=1),
    st.lists(st.builds(Goto, numbers[8]), max_size=1),
).map(lambda parts: tuple(step for part in parts for step in part))


@given(steps)
def test_what_is_encoded_is_decoded(steps: tuple[Step, ...]) -> None:
    data = instructions(steps)
    assert len(data) % 8 == 0
    assert decode_instructions(data) == steps


@given(steps, st.data())
def test_damaged_bytes_stay_themselves_or_are_a_value_error(steps: tuple[Step, ...], data: st.DataObject) -> None:
    damaged = bytearray(instructions(steps) + b"\0" * 4)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    for decode in (decode_actions, decode_instructions):
        try:
            decode(bytes(damaged[:-4]))
        except ValueError:
            continue


@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_error_at_most(data: bytes) -> None:
    for decode in (decode_actions, decode_instructions):
        try:
            decode(data)
        except ValueError:
            continue


@given(st.lists(st.integers(0, 255), min_size=4, max_size=60), st.integers(0, 55), st.booleans())
def test_any_one_action_decodes_to_the_same_bytes(payload: list[int], kind: int, nicira: bool) -> None:
    body = bytes(payload)[: len(payload) // 4 * 4]
    head = b"\xff\xff\0\0\0\0\x23\x20" + kind.to_bytes(2, "big") if nicira else kind.to_bytes(2, "big") + b"\0\0"
    data = bytearray(head + body + bytes(-(len(head) + len(body)) % 8))
    data[2:4] = len(data).to_bytes(2, "big")
    assert encode_actions(decode_actions(bytes(data))) == bytes(data)
