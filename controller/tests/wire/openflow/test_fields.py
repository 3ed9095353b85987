"""The table of fields: encodings against os-ken's, and what may be said of a field."""

import copy
import pickle
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from os_ken.ofproto import ofproto_v1_3_parser as osken  # type: ignore[import-untyped]

from daybreak.wire.openflow.fields import FIELDS, PREREQUISITES, REG, TUN_ID, BitField, Field, by_header, by_nxm_header
from daybreak.wire.openflow.flow import Condition, encode_match

OSKEN_NAMES = {
    "tun_id": "tunnel_id",
    "tun_src": "tun_ipv4_src",
    "tun_dst": "tun_ipv4_dst",
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
}
UNKNOWN_TO_OSKEN = {"nd_reserved", "nd_options_type", "ct_nw_src", "ct_nw_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst"}
UNKNOWN_TO_OSKEN |= {"ct_ipv6_src", "ct_ipv6_dst"} | {f"tun_metadata{n}" for n in range(8)}
REGISTER_VIEWS = {name for name in FIELDS if name.startswith(("xreg", "xxreg"))}
ALWAYS_MASKED = {"ct_state", "tun_flags"}
COMPARED = sorted(set(FIELDS) - UNKNOWN_TO_OSKEN - REGISTER_VIEWS - ALWAYS_MASKED)


def theirs(field: Field, value: int) -> Any:
    """A value in os-ken's notation."""
    if field.form == "mac":
        return value.to_bytes(6, "big").hex(":")
    if field.form == "ipv4":
        return str(IPv4Address(value))
    return str(IPv6Address(value)) if field.form == "ipv6" else value


def osken_match(**conditions: Any) -> bytes:
    buffer = bytearray()
    osken.OFPMatch(**conditions).serialize(buffer, 0)
    return bytes(buffer)


@pytest.mark.parametrize("name", COMPARED)
def test_exact_matches_are_osken_s_bytes(name: str) -> None:
    field = FIELDS[name]
    for value in (0, 1, 0x5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A & field.full, field.full):
        expected = osken_match(**{OSKEN_NAMES.get(name, name): theirs(field, value)})
        assert encode_match([Condition(field, value)]) == expected


@pytest.mark.parametrize("name", [name for name in sorted({*COMPARED, *ALWAYS_MASKED}) if FIELDS[name].maskable])
def test_masked_matches_are_osken_s_bytes(name: str) -> None:
    field = FIELDS[name]
    mask = 0xA5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5 & field.full
    value = mask & mask >> 2
    expected = osken_match(**{OSKEN_NAMES.get(name, name): (theirs(field, value), theirs(field, mask))})
    assert encode_match([Condition(field, value, mask)]) == expected


def test_names_and_encodings_are_unique_and_in_order() -> None:
    assert [field.name for field in FIELDS.values()] == list(FIELDS)
    assert [field.order for field in FIELDS.values()] == list(range(len(FIELDS)))
    assert len({field.header for field in FIELDS.values()}) == len(FIELDS)
    assert len({field.nxm_header for field in FIELDS.values()}) == len(FIELDS)


def test_fields_are_found_by_their_headers() -> None:
    for field in FIELDS.values():
        assert by_header(field.header) is field
        assert by_nxm_header(field.nxm_header) is field


def test_a_field_is_one_object_even_when_copied_or_pickled() -> None:
    for field in FIELDS.values():
        assert copy.deepcopy(field) is field
        assert pickle.loads(pickle.dumps(field)) is field


def test_a_field_that_is_not_declared_keeps_its_number() -> None:
    label = by_header(bytes.fromhex("80004404"))  # mpls_label
    assert (label.name, label.nbytes, label.header.hex()) == ("oxm_8000_34", 4, "80004404")
    assert label.order > max(field.order for field in FIELDS.values())


def test_every_prerequisite_is_itself_declared() -> None:
    assert {field.needs for field in FIELDS.values()} <= set(PREREQUISITES)
    assert {need.field for needs in PREREQUISITES.values() for need in needs} <= set(FIELDS)


def test_parts_of_a_field() -> None:
    part = REG[11].bits(16, 8, "zone")
    assert part.mask == 0x00FF0000
    assert part == BitField(REG[11], 16, 8)  # the name is for people
    for offset, width in ((-1, 4), (0, 0), (25, 8), (0, 33)):
        with pytest.raises(ValueError, match="has no bits"):
            REG[11].bits(offset, width)
    assert TUN_ID.bits(0, 64).mask == TUN_ID.full
