"""Rules (pure): a flow as the two pieces of bytes by which it is compared, and the messages made of them.

    key  = bytes 24 to the end of the padded match of an OFPT_FLOW_MOD ADD: table, command 0, timeouts 0, priority, no
           buffer, any port and group, flags 0, importance 0, and the match
    body = cookie (8 bytes) and instructions

So that the message is header + body[:8] + eight zeros (the cookie's mask) + key + body[8:], and an entry of a flow dump
becomes the same pair without being understood. A flow of someone else's that has a timeout or a flag shows a key that
none of ours has.

Sources: OpenFlow Switch Specification 1.3.5, sections 7.2.3, 7.3.4.1 and 7.3.5.2.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from .fields import REGISTERS_OF, BitField, Field, by_header
from .layout import Bits, Either, Layout, Masked, Unknown, Variable, join, pad

VERSION = 4
FLOW_MOD = 14
ADD, DELETE_STRICT = b"\x00", b"\x04"
COOKIE_SIZE = 8
NO_COOKIE_MASK = bytes(COOKIE_SIZE)

HEADER = Struct("!BBHI")
HEAD_FORMAT = "BBHHHIIIHH"
_HEAD = Struct("!" + HEAD_FORMAT)
HEAD_SIZE = _HEAD.size
_MATCH_HEADER = Struct("!HH")


class Condition(NamedTuple):
    """What a packet must have: `value` in those bits of `field` that are set in `mask` (None: in all of them)."""

    field: Field | BitField
    value: int
    mask: int | None = None


Match = Sequence[Condition]


class Term(NamedTuple):
    """A condition as it goes on the wire: a whole field; a mask only where some, but not all, of its bits count."""

    field: Field
    value: "int | Unknown"
    mask: "int | Variable | None"


def head_arguments(table: int, priority: int) -> tuple[int, ...]:
    """What stands in the first 24 bytes of a key, as `HEAD_FORMAT` has it."""
    return table, 0, 0, 0, priority, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0


def _whole(condition: Condition) -> Iterator[Term]:
    """A condition on part of a field, or on a view of several registers, as conditions on whole fields."""
    field, value, mask = condition
    if isinstance(field, BitField):
        part, field = field, field.field
        if isinstance(mask, Variable):
            raise ValueError(f"a variable mask needs a whole field, not {part}")
        width = (1 << part.width) - 1
        mask = (width if mask is None else mask) << part.offset
        if mask & ~part.mask or (isinstance(value, int) and not 0 <= value <= width):
            raise ValueError(f"{condition} is too wide")
        value = value << part.offset if isinstance(value, int) else Bits(value, part.offset, mask)
    registers = REGISTERS_OF.get(field)
    if registers is None:
        yield Term(field, value, mask)
        return
    if isinstance(mask, Variable) or (not isinstance(value, int) and field.nbytes > 8):
        raise ValueError(f"match on registers rather than on {field.name} where something is variable")
    if isinstance(value, int) and not 0 <= value <= field.full:
        raise ValueError(f"{value:#x} is too wide for {field.name}")
    for number, register in enumerate(reversed(registers)):
        shift = 32 * number
        part_mask = register.full if mask is None else mask >> shift & register.full
        yield Term(register, _shifted_right(value, shift, part_mask), part_mask)


def _shifted_right(value: "int | Unknown", shift: int, mask: int) -> "int | Unknown":
    if isinstance(value, int):
        return value >> shift & 0xFFFFFFFF
    if isinstance(value, Bits):
        return Bits(value.value, value.shift - shift, mask)
    assert isinstance(value, Variable)
    return Bits(value, -shift, mask)


def _checked(term: Term) -> Term:
    """The term with its mask spelt out and its value, where it is known, within it."""
    field, value, mask = term
    nbytes = field.nbytes if field.in_bytes else 0
    if isinstance(mask, Variable):
        assert isinstance(value, int | Variable)
        return Term(field, Masked(value, mask, nbytes), mask)
    mask = field.full if mask is None else mask
    if not 0 <= mask <= field.full:
        raise ValueError(f"mask {mask:#x} is too wide for {field.name}")
    if mask != field.full and not field.maskable:
        raise ValueError(f"{field.name} cannot be matched under a mask")
    if isinstance(value, int):
        if not 0 <= value <= field.full or value & ~mask:
            raise ValueError(f"{value:#x} does not fit into {mask:#x} of {field.name}")
    elif isinstance(value, Variable) and mask != field.full:
        value = Masked(value, mask, nbytes)
    return Term(field, value, mask)


def _parts(value: "int | Unknown") -> tuple["int | Bits", ...]:
    if isinstance(value, Either):
        return value.parts
    assert isinstance(value, int | Bits)
    return (value,)


def _merged(a: Term, b: Term) -> Term:
    """Two conditions on different bits of one field as one."""
    if not isinstance(a.mask, int) or not isinstance(b.mask, int) or a.mask & b.mask:
        raise ValueError(f"{a.field.name} is matched twice")
    if isinstance(a.value, int) and isinstance(b.value, int):
        return Term(a.field, a.value | b.value, a.mask | b.mask)
    return Term(a.field, Either(_parts(a.value) + _parts(b.value)), a.mask | b.mask)


def canonical(match: Iterable[Condition]) -> tuple[Term, ...]:
    """The match as Open vSwitch lists it: one term for each field, in its order, no mask of all ones or all zeros.

    ValueError where a value does not fit or bits are matched twice.
    """
    terms: dict[Field, Term] = {}
    for condition in match:
        for term in map(_checked, _whole(condition)):
            known = terms.get(term.field)
            terms[term.field] = term if known is None else _merged(known, term)
    return tuple(
        Term(term.field, term.value, None) if term.mask == term.field.full else term
        for term in sorted(terms.values(), key=lambda term: term.field.order)
        if term.mask != 0
    )


def _argument(field: Field, value: "int | Unknown") -> "int | bytes | Unknown":
    return value.to_bytes(field.nbytes, "big") if isinstance(value, int) and field.in_bytes else value


def term_layout(term: Term) -> Layout:
    """Bytes of one term: header, value and, where some bits do not count, mask."""
    field, value, mask = term
    if mask is None and field.always_masked:
        mask = field.full
    if mask is None:
        return Layout(f"{len(field.header)}s{field.format}", (field.header, _argument(field, value)))
    layout = f"{len(field.header)}s{field.format}{field.format}"
    return Layout(layout, (field.masked_header, _argument(field, value), _argument(field, mask)))


def match_layout(terms: Iterable[Term]) -> Layout:
    """Bytes of a match: its header, the terms and padding to a multiple of eight."""
    oxms = join(*map(term_layout, terms))
    return pad(Layout("HH" + oxms.format, (1, 4 + oxms.size(), *oxms.arguments)))


def encode_match(match: Iterable[Condition]) -> bytes:
    """Bytes of a padded OpenFlow 1.3 match. ValueError as `canonical` has it."""
    return match_layout(canonical(match)).pack()


@lru_cache(maxsize=4096)
def _head(table: int, priority: int) -> bytes:
    return Layout(HEAD_FORMAT, head_arguments(table, priority)).pack()


def flow_key(table: int, priority: int, match: Iterable[Condition]) -> bytes:
    """What a flow is known by: table, priority and match. ValueError where something does not fit."""
    return _head(table, priority) + encode_match(match)


def flow_mod(key: bytes, body: bytes, xid: int = 0) -> bytes:
    """The message that adds a flow, or replaces the one of the same key. ValueError beyond 65,535 bytes."""
    try:
        header = HEADER.pack(VERSION, FLOW_MOD, 16 + len(key) + len(body), xid)
    except StructError as error:
        raise ValueError(f"no flow-mod of {16 + len(key) + len(body)} bytes: {error}") from None
    return b"".join((header, body[:8], NO_COOKIE_MASK, key, body[8:]))


def flow_delete(key: bytes, xid: int = 0) -> bytes:
    """The message that deletes the flow of this key, whatever its cookie is."""
    header = HEADER.pack(VERSION, FLOW_MOD, 24 + len(key), xid)
    return b"".join((header, NO_COOKIE_MASK, NO_COOKIE_MASK, key[:1], DELETE_STRICT, key[2:]))


_ENTRY = Struct("!HBx8xQ4x24xHH")  # length, table, priority and timeouts and flags, type and length of the match
_MATCH_AT = 48
_COUNTERS = Struct("!QQ")


def _entry_head(table: int, properties: int) -> bytes:
    """First 24 bytes of the key of a dumped flow: `properties` are priority, idle and hard timeout and flags, 16 bits
    each. Open vSwitch reports flags that a flow-mod took, so a flow with any is seen to differ."""
    priority, idle, hard, flags = (properties >> shift & 0xFFFF for shift in (48, 32, 16, 0))
    return _HEAD.pack(table, 0, idle, hard, priority, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, flags, 0)


def _entries(buffer: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and body of each flow in the body of a flow-stats reply."""
    heads: dict[tuple[int, int], bytes] = {}
    offset, end, unpack = 0, len(buffer), _ENTRY.unpack_from
    try:
        while offset < end:
            length, table, properties, _, match_length = unpack(buffer, offset)
            match = offset + _MATCH_AT
            rest, after = match + ((match_length + 7) & ~7), offset + length
            if match_length < 4 or rest > after or after > end:
                raise ValueError(f"flow entry of {length} bytes with a match of {match_length} at {offset} of {end}")
            head = heads.get((table, properties))
            if head is None:
                head = heads[table, properties] = _entry_head(table, properties)
            yield head + buffer[match:rest], buffer[offset + 24 : offset + 32] + buffer[rest:after]
            offset = after
    except StructError:
        raise ValueError(f"{end - offset} bytes left over behind the flow entries") from None


def stats_entries(buffer: bytes | memoryview) -> dict[bytes, bytes]:
    """Key to body of all flows in the body of a flow-stats reply (what follows its 8 bytes of multipart header)."""
    return dict(_entries(bytes(buffer)))


def stats_counters(buffer: bytes | memoryview) -> dict[bytes, tuple[bytes, int, int]]:
    """Key to body, packets and bytes of all flows in the body of a flow-stats reply."""
    data = bytes(buffer)
    flows: dict[bytes, tuple[bytes, int, int]] = {}
    offset = 0
    for key, body in _entries(data):
        flows[key] = (body, *_COUNTERS.unpack_from(data, offset + 32))
        offset += _MATCH_AT + len(key) - HEAD_SIZE + len(body) - COOKIE_SIZE
    return flows


class Hit(NamedTuple):
    """A flow that met packets. `drops`: it has no instructions."""

    key: bytes
    cookie: int
    packets: int
    octets: int
    drops: bool


_COUNTED = Struct("!HBx8xQ4xQQQHH")  # as _ENTRY, with cookie, packets and bytes


def hits(buffer: bytes) -> list[Hit]:
    """The flows in the body of a flow-stats reply that met packets; the others cost nothing but a look."""
    found: list[Hit] = []
    offset, end, unpack = 0, len(buffer), _COUNTED.unpack_from
    try:
        while offset < end:
            length, table, properties, cookie, packets, octets, _, match_length = unpack(buffer, offset)
            if packets:
                rest = offset + _MATCH_AT + ((match_length + 7) & ~7)
                key = _entry_head(table, properties) + buffer[offset + _MATCH_AT : rest]
                found.append(Hit(key, cookie, packets, octets, rest == offset + length))
            if length < _MATCH_AT:
                raise ValueError(f"flow entry of {length} bytes at {offset} of {end}")
            offset += length
    except StructError:
        raise ValueError(f"{end - offset} bytes left over behind the flow entries") from None
    return found


def from_stats_entry(entry: bytes | memoryview) -> tuple[bytes, bytes]:
    """Key and body of one entry of a flow-stats reply. ValueError where it is not exactly one."""
    flows = stats_entries(entry)
    if len(flows) != 1:
        raise ValueError(f"{len(flows)} flow entries where one was expected")
    return next(iter(flows.items()))


def decode_match(match: bytes) -> tuple[Condition, ...]:
    """Conditions of a padded match, on whole fields. ValueError where it is malformed."""
    try:
        kind, length = _MATCH_HEADER.unpack_from(match)
    except StructError:
        raise ValueError(f"a match of {len(match)} bytes") from None
    if kind != 1 or length < 4 or len(match) != (length + 7) & ~7:
        raise ValueError(f"a match of type {kind} and length {length} in {len(match)} bytes")
    return tuple(_conditions(match[4:length]))


def _conditions(oxms: bytes) -> Iterator[Condition]:
    offset = 0
    while offset < len(oxms):
        size = 8 if oxms[offset : offset + 2] == b"\xff\xff" else 4
        payload_at, end = offset + size, offset + 4 + int.from_bytes(oxms[offset + 3 : offset + 4], "big")
        payload = oxms[payload_at:end]
        if end > len(oxms) or payload_at > end:
            raise ValueError(f"a field that ends at {end} of {len(oxms)}")
        masked = oxms[offset + 2] & 1
        nbytes = len(payload) // (1 + masked)
        exact = bytes((*oxms[offset : offset + 2], oxms[offset + 2] & 0xFE, size - 4 + nbytes))
        field = by_header(exact + oxms[offset + 4 : payload_at])
        if len(payload) != nbytes * (1 + masked):
            raise ValueError(f"{len(payload)} bytes of value and mask of {field.name}")
        value, mask = int.from_bytes(payload[:nbytes], "big"), int.from_bytes(payload[nbytes:], "big")
        yield Condition(field, value, None if not masked or mask == field.full else mask)
        offset = end


def decode_key(key: bytes) -> tuple[int, int, tuple[Condition, ...]]:
    """Table, priority and match of a key; the inverse of `flow_key`. ValueError where it is malformed."""
    if len(key) < HEAD_SIZE:
        raise ValueError(f"a flow key of {len(key)} bytes")
    table, _, _, _, priority, *_ = _HEAD.unpack_from(key)
    return table, priority, decode_match(key[HEAD_SIZE:])
