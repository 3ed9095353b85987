"""io: metering labels and their rules. They never change, and Neutron counts no revisions of them: the first is all."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models.metering import MeteringLabel, MeteringLabelRule
from neutron_lib.db import api as db_api

from networking_daybreak.resources.kind import Body, Kind, Opendaylight, both_owners, chosen, column, references

ONLY = 1
"""The revision of what never changes."""


def read_labels(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    return {id: both_owners(body) for id, body in plain(context, MeteringLabel, ids).items()}


def read_rules(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Rules, with the owner of their labels."""
    found = plain(context, MeteringLabelRule, ids)
    labels = plain(context, MeteringLabel, [body["metering_label_id"] for body in found.values()])
    owners = {id: label["project_id"] for id, label in labels.items()}
    return {id: both_owners({**body, "project_id": owners[body["metering_label_id"]]}) for id, body in found.items()}


def plain(context: Any, model: Any, ids: Sequence[str]) -> dict[str, Body]:
    """The rows of a model without standard attributes."""
    table = model.__table__
    with db_api.CONTEXT_READER.using(context):
        rows = context.session.execute(sa.select(table).where(table.c.id.in_(ids))).mappings()
        return {row["id"]: {**row, "revision_number": ONLY} for row in rows}


def paged(model: Any) -> Any:
    """A function that gives the ids of a model's rows, page by page."""
    table = model.__table__

    def page(context: Any, after: str, limit: int) -> list[tuple[str, int]]:
        query = sa.select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(limit)
        with db_api.CONTEXT_READER.using(context):
            return [(id, ONLY) for id in context.session.scalars(query)]

    return page


RULE = ("metering_label_id", "direction", "excluded", "remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix")

KINDS = (
    Kind(
        "metering_label",
        read_labels,
        paged(MeteringLabel),
        lambda body: chosen(body, "name", "shared"),
        opendaylight=Opendaylight("metering/metering-labels", "metering_label"),
        rows={MeteringLabel: column("id")},
    ),
    Kind(
        "metering_label_rule",
        read_rules,
        paged(MeteringLabelRule),
        lambda body: chosen(body, *RULE),
        parents=lambda body: references("metering_label", body["metering_label_id"]),
        parent_kinds=("metering_label",),
        opendaylight=Opendaylight("metering/metering-label-rules", "metering_label_rule"),
        rows={MeteringLabelRule: column("id")},
    ),
)
