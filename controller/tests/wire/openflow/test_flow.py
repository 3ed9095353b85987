"""Flows as key and body: against os-ken's flow-mods, and what a dump of them becomes."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_protocol  # type: ignore[import-untyped]
from os_ken.ofproto import ofproto_v1_3_parser as osken

from daybreak.wire.openflow.actions import Goto, Load, Output, instructions
from daybreak.wire.openflow.fields import (
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    FIELDS,
    IN_PORT,
    IPV4_DST,
    IPV6_DST,
    METADATA,
    REG,
    VLAN_VID,
    XREG,
    XXREG,
    BitField,
)
from daybreak.wire.openflow.flow import (
    Condition,
    Hit,
    decode_key,
    decode_match,
    encode_match,
    flow_delete,
    flow_key,
    flow_mod,
    from_stats_entry,
    hits,
    stats_counters,
    stats_entries,
)

MATCH = (  # os-ken sorts by number, Open vSwitch does not: here they agree
    Condition(IN_PORT, 5),
    Condition(ETH_DST, 0xFA163E000001),
    Condition(ETH_TYPE, 0x0800),
    Condition(IPV4_DST, 0x0A000000, 0xFFFFFF00),
)
STEPS = (Load(REG[2].bits(0, 16), 7), Output(9), Goto(10))
COOKIE = 0xDA00000000000007
BODY = COOKIE.to_bytes(8, "big") + instructions(STEPS)
DATAPATH = ofproto_protocol.ProtocolDesc(version=4)


def osken_flow_mod(command: int, cookie: int, *instructions: Any) -> bytes:
    network = ("10.0.0.0", "255.255.255.0")
    match = osken.OFPMatch(in_port=5, eth_dst="fa:16:3e:00:00:01", eth_type=0x0800, ipv4_dst=network)
    anything = 0xFFFFFFFF
    message = osken.OFPFlowMod(
        DATAPATH, cookie, 0, 30, command, 0, 0, 100, anything, anything, anything, 0, match, instructions
    )
    message.set_xid(0x01020304)
    message.serialize()
    return bytes(message.buf)


def test_a_flow_is_added_with_osken_s_bytes() -> None:
    actions = [osken.NXActionRegLoad(15, "reg2", 7), osken.OFPActionOutput(9, 0)]
    theirs = osken_flow_mod(0, COOKIE, osken.OFPInstructionActions(4, actions), osken.OFPInstructionGotoTable(10))
    assert flow_mod(flow_key(30, 100, MATCH), BODY, 0x01020304) == theirs


def test_a_flow_is_deleted_with_osken_s_bytes() -> None:
    assert flow_delete(flow_key(30, 100, MATCH), 0x01020304) == osken_flow_mod(4, 0)


def test_the_pieces_are_where_they_are_said_to_be() -> None:
    key = flow_key(30, 100, MATCH)
    message = flow_mod(key, BODY)
    assert message == message[:8] + BODY[:8] + bytes(8) + key + BODY[8:]
    assert message[24 : 24 + len(key)] == key


def test_a_message_that_is_too_long_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no flow-mod of"):
        flow_mod(flow_key(0, 0, ()), bytes(65536))


def entry(
    key: bytes, body: bytes, *, timeouts: tuple[int, int] = (0, 0), flags: int = 0, counters: bytes = b""
) -> bytes:
    """A flow as an OFPMP_FLOW reply lists it (OpenFlow 1.3.5, section 7.3.5.2)."""
    table, priority, _ = decode_key(key)
    length = 48 + len(key) - 24 + len(body) - 8
    head = struct.pack("!HBxIIHHHH4x", length, table, 11, 12, priority, *timeouts, flags)
    return head + body[:8] + (counters or bytes(16)) + key[24:] + body[8:]


def test_a_dump_becomes_the_keys_and_bodies_that_were_sent() -> None:
    flows = {flow_key(n % 200, n, MATCH[: n % 5]): n.to_bytes(8, "big") + BODY[8:] for n in range(300)}
    dump = b"".join(entry(key, body) for key, body in flows.items())
    assert stats_entries(dump) == flows
    assert stats_entries(memoryview(dump)) == flows


def test_counters_of_a_dump() -> None:
    key = flow_key(30, 100, MATCH)
    dump = entry(key, BODY, counters=struct.pack("!QQ", 3, 180))
    assert stats_counters(dump) == {key: (BODY, 3, 180)}
    idle = entry(flow_key(30, 101, MATCH), BODY)
    drop = entry(flow_key(31, 0, ()), BODY[:8], counters=struct.pack("!QQ", 1, 60))
    cookie = int.from_bytes(BODY[:8])
    assert hits(dump + idle + drop) == [Hit(key, cookie, 3, 180, False), Hit(flow_key(31, 0, ()), cookie, 1, 60, True)]
    assert from_stats_entry(dump) == (key, BODY)


@pytest.mark.parametrize(("timeouts", "flags"), [((1, 0), 0), ((0, 1), 0), ((0, 0), 1), ((0, 0), 8)])
def test_timeouts_and_flags_make_a_flow_foreign(timeouts: tuple[int, int], flags: int) -> None:
    key = flow_key(30, 100, MATCH)
    foreign, body = from_stats_entry(entry(key, BODY, timeouts=timeouts, flags=flags))
    assert foreign != key
    assert (decode_key(foreign), body) == (decode_key(key), BODY)


def test_two_entries_are_not_one() -> None:
    one = entry(flow_key(30, 100, MATCH), BODY)
    for wrong in (b"", one + entry(flow_key(30, 101, MATCH), BODY)):
        with pytest.raises(ValueError, match="where one was expected"):
            from_stats_entry(wrong)


def test_conditions_are_put_into_the_order_of_the_switch() -> None:
    shuffled = (Condition(METADATA, 1), Condition(ETH_TYPE, 0x0800), Condition(ETH_DST, 2), Condition(ETH_SRC, 3))
    _, _, match = decode_key(flow_key(0, 0, shuffled))
    assert [condition.field for condition in match] == [ETH_SRC, ETH_DST, ETH_TYPE, METADATA]


def test_a_mask_of_all_bits_is_none_and_one_of_no_bits_is_no_condition() -> None:
    assert encode_match([Condition(IPV4_DST, 5, 0xFFFFFFFF)]) == encode_match([Condition(IPV4_DST, 5)])
    assert encode_match([Condition(IPV4_DST, 0, 0)]) == encode_match([])


def test_parts_of_one_register_are_joined() -> None:
    low, high = REG[3].bits(0, 16), REG[3].bits(16, 16)
    assert encode_match([Condition(high, 1), Condition(low, 2)]) == encode_match([Condition(REG[3], 0x10002)])
    assert encode_match([Condition(low, 2, 0xF)]) == encode_match([Condition(REG[3], 2, 0xF)])


def test_wide_registers_are_the_registers_that_they_cover() -> None:
    assert encode_match([Condition(XREG[1], 1 << 32 | 2)]) == encode_match([Condition(REG[2], 1), Condition(REG[3], 2)])
    assert encode_match([Condition(XXREG[3], 7, 0xFF)]) == encode_match([Condition(REG[15], 7, 0xFF)])
    assert encode_match([Condition(XREG[0].bits(32, 8), 7)]) == encode_match([Condition(REG[0], 7, 0xFF)])


@pytest.mark.parametrize(
    ("match", "complaint"),
    [
        ([Condition(ETH_DST, 1 << 48)], "does not fit"),
        ([Condition(ETH_DST, -1)], "does not fit"),
        ([Condition(IPV4_DST, 0xFF, 0xF0)], "does not fit"),
        ([Condition(IPV4_DST, 0, 1 << 32)], "too wide"),
        ([Condition(ETH_TYPE, 0x0800, 0xFF00)], "cannot be matched under a mask"),
        ([Condition(REG[1].bits(0, 4), 16)], "too wide"),
        ([Condition(REG[1].bits(0, 4), 1, 0x1F)], "too wide"),
        ([Condition(XREG[1], 1 << 64)], "too wide"),
        ([Condition(ETH_DST, 1), Condition(ETH_DST, 2)], "matched twice"),
        ([Condition(REG[1].bits(0, 4), 1), Condition(REG[1].bits(3, 4), 1)], "matched twice"),
        ([Condition(REG[2], 1), Condition(XREG[1], 1)], "matched twice"),
        ([Condition(CT_STATE, 0x100)], "does not fit"),
    ],
)
def test_what_cannot_be_matched_is_a_value_error(match: Sequence[Condition], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        encode_match(match)


@pytest.mark.parametrize(("table", "priority"), [(256, 0), (-1, 0), (0, 65536), (0, -1)])
def test_a_table_or_priority_that_does_not_fit_is_a_value_error(table: int, priority: int) -> None:
    with pytest.raises(ValueError, match="format"):
        flow_key(table, priority, ())


matched = st.sampled_from([field for field in FIELDS.values() if not field.name.startswith(("xreg", "xxreg"))])


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = draw(matched)
    mask = draw(st.one_of(st.none(), st.integers(1, field.full - 1))) if field.maskable and field.full > 1 else None
    value = draw(st.integers(0, field.full))
    return Condition(field, value if mask is None else value & mask, mask)


matches = st.lists(conditions(), max_size=12, unique_by=lambda condition: condition.field).map(tuple)


@given(st.integers(0, 255), st.integers(0, 65535), matches)
def test_what_is_encoded_is_decoded(table: int, priority: int, match: tuple[Condition, ...]) -> None:
    key = flow_key(table, priority, match)
    in_order = tuple(
        sorted(match, key=lambda c: c.field.field.order if isinstance(c.field, BitField) else c.field.order)
    )
    assert decode_key(key) == (table, priority, in_order)
    assert flow_key(*decode_key(key)) == key
    assert from_stats_entry(entry(key, BODY)) == (key, BODY)


@given(matches, st.data())
def test_damaged_bytes_are_a_value_error_at_most(match: tuple[Condition, ...], data: st.DataObject) -> None:
    key = bytearray(flow_key(0, 0, match))
    for _ in range(data.draw(st.integers(1, 3))):
        key[data.draw(st.integers(24, len(key) - 1))] ^= data.draw(st.integers(1, 255))
    whole = bytearray(entry(flow_key(0, 0, match), BODY))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    for decode, damaged in ((decode_key, key), (stats_entries, whole), (stats_counters, whole), (hits, whole)):
        try:
            decode(bytes(damaged))
        except ValueError:
            continue


@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_error_at_most(data: bytes) -> None:
    for decode in (decode_key, decode_match, stats_entries, stats_counters, from_stats_entry, hits):
        try:
            decode(data)
        except ValueError:
            continue


@given(st.binary(max_size=60))
def test_any_well_formed_match_is_read(oxms: bytes) -> None:
    """A match of an unknown field is read as well, under the number that it has."""
    unknown = bytes.fromhex("7fff02") + len(oxms).to_bytes(1, "big") + oxms
    padded = struct.pack("!HH", 1, 4 + len(unknown)) + unknown
    padded += bytes(-len(padded) % 8)
    if oxms:
        (condition,) = decode_match(padded)
        assert (condition.field.name, condition.value) == ("oxm_7fff_1", int.from_bytes(oxms, "big"))
        assert encode_match([condition]) == padded
    else:
        with pytest.raises(ValueError, match="without a value"):
            decode_match(padded)


def test_an_ipv6_address_is_an_int() -> None:
    (condition,) = decode_match(encode_match([Condition(IPV6_DST, 0xFD00 << 112, 0xFFFF << 112)]))
    assert condition == Condition(IPV6_DST, 0xFD00 << 112, 0xFFFF << 112)


def test_tagged_and_untagged() -> None:
    assert decode_match(encode_match([Condition(VLAN_VID, 0x1000, 0x1000)])) == (Condition(VLAN_VID, 0x1000, 0x1000),)
    assert decode_match(encode_match([Condition(VLAN_VID, 0)])) == (Condition(VLAN_VID, 0),)
