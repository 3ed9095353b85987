"""io: what networking-odl had not sent when it was replaced: recorded in this journal, and taken out of its own.

Its rows carry a body and an operation; of them only the object counts, for bodies are read when they are sent.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from networking_daybreak.journal.record import record

TABLE = sa.table(
    "opendaylightjournal", *(sa.column(name) for name in ("seqnum", "object_type", "object_uuid", "state"))
)
LEFT = ("pending", "processing", "failed")
KINDS = {
    "network": "network",
    "subnet": "subnet",
    "port": "port",
    "security_group": "security_group",
    "security_group_rule": "security_group_rule",
    "router": "router",
    "floatingip": "floating_ip",
    "policy": "qos_policy",
    "trunk": "trunk",
}
"""What networking-odl called the kinds that this driver has, too."""

CHUNK = 500
"""Rows that are imported in one transaction."""


@db_api.retry_if_session_inactive()
def left(context: Any) -> Counter[str]:
    """How many rows networking-odl has not sent, by its names of kinds; none where it was never installed."""
    with db_api.CONTEXT_READER.using(context):
        if not sa.inspect(context.session.connection()).has_table(TABLE.name):
            return Counter()
        query = sa.select(TABLE.c.object_type, sa.func.count()).where(TABLE.c.state.in_(LEFT))
        return Counter(dict(context.session.execute(query.group_by(TABLE.c.object_type)).tuples().all()))


def bring_over(context: Any) -> int:
    """Record all that is left of the kinds that this driver has. Returns how many rows were brought over.

    Each chunk is one transaction: where it is cut off, the rest is brought over the next time.
    """
    brought = 0
    if left(context):
        while number := _chunk(context):
            brought += number
    return brought


@db_api.retry_if_session_inactive()
def _chunk(context: Any) -> int:
    mine = sa.and_(TABLE.c.state.in_(LEFT), TABLE.c.object_type.in_(list(KINDS)))
    query = sa.select(TABLE.c.seqnum, TABLE.c.object_type, TABLE.c.object_uuid).where(mine)
    with db_api.CONTEXT_WRITER.using(context):
        rows = context.session.execute(query.order_by(TABLE.c.seqnum).limit(CHUNK)).all()
        for kind, id in dict.fromkeys((KINDS[row.object_type], row.object_uuid) for row in rows):
            record(context, kind, id)
        if rows:
            # Rows that wait for these go with them (opendaylight_journal_deps: ON DELETE CASCADE).
            done = sa.delete(TABLE).where(TABLE.c.seqnum.in_([row.seqnum for row in rows]))
            context.session.execute(done)
    return len(rows)
