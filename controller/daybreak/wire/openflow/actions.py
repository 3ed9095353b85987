"""Data: actions and instructions as values and as bytes, both ways, in the form in which Open vSwitch returns them.

Each value states its bytes as a `Layout`, so that the generic encoder and the compiled shapes cannot differ. What we do
not know, or what would not come out as the same bytes again, decodes to `Raw`: decoding never loses anything.

Sources: OpenFlow Switch Specification 1.3.5, sections 7.2.4 and 7.2.5; ovs-actions(7).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import error as StructError
from struct import unpack_from
from typing import Any

from .fields import BitField, Field, by_header, by_nxm_header
from .layout import Layout, join, pad

# Reserved ports (OpenFlow 1.3.5, section 7.2.1).
IN_PORT = 0xFFFFFFF8
NORMAL = 0xFFFFFFFA
FLOOD = 0xFFFFFFFB
ALL = 0xFFFFFFFC
CONTROLLER = 0xFFFFFFFD
LOCAL = 0xFFFFFFFE

NO_BUFFER = 0xFFFF  # max_len of an output to the controller: the whole packet
_IN_PORT_16 = 0xFFF8
_NO_TABLE = 0xFF

NICIRA = 0x00002320
_EXPERIMENTER_ACTION = 0xFFFF

Target = Field | BitField


@lru_cache(maxsize=4096)
def _padded(format: str) -> tuple[str, int]:
    """The format with padding to a multiple of eight bytes, and its size."""
    padded = pad(Layout(format))
    return padded.format, padded.size()


def _nicira(subtype: int, format: str = "", *arguments: Any) -> Layout:
    padded, size = _padded("HHIH" + format)
    return Layout(padded, (_EXPERIMENTER_ACTION, size, NICIRA, subtype, *arguments))


def _slice(target: Target) -> tuple[bytes, int, int]:
    """Four-byte header, first bit and width of the bits that a Nicira action reads or writes."""
    whole = target if isinstance(target, Field) else target.field
    offset, width = (0, whole.nbits) if isinstance(target, Field) else (target.offset, target.width)
    if len(whole.nxm_header) != 4:
        raise ValueError(f"Nicira actions cannot name {whole.name}")
    return whole.nxm_header, offset, width


def _packed_slice(target: Target) -> tuple[bytes, int]:
    """Header and `ofs_nbits` (offset in the upper ten bits, width less one in the lower six)."""
    header, offset, width = _slice(target)
    if width > 64:
        raise ValueError(f"{width} bits of {target} are more than the 64 that this action can address")
    return header, offset << 6 | (width - 1)


def _target(header: bytes, offset: int, width: int) -> Target:
    field = by_nxm_header(header)
    return field if offset == 0 and width == field.nbits else BitField(field, offset, width)


def _constant(target: Target) -> None:
    if (target if isinstance(target, Field) else target.field).variable_length:
        raise ValueError(f"{target} is written by moves alone")


def _fit(field: Field, value: Any) -> Any:
    """A value as struct takes it: bytes for fields of 6 and 16 bytes."""
    if not isinstance(value, int):
        return value
    if not 0 <= value <= field.full:
        raise ValueError(f"{value:#x} is too wide for {field.name}")
    return value.to_bytes(field.nbytes, "big") if field.in_bytes else value


@dataclass(frozen=True, slots=True)
class Output:
    """Out of a port; `max_len` counts for `CONTROLLER` alone: how many bytes of the packet it is shown."""

    port: int
    max_len: int = 0

    def layout(self) -> Layout:
        return Layout("HHIH6x", (0, 16, self.port, self.max_len))


def to_controller(max_len: int = NO_BUFFER) -> Output:
    """The packet, or its first `max_len` bytes, to the controller as a packet-in."""
    return Output(CONTROLLER, max_len)


@dataclass(frozen=True, slots=True)
class OutputFrom:
    """Out of the port whose number stands in a register."""

    source: Target
    max_len: int = NO_BUFFER

    def layout(self) -> Layout:
        header, packed = _packed_slice(self.source)
        return _nicira(15, "H4sH6x", packed, header, self.max_len)


@dataclass(frozen=True, slots=True)
class Group:
    """Through a group."""

    group_id: int

    def layout(self) -> Layout:
        return Layout("HHI", (22, 8, self.group_id))


@dataclass(frozen=True, slots=True)
class SetQueue:
    """Of the queue that later outputs use."""

    queue_id: int

    def layout(self) -> Layout:
        return Layout("HHI", (21, 8, self.queue_id))


@dataclass(frozen=True, slots=True)
class SetField:
    """Of a whole field, or, with a mask, of some of its bits."""

    field: Field
    value: int
    mask: int | None = None

    def layout(self) -> Layout:
        _constant(self.field)
        value = _fit(self.field, self.value)
        if self.mask is not None and self.mask != self.field.full:
            if isinstance(self.value, int) and self.value & ~self.mask:
                raise ValueError(f"{self.value:#x} has bits outside of the mask {self.mask:#x} of {self.field.name}")
            header = self.field.nxm_masked_header
            operands = f"{len(header)}s{self.field.format * 2}"
            return _nicira(33, operands, header, value, _fit(self.field, self.mask))
        padded, size = _padded(f"HH{len(self.field.header)}s{self.field.format}")
        return Layout(padded, (25, size, self.field.header, value))


@dataclass(frozen=True, slots=True)
class Load:
    """Of a number into up to 64 bits of a field."""

    target: Target
    value: int

    def layout(self) -> Layout:
        _constant(self.target)
        header, packed = _packed_slice(self.target)
        if isinstance(self.value, int) and self.value >> (packed & 0x3F) + 1:
            raise ValueError(f"{self.value:#x} is too wide for {self.target}")
        return _nicira(7, "H4sQ", packed, header, self.value)


@dataclass(frozen=True, slots=True)
class Move:
    """Of bits from one field to another of the same width."""

    source: Target
    target: Target

    def layout(self) -> Layout:
        (source, source_offset, width), (target, target_offset, room) = _slice(self.source), _slice(self.target)
        if width != room:
            raise ValueError(f"{width} bits do not move into {room}: {self}")
        return _nicira(6, "HHH4s4s", width, source_offset, target_offset, source, target)


@dataclass(frozen=True, slots=True)
class Push:
    """Bits of a field onto the stack that travels with the packet."""

    source: Target

    def layout(self) -> Layout:
        header, offset, width = _slice(self.source)
        return _nicira(27, "H4sH6x", offset, header, width)


@dataclass(frozen=True, slots=True)
class Pop:
    """The bits on top of the stack into a field of that width."""

    target: Target

    def layout(self) -> Layout:
        header, offset, width = _slice(self.target)
        return _nicira(28, "H4sH6x", offset, header, width)


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Look up `table` (None: the present one) as well, as if the packet had come from `port` (of 16 bits)."""

    table: int | None = None
    port: int = _IN_PORT_16

    def layout(self) -> Layout:
        return _nicira(14, "HB3x", self.port, _NO_TABLE if self.table is None else self.table)


_ADDRESS_PRESENT = {False: (1, 2, "I"), True: (4, 8, "16s")}


@dataclass(frozen=True, slots=True)
class Nat:
    """Within `Ct`: with `direction` "src" or "dst" translate to a range of addresses and of ports; with None, translate
    as the connection has it. `ipv6` says what kind of addresses these numbers are."""

    direction: str | None = None
    address: int | None = None
    last_address: int | None = None
    port: int | None = None
    last_port: int | None = None
    ipv6: bool = False
    persistent: bool = False
    hash: bool = False
    random: bool = False

    def layout(self) -> Layout:
        flags = {None: 0, "src": 1, "dst": 2}[self.direction] | self.persistent << 2 | self.hash << 3 | self.random << 4
        first, last, code = _ADDRESS_PRESENT[self.ipv6]
        places = (
            (first, code, self._address(self.address)),
            (last, code, self._address(self.last_address)),
            (0x10, "H", self.port),
            (0x20, "H", self.last_port),
        )
        given = [place for place in places if place[2] is not None]
        operands = "2xHH" + "".join(code for _, code, _ in given)
        return _nicira(36, operands, flags, sum(bit for bit, _, _ in given), *(value for _, _, value in given))

    def _address(self, address: Any) -> Any:
        return address.to_bytes(16, "big") if self.ipv6 and isinstance(address, int) else address


@dataclass(frozen=True, slots=True)
class Ct:
    """Through connection tracking in `zone` (a number, or the bits of a field that hold it); then, with `table`, once
    more from that table on, as a tracked packet. `actions` are `Nat`, and loads of ct_mark and ct_label; `alg` is the
    control port of a protocol whose helper is wanted: 21 (ftp) or 69 (tftp)."""

    zone: int | Target = 0
    commit: bool = False
    force: bool = False
    table: int | None = None
    alg: int = 0
    actions: "tuple[Action, ...]" = ()

    def layout(self) -> Layout:
        source, zone = _packed_slice(self.zone) if isinstance(self.zone, (Field, BitField)) else (b"\0" * 4, self.zone)
        nested = join(*(action.layout() for action in self.actions))
        head = (self.commit | self.force << 1, source, zone, _NO_TABLE if self.table is None else self.table, self.alg)
        return _nicira(35, "H4sHB3xH" + nested.format, *head, *nested.arguments)


@dataclass(frozen=True, slots=True)
class CtClear:
    """Forget that the packet was tracked."""

    def layout(self) -> Layout:
        return _nicira(43)


@dataclass(frozen=True, slots=True)
class PushVlan:
    """A new outermost VLAN header."""

    ethertype: int = 0x8100

    def layout(self) -> Layout:
        return Layout("HHH2x", (17, 8, self.ethertype))


@dataclass(frozen=True, slots=True)
class PopVlan:
    """Off with the outermost VLAN header."""

    def layout(self) -> Layout:
        return Layout("HH4x", (18, 8))


@dataclass(frozen=True, slots=True)
class DecTtl:
    """Of the IP TTL or hop limit by one; a packet that is at its end goes no further."""

    def layout(self) -> Layout:
        return Layout("HH4x", (24, 8))


@dataclass(frozen=True, slots=True)
class Note:
    """Bytes that do nothing. They are kept with zeros behind them, so they must not end in one."""

    data: bytes

    def layout(self) -> Layout:
        if self.data.endswith(b"\0"):
            raise ValueError("a note must not end in a zero byte")
        return _nicira(8, f"{max(6, len(self.data))}s", self.data)


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Says that this flow is clause number `clause` (from 0) of the `clauses` that make up the match on `conj_id`."""

    conj_id: int
    clause: int
    clauses: int

    def layout(self) -> Layout:
        return _nicira(34, "BBI", self.clause, self.clauses, self.conj_id)


@dataclass(frozen=True, slots=True)
class Clone:
    """Do these actions to a copy of the packet and its metadata."""

    actions: "tuple[Action, ...]"

    def layout(self) -> Layout:
        nested = join(*(action.layout() for action in self.actions))
        return _nicira(42, "6x" + nested.format, *nested.arguments)


@dataclass(frozen=True, slots=True)
class CheckPktLarger:
    """Sets one bit of a field to whether the packet is longer than `length` bytes, Ethernet header included."""

    length: int
    target: BitField

    def layout(self) -> Layout:
        header, offset, _ = _slice(self.target)
        return _nicira(49, "HH4s6x", self.length, offset, header)


@dataclass(frozen=True, slots=True)
class Raw:
    """An action that is known by its bytes alone."""

    data: bytes

    def layout(self) -> Layout:
        return Layout(f"{len(self.data)}s", (self.data,))


Action = (
    Output
    | OutputFrom
    | Group
    | SetQueue
    | SetField
    | Load
    | Move
    | Push
    | Pop
    | Resubmit
    | Nat
    | Ct
    | CtClear
    | PushVlan
    | PopVlan
    | DecTtl
    | Note
    | Conjunction
    | Clone
    | CheckPktLarger
    | Raw
)


@dataclass(frozen=True, slots=True)
class Meter:
    """Instruction: drop what exceeds the meter's rate."""

    meter_id: int

    def layout(self) -> Layout:
        return Layout("HHI", (6, 8, self.meter_id))


@dataclass(frozen=True, slots=True)
class WriteMetadata:
    """Instruction: set the masked bits of the metadata."""

    value: int
    mask: int = 0xFFFFFFFFFFFFFFFF

    def layout(self) -> Layout:
        return Layout("HH4xQQ", (2, 24, self.value, self.mask))


@dataclass(frozen=True, slots=True)
class Goto:
    """Instruction: go on with a later table."""

    table: int

    def layout(self) -> Layout:
        return Layout("HHB3x", (1, 8, self.table))


@dataclass(frozen=True, slots=True)
class RawInstruction:
    """An instruction that is known by its bytes alone."""

    data: bytes

    def layout(self) -> Layout:
        return Layout(f"{len(self.data)}s", (self.data,))


Instruction = Meter | WriteMetadata | Goto | RawInstruction
Step = Action | Instruction
_INSTRUCTION_TYPES = (Meter, WriteMetadata, Goto, RawInstruction)  # a tuple is looked through faster than a union

_APPLY = 4
# The order in which Open vSwitch returns instructions, by their type: clear and write actions are ours as Raw only.
_RANK = {6: 0, _APPLY: 1, 5: 2, 3: 3, 2: 4, 1: 5}


def instruction_layout(steps: Iterable[Step]) -> Layout:
    """Layout of the instructions of a flow: its actions as one apply-actions, in their order, among the instructions
    in the order in which Open vSwitch returns them. ValueError where an instruction comes twice."""
    actions: list[Layout] = []
    instructions: dict[int, Layout] = {}
    for step in steps:
        if not isinstance(step, _INSTRUCTION_TYPES):
            actions.append(step.layout())
            continue
        layout = step.layout()
        kind = unpack_from("!H", layout.pack())[0] if isinstance(step, RawInstruction) else layout.arguments[0]
        if kind in instructions:
            raise ValueError(f"the instruction of {step} comes twice")
        instructions[kind] = layout
    if actions:
        nested = join(*actions)
        instructions[_APPLY] = Layout("HH4x" + nested.format, (_APPLY, 8 + nested.size(), *nested.arguments))
    return join(*(instructions[kind] for kind in sorted(instructions, key=lambda kind: _RANK.get(kind, len(_RANK)))))


def instructions(steps: Iterable[Step]) -> bytes:
    """Bytes of the instructions of a flow; none of them means drop. ValueError where a value does not fit its place."""
    return instruction_layout(steps).pack()


def encode_actions(actions: Iterable[Action]) -> bytes:
    """Bytes of a bare list of actions, as in a group's bucket or a packet-out."""
    return join(*(action.layout() for action in actions)).pack()


def _split(data: bytes, least: int) -> Iterator[bytes]:
    """The type-length-value items of a list. ValueError where their lengths do not add up."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < 4:
            raise ValueError(f"{len(data) - offset} bytes left over")
        length = int.from_bytes(data[offset + 2 : offset + 4], "big")
        if length < least or length % 8 or offset + length > len(data):
            raise ValueError(f"bad length {length} at {offset} of {len(data)}")
        yield data[offset : offset + length]
        offset += length


def _set_field(data: bytes) -> Action:
    size = 8 if data[4:6] == b"\xff\xff" else 4
    field = by_header(data[4 : 4 + size])
    return SetField(field, int.from_bytes(data[4 + size : 4 + size + field.nbytes], "big"))


def _masked_set_field(data: bytes) -> Action:
    word = int.from_bytes(data[10:14], "big")
    field = by_nxm_header(((word & ~0x1FF) | (word & 0xFF) // 2).to_bytes(4, "big"))
    value, mask = data[14 : 14 + field.nbytes], data[14 + field.nbytes : 14 + 2 * field.nbytes]
    return SetField(field, int.from_bytes(value, "big"), int.from_bytes(mask, "big"))


def _unpack_slice(header: bytes, packed: int) -> Target:
    return _target(header, packed >> 6, (packed & 0x3F) + 1)


def _load(data: bytes) -> Action:
    packed, header, value = unpack_from("!H4sQ", data, 10)
    return Load(_unpack_slice(header, packed), value)


def _move(data: bytes) -> Action:
    width, source_offset, target_offset, source, target = unpack_from("!HHH4s4s", data, 10)
    return Move(_target(source, source_offset, width), _target(target, target_offset, width))


def _stack_target(data: bytes) -> Target:
    offset, header, width = unpack_from("!H4sH", data, 10)
    return _target(header, offset, width)


def _output_from(data: bytes) -> Action:
    packed, header, max_len = unpack_from("!H4sH", data, 10)
    return OutputFrom(_unpack_slice(header, packed), max_len)


def _resubmit(data: bytes) -> Action:
    port, table = unpack_from("!HB", data, 10)
    return Resubmit(None if table == _NO_TABLE else table, port)


def _ct(data: bytes, nesting: int) -> Action:
    flags, source, zone, table, alg = unpack_from("!H4sHB3xH", data, 10)
    return Ct(
        zone if source == b"\0" * 4 else _unpack_slice(source, zone),
        bool(flags & 1),
        bool(flags & 2),
        None if table == _NO_TABLE else table,
        alg,
        decode_actions(data[24:], nesting),
    )


def _clone(data: bytes, nesting: int) -> Action:
    return Clone(decode_actions(data[16:], nesting))


_NAT_PLACES = ("I", "I", "16s", "16s", "H", "H")  # first and last address of either kind, first and last port


def _nat(data: bytes) -> Action:
    flags, present = unpack_from("!HH", data, 12)
    given = [place for place in range(6) if present >> place & 1]
    found = dict(zip(given, unpack_from("!" + "".join(_NAT_PLACES[place] for place in given), data, 16), strict=True))
    ipv6 = bool(present & 0x0C)
    first, last = (found.get(place + 2 * ipv6) for place in (0, 1))
    return Nat(
        (None, "src", "dst")[flags & 3],
        int.from_bytes(first, "big") if isinstance(first, bytes) else first,
        int.from_bytes(last, "big") if isinstance(last, bytes) else last,
        found.get(4),
        found.get(5),
        ipv6,
        bool(flags & 4),
        bool(flags & 8),
        bool(flags & 16),
    )


def _conjunction(data: bytes) -> Action:
    clause, clauses, conj_id = unpack_from("!BBI", data, 10)
    return Conjunction(conj_id, clause, clauses)


def _check_pkt_larger(data: bytes) -> Action:
    length, offset, header = unpack_from("!HH4s", data, 10)
    return CheckPktLarger(length, BitField(by_nxm_header(header), offset, 1))


_STANDARD: dict[int, Callable[[bytes], Action]] = {
    0: lambda data: Output(*unpack_from("!IH", data, 4)),
    17: lambda data: PushVlan(*unpack_from("!H", data, 4)),
    18: lambda data: PopVlan(),
    21: lambda data: SetQueue(*unpack_from("!I", data, 4)),
    22: lambda data: Group(*unpack_from("!I", data, 4)),
    24: lambda data: DecTtl(),
    25: _set_field,
}
_NICIRA: dict[int, Callable[[bytes], Action]] = {
    6: _move,
    7: _load,
    8: lambda data: Note(data[10:].rstrip(b"\0")),
    14: _resubmit,
    15: _output_from,
    27: lambda data: Push(_stack_target(data)),
    28: lambda data: Pop(_stack_target(data)),
    33: _masked_set_field,
    34: _conjunction,
    36: _nat,
    43: lambda data: CtClear(),
    49: _check_pkt_larger,
}
_NESTING: dict[int, Callable[[bytes, int], Action]] = {35: _ct, 42: _clone}
_INSTRUCTIONS: dict[int, Callable[[bytes], Instruction]] = {
    1: lambda data: Goto(data[4]),
    2: lambda data: WriteMetadata(*unpack_from("!QQ", data, 8)),
    6: lambda data: Meter(*unpack_from("!I", data, 4)),
}


def _decode_action(data: bytes, nesting: int) -> Action:
    kind = int.from_bytes(data[:2], "big")
    if kind != _EXPERIMENTER_ACTION:
        return _STANDARD[kind](data)
    vendor, subtype = unpack_from("!IH", data, 4)
    if vendor != NICIRA:
        return Raw(data)
    if subtype in _NESTING and nesting > 0:
        return _NESTING[subtype](data, nesting - 1)
    return _NICIRA[subtype](data)


def decode_actions(data: bytes, nesting: int = 4) -> tuple[Action, ...]:
    """Actions from their bytes. What is nested deeper than `nesting`, or would not come out as the same bytes again,
    is `Raw`. ValueError where the lengths do not add up."""
    return tuple(_or_raw(item, nesting) for item in _split(bytes(data), 8))


def _or_raw(data: bytes, nesting: int) -> Action:
    try:
        action = _decode_action(data, nesting)
        return action if action.layout().pack() == data else Raw(data)
    except (KeyError, IndexError, ValueError, StructError):
        return Raw(data)


def decode_instructions(data: bytes) -> tuple[Step, ...]:
    """Actions and instructions of a flow from their bytes, in the order in which they stand there; the inverse of
    `instructions`. ValueError where the lengths do not add up."""
    steps: list[Step] = []
    for item in _split(bytes(data), 8):
        kind = int.from_bytes(item[:2], "big")
        if kind == _APPLY and len(item) > 8:
            steps += decode_actions(item[8:])
            continue
        steps.append(_instruction_or_raw(kind, item))
    return tuple(steps)


def _instruction_or_raw(kind: int, data: bytes) -> Instruction:
    try:
        instruction = _INSTRUCTIONS[kind](data)
        return instruction if instruction.layout().pack() == data else RawInstruction(data)
    except (KeyError, StructError):
        return RawInstruction(data)
