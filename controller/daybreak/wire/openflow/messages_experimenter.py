"""Data: experimenter messages: ONF bundles for OpenFlow 1.3, Open vSwitch's conntrack flush and tunnel TLV table.

Source: OpenFlow extensions for 1.3.x (EXT-230, bundles), ovs-ofctl(8), ovs-actions(7), ovs-fields(7) on tun_metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Final, Self

from msgspec import Struct

from daybreak.wire.openflow.messages_header import (
    HEADER,
    MAX_LENGTH,
    NICIRA,
    ONF,
    VERSION,
    Type,
    frame,
    padding,
)

EXPERIMENTER: Final = struct.Struct(">II")
"""experimenter id, the experimenter's own message type."""
BODY: Final = HEADER.size + EXPERIMENTER.size

BUNDLE_CONTROL: Final = 2300
BUNDLE_ADD: Final = 2301
TLV_TABLE_MOD: Final = 24
TLV_TABLE_REQUEST: Final = 25
TLV_TABLE_REPLY: Final = 26
CT_FLUSH_ZONE: Final = 29
CT_FLUSH: Final = 32


def experimenter(owner: int, kind: int, body: bytes = b"", xid: int = 0) -> bytes:
    """Return a whole OFPT_EXPERIMENTER message."""
    return frame(Type.EXPERIMENTER, EXPERIMENTER.pack(owner, kind) + body, xid)


class BundleStep(IntEnum):
    """OFPBCT_*: what a bundle control message does."""

    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


class BundleFlags(IntFlag):
    """OFPBF_*. All of a bundle's messages must carry the flags that it was opened with."""

    ATOMIC = 1
    ORDERED = 2


class BundleControl(Struct, frozen=True):
    """Opens, closes, commits or discards a bundle, or says that this was done."""

    bundle_id: int
    step: int
    flags: int = BundleFlags.ATOMIC

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(ONF, BUNDLE_CONTROL, _CONTROL.pack(self.bundle_id, self.step, self.flags), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message, passing over properties."""
        return cls(*_CONTROL.unpack_from(message, BODY))


_CONTROL: Final = struct.Struct(">IHH")


class BundleAdd(Struct, frozen=True):
    """Adds one message to an open bundle. Open vSwitch wants the same xid outside and inside (else BAD_XID)."""

    bundle_id: int
    message: bytes
    flags: int = BundleFlags.ATOMIC

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        bundle_id, flags = _ADD.unpack_from(message, BODY)
        return cls(bundle_id, message[BODY + _ADD.size :], flags)


_ADD: Final = struct.Struct(">I2xH")
_ADD_HEADER: Final = struct.Struct(">BBHIIII2xH")
_XID: Final = struct.Struct(">I")


def bundle_adds(bundle_id: int, flags: int, messages: Sequence[bytes], first_xid: int) -> bytearray:
    """Return the bytes that add `messages` to a bundle; message i gets the transaction id `first_xid` + i.

    So an error of the switch names the message by its xid. ValueError if one is too long to be wrapped.
    """
    heads: dict[int, bytes] = {}
    pieces: list[bytes] = []
    for message in messages:
        length = len(message)
        head = heads.get(length)
        if head is None:
            head = heads[length] = _add_header(length, bundle_id, flags)
        pieces += (head, message)
    joined = bytearray().join(pieces)
    pack_into, at, inner = _XID.pack_into, 4, _ADD_HEADER.size
    for xid, message in enumerate(messages, first_xid):
        pack_into(joined, at, xid)
        pack_into(joined, at + inner, xid)
        at += inner + len(message)
    return joined


def _add_header(length: int, bundle_id: int, flags: int) -> bytes:
    """What stands before a message of `length` bytes in a bundle, without xid."""
    total = _ADD_HEADER.size + length
    if total > MAX_LENGTH:
        raise ValueError(f"a message of {length} bytes does not fit into a bundle")
    return _ADD_HEADER.pack(VERSION, Type.EXPERIMENTER, total, 0, ONF, BUNDLE_ADD, bundle_id, flags)


class TlvCommand(IntEnum):
    """NXTTMC_*."""

    ADD = 0
    DELETE = 1
    CLEAR = 2


class TlvMap(Struct, frozen=True):
    """One Geneve option (class, type, length in bytes, a multiple of 4) as the field tun_metadata<index>."""

    option_class: int
    option_type: int
    length: int
    index: int

    def encode(self) -> bytes:
        """Return the 8 bytes."""
        return _TLV.pack(self.option_class, self.option_type, self.length, self.index)


_TLV: Final = struct.Struct(">HBBH2x")


class TlvTableMod(Struct, frozen=True):
    """NXT_TLV_TABLE_MOD; the table is lost when the switch restarts."""

    command: int
    maps: tuple[TlvMap, ...] = ()

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        body = struct.pack(">H6x", self.command) + b"".join(entry.encode() for entry in self.maps)
        return experimenter(NICIRA, TLV_TABLE_MOD, body, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        (command,) = struct.unpack_from(">H6x", message, BODY)
        return cls(command, tuple(TlvMap(*entry) for entry in _TLV.iter_unpack(message[BODY + 8 :])))


class TlvTableRequest(Struct, frozen=True):
    """NXT_TLV_TABLE_REQUEST."""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(NICIRA, TLV_TABLE_REQUEST, b"", xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        if len(message) != BODY:
            raise ValueError(f"TLV table request of {len(message)} bytes")
        return cls()


class TlvTableReply(Struct, frozen=True):
    """NXT_TLV_TABLE_REPLY. `space` in bytes and `fields` are what the switch has room for in all."""

    space: int
    fields: int
    maps: tuple[TlvMap, ...] = ()

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        body = _TLV_REPLY.pack(self.space, self.fields) + b"".join(entry.encode() for entry in self.maps)
        return experimenter(NICIRA, TLV_TABLE_REPLY, body, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        space, fields = _TLV_REPLY.unpack_from(message, BODY)
        entries = _TLV.iter_unpack(message[BODY + _TLV_REPLY.size :])
        return cls(space, fields, tuple(TlvMap(*entry) for entry in entries))


_TLV_REPLY: Final = struct.Struct(">IH10x")


class CtFlushZone(Struct, frozen=True):
    """NXT_CT_FLUSH_ZONE: forget every connection of a conntrack zone."""

    zone: int

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(NICIRA, CT_FLUSH_ZONE, struct.pack(">6xH", self.zone), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        return cls(*struct.unpack_from(">6xH", message, BODY))


class Icmp(Struct, frozen=True):
    """What conntrack has for ICMP and ICMPv6 in place of ports."""

    id: int
    type: int
    code: int


class CtTuple(Struct, frozen=True):
    """One direction of connections. Addresses are 4 or 16 bytes, b"" for any; port 0 is any."""

    source: bytes = b""
    destination: bytes = b""
    source_port: int = 0
    destination_port: int = 0
    icmp: Icmp | None = None

    def encode(self) -> bytes:
        """Return the properties of this direction."""
        properties = [_address(0, self.source), _address(1, self.destination)]
        if self.icmp:
            properties.append(_short(4, self.icmp.id) + _byte(5, self.icmp.type) + _byte(6, self.icmp.code))
        else:
            properties += [_short(2, self.source_port), _short(3, self.destination_port)]
        return b"".join(properties)


class CtFlush(Struct, frozen=True):
    """NXT_CT_FLUSH (Open vSwitch 3.1 on): forget the connections that fit.

    Measured on Open vSwitch 3.1: ICMP needs addresses and all of id, type and code, or nothing fits.
    """

    protocol: int = 0
    original: CtTuple = CtTuple()
    reply: CtTuple = CtTuple()
    zone: int | None = None

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        body = struct.pack(">B7x", self.protocol) + _nested(0, self.original.encode()) + _nested(1, self.reply.encode())
        if self.zone is not None:
            body += struct.pack(">HHH2x", 2, 8, self.zone)
        return experimenter(NICIRA, CT_FLUSH, body, xid)


def _address(kind: int, address: bytes) -> bytes:
    if not address:
        return b""
    mapped = bytes(10) + b"\xff\xff" + address if len(address) == 4 else address  # RFC 4291, 2.5.5.2
    return struct.pack(">HH16s4x", kind, 20, mapped)


def _short(kind: int, value: int) -> bytes:
    return struct.pack(">HHH2x", kind, 8, value) if value else b""


def _byte(kind: int, value: int) -> bytes:
    return struct.pack(">HHB3x", kind, 5, value)


def _nested(kind: int, properties: bytes) -> bytes:
    length = 8 + len(properties)
    return struct.pack(">HH4x", kind, length) + properties + bytes(padding(length)) if properties else b""
