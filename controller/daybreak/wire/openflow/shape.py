"""Rules (pure): a shape is a flow with variables in it, declared once and compiled to the code that packs its bytes.

    LOCAL = Shape(
        ("network", "mac", "port"),
        table=32,
        priority=100,
        match=(Condition(NETWORK, Var("network")), Condition(ETH_DST, Var("mac"))),
        actions=(Load(OUT_PORT, Var("port")), Goto(40)),
    )
    key, instructions = LOCAL.encode(7, mac_bytes, 5)

The declaration stays readable in `match` and `actions`, for documentation and for an interpreter. What is constant in
it is folded into constant bytes, so that a call is one `struct.pack` for the key and one for the instructions. The
generated source is in `source`.
"""

import keyword
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from itertools import groupby
from re import finditer
from struct import Struct
from typing import Any

from .actions import Step, instruction_layout, instructions
from .fields import PREREQUISITES, Prerequisite
from .flow import (
    FLOW_MOD,
    HEAD_FORMAT,
    HEADER,
    NO_COOKIE_MASK,
    VERSION,
    Condition,
    Term,
    canonical,
    flow_mod,
    head_arguments,
    match_layout,
)
from .layout import Bits, Either, Layout, Masked, Unknown, Variable, join

Encode = Callable[..., tuple[bytes, bytes]]
Message = Callable[..., bytes]


class Shape:
    """A flow with variables. `names` is the order of the arguments of `encode` and `message`.

    Arguments are ints for fields of 1, 2, 4 and 8 bytes and for numbers in actions, `bytes` for fields of 6 and 16
    bytes (MAC and IPv6 addresses), and tuples of actions for variables of that kind. They are packed, not validated:
    a number that does not fit its place raises struct.error, a bit field keeps its own bits alone, and of `bytes` the
    caller sees to the length.

    ValueError at construction where a name is unknown or unused, a value does not fit or a prerequisite is missing.
    """

    def __init__(
        self, names: Sequence[str], table: int, priority: int, match: Sequence[Condition], actions: Sequence[Step]
    ) -> None:
        self.names = tuple(names)
        self.table = table
        self.priority = priority
        self.match = tuple(match)
        self.actions = tuple(actions)
        self._terms = canonical(match)
        self._check_names()
        self._check_prerequisites()
        self.encode: Encode = self._compile("encode")  # encode(*values) -> (key, instructions)

    def __repr__(self) -> str:
        return f"Shape({self.names}, table={self.table}, priority={self.priority}, {self.match}, {self.actions})"

    @cached_property
    def message(self) -> Message:
        """`message(cookie, *values) -> bytes`: the flow-mod (ADD, xid 0), just as `flow_mod` makes it of the pieces."""
        return self._compile("message")  # type: ignore[no-any-return]

    @cached_property
    def source(self) -> str:
        """Python source of `encode` and `message`."""
        return "\n".join((*_Code(self, "encode").lines(), "", *_Code(self, "message").lines(), ""))

    @property
    def generic(self) -> bool:
        """Whether a variable stands for actions, so that the instructions are encoded value by value."""
        return any(variable.kind == "actions" for variable in _variables(self.actions))

    def fill(self, *values: Any) -> tuple[Step, ...]:
        """The actions with these values in place of the variables."""
        bound = dict(zip(self.names, values, strict=True))
        return tuple(step for part in self.actions for step in _filled(part, bound))

    def _check_names(self) -> None:
        used = {variable.name for variable in _variables((self.priority, self.match, self.actions))}
        if used != set(self.names) or len(self.names) != len(used):
            raise ValueError(f"the variables are {sorted(used)}, the names {self.names}")
        for name in self.names:
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or name == "cookie":
                raise ValueError(f"{name!r} cannot be an argument")

    def _check_prerequisites(self) -> None:
        terms = {term.field.name: term for term in self._terms}
        for term in self._terms:
            for needed in PREREQUISITES[term.field.needs]:
                found = terms.get(needed.field)
                if found is None or not _is_met(needed, found):
                    raise ValueError(f"a match on {term.field.name} needs one on {needed.field}")

    def _compile(self, name: str) -> Any:
        code = _Code(self, name)
        exec("\n".join(code.lines()), code.scope)
        return code.scope[name]


def _is_met(needed: Prerequisite, found: Term) -> bool:
    """Whether a term is the one that another field's match needs. Of a variable one the caller sees to it."""
    if not isinstance(found.value, int):
        return True
    if not needed.bits:
        return found.value in needed.values
    known_clear = isinstance(found.mask, int) and bool(found.mask & ~found.value & needed.clear)
    return bool(found.value & needed.bits) or known_clear


def compile_shape(
    names: Sequence[str], table: int, priority: int, match: Sequence[Condition], actions: Sequence[Step]
) -> Encode:
    """`Shape(...).encode`: a function of the values of `names` that returns key and instructions."""
    return Shape(names, table, priority, match, actions).encode


def compile_message(
    names: Sequence[str], table: int, priority: int, match: Sequence[Condition], actions: Sequence[Step]
) -> Message:
    """`Shape(...).message`: a function of a cookie and the values of `names` that returns a whole flow-mod."""
    return Shape(names, table, priority, match, actions).message


def _variables(value: object) -> Iterator[Variable]:
    """All variables in a value, in its tuples and in the attributes of its dataclasses."""
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _variables(item)
    elif is_dataclass(value):
        for attribute in fields(value):
            yield from _variables(getattr(value, attribute.name))


def _filled(value: Any, bound: dict[str, Any]) -> Iterator[Any]:
    """A value with its variables replaced; one that stands for actions yields them all."""
    if isinstance(value, Variable):
        yield from bound[value.name] if value.kind == "actions" else (bound[value.name],)
    elif isinstance(value, tuple):
        yield tuple(item for part in value for item in _filled(part, bound))
    elif is_dataclass(value) and not isinstance(value, type) and any(_variables(value)):
        new = {attribute.name: next(_filled(getattr(value, attribute.name), bound)) for attribute in fields(value)}
        yield replace(value, **new)
    else:
        yield value


class _Code:
    """The source of one function of a shape, and the names that it uses."""

    def __init__(self, shape: Shape, name: str) -> None:
        self.shape = shape
        self.name = name
        self.scope: dict[str, Any] = {"_and": _and, "_instructions": instructions, "_fill": shape.fill}
        self.scope["_flow_mod"] = flow_mod
        self.layout = None if shape.generic else instruction_layout(shape.actions)

    def lines(self) -> list[str]:
        """The function. Where a mask is variable, a branch each for all of it, some of it and none of it: Open vSwitch
        leaves a mask of all ones out, and a field whose mask is zero as well."""
        cookie = ("cookie",) if self.name == "message" else ()
        return [
            f"def {self.name}({', '.join((*cookie, *self.shape.names))}):",
            *self._branches((), self.shape._terms, 1),
        ]

    def _branches(self, before: tuple[Term, ...], after: tuple[Term, ...], depth: int) -> list[str]:
        indent = "    " * depth
        for n, term in enumerate(after):
            if not isinstance(term.mask, Variable):
                continue
            before, rest, mask = before + after[:n], after[n + 1 :], term.mask.name
            full, none = (
                number.to_bytes(term.field.nbytes, "big") if term.field.in_bytes else number
                for number in (term.field.full, 0)
            )
            value = term.value.value if isinstance(term.value, Masked) else term.value
            return [
                f"{indent}if {mask} == {full!r}:",
                *self._branches((*before, term._replace(value=value, mask=None)), rest, depth + 1),
                f"{indent}if {mask} == {none!r}:",
                *self._branches(before, rest, depth + 1),
                *self._branches((*before, term), rest, depth),
            ]
        return [f"{indent}return {self._result(before + after)}"]

    def _result(self, terms: tuple[Term, ...]) -> str:
        head = Layout(HEAD_FORMAT, head_arguments(self.shape.table, self.shape.priority))
        key = join(head, match_layout(terms))
        if self.layout is None:
            steps = f"_instructions(_fill({', '.join(self.shape.names)}))"
            if self.name == "encode":
                return f"{self._packed(key)}, {steps}"
            return f"_flow_mod({self._packed(key)}, cookie.to_bytes(8, 'big') + {steps})"
        if self.name == "encode":
            return f"{self._packed(key)}, {self._packed(self.layout)}"
        length = HEADER.size + 16 + key.size() + self.layout.size()
        header = Layout("BBHIQ8s", (VERSION, FLOW_MOD, length, 0, Variable("cookie"), NO_COOKIE_MASK))
        return self._packed(join(header, key, self.layout))

    def _packed(self, layout: Layout) -> str:
        if not any(isinstance(argument, Unknown) for argument in layout.arguments):
            return repr(layout.pack())
        format, expressions = _folded(layout)
        pack = f"_pack{len(self.scope)}"
        self.scope[pack] = Struct("!" + format).pack
        return f"{pack}({', '.join(expressions)})"


def _folded(layout: Layout) -> tuple[str, list[str]]:
    """A struct format and the expressions that go with it, runs of constants packed into one item each."""
    items: list[tuple[str, Any]] = []
    arguments = iter(layout.arguments)
    for item in finditer(r"(\d*)([BHIQsx])", layout.format):
        count, code = item.groups()
        if code == "x":
            items.append((f"{count or 1}s", bytes(int(count or 1))))
        else:
            repeated = 1 if code == "s" else int(count or 1)
            items += ((count + code if code == "s" else code, next(arguments)) for _ in range(repeated))
    format = ""
    expressions: list[str] = []
    for constant, run in groupby(items, key=lambda item: not isinstance(item[1], Unknown)):
        if constant:
            data = b"".join(Layout(code, (value,)).pack() for code, value in run)
            format += f"{len(data)}s"
            expressions.append(repr(data))
        else:
            for code, value in run:
                format += code
                expressions.append(_expression(value))
    return format, expressions


def _expression(value: "int | Unknown") -> str:
    """Python source of a value."""
    match value:
        case Variable(name):
            return name
        case Bits(variable, shift, mask):
            moved = f"{variable.name} << {shift}" if shift > 0 else f"{variable.name} >> {-shift}"
            return f"({moved if shift else variable.name} & {mask:#x})"
        case Masked(number, mask, 0):
            return f"({_expression(number)} & {_expression(mask)})"
        case Masked(number, mask, nbytes):
            return f"_and({_expression(number)}, {_expression(mask)}, {nbytes})"
        case Either(parts):
            return f"({' | '.join(map(_expression, parts))})"
    return repr(value)


def _and(value: bytes | int, mask: bytes | int, nbytes: int) -> bytes:
    """An address under a mask, either of which may be given as bytes or, where it is constant, as a number."""
    a, b = (int.from_bytes(x, "big") if isinstance(x, bytes) else x for x in (value, mask))
    return (a & b).to_bytes(nbytes, "big")
