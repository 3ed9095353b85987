"""data: OVSDB's values and their JSON notation (RFC 7047, section 5.1).

A column's value is an atom, None (an optional column without a value), a tuple (a set) or a dict (a map).
"""

import reprlib
from functools import lru_cache
from typing import Any

from daybreak.wire.ovsdb.framing import ProtocolError


class UUID(str):
    """A row's identity, or a reference to a row."""

    __slots__ = ()


class NamedUUID(str):
    """A reference to a row that the same transaction inserts, by the name given there (RFC 7047, <id>)."""

    __slots__ = ()


Atom = str | int | float | bool | UUID | NamedUUID
Value = Atom | None | tuple[Atom, ...] | dict[Any, Any]


SHARED = 1 << 12
"""Texts and UUIDs of which equal ones are the same object. A database says each name twice and more, and a thousand
databases the same keys: what comes in one message finds itself again here."""

SHARED_LENGTH = 64
"""Characters of the longest of them."""


def shared(text: str) -> str:
    """The text, the same object as before if it came lately."""
    return _text(text) if len(text) <= SHARED_LENGTH else text


def identity(text: str) -> UUID:
    """The UUID of that text, the same object as before if it came lately."""
    return _uuid(text) if len(text) <= SHARED_LENGTH else UUID(text)


_text = lru_cache(SHARED)(str)
_uuid = lru_cache(SHARED)(UUID)


def encode_atom(atom: Atom) -> Any:
    """The notation of an atom. Raises TypeError for anything else."""
    if isinstance(atom, UUID):
        return ["uuid", str(atom)]
    if isinstance(atom, NamedUUID):
        return ["named-uuid", str(atom)]
    if isinstance(atom, str | int | float):
        return atom
    raise TypeError(f"not an OVSDB atom: {atom!r}")


def encode(value: Value) -> Any:
    """The notation of a value. Raises TypeError for what can't be one."""
    if value is None:
        return ["set", []]
    if isinstance(value, tuple):
        return ["set", [encode_atom(atom) for atom in value]]
    if isinstance(value, dict):
        return ["map", [[encode_atom(key), encode_atom(item)] for key, item in value.items()]]
    return encode_atom(value)


def decode_atom(notation: Any) -> Atom:
    """The atom that a notation stands for. Raises ProtocolError."""
    match notation:
        case str():
            return shared(notation)
        case float():
            return notation
        case int() if -(2**63) <= notation < 2**63:
            return notation
        case ["uuid", str(text)]:
            return identity(text)
        case ["named-uuid", str(text)]:
            return NamedUUID(text)
    raise ProtocolError(f"not an OVSDB atom: {reprlib.repr(notation)}")


def decode(notation: Any) -> Value:
    """The value that a notation stands for; a set of one element is written as the element. Raises ProtocolError."""
    match notation:
        case ["set", list(items)]:
            return tuple(map(decode_atom, items))
        case ["map", list(items)]:
            return dict(map(_pair, items))
    return decode_atom(notation)


def _pair(notation: Any) -> tuple[Atom, Atom]:
    match notation:
        case [key, value]:
            return decode_atom(key), decode_atom(value)
    raise ProtocolError(f"not an OVSDB pair: {reprlib.repr(notation)}")
