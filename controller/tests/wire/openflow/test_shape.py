"""Shapes: compiled code packs the bytes that the generic encoder packs."""

from struct import error as StructError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.wire.openflow.actions import (
    Clone,
    Conjunction,
    Ct,
    Goto,
    Group,
    Load,
    Meter,
    Move,
    Nat,
    Output,
    Resubmit,
    SetField,
    SetQueue,
    WriteMetadata,
    instructions,
)
from daybreak.wire.openflow.fields import (
    CT_LABEL,
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    IN_PORT,
    IP_PROTO,
    IPV4_DST,
    IPV4_SRC,
    IPV6_DST,
    METADATA,
    REG,
    TCP_DST,
    TUN_DST,
    TUN_ID,
    XREG,
)
from daybreak.wire.openflow.flow import Condition, flow_key, flow_mod
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.shape import Shape, compile_message, compile_shape

NETWORK, ZONE = REG[11].bits(0, 16, "network"), REG[11].bits(16, 16, "zone")
IP = Condition(ETH_TYPE, 0x0800)
IPV6 = Condition(ETH_TYPE, 0x86DD)
MAC = (0xFA163E000001).to_bytes(6, "big")

small, word = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@given(st.integers(1, 0xFFFF), small, st.binary(min_size=6, max_size=6), word, st.integers(0, (1 << 64) - 1))
def test_a_shape_packs_what_the_generic_encoder_packs(network: int, zone: int, mac: bytes, port: int, vni: int) -> None:
    def declared(network: Any, zone: Any, mac: Any, port: Any, vni: Any) -> tuple[Any, ...]:
        match = (
            Condition(ETH_DST, mac),
            Condition(IP_PROTO, 6),
            Condition(TCP_DST, zone),
            IP,
            Condition(NETWORK, network),
            Condition(ZONE, zone),
            Condition(CT_STATE, 0x21, 0x21),
            Condition(IN_PORT, port),
            Condition(METADATA, vni),
        )
        actions = (
            Meter(network),
            Load(REG[1].bits(3, 16), zone),
            SetField(ETH_SRC, mac),
            SetField(TUN_ID, vni),
            SetField(TUN_DST, port),
            Move(ETH_SRC, ETH_DST),
            Ct(
                zone=zone,
                commit=True,
                table=7,
                actions=(Nat("src", port, port=network), Load(CT_LABEL.bits(0, 32), port)),
            ),
            Clone((Output(port), SetQueue(port))),
            Group(port),
            Resubmit(9, zone),
            Conjunction(port, 0, 2),
            WriteMetadata(vni),
            Goto(40),
        )
        return match, actions

    names = ("network", "zone", "mac", "port", "vni")
    symbols = declared(*map(Var, names))
    number = int.from_bytes(mac, "big")
    values = declared(network, zone, number, port, vni)
    expected = flow_key(30, 100, values[0]), instructions(values[1])
    shape = Shape(names, 30, 100, *symbols)
    assert shape.encode(network, zone, mac, port, vni) == expected
    cookie = 0xDA00000000000009
    assert shape.message(cookie, network, zone, mac, port, vni) == flow_mod(
        expected[0], cookie.to_bytes(8, "big") + expected[1]
    )
    assert instructions(shape.fill(network, zone, mac, port, vni)) == expected[1]


@given(word, st.integers(0, 32))
def test_a_variable_mask_is_left_out_where_it_is_all_ones_or_none(address: int, length: int) -> None:
    mask = ((1 << length) - 1) << (32 - length)
    encode = compile_shape(("net", "mask"), 5, 9, (IP, Condition(IPV4_DST, Var("net"), Var("mask"))), ())
    assert encode(address, mask) == (flow_key(5, 9, (IP, Condition(IPV4_DST, address & mask, mask))), b"")


@given(st.integers(0, (1 << 128) - 1), st.integers(0, 128), st.integers(0, 64), small)
def test_variable_masks_of_addresses_and_registers(address: int, length: int, shift: int, tag: int) -> None:
    mask, tag_mask = ((1 << length) - 1) << (128 - length), (0xFFFFFFFF << shift) & 0xFFFFFFFF
    match = (IPV6, Condition(IPV6_DST, Var("net"), Var("mask")), Condition(REG[4], Var("tag"), Var("tag_mask")))
    encode = compile_message(("net", "mask", "tag", "tag_mask"), 5, 9, match, (Goto(6),))
    expected = (IPV6, Condition(IPV6_DST, address & mask, mask), Condition(REG[4], tag & tag_mask, tag_mask))
    assert encode(7, address.to_bytes(16, "big"), mask.to_bytes(16, "big"), tag, tag_mask) == flow_mod(
        flow_key(5, 9, expected), (7).to_bytes(8, "big") + instructions((Goto(6),))
    )


def test_an_address_under_a_constant_mask_keeps_the_bits_of_the_mask() -> None:
    encode = compile_shape(
        ("mac", "ip"), 1, 1, (Condition(ETH_DST, Var("mac"), 1 << 40), IP, Condition(IPV4_SRC, Var("ip"), 0xFF)), ()
    )
    assert encode(b"\x03\0\0\0\0\1", 0x0A000005)[0] == flow_key(
        1, 1, (Condition(ETH_DST, 1 << 40, 1 << 40), IP, Condition(IPV4_SRC, 5, 0xFF))
    )


def test_a_part_of_a_register_keeps_its_own_bits() -> None:
    encode = compile_shape(
        ("network", "zone"), 1, 1, (Condition(NETWORK, Var("network")), Condition(ZONE, Var("zone"))), ()
    )
    assert encode(0x12345, 7) == (flow_key(1, 1, (Condition(REG[11], 0x72345),)), b"")


def test_a_wide_register_is_matched_as_the_registers_behind_it() -> None:
    encode = compile_shape(
        ("a", "b"), 1, 1, (Condition(XREG[1], Var("a")), Condition(XREG[2].bits(24, 16), Var("b"))), ()
    )
    values = (Condition(XREG[1], 0x1122334455667788), Condition(XREG[2].bits(24, 16), 0xABCD))
    assert encode(0x1122334455667788, 0xABCD)[0] == flow_key(1, 1, values)


def test_a_priority_may_be_variable() -> None:
    encode = compile_shape(("priority",), 1, Var("priority"), (IP,), (Goto(2),))
    assert encode(77) == (flow_key(1, 77, (IP,)), instructions((Goto(2),)))


def test_a_shape_without_variables_is_a_constant() -> None:
    shape = Shape((), 1, 2, (IP,), (Goto(2),))
    assert shape.encode() == (flow_key(1, 2, (IP,)), instructions((Goto(2),)))
    assert "_pack" not in shape.source.split("def message")[0]


def test_a_variable_may_stand_for_actions() -> None:
    shape = Shape(
        ("network", "flood", "tail"),
        table=20,
        priority=1,
        match=(Condition(NETWORK, Var("network")),),
        actions=(
            Load(ZONE, Var("network")),
            Var("flood", kind="actions"),
            Clone((Var("tail", kind="actions"), Output(1))),
            Goto(30),
        ),
    )
    flood = tuple(step for port in range(50) for step in (SetField(TUN_DST, port), Output(port)))
    tail = (SetField(ETH_DST, 7),)
    expected = (
        flow_key(20, 1, (Condition(NETWORK, 5),)),
        instructions((Load(ZONE, 5), *flood, Clone((*tail, Output(1))), Goto(30))),
    )
    assert shape.generic
    assert shape.encode(5, flood, tail) == expected
    assert shape.message(9, 5, flood, tail) == flow_mod(expected[0], (9).to_bytes(8, "big") + expected[1])
    assert shape.encode(5, (), ())[1] == instructions((Load(ZONE, 5), Clone((Output(1),)), Goto(30)))


def test_a_shape_can_be_read() -> None:
    shape = Shape(("mac",), 1, 2, (Condition(ETH_DST, Var("mac")),), (Output(3),))
    assert shape.match == (Condition(ETH_DST, Var("mac")),)
    assert shape.actions == (Output(3),)
    assert shape.source.startswith("def encode(mac):")
    assert "Variable(name='mac'" in repr(shape)


@pytest.mark.parametrize(
    ("names", "match", "actions", "complaint"),
    [
        ((), (Condition(ETH_DST, Var("mac")),), (), "the variables are"),
        (("mac", "mac"), (Condition(ETH_DST, Var("mac")),), (), "the variables are"),
        (("mac", "other"), (Condition(ETH_DST, Var("mac")),), (), "the variables are"),
        (("class",), (Condition(ETH_DST, Var("class")),), (), "cannot be an argument"),
        (("_mac",), (Condition(ETH_DST, Var("_mac")),), (), "cannot be an argument"),
        (("a b",), (Condition(ETH_DST, Var("a b")),), (), "cannot be an argument"),
        (("cookie",), (Condition(ETH_DST, Var("cookie")),), (), "cannot be an argument"),
        (("ip",), (Condition(IPV4_DST, Var("ip")),), (), "needs one on eth_type"),
        (("ip",), (Condition(IPV4_DST, Var("ip")), IPV6), (), "needs one on eth_type"),
        (("port",), (IP, Condition(TCP_DST, Var("port"))), (), "needs one on ip_proto"),
        (("a", "m"), (Condition(NETWORK, Var("a"), Var("m")),), (), "whole field"),
        (("a", "m"), (Condition(XREG[0], Var("a"), Var("m")),), (), "registers"),
        (("a",), (Condition(ETH_DST, Var("a")), Condition(ETH_DST, 1)), (), "matched twice"),
    ],
)
def test_what_is_wrong_in_a_declaration_is_a_value_error(
    names: tuple[str, ...], match: tuple[Condition, ...], actions: tuple[Any, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Shape(names, 1, 1, match, actions)


@pytest.mark.parametrize(("table", "priority", "port"), [(256, 1, 1), (1, 65536, 1), (1, 1, 1 << 32)])
def test_a_constant_that_does_not_fit_is_a_value_error(table: int, priority: int, port: int) -> None:
    with pytest.raises(ValueError, match="format"):
        Shape(("mac",), table, priority, (Condition(ETH_DST, Var("mac")),), (Output(port),))


def test_an_argument_that_does_not_fit_is_not_sent() -> None:
    encode = compile_shape(("port",), 1, 1, (Condition(IN_PORT, Var("port")),), ())
    for wrong in (1 << 32, -1, None, b"1"):
        with pytest.raises(StructError):
            encode(wrong)


def test_one_variable_in_many_places() -> None:
    encode = compile_shape(
        ("mac", "x"),
        1,
        Var("x"),
        (Condition(ETH_DST, Var("mac")), Condition(ETH_SRC, Var("mac"))),
        (Output(Var("x")), Output(Var("x"))),
    )
    number = int.from_bytes(MAC, "big")
    assert encode(MAC, 3) == (
        flow_key(1, 3, (Condition(ETH_DST, number), Condition(ETH_SRC, number))),
        instructions((Output(3), Output(3))),
    )
