"""rules: values of Neutron's JSON, read into what records hold and written back.

OpenDaylight's binding (EclipseLink MOXy) coerced scalars to the declared type: a segmentation id posted as 100 comes
back as "100", and "true" is a boolean. Clients rely on that, so it is done here too; what can't be coerced is refused
with a reason. Addresses are stored in one canonical form. An empty text is null wherever text alone makes no sense.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from daybreak.northbound.values import (
    Invalid,
    expected,
    read_cidr,
    read_ip,
    read_ip_or_prefix,
    read_mac,
    read_prefix,
)

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Unsupported(Invalid):
    """A protocol that is none. OpenDaylight's words for it don't say where."""

    def __init__(self, protocol: str) -> None:
        super().__init__(f"Protocol {protocol[:60]} is not supported")

    def at(self, name: str) -> Self:
        return self


def same(value: Any) -> Any:
    """A record's value that is JSON already."""
    return value


class Codec(NamedTuple):
    """How one type travels. `read` takes JSON (never null) and raises `Invalid`; `write` is its inverse.

    `query` reads the text of a filter; without it, `read` does.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = same
    query: Callable[[str], Any] | None = None


def read_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise expected("a text", value)


def read_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "TRUE", "1", 1):
        return True
    if value in ("false", "False", "FALSE", "0", 0):
        return False
    raise expected("true or false", value)


def read_tenant(value: Any) -> str | None:
    """An opaque label. UUIDs lose their dashes, as in all that OpenDaylight sent; CloudStack sends account names."""
    name = read_text(value)
    return (name.replace("-", "").lower() if UUID.fullmatch(name) else name) or None


def read_uuid(value: Any) -> str | None:
    if value == "":
        return None
    if isinstance(value, str) and UUID.fullmatch(value):
        return value
    raise expected("a UUID with dashes", value)


def read_reference(value: Any) -> str | None:
    """Another object, as a port's security groups are: {"id": UUID}, or the UUID alone as Neutron itself has it."""
    if isinstance(value, dict):
        try:
            return read_uuid(value.get("id", ""))
        except Invalid as invalid:
            raise invalid.at("id") from None
    return read_uuid(value)


def read_segmentation(value: Any) -> str | None:
    """A VLAN, VNI or GRE key as decimal text (GRE keys have 32 bits: RFC 2890)."""
    digits = read_text(value)
    if digits == "":
        return None
    if digits.isascii() and digits.isdecimal() and len(digits) <= 10 and int(digits) < 1 << 32:
        return str(int(digits))
    raise expected("a whole number from 0 to 4294967295", value)


def read_json_text(value: Any) -> str:
    """A text, or any JSON as its text: networking-odl sends binding:profile as a text, others as an object."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def read_mapping(value: Any) -> tuple[tuple[str, str], ...]:
    """An object of texts, sorted by key. Neutron puts booleans and objects in: they become their JSON text."""
    if not isinstance(value, dict):
        raise expected("an object", value)
    return tuple(sorted((key, read_json_text(each)) for key, each in value.items() if each is not None))


def read_ip_version(value: Any) -> int:
    if value in (4, 6, "4", "6") and not isinstance(value, bool):
        return int(value)
    raise expected("4 or 6", value)


def whole(low: int, high: int) -> Codec:
    """A whole number from `low` to `high`; a text of digits is one too."""

    def read(value: Any) -> int:
        number = value
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            number = int(value)
        if isinstance(value, float) and value.is_integer():
            number = int(value)
        if isinstance(number, int) and not isinstance(number, bool) and low <= number <= high:
            return number
        raise expected(f"a whole number from {low} to {high}", value)

    return Codec(read)


def choice(*words: str) -> Codec:
    """One of some words; "" is null."""

    def read(value: Any) -> str | None:
        if value == "":
            return None
        if isinstance(value, str) and value in words:
            return value
        raise expected(f"one of {', '.join(words)}", value)

    return Codec(read)


def protocol(*names: str, numbers: bool = False) -> Codec:
    """One of some names or, with `numbers`, an IP protocol's number as decimal text; "" is null."""

    def read(value: Any) -> str | None:
        text = read_text(value)
        if text == "" or text in names:
            return text or None
        if numbers and re.fullmatch("[0-9]{1,3}", text) and int(text) < 256:
            return str(int(text))
        raise Unsupported(text)

    return Codec(read)


def shown_only(codec: Codec) -> Codec:
    """What answers show, and no request changes."""
    return Codec(lambda value: None, codec.write)


def as_text(codec: Codec) -> Codec:
    """What `codec` reads, written as a text, as OpenDaylight wrote some numbers."""
    return Codec(codec.read, str)


def listing(codec: Codec) -> Codec:
    """A list of what `codec` reads, held as a tuple. A filter asks for one that it holds."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise expected("a list", value)
        return tuple(item(index, each) for index, each in enumerate(value))

    def item(index: int, value: Any) -> Any:
        try:
            if value is not None and (result := codec.read(value)) is not None:
                return result
            raise Invalid("must not be empty")
        except Invalid as invalid:
            raise invalid.at(f"[{index}]") from None

    def write(values: tuple[Any, ...]) -> list[Any]:
        return [codec.write(each) for each in values]

    return Codec(read, write, codec.query or codec.read)


TEXT = Codec(read_text)
BOOL = Codec(read_bool, query=lambda text: text.lower() == "true")
TENANT = Codec(read_tenant)
UUID_TEXT = Codec(read_uuid)
MAC_TEXT = Codec(read_mac)
IP = Codec(read_ip)
PREFIX = Codec(read_prefix)
CIDR = Codec(read_cidr)
IP_OR_PREFIX = Codec(read_ip_or_prefix)
SEGMENTATION = Codec(read_segmentation)
JSON_TEXT = Codec(read_json_text)
MAPPING = Codec(read_mapping, dict)
IP_VERSION = Codec(read_ip_version)
LONG = whole(-(1 << 63), (1 << 63) - 1)
COUNT = whole(0, (1 << 31) - 1)
LIMIT = whole(-1, (1 << 31) - 1)
"""A number of things at most; -1: any number."""
PORT_NUMBER = whole(0, 65535)
REFERENCE = Codec(read_reference, lambda key: {"id": key})
