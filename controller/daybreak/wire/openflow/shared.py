"""Rules (pure): meters and groups, which flows share, as the same two pieces of bytes as flows: key and body.

    key  = ff, what it is (1 a meter, 2 a group) and its number (4 bytes); no flow's key begins so, for there is no
           table 255
    body = cookie (8 bytes) and what the switch says of it: flags and bands, or type and buckets

A switch keeps no cookie for them: what is compared with a dump is given that of whoever wants it (`claimed`).

Sources: OpenFlow 1.3.5, sections 7.3.4.2 and 7.3.4.4; measured on Open vSwitch 3.1: within a bundle a group may stand
before the flows that use it, meters are not taken at all; ADD_OR_MOD of groups (ovs-ofctl(8), add_or_mod) needs no
knowledge of what is there, a meter must be either added or modified.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from daybreak.wire.openflow.messages_group import (
    Band,
    Bucket,
    Command,
    GroupDescription,
    GroupMod,
    MeterConfig,
    MeterFlags,
    MeterMod,
    decode_groups,
    decode_meters,
)
from daybreak.wire.openflow.messages_header import Type, frame

NO_TABLE: Final = 0xFF
METER, GROUP = 1, 2
ADD_OR_MODIFY: Final = 0x8000
"""OFPGC_ADD_OR_MOD, an extension of Open vSwitch."""

NOBODY: Final = bytes(8)
"""The cookie of what nobody wants."""

_KEY: Final = struct.Struct(">BBI")
_METER_MOD: Final = struct.Struct(">HHI")
_GROUP_MOD: Final = struct.Struct(">HBxI")
_FLAGS: Final = struct.Struct(">H")


def is_shared(key: bytes) -> bool:
    """Whether this is the key of a meter or a group, and not that of a flow."""
    return key[0] == NO_TABLE


def is_meter(key: bytes) -> bool:
    """Whether this is the key of a meter."""
    return key[0] == NO_TABLE and key[1] == METER


def number(key: bytes) -> int:
    """The number of a meter or a group."""
    return int.from_bytes(key[2:], "big")


def meter_entry(meter_id: int, flags: int, bands: Iterable[Band]) -> tuple[bytes, bytes]:
    """Key and configuration of a meter."""
    return _KEY.pack(NO_TABLE, METER, meter_id), _FLAGS.pack(flags) + b"".join(band.encode() for band in bands)


def group_entry(group_id: int, kind: int, buckets: Iterable[Bucket]) -> tuple[bytes, bytes]:
    """Key and configuration of a group; `kind` is a GroupType."""
    return _KEY.pack(NO_TABLE, GROUP, group_id), bytes((kind,)) + b"".join(bucket.encode() for bucket in buckets)


def rate_limit(meter_id: int, rate: int, burst: int, unit: MeterFlags) -> tuple[bytes, bytes]:
    """A meter that drops what exceeds `rate` (packets/s or kbit/s, as `unit` says) after a `burst`.

    A burst of 0 is one second's worth, which Open vSwitch makes of it itself: said here, it is seen in a dump as well.
    """
    return meter_entry(meter_id, unit | MeterFlags.STATS | MeterFlags.BURST, (Band(rate, burst or rate),))


def claimed(part: Mapping[bytes, bytes], desired: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """What a switch says of its meters and groups, as bodies: with the cookies of those who want them."""
    return {key: desired.get(key, NOBODY)[:8] + config for key, config in part.items()}


def meters(dump: Iterable[MeterConfig]) -> dict[bytes, bytes]:
    """Key to configuration of all meters."""
    return dict(meter_entry(*each) for each in ((one.meter_id, one.flags, one.bands) for one in dump))


def groups(dump: Iterable[GroupDescription]) -> dict[bytes, bytes]:
    """Key to configuration of all groups."""
    return dict(group_entry(*each) for each in ((one.group_id, one.type, one.buckets) for one in dump))


def shared_add(key: bytes, body: bytes) -> bytes:
    """The message that makes a meter or a group as it should be. A meter that is there must be modified instead."""
    if is_meter(key):
        return _meter_mod(Command.ADD, key, body)
    head = _GROUP_MOD.pack(ADD_OR_MODIFY, body[8], number(key))
    return frame(Type.GROUP_MOD, head + body[9:])


def meter_modify(key: bytes, body: bytes) -> bytes:
    """The message that changes a meter that is there."""
    return _meter_mod(Command.MODIFY, key, body)


def shared_delete(key: bytes) -> bytes:
    """The message that deletes a meter or a group, and with it, without a word, all flows that use it."""
    if is_meter(key):
        return MeterMod(Command.DELETE, number(key), 0).encode()
    return GroupMod(Command.DELETE, number(key)).encode()


def decode_meter(key: bytes, body: bytes) -> MeterConfig:
    """A meter's key and body as a value. ValueError where they are malformed."""
    flags, bands = _FLAGS.unpack_from(body, 8)[0], body[10:]
    (found,) = decode_meters(_METER_MOD.pack(_METER_MOD.size + len(bands), flags, number(key)) + bands)
    return found


def decode_group(key: bytes, body: bytes) -> GroupDescription:
    """A group's key and body as a value. ValueError where they are malformed."""
    kind, buckets = body[8], body[9:]
    (found,) = decode_groups(_GROUP_MOD.pack(_GROUP_MOD.size + len(buckets), kind, number(key)) + buckets)
    return found


def _meter_mod(command: int, key: bytes, body: bytes) -> bytes:
    (flags,) = _FLAGS.unpack_from(body, 8)
    return frame(Type.METER_MOD, _METER_MOD.pack(command, flags, number(key)) + body[10:])
