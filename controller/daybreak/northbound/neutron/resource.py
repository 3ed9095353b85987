"""data: what a collection of the Neutron northbound is. `catalogue` has the rows, `translate` acts by them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

from daybreak.model import Record
from daybreak.northbound.neutron.codec import same
from daybreak.northbound.neutron.fields import Field, Kept, demanded

R = TypeVar("R", bound=Record)


class Lookup(Protocol):
    """Gives another record, by kind and key; None where there is none."""

    def __call__(self, kind: type[R], key: str, /) -> R | None: ...


def as_stored(record: Any, lookup: Lookup) -> Any:
    return record


@dataclass(frozen=True)
class Resource:
    """A collection: `path` below the base, JSON keys of one object and of many, kind of record, fields.

    `title` begins the texts about it ("Network UUID does not exist."). `paged` ones honour `limit`. `derive` fills
    in, on POST, what follows from other fields; `check` raises `Invalid` where fields contradict each other.
    `present` is what GET shows of a record where other records have a say in it. Not `editable`: there is no PUT.
    `no_bulk` refuses a POST of many; "": it is carried out.
    """

    path: str
    singular: str
    plural: str
    title: str
    record: type[Any]
    fields: tuple[Field, ...]
    paged: bool = False
    editable: bool = True
    no_bulk: str = ""
    derive: Callable[[Any], Any] = same
    check: Callable[[Any], Any] = same
    present: Callable[[Any, Lookup], Any] = as_stored

    @cached_property
    def required(self) -> tuple[Field, ...]:
        """The fields without which there is no record."""
        return demanded(self.record, self.fields)

    @cached_property
    def replaced(self) -> tuple[Field, ...]:
        """The fields that a PUT reads."""
        return tuple(each for each in self.fields if each.kept is not Kept.ALWAYS)

    @cached_property
    def filters(self) -> dict[str, Field]:
        """Query parameter → the field that it filters by."""
        return {each.query: each for each in self.fields if each.query}
