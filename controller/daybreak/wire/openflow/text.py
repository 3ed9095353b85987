"""Rules (pure): flows as people read them, in the language of ovs-ofctl(8).

Without names the text is what `ovs-ofctl parse-flows` takes; with names, tables and parts of registers are called what
the pipeline calls them. The variables of a shape show as `<name>`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from . import actions as a
from .fields import (
    CT_STATE,
    ETH_TYPE,
    ETH_TYPE_ARP,
    ETH_TYPE_IPV4,
    ETH_TYPE_IPV6,
    FIELDS,
    IN_PORT,
    IP_PROTO,
    TCP_FLAGS,
    TUN_FLAGS,
    BitField,
    Field,
)
from .flow import Condition, decode_key
from .layout import Variable
from .messages_group import GroupType, MeterFlags
from .shared import decode_group, decode_meter, is_meter


@dataclass(frozen=True, slots=True)
class Names:
    """What tables, by number, and parts of fields are called."""

    tables: Mapping[int, str] = field(default_factory=dict)
    parts: Sequence[BitField] = ()

    def table(self, number: int) -> str:
        """Name of a table, or its number."""
        return self.tables.get(number, str(number))

    def target(self, target: a.Target) -> str:
        """Name of some bits: of the part that they are, or as `field[first..last]`."""
        whole = target if isinstance(target, Field) else target.field
        name = "in_port_oxm" if whole is IN_PORT else _field_name(whole)
        if isinstance(target, Field):
            return next((part.name for part in self.parts if part == BitField(target, 0, target.nbits)), f"{name}[]")
        named = next((part.name for part in self.parts if part == target), "")
        last = target.offset + target.width - 1
        return named or f"{name}[{target.offset if target.width == 1 else f'{target.offset}..{last}'}]"


NO_NAMES = Names()

# Where ovs-ofctl has another name for a field.
_OFCTL = {
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "ipv4_src": "nw_src",
    "ipv4_dst": "nw_dst",
    "ipv6_flabel": "ipv6_label",
    "ip_proto": "nw_proto",
    "ip_ecn": "nw_ecn",
}
_PORTS = {
    a.IN_PORT: "IN_PORT",
    a.NORMAL: "NORMAL",
    a.FLOOD: "FLOOD",
    a.ALL: "ALL",
    a.CONTROLLER: "CONTROLLER",
    a.LOCAL: "LOCAL",
}
_ETH_TYPES = {ETH_TYPE_IPV4: "ip", ETH_TYPE_IPV6: "ipv6", ETH_TYPE_ARP: "arp"}
_PROTOCOLS = {
    (ETH_TYPE_IPV4, 1): "icmp",
    (ETH_TYPE_IPV4, 6): "tcp",
    (ETH_TYPE_IPV4, 17): "udp",
    (ETH_TYPE_IPV4, 132): "sctp",
    (ETH_TYPE_IPV6, 58): "icmp6",
    (ETH_TYPE_IPV6, 6): "tcp6",
    (ETH_TYPE_IPV6, 17): "udp6",
    (ETH_TYPE_IPV6, 132): "sctp6",
}
_FRAGMENTS = {  # bit 0: any fragment; bit 1: not the first one, which is a fragment too
    (0, None): "no",
    (1, None): "first",
    (3, None): "later",
    (0, 1): "no",
    (1, 1): "yes",
    (0, 2): "not_later",
    (2, 2): "later",
}
_FLAGS = {
    CT_STATE: ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"),
    TCP_FLAGS: ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"),
    TUN_FLAGS: ("oam",),
}


def _field_name(field: Field) -> str:
    return _OFCTL.get(field.name, field.name)


def _number(value: Any) -> str:
    """Decimal, or the name of a variable."""
    return f"<{value.name}>" if isinstance(value, Variable) else str(value)


def _hex(value: Any) -> str:
    return f"<{value.name}>" if isinstance(value, Variable) else f"{value:#x}"


def _mac(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")


def _port(value: int) -> str:
    return _PORTS.get(value, str(value))


_PLAIN: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "hex": hex,
    "mac": _mac,
    "ipv4": lambda value: str(IPv4Address(value)),
    "ipv6": lambda value: str(IPv6Address(value)),
    "port": _port,
}


def format_value(field: Field, value: Any, mask: Any = None) -> str:
    """A field's value, or value and mask, in the field's own notation."""
    if isinstance(value, Variable) or isinstance(mask, Variable):
        return "/".join(_symbol(field, x) for x in (value, mask) if x is not None)
    if field.form == "frag":
        return _FRAGMENTS.get((value, mask), f"{value}/{mask}")
    if field in _FLAGS and (mask is not None or field.always_masked):
        return _signs(field, value, field.full if mask is None else mask)
    plain = _PLAIN.get(field.form, hex)
    if mask is None or mask == field.full:
        return plain(value)
    if field.form in ("ipv4", "ipv6") and _is_prefix(mask, field.nbits):
        return f"{plain(value)}/{mask.bit_count()}"
    return f"{plain(value)}/{hex(mask) if field.form == 'decimal' else plain(mask)}"


def _symbol(field: Field, value: Any) -> str:
    return f"<{value.name}>" if isinstance(value, Variable) else format_value(field, value)


def _is_prefix(mask: int, width: int) -> bool:
    length = mask.bit_count()
    return mask == ((1 << length) - 1) << (width - length)


def _signs(field: Field, value: int, mask: int) -> str:
    """`+new-est`: which flags must be set and which must not; in hexadecimal where a bit has no name."""
    names = _FLAGS[field]
    if mask >> len(names):
        return f"{value:#x}/{mask:#x}"
    return "".join("-+"[value >> bit & 1] + name for bit, name in enumerate(names) if mask >> bit & 1)


def format_match(match: Iterable[Condition], names: Names = NO_NAMES) -> str:
    """Conditions, separated by commas; empty for a match on everything."""
    return ",".join(_conditions(tuple(match), names))


def _conditions(match: tuple[Condition, ...], names: Names) -> Iterator[str]:
    known = {condition.field: condition.value for condition in match}
    eth_type, protocol = known.get(ETH_TYPE), known.get(IP_PROTO)
    shorthand = _PROTOCOLS.get((eth_type, protocol)) if eth_type is not None and protocol is not None else None
    if shorthand or (shorthand := _ETH_TYPES.get(eth_type) if eth_type is not None else None):
        yield shorthand
    implied = {ETH_TYPE} if shorthand else set()
    if shorthand in _PROTOCOLS.values():
        implied.add(IP_PROTO)
    for condition in match:
        if condition.field not in implied:
            yield from _condition(condition, names)


def _condition(condition: Condition, names: Names) -> Iterator[str]:
    field, value, mask = condition
    if isinstance(field, BitField):
        shown = f"{_hex(value)}" if mask is None else f"{_hex(value)}/{_hex(mask)}"
        yield f"{names.target(field)}={shown}"
        return
    if isinstance(value, int) and not isinstance(mask, Variable):
        rest = field.full if mask is None else mask
        for part in names.parts:
            if part.field is field and rest & part.mask == part.mask:
                yield f"{part.name}={(value & part.mask) >> part.offset:#x}"
                rest &= ~part.mask
        if rest == 0:
            return
        mask = None if rest == field.full else rest
        value &= rest
    yield f"{_field_name(field)}={format_value(field, value, mask)}"


def format_steps(steps: Iterable[a.Step], names: Names = NO_NAMES) -> str:
    """Actions and instructions, separated by commas; `drop` for none."""
    return ",".join(_step(step, names) for step in steps) or "drop"


def _set_field(step: a.SetField, names: Names) -> str:
    return f"set_field:{format_value(step.field, step.value, step.mask)}->{_field_name(step.field)}"


def _resubmit(step: a.Resubmit, names: Names) -> str:
    port = "" if step == a.Resubmit(step.table) else _number(step.port)
    return f"resubmit({port},{'' if step.table is None else names.table(step.table)})"


def _output(step: a.Output, names: Names) -> str:
    if step.port == a.CONTROLLER:
        return f"CONTROLLER:{step.max_len}"
    return _port(step.port) if step.port in _PORTS else f"output:{_number(step.port)}"


_ALGS = {21: "ftp", 69: "tftp"}


def _ct(step: a.Ct, names: Names) -> str:
    parts = ["commit"] * step.commit + ["force"] * step.force
    if step.table is not None:
        parts.append(f"table={names.table(step.table)}")
    if step.zone != 0:
        zone = names.target(step.zone) if isinstance(step.zone, Field | BitField) else _number(step.zone)
        parts.append(f"zone={zone}")
    if step.alg:
        parts.append(f"alg={_ALGS.get(step.alg, step.alg)}")
    parts += [_step(action, names) for action in step.actions if isinstance(action, a.Nat)]
    if nested := [action for action in step.actions if not isinstance(action, a.Nat)]:
        parts.append(f"exec({format_steps(nested, names)})")
    return f"ct({','.join(parts)})" if parts else "ct"


def _nat(step: a.Nat, names: Names) -> str:
    if step.direction is None:
        return "nat"
    address = _range(step.address, step.last_address, _PLAIN["ipv6" if step.ipv6 else "ipv4"])
    port = _range(step.port, step.last_port, str)
    shown = f"[{address}]:{port}" if port and step.ipv6 else f"{address}:{port}" if port else address
    flags = [name for name in ("persistent", "hash", "random") if getattr(step, name)]
    return f"nat({','.join([f'{step.direction}={shown}' if shown else step.direction, *flags])})"


def _range(first: Any, last: Any, plain: Callable[[int], str]) -> str:
    ends = [f"<{x.name}>" if isinstance(x, Variable) else plain(x) for x in (first, last) if x is not None]
    return "-".join(ends)


def _write_metadata(step: a.WriteMetadata, names: Names) -> str:
    whole = step.mask == FIELDS["metadata"].full
    return f"write_metadata:{_hex(step.value)}" + ("" if whole else f"/{_hex(step.mask)}")


_STEPS: dict[type, Callable[[Any, Names], str]] = {
    a.Output: _output,
    a.OutputFrom: lambda step, names: f"output:{names.target(step.source)}",
    a.Group: lambda step, names: f"group:{_number(step.group_id)}",
    a.SetQueue: lambda step, names: f"set_queue:{_number(step.queue_id)}",
    a.SetField: _set_field,
    a.Load: lambda step, names: f"load:{_hex(step.value)}->{names.target(step.target)}",
    a.Move: lambda step, names: f"move:{names.target(step.source)}->{names.target(step.target)}",
    a.Push: lambda step, names: f"push:{names.target(step.source)}",
    a.Pop: lambda step, names: f"pop:{names.target(step.target)}",
    a.Resubmit: _resubmit,
    a.Ct: _ct,
    a.Nat: _nat,
    a.CtClear: lambda step, names: "ct_clear",
    a.PushVlan: lambda step, names: f"push_vlan:{step.ethertype:#06x}",
    a.PopVlan: lambda step, names: "pop_vlan",
    a.DecTtl: lambda step, names: "dec_ttl",
    a.Note: lambda step, names: f"note:{step.data.hex('.')}",
    a.Conjunction: lambda step, names: f"conjunction({_number(step.conj_id)},{step.clause + 1}/{step.clauses})",
    a.Clone: lambda step, names: f"clone({format_steps(step.actions, names)})",
    a.CheckPktLarger: lambda step, names: f"check_pkt_larger({_number(step.length)})->{names.target(step.target)}",
    a.Raw: lambda step, names: f"raw:{step.data.hex()}",
    a.Meter: lambda step, names: f"meter:{_number(step.meter_id)}",
    a.WriteMetadata: _write_metadata,
    a.Goto: lambda step, names: f"goto_table:{names.table(step.table)}",
    a.RawInstruction: lambda step, names: f"raw:{step.data.hex()}",
    Variable: lambda step, names: f"<{step.name}>",
}


def _step(step: a.Step, names: Names) -> str:
    return _STEPS[type(step)](step, names)


def format_flow(key: bytes, body: bytes, names: Names = NO_NAMES) -> str:
    """A flow's key and body as a line: cookie, table, priority, match and actions. ValueError where malformed."""
    table, priority, match = decode_key(key)
    conditions = format_match(match, names)
    head = f"cookie={int.from_bytes(body[:8], 'big'):#x}, table={names.table(table)}, priority={priority}"
    steps = format_steps(a.decode_instructions(body[8:]), names)
    return f"{head}{', ' if conditions else ''}{conditions} actions={steps}"


def format_shared(key: bytes, body: bytes, names: Names = NO_NAMES) -> tuple[str, str]:
    """A meter's or a group's number, and what it does. ValueError where they are malformed."""
    if is_meter(key):
        meter = decode_meter(key, body)
        flags = [name for flag, name in _METER_FLAGS.items() if meter.flags & flag]
        bands = [f"rate={band.rate}{f',burst_size={band.burst}' if band.burst else ''}" for band in meter.bands]
        return f"meter={meter.meter_id}", f"{','.join(flags)},bands=drop:{';'.join(bands)}"
    group = decode_group(key, body)
    buckets = (format_steps(a.decode_actions(bucket.actions), names) for bucket in group.buckets)
    kind = GroupType(group.type).name.lower()
    return f"group_id={group.group_id}", ",".join([f"type={kind}", *(f"bucket=actions={steps}" for steps in buckets)])


_METER_FLAGS = {
    MeterFlags.KBPS: "kbps",
    MeterFlags.PKTPS: "pktps",
    MeterFlags.BURST: "burst",
    MeterFlags.STATS: "stats",
}
