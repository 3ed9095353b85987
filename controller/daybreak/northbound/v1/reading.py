"""rules: JSON objects as records and back. The JSON form of a record is its own fields under their own names.

Unlike the dialects of old clients this one takes nothing that it does not understand: an unknown field is refused, for
a misspelt one would be lost in silence. Addresses are brought into the one form that records hold.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from daybreak.model import AddressPair, Record, Subnet
from daybreak.northbound.checks import check_subnet
from daybreak.northbound.values import (
    Invalid,
    expected,
    read_cidr,
    read_ip,
    read_ip_or_prefix,
    read_mac,
)

R = TypeVar("R", bound=Record)

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
LOW, HIGH = -(1 << 63), (1 << 63) - 1
"""The numbers that every part of Daybreak can keep."""


def read_id(value: Any) -> str:
    """The identity of an object: a UUID, or whatever else its cloud uses that needs no quoting in a URL."""
    if isinstance(value, str) and ID.fullmatch(value):
        return value
    raise expected("an id of up to 64 letters, digits and . _ : -", value)


class OneOf:
    """Reads one of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, value: Any) -> str:
        if value in self.words:
            return str(value)
        raise expected(f"one of {', '.join(self.words)}", value)


def read_segmentation(value: Any) -> Any:
    """A VLAN or VNI: a number, or where the record holds text, its digits without leading zeros."""
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,9}", value):
        raise expected("the digits of a whole number", value)
    return value


MODE = OneOf("off", "dhcpv6-stateful", "dhcpv6-stateless", "slaac")

READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("id", "network_id", "subnet_id", "port_id", "router_id", "security_group_id"), read_id),
    **dict.fromkeys(("floating_ip_id", "internal_port_id"), read_id),
    "security_groups": read_id,
    "mac_address": read_mac,
    **dict.fromkeys(("ip_address", "gateway_ip", "start", "end", "nexthop", "vip_address", "address"), read_ip),
    **dict.fromkeys(("floating_ip_address", "fixed_ip_address", "internal_ip_address", "dns_nameservers"), read_ip),
    **dict.fromkeys(("destination", "remote_ip_prefix", "source_ip_prefix"), read_ip_or_prefix),
    "destination_ip_prefix": read_ip_or_prefix,
    "cidr": read_cidr,
    "network_type": OneOf("flat", "vlan", "vxlan", "gre", "geneve", "local"),
    "segmentation_id": read_segmentation,
    "ipv6_address_mode": MODE,
    "ipv6_ra_mode": MODE,
}
"""Field → how its values, or those of its list, are read. A field means the same in every record that has it …"""

EXCEPTIONS: Mapping[tuple[type, str], Callable[[Any], Any]] = {(AddressPair, "ip_address"): read_ip_or_prefix}
"""… but for these."""

CHECKS: Mapping[type[Record], Callable[[Any], None]] = {Subnet: check_subnet}
"""Kind → what looks for fields that contradict each other."""


def read_record(kind: type[R], body: bytes | msgspec.Raw, id: str | None = None) -> R:
    """The record that a body describes; `id` is the one that the request named, if it did. Raises `Invalid`."""
    try:
        data = msgspec.json.decode(body)
        if not isinstance(data, dict):
            raise expected("an object", data)
        if id is not None and data.setdefault("id", id) != id:
            raise Invalid(f"{data['id']} is not the {id} that was asked for", "id")
        refuse_unknown(kind, data)
        record = canonical(msgspec.convert(data, kind))
        if kind in CHECKS:
            CHECKS[kind](record)
    except Invalid as invalid:
        raise invalid.at(kind.kind) from None
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        raise Invalid(reason, kind.kind + place.strip("`").removeprefix("$")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"is not JSON: {error}", kind.kind) from None
    except RecursionError:
        raise Invalid("is nested too deeply", kind.kind) from None
    return cast(R, record)


def refuse_unknown(kind: Any, data: Any) -> None:
    """Raises `Invalid` for a field that its record does not have, and for a number that nobody can keep."""
    if isinstance(data, dict) and kind is not None:
        types = fields_of(kind)
        for name, value in data.items():
            if name not in types:
                raise Invalid(f"there is no such field; there is {', '.join(types)}", name)
            try:
                refuse_unknown(types[name], value)
            except Invalid as invalid:
                raise invalid.at(name) from None
    elif isinstance(data, list):
        for index, value in enumerate(data):
            try:
                refuse_unknown(kind, value)
            except Invalid as invalid:
                raise invalid.at(f"[{index}]") from None
    elif isinstance(data, int) and not LOW <= data <= HIGH:
        raise expected("a number of 64 bits", data)


FIELDS: dict[type, dict[str, type | None]] = {}


def fields_of(kind: type) -> dict[str, type | None]:
    """The fields of a record, each with the kind of object that it, or its list, holds; None: plain values."""
    if kind not in FIELDS:
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        FIELDS[kind] = {field.encode_name: inner(field.type) for field in info.fields}
    return FIELDS[kind]


def inner(info: msgspec.inspect.Type) -> type | None:
    """The kind of object within a field's type."""
    match info:
        case msgspec.inspect.StructType(cls=cls):
            return cls
        case msgspec.inspect.VarTupleType(item_type=item):
            return inner(item)
        case msgspec.inspect.UnionType(types=types):
            return next((found for each in types if (found := inner(each)) is not None), None)
        case _:
            return None


def canonical(value: Any) -> Any:
    """The same object with addresses in the one form that records hold. Raises `Invalid`."""
    changes = {}
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if held is None:
            continue
        try:
            read = EXCEPTIONS.get((type(value), name)) or READERS.get(name)
            new = read_value(held, read)
        except Invalid as invalid:
            raise invalid.at(name) from None
        if new != held:
            changes[name] = new
    return msgspec.structs.replace(value, **changes) if changes else value


def read_value(value: Any, read: Callable[[Any], Any] | None) -> Any:
    """A field's value, or each of those in its list."""
    if isinstance(value, msgspec.Struct):
        return canonical(value)
    if isinstance(value, tuple):
        return tuple(read_item(index, each, read) for index, each in enumerate(value))
    if read is None:
        return value
    if (found := read(value)) is None:
        raise Invalid("must not be empty; leave it out, or say null")
    return found


def read_item(index: int, value: Any, read: Callable[[Any], Any] | None) -> Any:
    try:
        return read_value(value, read)
    except Invalid as invalid:
        raise invalid.at(f"[{index}]") from None
