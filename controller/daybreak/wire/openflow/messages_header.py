"""Data: the header that every OpenFlow 1.3 message begins with, and the numbers that several kinds of message use.

Source: OpenFlow Switch Specification 1.3.5, section 7.1 and appendix A. All integers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import wraps
from typing import Final, ParamSpec, TypeVar

VERSION: Final = 0x04
"""The wire version of OpenFlow 1.3."""

MAX_LENGTH: Final = 0xFFFF
"""The longest message, in bytes: its length is a 16-bit number."""

ONF: Final = 0x4F4E4600
"""Experimenter id of the Open Networking Foundation (bundles and flow monitors in OpenFlow 1.3)."""
NICIRA: Final = 0x00002320
"""Experimenter id of Nicira, now Open vSwitch."""

NO_BUFFER: Final = 0xFFFFFFFF

HEADER: Final = struct.Struct(">BBHI")
"""version, type, length, xid."""

P = ParamSpec("P")
T = TypeVar("T")

_XID: Final = struct.Struct(">I")


class ProtocolError(ValueError):
    """The peer's bytes are not OpenFlow 1.3 as we understand it."""


class Type(IntEnum):
    """OFPT_*: the second byte of every message."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    EXPERIMENTER = 4
    FEATURES_REQUEST = 5
    FEATURES_REPLY = 6
    GET_CONFIG_REQUEST = 7
    GET_CONFIG_REPLY = 8
    SET_CONFIG = 9
    PACKET_IN = 10
    FLOW_REMOVED = 11
    PORT_STATUS = 12
    PACKET_OUT = 13
    FLOW_MOD = 14
    GROUP_MOD = 15
    MULTIPART_REQUEST = 18
    MULTIPART_REPLY = 19
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    ROLE_REQUEST = 24
    ROLE_REPLY = 25
    GET_ASYNC_REQUEST = 26
    GET_ASYNC_REPLY = 27
    SET_ASYNC = 28
    METER_MOD = 29


class Port(IntEnum):
    """OFPP_*: the reserved port numbers."""

    MAX = 0xFFFFFF00
    IN_PORT = 0xFFFFFFF8
    TABLE = 0xFFFFFFF9
    NORMAL = 0xFFFFFFFA
    FLOOD = 0xFFFFFFFB
    ALL = 0xFFFFFFFC
    CONTROLLER = 0xFFFFFFFD
    LOCAL = 0xFFFFFFFE
    ANY = 0xFFFFFFFF


class Group(IntEnum):
    """OFPG_*: the reserved group numbers."""

    MAX = 0xFFFFFF00
    ALL = 0xFFFFFFFC
    ANY = 0xFFFFFFFF


class Table(IntEnum):
    """OFPTT_*: the reserved table numbers."""

    ALL = 0xFF


def reader(read: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that reads bytes: what is too short or too long for its layout is a ProtocolError."""

    @wraps(read)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except struct.error as reason:
            raise ProtocolError(f"{read.__qualname__}: {reason}") from reason

    return checked


def frame(kind: int, body: bytes = b"", xid: int = 0) -> bytes:
    """Return the message of type `kind` around `body`; ValueError if it would be longer than 65,535 bytes."""
    length = HEADER.size + len(body)
    if length > MAX_LENGTH:
        raise ValueError(f"a message of {length} bytes is longer than OpenFlow allows")
    return HEADER.pack(VERSION, kind, length, xid) + body


def xid_of(message: bytes) -> int:
    """Return the transaction id of a complete message."""
    xid: int = _XID.unpack_from(message, 4)[0]
    return xid


def with_xid(message: bytes, xid: int) -> bytes:
    """Return a copy of `message` with another transaction id."""
    return message[:4] + _XID.pack(xid) + message[8:]


def numbered(messages: Sequence[bytes], first_xid: int) -> bytearray:
    """Return all messages joined, message i with the transaction id `first_xid` + i."""
    joined = bytearray().join(messages)
    pack_into, at = _XID.pack_into, 4
    for xid, message in enumerate(messages, first_xid):
        pack_into(joined, at, xid)
        at += len(message)
    return joined


def padding(length: int) -> int:
    """Return how many zero bytes follow `length` bytes so that the next structure starts at a multiple of 8."""
    return -length % 8
