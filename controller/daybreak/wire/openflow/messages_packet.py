"""Data: packets and port and flow events: packet-in, packet-out, flow-removed, port-status.

Source: OpenFlow 1.3.5, sections 7.2.1, 7.3.7 and 7.4; the metadata fields of a packet-in are in ovs-fields(7).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, Self

from msgspec import Struct

from daybreak.wire.openflow.messages_connection import PacketInReason
from daybreak.wire.openflow.messages_header import HEADER, NO_BUFFER, Port, Type, frame, padding

MATCH_ALL: Final = struct.pack(">HHI", 1, 4, 0)
"""The padded match (OFPMT_OXM) without fields."""

_MATCH: Final = struct.Struct(">HH")
_OXM: Final = struct.Struct(">HBB")

_IN_PORT: Final = 0x8000 << 7 | 0
_IN_PORT_OXM: Final = _OXM.pack(0x8000, 0, 4)
_METADATA: Final = 0x8000 << 7 | 2
_TUNNEL_ID: Final = 0x8000 << 7 | 38
_REGISTER: Final = 0x0001 << 7  # NXM_NX_REG0; the field's number is the register's
_REGISTERS: Final = 16


def padded_match(fields: bytes) -> bytes:
    """Return the OXM fields as a match: with its header, filled up to a multiple of 8 bytes."""
    length = _MATCH.size + len(fields)
    return _MATCH.pack(1, length) + fields + bytes(padding(length))


def match_end(data: bytes, at: int) -> int:
    """Return where the padded match that begins at `at` ends; ValueError if it isn't OXM or doesn't fit."""
    kind, length = _MATCH.unpack_from(data, at)
    end: int = at + length + -length % 8
    if kind != 1 or length < _MATCH.size or end > len(data):
        raise ValueError(f"match of type {kind} and {length} bytes at {at} of {len(data)}")
    return end


def oxm_values(match: bytes) -> dict[int, bytes]:
    """Return the fields of a padded match: OXM class << 7 | field number, to the value's bytes (mask included)."""
    _, length = _MATCH.unpack_from(match)
    values: dict[int, bytes] = {}
    at, end = _MATCH.size, min(length, len(match))
    while at < end:
        oxm_class, field, size = _OXM.unpack_from(match, at)
        at += _OXM.size
        if at + size > end:
            raise ValueError(f"OXM field {oxm_class:#x}:{field >> 1} of {size} bytes does not fit its match")
        values[oxm_class << 7 | field >> 1] = match[at : at + size]
        at += size
    return values


class PacketIn(Struct, frozen=True):
    """OFPT_PACKET_IN: a packet that the switch hands to the controller.

    `match` is the padded match with the metadata, `cookie` is that of the flow, `total_length` the packet's length in
    bytes before it was cut to `data`. Fields that are zero are left out by Open vSwitch, and read as 0 here.
    """

    data: bytes
    match: bytes = MATCH_ALL
    cookie: int = 0
    table: int = 0
    reason: int = PacketInReason.ACTION
    total_length: int = 0
    buffer_id: int = NO_BUFFER

    @property
    def in_port(self) -> int:
        """The OpenFlow port that the packet came in at; 0 if the switch didn't say."""
        match = self.match
        if match[4:8] == _IN_PORT_OXM:  # where Open vSwitch has it
            return int.from_bytes(match[8:12])
        return int.from_bytes(oxm_values(match).get(_IN_PORT, b""))

    @property
    def metadata(self) -> int:
        """The 64-bit metadata field."""
        return int.from_bytes(oxm_values(self.match).get(_METADATA, b""))

    @property
    def tunnel_id(self) -> int:
        """The tunnel key (VNI)."""
        return int.from_bytes(oxm_values(self.match).get(_TUNNEL_ID, b""))

    @property
    def registers(self) -> dict[int, int]:
        """The 32-bit registers that aren't zero, by number."""
        values = oxm_values(self.match)
        return {n: int.from_bytes(values[_REGISTER + n]) for n in range(_REGISTERS) if _REGISTER + n in values}

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        head = _PACKET_IN.pack(self.buffer_id, self.total_length, self.reason, self.table, self.cookie)
        return frame(Type.PACKET_IN, head + self.match + b"\0\0" + self.data, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        buffer_id, total_length, reason, table, cookie = _PACKET_IN.unpack_from(message, HEADER.size)
        start = HEADER.size + _PACKET_IN.size
        end = match_end(message, start)
        return cls(message[end + 2 :], message[start:end], cookie, table, reason, total_length, buffer_id)


_PACKET_IN: Final = struct.Struct(">IHBBQ")


class PacketOut(Struct, frozen=True):
    """OFPT_PACKET_OUT: `actions` (encoded) on the packet `data`, as if it had come in at `in_port`."""

    data: bytes
    actions: bytes
    in_port: int = Port.CONTROLLER
    buffer_id: int = NO_BUFFER

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        head = _PACKET_OUT.pack(self.buffer_id, self.in_port, len(self.actions))
        return frame(Type.PACKET_OUT, head + self.actions + self.data, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        buffer_id, in_port, length = _PACKET_OUT.unpack_from(message, HEADER.size)
        start = HEADER.size + _PACKET_OUT.size
        if start + length > len(message):
            raise ValueError(f"packet-out with {length} bytes of actions is too short")
        return cls(message[start + length :], message[start : start + length], in_port, buffer_id)


_PACKET_OUT: Final = struct.Struct(">IIH6x")


class RemovedReason(IntEnum):
    """OFPRR_*: why a flow went."""

    IDLE_TIMEOUT = 0
    HARD_TIMEOUT = 1
    DELETE = 2
    GROUP_DELETE = 3
    METER_DELETE = 4


class FlowRemoved(Struct, frozen=True):
    """OFPT_FLOW_REMOVED. Times in seconds (`duration_ns`: the rest in nanoseconds); `match` is padded."""

    cookie: int
    priority: int
    reason: int
    table: int
    duration: int
    duration_ns: int
    idle_timeout: int
    hard_timeout: int
    packet_count: int
    byte_count: int
    match: bytes = MATCH_ALL

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        head = _FLOW_REMOVED.pack(
            self.cookie,
            self.priority,
            self.reason,
            self.table,
            self.duration,
            self.duration_ns,
            self.idle_timeout,
            self.hard_timeout,
            self.packet_count,
            self.byte_count,
        )
        return frame(Type.FLOW_REMOVED, head + self.match, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        start = HEADER.size + _FLOW_REMOVED.size
        match = message[start : match_end(message, start)]
        return cls(*[*_FLOW_REMOVED.unpack_from(message, HEADER.size), match])


_FLOW_REMOVED: Final = struct.Struct(">QHBBIIHHQQ")


class PortConfig(IntEnum):
    """OFPPC_* bits: what was configured."""

    DOWN = 1 << 0
    NO_RECEIVE = 1 << 2
    NO_FORWARD = 1 << 5
    NO_PACKET_IN = 1 << 6


class PortState(IntEnum):
    """OFPPS_* bits: what the link is like."""

    LINK_DOWN = 1 << 0
    BLOCKED = 1 << 1
    LIVE = 1 << 2


class PortDescription(Struct, frozen=True):
    """One port of a switch (ofp_port). Speeds in kbit/s; `config` and `state` are PortConfig and PortState bits."""

    number: int
    mac: bytes
    name: str
    config: int = 0
    state: int = 0
    current: int = 0
    advertised: int = 0
    supported: int = 0
    peer: int = 0
    speed: int = 0
    maximum_speed: int = 0

    def encode(self) -> bytes:
        """Return the 64 bytes; a name that is too long is cut at 15 bytes."""
        numbers = (self.config, self.state, self.current, self.advertised, self.supported, self.peer)
        name = self.name.encode()[:15]
        return PORT.pack(self.number, self.mac, name, *numbers, self.speed, self.maximum_speed)

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> Self:
        """Read the 64 bytes that begin at `at`."""
        number, mac, name, *numbers = PORT.unpack_from(data, at)
        return cls(number, mac, name.partition(b"\0")[0].decode(errors="replace"), *numbers)


PORT: Final = struct.Struct(">I4x6s2x16s8I")


class PortReason(IntEnum):
    """OFPPR_*: what happened to a port."""

    ADD = 0
    DELETE = 1
    MODIFY = 2


class PortStatus(Struct, frozen=True):
    """OFPT_PORT_STATUS."""

    reason: int
    port: PortDescription

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return frame(Type.PORT_STATUS, struct.pack(">B7x", self.reason) + self.port.encode(), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        return cls(message[HEADER.size], PortDescription.decode(message, HEADER.size + 8))
