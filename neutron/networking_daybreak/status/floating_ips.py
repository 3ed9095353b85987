"""io: the status of floating IPs: ACTIVE when the controller has the association and acts on it, else DOWN."""

from typing import Any

import sqlalchemy as sa
from neutron.db.models.l3 import FloatingIP
from neutron_lib.db import api as db_api
from neutron_lib.plugins import constants, directory

from networking_daybreak.journal.models import Row
from networking_daybreak.l3.ownership import ours
from networking_daybreak.ml2.extensions import acts_on
from networking_daybreak.services.needs import FLOATING_IP
from networking_daybreak.status.verdict import ACTIVE, DOWN

BATCH = 200
"""Floating IPs that are looked at in one turn."""

KIND = "floating_ip"


@db_api.retry_if_session_inactive()
def due(context: Any) -> dict[str, str]:
    """Daybreak's floating IPs whose status is not what it should be → what it should be; not all at once.

    A floating IP with a note in the journal is on its way to the controller: it is looked at when it has arrived.
    """
    works = FloatingIP.router_id.is_not(None) if acts_on(FLOATING_IP) else sa.false()
    true = sa.case((works, ACTIVE), else_=DOWN)
    on_its_way = sa.select(Row.seq).where(Row.kind == KIND, Row.object_id == FloatingIP.id).exists()
    router = sa.func.coalesce(FloatingIP.router_id, FloatingIP.last_known_router_id)
    query = sa.select(FloatingIP.id, true).where(ours(router), FloatingIP.status != true, sa.not_(on_its_way))
    with db_api.CONTEXT_READER.using(context):
        return dict(context.session.execute(query.limit(BATCH)).all())


def settle(context: Any) -> int:
    """Give floating IPs the status that is due; how many."""
    plugin = directory.get_plugin(constants.L3)
    if plugin is None:
        return 0
    found = due(context)
    for id, status in found.items():
        plugin.update_floatingip_status(context, id, status)
    return len(found)
