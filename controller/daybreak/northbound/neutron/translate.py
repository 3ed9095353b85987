"""rules: what POST, PUT and GET of the Neutron northbound mean: objects to records and back, filters, pages."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from daybreak.northbound.neutron.codec import whole
from daybreak.northbound.neutron.fields import Field, Kept, read_fields, require, write_fields
from daybreak.northbound.neutron.resource import Resource
from daybreak.northbound.values import Invalid, expected

LIMIT = whole(1, (1 << 31) - 1)
PAGING = ("limit", "marker", "page_reverse")
Query = Sequence[tuple[str, str]]
"""Parameters of a request in their order; of those that are repeated the first counts, except for `fields`."""


class UnknownMarker(Exception):
    """The marker of a page is none of the objects."""

    def __init__(self, marker: str) -> None:
        super().__init__(f"UUID for marker: {marker} could not be found")


class OutOfBounds(Exception):
    """There is no such page."""

    def __init__(self) -> None:
        super().__init__("Requested page is out of bounds. Please check the supplied limit and marker")


class Page(NamedTuple):
    """A part of a list. `links` is None where the list is whole."""

    records: list[Any]
    links: list[dict[str, str]] | None


def created(resource: Resource, data: object) -> Any:
    """The record that a POST asks for, with defaults. Raises `Invalid`."""
    if not isinstance(data, dict):
        raise expected("an object", data).at(resource.singular)
    try:
        values = read_fields(resource.fields, data)
        require(values, resource.required)
        for each in resource.fields:
            if each.default is not None:
                values.setdefault(each.attribute, each.default)
        record = resource.derive(resource.record(**values))
        resource.check(record)
    except Invalid as invalid:
        raise invalid.at(resource.singular) from None
    return record


def updated(resource: Resource, old: Any, data: object) -> Any:
    """The record that a PUT leaves: the body, and what is kept of `old`. No defaults. Raises `Invalid`."""
    if not isinstance(data, dict):
        raise expected("an object", data).at(resource.singular)
    try:
        values = read_fields(resource.replaced, data)
        for each in resource.fields:
            if each.kept is not Kept.NO and (held := getattr(old, each.attribute)) is not None:
                values.setdefault(each.attribute, held)
        require(values, resource.required)
        record = resource.record(**values)
        resource.check(record)
    except Invalid as invalid:
        raise invalid.at(resource.singular) from None
    return record


def overtaken(old: Any, new: Any) -> bool:
    """Whether an update comes too late: its revision is lower than the stored one."""
    return None not in (old.revision_number, new.revision_number) and new.revision_number < old.revision_number


def writer(resource: Resource, query: Query = ()) -> Callable[[Any], dict[str, Any]]:
    """Makes JSON of records: of all fields, or of those that `fields` names (names that don't exist are ignored)."""
    wanted = {value for name, value in query if name == "fields"}
    fields = tuple(each for each in resource.fields if each.name in wanted) if wanted else resource.fields
    return lambda record: write_fields(fields, record)


def matching(resource: Resource, records: Iterable[Any], query: Query) -> list[Any]:
    """The records that equal every filter. Unknown parameters are ignored."""
    asked = dict(reversed(query))
    try:
        conditions = [
            (field.attribute, condition(field, asked[name]))
            for name, field in resource.filters.items()
            if name in asked
        ]
    except Invalid:  # no field can have this value
        return []
    return [each for each in records if all(holds(getattr(each, attribute), value) for attribute, value in conditions)]


def holds(held: Any, value: Any) -> bool:
    """Whether a field equals what a filter asks for; a list must have it among others."""
    return value in held if isinstance(held, tuple) else bool(held == value)


def condition(field: Field, text: str) -> Any:
    """The value that a filter asks for. Raises `Invalid`."""
    return (field.codec.query or field.codec.read)(text)


def paged(records: list[Any], query: Query, url: str) -> Page:
    """A page of `records` in the order of their ids, and links to its neighbours, made from the list's own `url`.

    Without `limit`, or where there is nothing to divide, the list stays whole and in its order. Raises `Invalid`,
    `UnknownMarker`, `OutOfBounds`.
    """
    asked = dict(reversed(query))
    limit = read_limit(asked["limit"]) if "limit" in asked else None
    if limit is None or len(records) <= 1:
        return Page(records, None)
    ordered = sorted(records, key=lambda record: record.key)
    start = 0
    if (marker := asked.get("marker")) is not None:
        found = bisect_left(ordered, marker, key=lambda record: record.key)
        if found == len(ordered) or ordered[found].key != marker:
            raise UnknownMarker(marker)
        start = found - limit if asked.get("page_reverse", "").lower() == "true" else found + 1
    end = start + limit
    part = ordered[max(start, 0) : max(end, 0)]
    if not part:
        raise OutOfBounds
    links = []
    if end < len(ordered):
        links.append(link("next", url, query, limit, part[-1].key))
    if start > 0:
        links.append(link("previous", url, query, limit, part[0].key, page_reverse="True"))
    return Page(part, links)


def read_limit(text: str) -> Any:
    try:
        return LIMIT.read(text)
    except Invalid as invalid:
        raise invalid.at("limit") from None


def link(ref: str, url: str, query: Query, limit: int, marker: str, **reverse: str) -> dict[str, str]:
    """To a neighbouring page. Filters stay on, or the next page would be one of another list."""
    others = [(name, value) for name, value in query if name not in PAGING]
    return {"ref": ref, "href": f"{url}?{urlencode([('limit', limit), ('marker', marker), *reverse.items(), *others])}"}
