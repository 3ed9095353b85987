"""io: reads many objects of Neutron's database in few queries, without loading a plugin."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.tag import Tag
from neutron_lib.db import api as db_api
from neutron_lib.db.standard_attr import StandardAttribute
from oslo_utils import timeutils

from networking_daybreak.resources.kind import Body, Clause, everything

Row = dict[str, Any]
ATTRIBUTES = StandardAttribute.__table__


def objects(context: Any, model: Any, ids: Sequence[str], where: Clause = everything) -> dict[str, Body]:
    """The rows of a model with standard attributes, by their ids: its columns, description, revision, times, tags."""
    table = model.__table__
    query = (
        sa.select(
            table,
            ATTRIBUTES.c.description,
            ATTRIBUTES.c.revision_number,
            ATTRIBUTES.c.created_at,
            ATTRIBUTES.c.updated_at,
        )
        .join_from(table, ATTRIBUTES, table.c.standard_attr_id == ATTRIBUTES.c.id)
        .where(table.c.id.in_(ids), where(table))
    )
    found = {}
    with db_api.CONTEXT_READER.using(context):
        rows = context.session.execute(query).mappings().all()
        tags = belonging(context, Tag, "standard_attr_id", [row["standard_attr_id"] for row in rows], "tag")
        for row in rows:
            body = dict(row)
            body["tags"] = [each["tag"] for each in tags[body.pop("standard_attr_id")]]
            body["tenant_id"] = body["project_id"] = body.get("project_id") or ""
            body["updated_at"] = body["updated_at"] or body["created_at"]
            for moment in ("created_at", "updated_at"):
                body[moment] = body[moment] and timeutils.normalize_time(body[moment]).strftime("%Y-%m-%dT%H:%M:%SZ")
            found[body["id"]] = body
    return found


def belonging(context: Any, model: Any, key: str, ids: Iterable[str], *order: str) -> dict[str, list[Row]]:
    """The rows of a model that belong to the ids by its column `key`, in the order of other columns."""
    table = model.__table__
    query = sa.select(table).where(table.c[key].in_(list(ids)))
    found: dict[str, list[Row]] = defaultdict(list)
    with db_api.CONTEXT_READER.using(context):
        for row in context.session.execute(query.order_by(*(table.c[name] for name in order))).mappings():
            found[row[key]].append(dict(row))
    return found


def valued(context: Any, model: Any, key: str, value: str, ids: Iterable[str]) -> dict[str, Any]:
    """One column of the row of a model that belongs to each of the ids, where there is one."""
    table = model.__table__
    query = sa.select(table.c[key], table.c[value]).where(table.c[key].in_(list(ids)))
    with db_api.CONTEXT_READER.using(context):
        return {row[0]: row[1] for row in context.session.execute(query)}


def paged(model: Any, where: Clause = everything) -> Any:
    """A function that gives the ids and revisions of a model's rows, page by page."""
    table = model.__table__

    def page(context: Any, after: str, limit: int) -> list[tuple[str, int]]:
        query = (
            sa.select(table.c.id, ATTRIBUTES.c.revision_number)
            .join_from(table, ATTRIBUTES, table.c.standard_attr_id == ATTRIBUTES.c.id)
            .where(table.c.id > after, where(table))
            .order_by(table.c.id)
            .limit(limit)
        )
        with db_api.CONTEXT_READER.using(context):
            return [(row[0], row[1]) for row in context.session.execute(query)]

    return page
