"""Data: every OpenFlow 1.3 message that a controller reads, from bytes to values.

The values are in the modules messages_*: connection, error, packet, group, multipart, experimenter, monitor. Each
encodes itself; `decode` reads any. Flow-mods are built by the modules for flows, and are bytes here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from daybreak.wire.openflow.messages_connection import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    RoleReply,
    RoleRequest,
    SetAsync,
    SetConfig,
)
from daybreak.wire.openflow.messages_error import Error, decode_error
from daybreak.wire.openflow.messages_experimenter import (
    BODY,
    BUNDLE_ADD,
    BUNDLE_CONTROL,
    CT_FLUSH_ZONE,
    EXPERIMENTER,
    TLV_TABLE_MOD,
    TLV_TABLE_REPLY,
    TLV_TABLE_REQUEST,
    BundleAdd,
    BundleControl,
    CtFlushZone,
    TlvTableMod,
    TlvTableReply,
    TlvTableRequest,
)
from daybreak.wire.openflow.messages_group import GroupMod, MeterMod
from daybreak.wire.openflow.messages_header import HEADER, NICIRA, ONF, ProtocolError, Type, frame, xid_of
from daybreak.wire.openflow.messages_monitor import (
    MONITOR,
    PAUSED,
    RESUMED,
    FlowUpdates,
    MonitorCancel,
    MonitorRequest,
    Paused,
    Resumed,
)
from daybreak.wire.openflow.messages_multipart import EXPERIMENTER_KIND, PART, Multipart, MultipartRequest
from daybreak.wire.openflow.messages_packet import FlowRemoved, PacketIn, PacketOut, PortStatus


class Unknown(Struct, frozen=True):
    """A message of a kind that isn't among these; `body` is what follows the header."""

    type: int
    xid: int
    body: bytes

    def encode(self) -> bytes:
        """Return the whole message."""
        return frame(self.type, self.body, self.xid)


Message = (
    Hello
    | Error
    | EchoRequest
    | EchoReply
    | FeaturesRequest
    | FeaturesReply
    | GetConfigRequest
    | GetConfigReply
    | SetConfig
    | PacketIn
    | PacketOut
    | FlowRemoved
    | PortStatus
    | GroupMod
    | MeterMod
    | BarrierRequest
    | BarrierReply
    | RoleRequest
    | RoleReply
    | GetAsyncRequest
    | GetAsyncReply
    | SetAsync
    | MultipartRequest
    | Multipart
    | BundleControl
    | BundleAdd
    | MonitorRequest
    | MonitorCancel
    | FlowUpdates
    | Paused
    | Resumed
    | TlvTableMod
    | TlvTableRequest
    | TlvTableReply
    | CtFlushZone
    | Unknown
)


def decode(message: bytes) -> Message:
    """Read one complete message; ProtocolError if its length or contents are not those of its type."""
    try:
        return _DECODERS.get(message[1], _unknown)(message)
    except (struct.error, IndexError, ValueError) as reason:
        raise ProtocolError(
            f"malformed message of type {message[1:2].hex()}, {len(message)} bytes: {reason}"
        ) from reason


def _unknown(message: bytes) -> Unknown:
    return Unknown(message[1], xid_of(message), message[HEADER.size :])


def _experimenter(message: bytes) -> Message:
    return _EXPERIMENTERS.get(EXPERIMENTER.unpack_from(message, HEADER.size), _unknown)(message)


def _is_monitor(message: bytes) -> bool:
    after_part = HEADER.size + PART.size
    kind, _ = PART.unpack_from(message, HEADER.size)
    return kind == EXPERIMENTER_KIND and EXPERIMENTER.unpack_from(message, after_part) == (ONF, MONITOR)


def _multipart_request(message: bytes) -> Message:
    return MonitorRequest.decode(message) if _is_monitor(message) else MultipartRequest.decode(message)


def _multipart_reply(message: bytes) -> Message:
    return FlowUpdates.decode(message) if _is_monitor(message) else Multipart.decode(message)


def _nothing_more(message: bytes) -> None:
    if len(message) != BODY:
        raise ValueError("a body where none is expected")


def _paused(message: bytes) -> Paused:
    _nothing_more(message)
    return Paused()


def _resumed(message: bytes) -> Resumed:
    _nothing_more(message)
    return Resumed()


_DECODERS: Final[Mapping[int, Callable[[bytes], Message]]] = {
    Type.HELLO: Hello.decode,
    Type.ERROR: decode_error,
    Type.ECHO_REQUEST: EchoRequest.decode,
    Type.ECHO_REPLY: EchoReply.decode,
    Type.EXPERIMENTER: _experimenter,
    Type.FEATURES_REQUEST: FeaturesRequest.decode,
    Type.FEATURES_REPLY: FeaturesReply.decode,
    Type.GET_CONFIG_REQUEST: GetConfigRequest.decode,
    Type.GET_CONFIG_REPLY: GetConfigReply.decode,
    Type.SET_CONFIG: SetConfig.decode,
    Type.PACKET_IN: PacketIn.decode,
    Type.FLOW_REMOVED: FlowRemoved.decode,
    Type.PORT_STATUS: PortStatus.decode,
    Type.PACKET_OUT: PacketOut.decode,
    Type.GROUP_MOD: GroupMod.decode,
    Type.MULTIPART_REQUEST: _multipart_request,
    Type.MULTIPART_REPLY: _multipart_reply,
    Type.BARRIER_REQUEST: BarrierRequest.decode,
    Type.BARRIER_REPLY: BarrierReply.decode,
    Type.ROLE_REQUEST: RoleRequest.decode,
    Type.ROLE_REPLY: RoleReply.decode,
    Type.GET_ASYNC_REQUEST: GetAsyncRequest.decode,
    Type.GET_ASYNC_REPLY: GetAsyncReply.decode,
    Type.SET_ASYNC: SetAsync.decode,
    Type.METER_MOD: MeterMod.decode,
}

_EXPERIMENTERS: Final[Mapping[tuple[int, int], Callable[[bytes], Message]]] = {
    (ONF, BUNDLE_CONTROL): BundleControl.decode,
    (ONF, BUNDLE_ADD): BundleAdd.decode,
    (ONF, MONITOR): MonitorCancel.decode,
    (ONF, PAUSED): _paused,
    (ONF, RESUMED): _resumed,
    (NICIRA, TLV_TABLE_MOD): TlvTableMod.decode,
    (NICIRA, TLV_TABLE_REQUEST): TlvTableRequest.decode,
    (NICIRA, TLV_TABLE_REPLY): TlvTableReply.decode,
    (NICIRA, CT_FLUSH_ZONE): CtFlushZone.decode,
}
