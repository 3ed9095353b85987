"""rules: the fields of an object, and how a whole object is read and written by them."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from daybreak.northbound.neutron.codec import Codec
from daybreak.northbound.values import Invalid, expected


class Kept(Enum):
    """What PUT, which replaces, does with what is stored in a field."""

    NO = "the body counts: a field that it leaves out is lost"
    IF_ABSENT = "kept where the body leaves it out"
    ALWAYS = "kept; what the body says is ignored"


class Field(NamedTuple):
    """One field of an object: its JSON name, the record's attribute, its type.

    `default` is set where a POST leaves the field out. `query` is the parameter that filters by it; "": none.
    """

    name: str
    attribute: str
    codec: Codec
    default: Any = None
    query: str = ""
    kept: Kept = Kept.NO


def field(
    name: str,
    codec: Codec,
    attribute: str = "",
    *,
    default: Any = None,
    query: str | bool = False,
    kept: Kept = Kept.NO,
) -> Field:
    """A `Field` whose attribute, and parameter if it has one, are called like itself unless told otherwise."""
    parameter = (name if query else "") if isinstance(query, bool) else query
    return Field(name, attribute or name, codec, default, parameter, kept)


def struct(kind: type[msgspec.Struct], *fields: Field) -> Codec:
    """An object within an object, held as a `kind`. Unknown keys are ignored."""
    required = demanded(kind, fields)

    def read(value: Any) -> msgspec.Struct:
        if not isinstance(value, dict):
            raise expected("an object", value)
        values = read_fields(fields, value)
        require(values, required)
        return kind(**values)

    return Codec(read, lambda value: write_fields(fields, value))


def demanded(kind: type[msgspec.Struct], fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields without which there is no `kind`."""
    attributes = {each.name for each in msgspec.structs.fields(kind) if each.required}
    return tuple(each for each in fields if each.attribute in attributes)


def read_fields(fields: Iterable[Field], data: dict[str, Any]) -> dict[str, Any]:
    """Values by attribute; what is absent or null is left out. Raises `Invalid`."""
    values = {}
    for each in fields:
        raw = data.get(each.name)
        if raw is None:
            continue
        try:
            value = each.codec.read(raw)
        except Invalid as invalid:
            raise invalid.at(each.name) from None
        if value is not None:
            values[each.attribute] = value
    return values


def require(values: dict[str, Any], required: Iterable[Field]) -> None:
    """Raises `Invalid` for the first of `required` that has no value."""
    for each in required:
        if each.attribute not in values:
            raise Invalid("is missing", each.name)


def write_fields(fields: Iterable[Field], value: msgspec.Struct) -> dict[str, Any]:
    """JSON of what is set. What is None is left out, as in OpenDaylight's answers."""
    return {
        each.name: each.codec.write(held) for each in fields if (held := getattr(value, each.attribute)) is not None
    }
