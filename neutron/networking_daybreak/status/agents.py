"""io: hosts and controllers as rows of Neutron's agents: shown, sorted, scheduled by, and alive only if they are."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db.models.agent import Agent as Row
from neutron.objects.agent import Agent
from neutron.services.segments import db as segments
from neutron_lib.db import api as db_api
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import timeutils

from networking_daybreak.ml2.host import AGENT_TYPE, BINARY, CONTROLLER_TYPE, TOPIC, configurations, zone

LOG = logging.getLogger(__name__)
CONTROLLER_BINARY = "daybreak"


def known(context: Any, *hosts: str) -> dict[str, Agent]:
    """The rows of these hosts, or of all, by name."""
    some = {"host": list(hosts)} if hosts else {}
    return {row.host: row for row in Agent.get_objects(context, agent_type=AGENT_TYPE, **some)}


def report(
    plugin: Any, context: Any, host: str, record: Mapping[str, Any], row: Agent | None, *, connected: bool
) -> bool:
    """Bring the row of a host up to date; whether something may be bound there now that could not be before.

    A host that is not connected gets no row, for nobody knows whether it will ever be; the row that it has grows old.
    """
    told = configurations(record, connected)
    if not connected:
        if row is not None and row.configurations != told:
            row.configurations = told
            row.update()
        return False
    where = zone(record)
    if row is not None and (row.configurations, row.availability_zone) == (told, where) and row.is_active:
        return False
    if row is not None and row.configurations.get("bridge_mappings") and not told["bridge_mappings"]:
        forget_segments(context, host)
    state = {"agent_type": AGENT_TYPE, "binary": BINARY, "topic": TOPIC, "host": host, "configurations": told}
    plugin.create_or_update_agent(context, {**state, "availability_zone": where, "start_flag": True})
    return True


def forget(plugin: Any, context: Any, host: str) -> None:
    """The controller has no such host any more."""
    for row in Agent.get_objects(context, agent_type=AGENT_TYPE, host=host):
        LOG.info("Host %s is gone", host)
        plugin.delete_agent(context, row.id)
    forget_segments(context, host)


def forget_segments(context: Any, host: str) -> None:
    """A host without bridges for physical networks has none of their segments; Neutron leaves them otherwise."""
    if segments.check_user_configured_segment_plugin():
        segments.update_segment_host_mapping(context, host, set())


@db_api.retry_if_session_inactive()
def beat(context: Any, agent_type: str, hosts: Collection[str]) -> None:
    """A sign of life of these."""
    if not hosts:
        return
    with db_api.CONTEXT_WRITER.using(context):
        these = sa.and_(Row.agent_type == agent_type, Row.host.in_(hosts))
        context.session.execute(sa.update(Row).where(these).values(heartbeat_timestamp=timeutils.utcnow()))


def interval() -> float:
    """Seconds between two signs of life."""
    return max(0.5, min(25.0, cfg.CONF.agent_down_time / 4))


def report_controller(plugin: Any, context: Any, address: str, capabilities: list[str]) -> None:
    """Bring the row of a controller up to date: what it can do decides which extensions the API shows."""
    told = {"url": address, "capabilities": capabilities}
    state = {"agent_type": CONTROLLER_TYPE, "binary": CONTROLLER_BINARY, "topic": TOPIC, "configurations": told}
    plugin.create_or_update_agent(context, {**state, "host": address.partition("//")[2], "start_flag": True})


def forget_controllers(plugin: Any, context: Any, kept: Collection[str]) -> None:
    """Rows of controllers that are not configured any more (`kept`: host and port of those that are)."""
    for row in Agent.get_objects(context, agent_type=CONTROLLER_TYPE):
        if row.host not in kept and not row.is_active:
            plugin.delete_agent(context, row.id)
