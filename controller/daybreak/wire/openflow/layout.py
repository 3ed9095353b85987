"""Rules (pure): how a value becomes bytes: a struct format beside its arguments, any of which may still be unknown.

Every condition, action and instruction states its bytes once, as a `Layout`. The generic encoder packs it at once; a
shape (see `shape`) keeps the variables open, folds everything else into constants and compiles one `struct.pack`.
"""

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import Any, Literal, NamedTuple

Kind = Literal["value", "actions"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A place in a shape that is filled in later, by name."""

    name: str
    kind: Kind = "value"


def Var(name: str, kind: Kind = "value") -> Any:
    """A variable to stand where a value is expected; it is typed `Any` so that it may.

    With `kind="actions"` it stands among actions, for a tuple of them.
    """
    return Variable(name, kind)


@dataclass(frozen=True, slots=True)
class Bits:
    """A variable moved into place: `value << shift & mask` (a negative shift moves right)."""

    value: Variable
    shift: int
    mask: int


@dataclass(frozen=True, slots=True)
class Masked:
    """A value under a mask, either of which may be variable; `nbytes` is 6 or 16 where both are bytes, else 0."""

    value: "int | Variable"
    mask: "int | Variable"
    nbytes: int


@dataclass(frozen=True, slots=True)
class Either:
    """Several values that share a field, each in its own bits."""

    parts: tuple["int | Bits", ...]


Unknown = Variable | Bits | Masked | Either


@lru_cache(maxsize=4096)  # the struct module's own cache has a hundred places, and is emptied when they are taken
def _struct(format: str) -> Struct:
    return Struct("!" + format)


class Layout(NamedTuple):
    """A struct format without byte order (it is always the network's) and the arguments that go with it."""

    format: str
    arguments: tuple[Any, ...] = ()

    def size(self) -> int:
        """Bytes that this layout takes."""
        return _struct(self.format).size

    def pack(self) -> bytes:
        """The bytes. ValueError where an argument does not fit its place."""
        try:
            return _struct(self.format).pack(*self.arguments)
        except StructError as error:
            raise ValueError(f"{error} in {self}") from None


def join(*layouts: Layout) -> Layout:
    """Layouts one behind the other."""
    formats: list[str] = []
    arguments: list[Any] = []
    for format, values in layouts:
        formats.append(format)
        arguments += values
    return Layout("".join(formats), tuple(arguments))


def pad(layout: Layout, multiple: int = 8) -> Layout:
    """The layout with zeros behind it up to a multiple of so many bytes."""
    missing = -layout.size() % multiple
    return Layout(f"{layout.format}{missing}x", layout.arguments) if missing else layout
