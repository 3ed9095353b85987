"""Data: the messages that set up and keep a connection: hello, echo, features, configuration, barrier, role, async.

Source: OpenFlow 1.3.5, sections 7.1 to 7.3 and 7.5. Every message has `encode(xid) -> bytes`, and `messages.decode`
reads all of them.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import astuple

from daybreak.wire.openflow.messages_header import HEADER, VERSION, Type, frame


class Fixed(Struct, frozen=True):
    """A message whose body is one fixed structure: its fields in the order of the wire."""

    TYPE: ClassVar[Type]
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("")

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return frame(self.TYPE, self.LAYOUT.pack(*astuple(self)), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message (inside `messages.decode`); struct.error unless the body has just the right length."""
        return cls(*cls.LAYOUT.unpack(message[HEADER.size :]))


class Hello(Struct, frozen=True):
    """OFPT_HELLO. `versions` are wire versions (4 is OpenFlow 1.3); () where the peer sent no version bitmap.

    `highest` is the version in the header: the highest that the sender speaks.
    """

    versions: tuple[int, ...] = (VERSION,)
    highest: int = VERSION

    def speaks(self, version: int) -> bool:
        """Tell whether a peer that said this hello can talk `version` (section 6.3.1)."""
        return version in self.versions if self.versions else version <= self.highest

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message, with a bitmap element if `versions` isn't empty (all below 32)."""
        body = b""
        if self.versions:
            body = struct.pack(">HHI", 1, 8, sum(1 << version for version in self.versions))
        return HEADER.pack(self.highest, Type.HELLO, HEADER.size + len(body), xid) + body

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message, passing over elements other than the bitmap."""
        versions: list[int] = []
        at = HEADER.size
        while at + 4 <= len(message):
            kind, length = struct.unpack_from(">HH", message, at)
            if length < 4:
                raise ValueError(f"hello element of {length} bytes")
            if kind == 1:
                words = struct.unpack_from(f">{(length - 4) // 4}I", message, at + 4)
                versions += [32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1]
            at += length + -length % 8
        return cls(tuple(versions), message[0])


class EchoRequest(Struct, frozen=True):
    """OFPT_ECHO_REQUEST: to be answered with the same data."""

    data: bytes = b""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return frame(Type.ECHO_REQUEST, self.data, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        return cls(message[HEADER.size :])


class EchoReply(Struct, frozen=True):
    """OFPT_ECHO_REPLY."""

    data: bytes = b""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return frame(Type.ECHO_REPLY, self.data, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        return cls(message[HEADER.size :])


class FeaturesRequest(Fixed, frozen=True):
    """OFPT_FEATURES_REQUEST."""

    TYPE = Type.FEATURES_REQUEST


class FeaturesReply(Fixed, frozen=True):
    """OFPT_FEATURES_REPLY. `datapath_id` is 64 bits; `capabilities` are OFPC_* flags."""

    TYPE = Type.FEATURES_REPLY
    LAYOUT = struct.Struct(">QIBB2xI4x")

    datapath_id: int
    buffers: int = 0
    tables: int = 254
    auxiliary_id: int = 0
    capabilities: int = 0


class Fragments(IntEnum):
    """OFPC_FRAG_*: what the switch does with IP fragments; NX_MATCH is Open vSwitch's own (ip_frag can be matched)."""

    NORMAL = 0
    DROP = 1
    REASSEMBLE = 2
    NX_MATCH = 3


class GetConfigRequest(Fixed, frozen=True):
    """OFPT_GET_CONFIG_REQUEST."""

    TYPE = Type.GET_CONFIG_REQUEST


class GetConfigReply(Fixed, frozen=True):
    """OFPT_GET_CONFIG_REPLY; see SetConfig."""

    TYPE = Type.GET_CONFIG_REPLY
    LAYOUT = struct.Struct(">HH")

    fragments: int
    miss_send_length: int


class SetConfig(Fixed, frozen=True):
    """OFPT_SET_CONFIG. `miss_send_length` in bytes; 0xffff is the whole packet."""

    TYPE = Type.SET_CONFIG
    LAYOUT = struct.Struct(">HH")

    fragments: int = Fragments.NX_MATCH
    miss_send_length: int = 0xFFFF


class BarrierRequest(Fixed, frozen=True):
    """OFPT_BARRIER_REQUEST: answered when all before it is done."""

    TYPE = Type.BARRIER_REQUEST


class BarrierReply(Fixed, frozen=True):
    """OFPT_BARRIER_REPLY."""

    TYPE = Type.BARRIER_REPLY


class Role(IntEnum):
    """OFPCR_ROLE_*."""

    NOCHANGE = 0
    EQUAL = 1
    MASTER = 2
    SLAVE = 3


class RoleRequest(Fixed, frozen=True):
    """OFPT_ROLE_REQUEST. A `generation` (64 bits) older than the switch has seen is refused: OFPRRFC_STALE."""

    TYPE = Type.ROLE_REQUEST
    LAYOUT = struct.Struct(">I4xQ")

    role: int
    generation: int = 0


class RoleReply(Fixed, frozen=True):
    """OFPT_ROLE_REPLY. Without any generation given yet, Open vSwitch says 2**64 - 1."""

    TYPE = Type.ROLE_REPLY
    LAYOUT = struct.Struct(">I4xQ")

    role: int
    generation: int


class PacketInReason(IntEnum):
    """OFPR_*."""

    NO_MATCH = 0
    ACTION = 1
    INVALID_TTL = 2


class PacketInMask(IntFlag):
    """Bits of an asynchronous configuration for packet-in: one for each reason."""

    NO_MATCH = 1
    ACTION = 2
    INVALID_TTL = 4


class _Async(Fixed, frozen=True):
    """Which reasons are reported: a bit for each reason, first as master or equal, then as slave."""

    LAYOUT = struct.Struct(">6I")

    packet_in: int = PacketInMask.NO_MATCH | PacketInMask.ACTION
    packet_in_slave: int = 0
    port_status: int = 0b111
    port_status_slave: int = 0b111
    flow_removed: int = 0b1111
    flow_removed_slave: int = 0


class GetAsyncRequest(Fixed, frozen=True):
    """OFPT_GET_ASYNC_REQUEST."""

    TYPE = Type.GET_ASYNC_REQUEST


class GetAsyncReply(_Async, frozen=True):
    """OFPT_GET_ASYNC_REPLY."""

    TYPE = Type.GET_ASYNC_REPLY


class SetAsync(_Async, frozen=True):
    """OFPT_SET_ASYNC."""

    TYPE = Type.SET_ASYNC
