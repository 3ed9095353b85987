"""Data: cuts a stream of bytes into OpenFlow messages.

It holds at most one incomplete message, and a message's length is a 16-bit number: so a connection keeps less than
64 KiB.
"""

from __future__ import annotations

from daybreak.wire.openflow.messages_header import HEADER, VERSION, ProtocolError, Type


class Framer:
    """The receiving side of one connection.

    Messages of any other version than 1.3 are an error, except for HELLO and ERROR: versions are negotiated with these
    (OpenFlow 1.3.5, section 6.3.1).
    """

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = HEADER.size

    @property
    def pending(self) -> int:
        """The number of bytes kept of a message that isn't complete yet."""
        return len(self._rest)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Return the messages that are complete with `data`, each from header to end; may be an empty list.

        Raises ProtocolError for a length below 8 bytes or a wrong version; the connection can't be read any further.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        elif not isinstance(data, bytes):
            data = bytes(data)
        messages: list[bytes] = []
        at, end = 0, len(data)
        self._needed = HEADER.size
        while end - at >= HEADER.size:
            version, kind, length, _ = HEADER.unpack_from(data, at)
            if version != VERSION and kind > Type.ERROR:
                raise ProtocolError(f"message of type {kind} has version {version:#04x}, not {VERSION:#04x}")
            if length < HEADER.size:
                raise ProtocolError(
                    f"message of type {kind} claims a length of {length} bytes, a header has {HEADER.size}"
                )
            if end - at < length:
                self._needed = length
                break
            messages.append(data[at : at + length])
            at += length
        if at < end:
            self._rest += data[at:]
        return messages
