"""data: what there is to know of a kind of object: how to read it, in which words the controller takes it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

Body = dict[str, Any]
"""An object as Neutron's API shows it to an administrator."""

OWNERSHIP = ("tenant_id", "project_id")

Clause = Callable[[sa.Table], sa.ColumnElement[bool]]
"""Which rows of a table count."""

Owners = Callable[[Any, Any], Iterable[str]]
"""The ids of the objects that a row, written in a session, belongs to."""


def everything(table: sa.Table) -> sa.ColumnElement[bool]:
    """The clause of kinds whose objects are all told of."""
    return sa.true()


@dataclass(frozen=True)
class Opendaylight:
    """How the northbound of OpenDaylight takes a kind.

    `path` is that of the collection, `key` the one under which a body is wrapped. A PUT replaces: what a body leaves
    out is cleared. `create` and `update` name the fields that are left out of a POST and of a PUT, `unless_null` those
    that are when they're null; `shape` then gives the fields that have another form on the wire.
    """

    path: str
    key: str
    create: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    unless_null: frozenset[str] = frozenset()
    shape: Callable[[Body], Body] = lambda body: body

    def body(self, body: Body, *, update: bool) -> Mapping[str, Body]:
        """What a POST or a PUT carries."""
        left_out = self.update if update else self.create
        kept = {
            name: value
            for name, value in both_owners(body).items()
            if name not in left_out and not (value is None and name in self.unless_null)
        }
        return {self.key: self.shape(kept)}


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    `name`: the controller's word for it, below /v1 and in the journal.
    `read`: an administrator's context and ids → those of the objects that exist, as they are now; in few queries.
    `ids`: a context, the id to go on after (""), and how many at most → pairs of id and revision, in the order of ids.
    `parents`: the objects that have to be on the controller before the body is, as pairs of kind and id.
    `parent_kinds`: the kinds of those. A deletion of such a parent waits for what was recorded of this kind before it.
    `record`: the body as the record that /v1 takes.
    `opendaylight`: how OpenDaylight's northbound takes it; None: that doesn't know it.
    `model`: its table in Neutron's database, where that has standard attributes: tags and descriptions are found by it.
    `where`: a clause for this table that tells which of its objects the controller is told of.
    `rows`: the rows of Neutron's database that make up an object, by model, and whose they are. Where Neutron has no
    hook, or none within the transaction, they are watched (services/rows.py), and the object is recorded with them.
    """

    name: str
    read: Callable[[Any, Sequence[str]], dict[str, Body]]
    ids: Callable[[Any, str, int], list[tuple[str, int]]]
    record: Callable[[Body], dict[str, Any]]
    parents: Callable[[Body], Iterable[tuple[str, str]]] = lambda body: ()
    parent_kinds: tuple[str, ...] = ()
    opendaylight: Opendaylight | None = field(default=None)
    model: Any = None
    where: Clause = everything
    rows: Mapping[Any, Owners] = field(default_factory=dict)


def both_owners(body: Body) -> Body:
    """With the owner under its old name and its new."""
    owner = body.get("project_id") or body.get("tenant_id") or ""
    return {**body, "tenant_id": owner, "project_id": owner}


def chosen(body: Body, *names: str) -> dict[str, Any]:
    """The fields of a body that /v1 has under the same name, and what every object has; none that are null."""
    every = ("id", *OWNERSHIP, "revision_number")
    record = {name: body[name] for name in (*every, *names) if body.get(name) is not None}
    if body.get("tags"):
        record["tags"] = body["tags"]
    return record


def references(kind: str, *ids: str | None) -> Iterable[tuple[str, str]]:
    """Pairs for those ids that say something."""
    return ((kind, id) for id in ids if id)


def column(name: str) -> Owners:
    """The object whose id stands in a column of the row."""
    return lambda session, row: filter(None, [getattr(row, name)])
