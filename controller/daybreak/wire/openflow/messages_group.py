"""Data: groups and meters: their modification, and what a switch says that it has.

Source: OpenFlow 1.3.5, sections 7.3.4.2, 7.3.4.4, 7.3.5.9 and 7.3.5.12. Actions in buckets are opaque bytes here.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Final, Self

from msgspec import Struct

from daybreak.wire.openflow.messages_header import HEADER, Group, Port, Type, frame, reader


class Command(IntEnum):
    """OFPGC_* and OFPMC_*: the same three for groups and for meters."""

    ADD = 0
    MODIFY = 1
    DELETE = 2


class GroupType(IntEnum):
    """OFPGT_*."""

    ALL = 0
    SELECT = 1
    INDIRECT = 2
    FAST_FAILOVER = 3


class Bucket(Struct, frozen=True):
    """One bucket of a group. `weight` counts in SELECT groups only, the watched port or group in FAST_FAILOVER."""

    actions: bytes
    weight: int = 0
    watch_port: int = Port.ANY
    watch_group: int = Group.ANY

    def encode(self) -> bytes:
        """Return the bucket's bytes."""
        length = _BUCKET.size + len(self.actions)
        return _BUCKET.pack(length, self.weight, self.watch_port, self.watch_group) + self.actions


_BUCKET: Final = struct.Struct(">HHII4x")


def _buckets(data: bytes, at: int, end: int) -> tuple[Bucket, ...]:
    buckets: list[Bucket] = []
    while at < end:
        length, weight, port, group = _BUCKET.unpack_from(data, at)
        if length < _BUCKET.size or at + length > end:
            raise ValueError(f"bucket of {length} bytes at {at} of {end}")
        buckets.append(Bucket(data[at + _BUCKET.size : at + length], weight, port, group))
        at += length
    return tuple(buckets)


class GroupMod(Struct, frozen=True):
    """OFPT_GROUP_MOD. Deleting a group deletes, without a word, every flow that uses it."""

    command: int
    group_id: int
    type: int = GroupType.ALL
    buckets: tuple[Bucket, ...] = ()

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        head = _GROUP_MOD.pack(self.command, self.type, self.group_id)
        return frame(Type.GROUP_MOD, head + b"".join(bucket.encode() for bucket in self.buckets), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        command, kind, group_id = _GROUP_MOD.unpack_from(message, HEADER.size)
        return cls(command, group_id, kind, _buckets(message, HEADER.size + _GROUP_MOD.size, len(message)))


_GROUP_MOD: Final = struct.Struct(">HBxI")


class GroupDescription(Struct, frozen=True):
    """What a switch says of one group (OFPMP_GROUP_DESC)."""

    group_id: int
    type: int
    buckets: tuple[Bucket, ...]

    def encode(self) -> bytes:
        """Return this group's bytes in the multipart body."""
        buckets = b"".join(bucket.encode() for bucket in self.buckets)
        return _GROUP_DESC.pack(_GROUP_DESC.size + len(buckets), self.type, self.group_id) + buckets


_GROUP_DESC: Final = struct.Struct(">HBxI")


@reader
def decode_groups(body: bytes) -> tuple[GroupDescription, ...]:
    """Read the body of an OFPMP_GROUP_DESC reply."""
    groups: list[GroupDescription] = []
    at = 0
    while at < len(body):
        length, kind, group_id = _GROUP_DESC.unpack_from(body, at)
        if length < _GROUP_DESC.size or at + length > len(body):
            raise ValueError(f"group description of {length} bytes at {at} of {len(body)}")
        groups.append(GroupDescription(group_id, kind, _buckets(body, at + _GROUP_DESC.size, at + length)))
        at += length
    return tuple(groups)


class Meter(IntEnum):
    """OFPM_*: the reserved meter numbers. CONTROLLER limits everything that is sent to the controller."""

    MAX = 0xFFFF0000
    CONTROLLER = 0xFFFFFFFD
    ALL = 0xFFFFFFFF


class MeterFlags(IntFlag):
    """OFPMF_*: the unit of rate and burst, and whether there is a burst, and counters."""

    KBPS = 1
    PKTPS = 2
    BURST = 4
    STATS = 8


class Band(Struct, frozen=True):
    """One band of a meter; it drops what exceeds it. `rate` in kbit/s or packets/s, `burst` in kbit or packets.

    `type` is 1 for a drop band (the only kind that Open vSwitch's userspace datapath has); `rest` is the type's own.
    """

    rate: int
    burst: int = 0
    type: int = 1
    rest: bytes = bytes(4)

    def encode(self) -> bytes:
        """Return the band's bytes."""
        return _BAND.pack(self.type, _BAND.size + len(self.rest), self.rate, self.burst) + self.rest


_BAND: Final = struct.Struct(">HHII")


def _bands(data: bytes, at: int, end: int) -> tuple[Band, ...]:
    bands: list[Band] = []
    while at < end:
        kind, length, rate, burst = _BAND.unpack_from(data, at)
        if length < _BAND.size or at + length > end:
            raise ValueError(f"meter band of {length} bytes at {at} of {end}")
        bands.append(Band(rate, burst, kind, data[at + _BAND.size : at + length]))
        at += length
    return tuple(bands)


class MeterMod(Struct, frozen=True):
    """OFPT_METER_MOD."""

    command: int
    meter_id: int
    flags: int = MeterFlags.KBPS
    bands: tuple[Band, ...] = ()

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        head = _METER_MOD.pack(self.command, self.flags, self.meter_id)
        return frame(Type.METER_MOD, head + b"".join(band.encode() for band in self.bands), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        command, flags, meter_id = _METER_MOD.unpack_from(message, HEADER.size)
        return cls(command, meter_id, flags, _bands(message, HEADER.size + _METER_MOD.size, len(message)))


_METER_MOD: Final = struct.Struct(">HHI")


class MeterConfig(Struct, frozen=True):
    """What a switch says of one meter's configuration (OFPMP_METER_CONFIG)."""

    meter_id: int
    flags: int
    bands: tuple[Band, ...]

    def encode(self) -> bytes:
        """Return this meter's bytes in the multipart body."""
        bands = b"".join(band.encode() for band in self.bands)
        return _METER_CONFIG.pack(_METER_CONFIG.size + len(bands), self.flags, self.meter_id) + bands


_METER_CONFIG: Final = struct.Struct(">HHI")


@reader
def decode_meters(body: bytes) -> tuple[MeterConfig, ...]:
    """Read the body of an OFPMP_METER_CONFIG reply."""
    meters: list[MeterConfig] = []
    at = 0
    while at < len(body):
        length, flags, meter_id = _METER_CONFIG.unpack_from(body, at)
        if length < _METER_CONFIG.size or at + length > len(body):
            raise ValueError(f"meter configuration of {length} bytes at {at} of {len(body)}")
        meters.append(MeterConfig(meter_id, flags, _bands(body, at + _METER_CONFIG.size, at + length)))
        at += length
    return tuple(meters)


class MeterStats(Struct, frozen=True):
    """A meter's counters (OFPMP_METER). `bands` are (packets, bytes) that each band caught."""

    meter_id: int
    flows: int
    packet_count: int
    byte_count: int
    duration: int
    duration_ns: int
    bands: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        """Return this meter's bytes in the multipart body."""
        length = _METER_STATS.size + _BAND_STATS.size * len(self.bands)
        counters = (self.flows, self.packet_count, self.byte_count, self.duration, self.duration_ns)
        return _METER_STATS.pack(self.meter_id, length, *counters) + b"".join(_BAND_STATS.pack(*b) for b in self.bands)


_METER_STATS: Final = struct.Struct(">IH6xIQQII")
_BAND_STATS: Final = struct.Struct(">QQ")


@reader
def decode_meter_stats(body: bytes) -> tuple[MeterStats, ...]:
    """Read the body of an OFPMP_METER reply."""
    meters: list[MeterStats] = []
    at = 0
    while at < len(body):
        meter_id, length, *counters = _METER_STATS.unpack_from(body, at)
        if length < _METER_STATS.size or at + length > len(body):
            raise ValueError(f"meter counters of {length} bytes at {at} of {len(body)}")
        bands = tuple(_BAND_STATS.iter_unpack(body[at + _METER_STATS.size : at + length]))
        meters.append(MeterStats(*[meter_id, *counters, bands]))
        at += length
    return tuple(meters)
