"""data: what a column can hold (RFC 7047, 3.2), read from the type of a field, and what an update does to it."""

import reprlib
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from daybreak.wire.ovsdb.framing import ProtocolError
from daybreak.wire.ovsdb.values import Value, decode
from daybreak.wire.ovsdb.vswitch import Row


class Column(NamedTuple):
    """A column's type: `str` (one), `str | None` (at most one), `tuple[str, ...]` (a set), `dict[str, str]` (a map)."""

    shape: type
    """str, NoneType, tuple or dict: of the four in that order."""
    atoms: tuple[type, ...]
    """The type of the atoms; of a map, those of keys and values."""

    def decode(self, notation: Any) -> Value:
        """The value of a notation; raises ProtocolError if the column can't hold it."""
        value = decode(notation)
        if self.shape is tuple and not isinstance(value, tuple | dict):
            value = (value,) if value is not None else ()
        elif self.shape is NoneType and value == ():
            value = None
        if not self._holds(value):
            raise ProtocolError(f"a column's value doesn't fit its type: {reprlib.repr(notation)}")
        return value

    def change(self, old: Value, difference: Value) -> Value:
        """The value after a `modify` of update2: sets and maps are told by a difference, all else by the new value.

        Of a set the difference are the elements in only one of both; of a map, the pairs that are new, gone (with the
        old value) or changed (with the new one); ovsdb-server(7), section 4.1.14.
        """
        if isinstance(old, tuple) and isinstance(difference, tuple):
            gone, known = set(difference), set(old)
            return tuple(a for a in old if a not in gone) + tuple(a for a in difference if a not in known)
        if isinstance(old, dict) and isinstance(difference, dict):
            gone = {key for key, value in difference.items() if old.get(key) == value}
            return {key: value for key, value in (old | difference).items() if key not in gone}
        return difference

    def _holds(self, value: Value) -> bool:
        if self.shape is dict:
            key, item = self.atoms
            return isinstance(value, dict) and all(type(k) is key and type(v) is item for k, v in value.items())
        if self.shape is tuple:
            return isinstance(value, tuple) and all(type(atom) is self.atoms[0] for atom in value)
        return type(value) is self.atoms[0] or (self.shape is NoneType and value is None)


@cache
def columns_of(row: type[Row]) -> Mapping[str, Column]:
    """The columns of a table, by name."""
    hints = get_type_hints(row)
    return {name: _column(hints[name]) for name in row.__struct_fields__ if name != "uuid"}


def _column(hint: Any) -> Column:
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return Column(dict, arguments)
    if get_origin(hint) is tuple:
        return Column(tuple, arguments[:1])
    if NoneType in arguments:
        return Column(NoneType, tuple(kind for kind in arguments if kind is not NoneType))
    return Column(hint, (hint,))
