"""Data: multipart requests and replies: what a switch is, and what it holds.

A reply comes in parts; `Multipart.more` tells that another follows, and the parts' bodies joined are the whole (each
entry is within one part). Source: OpenFlow 1.3.5, section 7.3.5.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, Self

from msgspec import Struct

from daybreak.wire.openflow.messages_header import HEADER, Group, Port, Table, Type, frame, reader, xid_of
from daybreak.wire.openflow.messages_packet import MATCH_ALL, PORT, PortDescription, match_end

EXPERIMENTER_KIND: Final = 0xFFFF


class Kind(IntEnum):
    """OFPMP_*."""

    DESCRIPTION = 0
    FLOW = 1
    AGGREGATE = 2
    TABLE = 3
    GROUP_DESCRIPTION = 7
    METER = 9
    METER_CONFIG = 10
    PORT_DESCRIPTION = 13
    EXPERIMENTER = EXPERIMENTER_KIND


PART: Final = struct.Struct(">HH4x")
"""kind, flags (1: more follows)."""


class MultipartRequest(Struct, frozen=True):
    """OFPT_MULTIPART_REQUEST of any kind; `body` as that kind asks."""

    kind: int
    body: bytes = b""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return frame(Type.MULTIPART_REQUEST, PART.pack(self.kind, 0) + self.body, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        kind, _ = PART.unpack_from(message, HEADER.size)
        return cls(kind, message[HEADER.size + PART.size :])


class Multipart(Struct, frozen=True):
    """One part of an OFPT_MULTIPART_REPLY; the rest follows in another message with the same xid if `more`."""

    kind: int
    body: bytes
    more: bool = False
    xid: int = 0

    def encode(self) -> bytes:
        """Return the whole message."""
        return frame(Type.MULTIPART_REPLY, PART.pack(self.kind, self.more) + self.body, self.xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        kind, flags = PART.unpack_from(message, HEADER.size)
        return cls(kind, message[HEADER.size + PART.size :], bool(flags & 1), xid_of(message))


DESCRIPTION_REQUEST: Final = MultipartRequest(Kind.DESCRIPTION)
TABLE_REQUEST: Final = MultipartRequest(Kind.TABLE)
PORTS_REQUEST: Final = MultipartRequest(Kind.PORT_DESCRIPTION)
GROUPS_REQUEST: Final = MultipartRequest(Kind.GROUP_DESCRIPTION)


def meter_config_request(meter_id: int = 0xFFFFFFFF) -> MultipartRequest:
    """Ask for one meter's configuration, or for all."""
    return MultipartRequest(Kind.METER_CONFIG, struct.pack(">I4x", meter_id))


def meter_stats_request(meter_id: int = 0xFFFFFFFF) -> MultipartRequest:
    """Ask for one meter's counters, or for all."""
    return MultipartRequest(Kind.METER, struct.pack(">I4x", meter_id))


class FlowQuery(Struct, frozen=True):
    """Which flows an OFPMP_FLOW or OFPMP_AGGREGATE request is about; by default all.

    `match` is padded; a flow is meant when it is at least as specific, and `cookie` and `cookie_mask` fit.
    """

    table: int = Table.ALL
    out_port: int = Port.ANY
    out_group: int = Group.ANY
    cookie: int = 0
    cookie_mask: int = 0
    match: bytes = MATCH_ALL

    def flows(self) -> MultipartRequest:
        """The request for the flows themselves."""
        return MultipartRequest(Kind.FLOW, self._body())

    def aggregate(self) -> MultipartRequest:
        """The request for their sums."""
        return MultipartRequest(Kind.AGGREGATE, self._body())

    def _body(self) -> bytes:
        head = _QUERY.pack(self.table, self.out_port, self.out_group, self.cookie, self.cookie_mask)
        return head + self.match

    @classmethod
    @reader
    def decode(cls, body: bytes) -> Self:
        """Read the body of either request."""
        end = match_end(body, _QUERY.size)
        return cls(*[*_QUERY.unpack_from(body), body[_QUERY.size : end]])


_QUERY: Final = struct.Struct(">B3xII4xQQ")


class Description(Struct, frozen=True):
    """Who made the switch (OFPMP_DESC)."""

    manufacturer: str
    hardware: str
    software: str
    serial: str
    datapath: str

    def encode(self) -> bytes:
        """Return the multipart body."""
        texts = (self.manufacturer, self.hardware, self.software, self.serial, self.datapath)
        return _DESCRIPTION.pack(*(text.encode() for text in texts))

    @classmethod
    @reader
    def decode(cls, body: bytes) -> Self:
        """Read the multipart body."""
        return cls(*(text.partition(b"\0")[0].decode(errors="replace") for text in _DESCRIPTION.unpack(body)))


_DESCRIPTION: Final = struct.Struct(">256s256s256s32s256s")


class Aggregate(Struct, frozen=True):
    """Sums over flows (OFPMP_AGGREGATE)."""

    packet_count: int
    byte_count: int
    flow_count: int

    def encode(self) -> bytes:
        """Return the multipart body."""
        return _AGGREGATE.pack(self.packet_count, self.byte_count, self.flow_count)

    @classmethod
    @reader
    def decode(cls, body: bytes) -> Self:
        """Read the multipart body."""
        return cls(*_AGGREGATE.unpack(body))


_AGGREGATE: Final = struct.Struct(">QQI4x")


class TableStats(Struct, frozen=True):
    """One table's counters (OFPMP_TABLE): flows in it, packets looked up, packets that matched."""

    table: int
    active: int
    lookups: int
    matched: int

    def encode(self) -> bytes:
        """Return this table's bytes in the multipart body."""
        return _TABLE.pack(self.table, self.active, self.lookups, self.matched)


_TABLE: Final = struct.Struct(">B3xIQQ")


@reader
def decode_tables(body: bytes) -> tuple[TableStats, ...]:
    """Read the body of an OFPMP_TABLE reply; ProtocolError unless it is a whole number of entries."""
    return tuple(TableStats(*entry) for entry in _TABLE.iter_unpack(body))


@reader
def decode_ports(body: bytes) -> tuple[PortDescription, ...]:
    """Read the body of an OFPMP_PORT_DESC reply."""
    if len(body) % PORT.size:
        raise ValueError(f"port descriptions of {len(body)} bytes, not a multiple of {PORT.size}")
    return tuple(PortDescription.decode(body, at) for at in range(0, len(body), PORT.size))
