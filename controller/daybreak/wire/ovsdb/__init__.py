"""data: OVSDB's JSON-RPC as values and as bytes, both ways (RFC 7047 and ovsdb-server(7)). No sockets, no clock."""

from daybreak.wire.ovsdb.framing import Framer, Message, ProtocolError
from daybreak.wire.ovsdb.messages import TransactionError
from daybreak.wire.ovsdb.replica import Replica
from daybreak.wire.ovsdb.values import UUID, NamedUUID, Value

__all__ = [
    "UUID",
    "Framer",
    "Message",
    "NamedUUID",
    "ProtocolError",
    "Replica",
    "TransactionError",
    "Value",
]
