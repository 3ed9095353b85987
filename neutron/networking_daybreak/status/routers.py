"""io: routers of which nobody noted whose they are, such as those of networking-odl's `odl-router_v2`.

Neutron does so when somebody asks for a router's provider, which may not happen for long; and until then no change of
such a router is recorded, and no status is given to its ports.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from neutron.db.models.l3 import Router
from neutron_lib.db import api as db_api
from neutron_lib.exceptions.l3 import RouterNotFound
from neutron_lib.plugins import constants, directory
from oslo_log import log as logging

from networking_daybreak.l3.ownership import NOTES, providers

LOG = logging.getLogger(__name__)


def settle(context: Any) -> Iterator[str]:
    """Have Neutron note a provider for each, one after the other. With its note (services/rows.py) a router of ours is
    recorded, and what belongs to it.
    """
    plugin = directory.get_plugin(constants.L3)
    if plugin is None or not providers().default:
        return
    for router in unnoted(context):
        with contextlib.suppress(RouterNotFound):  # it was deleted meanwhile
            note(plugin, context, router)
        yield router


@db_api.retry_if_session_inactive()
def note(plugin: Any, context: Any, router: str) -> None:
    """Neutron's own way; an API process may be faster."""
    driver = plugin.l3_driver_controller.get_provider_for_router(context, router)
    LOG.info("Router %s, of which nobody had noted whose it is, is %s's", router, driver.name)


@db_api.retry_if_session_inactive()
def unnoted(context: Any) -> list[str]:
    """Routers without a note."""
    query = sa.select(Router.id).where(Router.id.not_in(sa.select(NOTES.c.resource_id)))
    with db_api.CONTEXT_READER.using(context):
        return list(context.session.scalars(query))
