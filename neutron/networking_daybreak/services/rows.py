"""io: records objects when the rows that they are made of are written.

Neutron has no hooks within the transaction for router interfaces, gateways, port forwardings, helpers, proxies,
metering, tags and more, and several hooks for others. Each kind names the rows that make up its objects
(`resources.kind.Kind.rows`); they are watched here, in the flush that writes them. So the note and the change are
committed together or not at all. Statements that write many rows at once pass by: l3/events.py has the one that counts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from neutron.db.models.tag import Tag
from neutron_lib.db import api as db_api
from neutron_lib.db.standard_attr import StandardAttribute
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_history

from networking_daybreak.journal.record import record, wake
from networking_daybreak.resources import KINDS
from networking_daybreak.resources.kind import Owners

NOTED = "daybreak_rows"

WATCHED: dict[type, list[tuple[str, Owners]]] = {}
for kind in KINDS.values():
    for model, owners in kind.rows.items():
        WATCHED.setdefault(model, []).append((kind.name, owners))
"""Model → the kinds that its rows belong to, and how to tell which object."""

TABLES = {kind.model.__tablename__: kind for kind in KINDS.values() if kind.model is not None}
"""Table of a kind with standard attributes → the kind."""


class Written:
    """What `record` needs of a context."""

    def __init__(self, session: Session) -> None:
        self.session = session


def subscribe() -> None:
    """Watch. A second call in the same process changes nothing."""
    if not event.contains(Session, "after_flush", after_flush):
        db_api.sqla_listen(Session, "after_flush", after_flush)
        db_api.sqla_listen(Session, "after_commit", after_commit)


def after_flush(session: Session, *_: Any) -> None:
    """Record the objects whose rows were just written."""
    note(session, dict.fromkeys(written(session)))


def note(session: Session, objects: Iterable[tuple[str, str]]) -> None:
    """Record objects, pairs of kind and id, and remember to wake the dispatcher when the transaction is committed."""
    for kind, id in objects:
        record(Written(session), kind, id)
        session.info[NOTED] = True


def written(session: Session) -> Iterator[tuple[str, str]]:
    """What the rows of a flush belong to."""
    changed = [row for row in session.dirty if session.is_modified(row)]
    for row in [*session.new, *changed, *session.deleted]:
        for kind, owners in WATCHED.get(type(row), ()):
            yield from ((kind, id) for id in owners(session, row))
        if isinstance(row, Tag):
            yield from by_attributes(session, row.standard_attr_id)
    for row in changed:
        if isinstance(row, StandardAttribute) and get_history(row, "description").deleted:
            yield from by_attributes(session, row.id)


def by_attributes(session: Session, id: int) -> Iterator[tuple[str, str]]:
    """The object that standard attributes belong to."""
    table = StandardAttribute.__table__
    kind = TABLES.get(session.scalar(sa.select(table.c.resource_type).where(table.c.id == id)))
    if kind is not None:
        owner = kind.model.__table__
        for found in session.scalars(sa.select(owner.c.id).where(owner.c.standard_attr_id == id, kind.where(owner))):
            yield kind.name, found


def after_commit(session: Session) -> None:
    if session.info.pop(NOTED, False):
        wake()
