"""Data: the flow monitor, by which a switch reports every change of its flow tables.

With OpenFlow 1.3, Open vSwitch 3.1 speaks ONF's experimenter form of it (multipart type 1870); Nicira's own form,
NXST_FLOW_MONITOR, is for OpenFlow 1.0 to 1.2 only, and refused with OFPBRC_BAD_SUBTYPE.

What comes, as measured on Open vSwitch 3.1 with the flags ADD, DELETE and MODIFY:

- The request is answered with an empty reply that bears its xid (with INITIAL: with all flows). Later
  reports bear xid 0.
- A change by anybody else, by expiry included, comes in full: match, priority, cookie, timeouts; instructions only
  with the flag INSTRUCTIONS.
- A change by the connection's own flow-mod comes as `Abbreviated(xid of the flow-mod)`: one for each flow-mod, and only
  one for a whole bundle. It precedes the barrier's reply. With the flag OWN it comes in full instead.
- A flow that goes with its group is reported in full, with reason GROUP_DELETE, whoever deleted the group.
- Replacing a flow by an ADD is reported as ADDED, even where nothing changes; a MODIFY as MODIFIED.
- When the connection is too slow, Paused comes; what is added then is left out and comes later, before Resumed.

Source: OpenFlow extensions for 1.3.x (EXT-187); ovs-ofctl(8), "monitor".
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Final, Self

from msgspec import Struct

from daybreak.wire.openflow.messages_experimenter import BODY, EXPERIMENTER, experimenter
from daybreak.wire.openflow.messages_header import HEADER, NO_BUFFER, ONF, Group, Port, Table, Type, frame, xid_of
from daybreak.wire.openflow.messages_multipart import EXPERIMENTER_KIND, PART
from daybreak.wire.openflow.messages_packet import MATCH_ALL, match_end

MONITOR: Final = 1870
"""The multipart type of requests and reports, and the message type of a cancellation."""
PAUSED: Final = 1871
RESUMED: Final = 1872


class MonitorFlags(IntFlag):
    """ONFFMF_*: what to report, and how fully."""

    INITIAL = 1
    ADD = 2
    DELETE = 4
    MODIFY = 8
    INSTRUCTIONS = 16
    OWN = 32


CHANGES: Final = MonitorFlags.ADD | MonitorFlags.DELETE | MonitorFlags.MODIFY


class MonitorRequest(Struct, frozen=True):
    """Asks for reports about the flows that fit; `monitor_id` is the caller's choice and unique on the connection."""

    monitor_id: int
    flags: int = CHANGES
    table: int = Table.ALL
    out_port: int = Port.ANY
    match: bytes = MATCH_ALL

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        length = int.from_bytes(self.match[2:4])
        body = _REQUEST.pack(self.monitor_id, self.flags, length, self.out_port, self.table) + self.match
        return frame(Type.MULTIPART_REQUEST, _PREFIX + body, xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        monitor_id, flags, _, out_port, table = _REQUEST.unpack_from(message, _START)
        start = _START + _REQUEST.size
        return cls(monitor_id, flags, table, out_port, message[start : match_end(message, start)])


_REQUEST: Final = struct.Struct(">IHHIB3x")
_PREFIX: Final = PART.pack(EXPERIMENTER_KIND, 0) + EXPERIMENTER.pack(ONF, MONITOR)
_START: Final = HEADER.size + PART.size + EXPERIMENTER.size


class MonitorCancel(Struct, frozen=True):
    """Ends a monitor; there is no answer."""

    monitor_id: int

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(ONF, MONITOR, struct.pack(">I", self.monitor_id), xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        return cls(*struct.unpack_from(">I", message, BODY))


class Paused(Struct, frozen=True):
    """Reports of changes are left out from here on."""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(ONF, PAUSED, b"", xid)


class Resumed(Struct, frozen=True):
    """What was left out since Paused has been reported by now."""

    def encode(self, xid: int = 0) -> bytes:
        """Return the whole message."""
        return experimenter(ONF, RESUMED, b"", xid)


class Event(IntEnum):
    """ONFFME_*: what happened."""

    ADDED = 0
    DELETED = 1
    MODIFIED = 2
    ABBREVIATED = 3


class FlowUpdate(Struct, frozen=True):
    """A flow was added, deleted or changed. `reason` is a RemovedReason where it was deleted; `match` is padded."""

    event: int
    table: int
    priority: int
    cookie: int
    match: bytes
    instructions: bytes = b""
    reason: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0

    @property
    def key(self) -> bytes:
        """Table, timeouts, priority and match as they stand in the OFPT_FLOW_MOD that adds this flow without flags.

        That is its bytes 24 to the end of the padded match.
        """
        timeouts = (self.idle_timeout, self.hard_timeout)
        return _KEY.pack(self.table, 0, *timeouts, self.priority, NO_BUFFER, Port.ANY, Group.ANY, 0) + self.match

    def encode(self) -> bytes:
        """Return this entry's bytes in a report."""
        length = _FULL.size + len(self.match) + len(self.instructions)
        head = (length, self.event, self.reason, self.priority, self.idle_timeout, self.hard_timeout)
        match_length = int.from_bytes(self.match[2:4])
        return _FULL.pack(*head, match_length, self.table, self.cookie) + self.match + self.instructions


_KEY: Final = struct.Struct(">BBHHHIIIH2x")
_FULL: Final = struct.Struct(">HHHHHHHBxQ")


class Abbreviated(Struct, frozen=True):
    """A change that this connection made itself, by the message with this xid."""

    xid: int

    def encode(self) -> bytes:
        """Return this entry's bytes in a report."""
        return _ABBREVIATED.pack(_ABBREVIATED.size, Event.ABBREVIATED, self.xid)


_ABBREVIATED: Final = struct.Struct(">HHI")


class FlowUpdates(Struct, frozen=True):
    """One report of the flow monitor. With xid 0: of changes; else it answers the request with that xid."""

    updates: tuple[FlowUpdate | Abbreviated, ...]
    more: bool = False
    xid: int = 0

    def encode(self) -> bytes:
        """Return the whole message."""
        head = PART.pack(EXPERIMENTER_KIND, self.more) + EXPERIMENTER.pack(ONF, MONITOR)
        return frame(Type.MULTIPART_REPLY, head + b"".join(update.encode() for update in self.updates), self.xid)

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read the whole message."""
        _, flags = PART.unpack_from(message, HEADER.size)
        updates: list[FlowUpdate | Abbreviated] = []
        at = _START
        while at < len(message):
            length, event = struct.unpack_from(">HH", message, at)
            if length < _ABBREVIATED.size or at + length > len(message):
                raise ValueError(f"flow update of {length} bytes at {at} of {len(message)}")
            updates.append(_update(message[at : at + length], event))
            at += length
        return cls(tuple(updates), bool(flags & 1), xid_of(message))


def _update(entry: bytes, event: int) -> FlowUpdate | Abbreviated:
    if event == Event.ABBREVIATED:
        return Abbreviated(_ABBREVIATED.unpack(entry)[2])
    _, _, reason, priority, idle, hard, _, table, cookie = _FULL.unpack_from(entry)
    end = match_end(entry, _FULL.size)
    return FlowUpdate(event, table, priority, cookie, entry[_FULL.size : end], entry[end:], reason, idle, hard)
