"""data: cuts a stream of bytes into JSON-RPC messages, which follow each other without any mark (RFC 7047, 4)."""

import re
from typing import Any, Final

import msgspec

LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message. The first reply of a switch with 4,000 ports has 5 MB."""

# Steps over what holds no brace: between strings, with up to 100 whole strings, and within a string. Repetitions are
# limited, for the memory of a regular expression grows with them. (Possessive ones mismatch in Python before 3.11.5.)
_OUTSIDE: Final = re.compile(rb'[^{}"]*(?:"[^"\\]*(?:\\.[^"\\]*){0,100}"[^{}"]*){0,100}', re.DOTALL)
_INSIDE: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,100}', re.DOTALL)
_SPACE: Final = b" \t\r\n"


class ProtocolError(ValueError):
    """The peer doesn't speak OVSDB's protocol; the connection can't be read any further."""


class Message(msgspec.Struct, gc=False):
    """A request (`method`, `params`, `id`), a notification (without `id`) or a reply (`result` or `error`, `id`)."""

    method: str | None = None
    params: list[Any] | None = None
    result: Any = None
    error: Any = None
    id: Any = None


_DECODER: Final = msgspec.json.Decoder(Message)


class Framer:
    """The receiving side of one connection. Its work is linear in the bytes received, its memory at most `limit`."""

    __slots__ = ("_at", "_depth", "_in_string", "_limit", "_rest")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._at = 0  # all before it was scanned
        self._depth = 0  # of braces
        self._in_string = False

    @property
    def pending(self) -> int:
        """The number of bytes kept of a message that isn't complete yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete with `data`; may be an empty list.

        Raises ProtocolError for anything but JSON objects, and for a message beyond the limit.
        """
        if not self._rest and data.endswith(b"}"):  # nearly always just one whole message
            try:
                return [_DECODER.decode(data)]
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # several, or the beginning of one; if it's garbage the scan says so
        self._rest += data
        messages = []
        while (end := self._end()) is not None:
            messages.append(_decode(self._rest[:end]))
            del self._rest[:end]
            self._at = 0
        if len(self._rest) > self._limit:
            raise ProtocolError(f"a message has more than {self._limit} bytes")
        return messages

    def _end(self) -> int | None:
        """Where the first message ends, if it's complete."""
        rest, size = self._rest, len(self._rest)
        if self._depth == 0:
            self._skip_space()
            size = len(rest)
        while self._at < size:
            step = _INSIDE if self._in_string else _OUTSIDE
            self._at = step.match(rest, self._at).end()  # type: ignore[union-attr]  # both match nothing too
            if self._at == size:
                return None
            mark = rest[self._at]
            if mark == ord("\\"):
                if self._at + 1 == size:
                    return None  # what it escapes is still to come
                continue
            self._at += 1
            if mark == ord('"'):
                self._in_string = not self._in_string
            elif mark == ord("{"):
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 0:
                    return self._at
        return None

    def _skip_space(self) -> None:
        """Make the rest begin with a message, or raise ProtocolError if something else begins here."""
        stripped = self._rest.lstrip(_SPACE)
        if len(stripped) != len(self._rest):
            self._rest[:] = stripped
        if stripped and stripped[0] != ord("{"):
            raise ProtocolError(f"a message begins with {bytes(stripped[:8])!r}, not with an object")


def _decode(data: bytes | bytearray) -> Message:
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a JSON-RPC message: {error}") from error
    except RecursionError as error:
        raise ProtocolError("a message is nested too deeply") from error
