"""io: ports in Neutron's database: those that the driver answers for, and their status."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron.db import provisioning_blocks
from neutron.db.models.provisioning_block import ProvisioningBlock
from neutron.db.models_v2 import Port
from neutron.plugins.ml2.models import PortBinding, PortBindingLevel
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as db_api
from oslo_log import log as logging

from networking_daybreak.journal.record import record, wake
from networking_daybreak.l3.ownership import noted
from networking_daybreak.ml2.driver import NAMES
from networking_daybreak.status.verdict import ACTIVE, Seen

LOG = logging.getLogger(__name__)

PAGE = 1000
"""Ports that are read at a time."""

BATCH = 50
"""Ports whose status is written in one transaction."""

ROUTED = (constants.DEVICE_OWNER_ROUTER_INTF, constants.DEVICE_OWNER_ROUTER_GW)
"""Ports of routers, which are flows and not interfaces."""


class Due(NamedTuple):
    """A status that a port should have, as long as it is bound to `host`."""

    status: str
    host: str


def seen(context: Any, ids: Collection[str]) -> list[Seen]:
    """Those of the ports that the driver answers for."""
    wanted = sorted(ids)
    pages = (wanted[start : start + PAGE] for start in range(0, len(wanted), PAGE))
    return [each for page in pages for each in read(context, Port.id.in_(page))]


def page(context: Any, after: str) -> list[Seen]:
    """Ports that the driver answers for, in the order of their ids; none: there are no more."""
    return read(context, Port.id > after, PAGE)


def everything(context: Any) -> Iterator[list[Seen]]:
    """All ports that the driver answers for, in pages."""
    after = ""
    while found := page(context, after):
        yield found
        after = found[-1].id


@db_api.retry_if_session_inactive()
def read(context: Any, clause: Any, limit: int | None = None) -> list[Seen]:
    """Bound ports, and those of routers."""
    query = (
        sa.select(Port.id, Port.status, Port.admin_state_up, Port.device_owner, Port.device_id, PortBinding.host)
        .outerjoin(PortBinding, sa.and_(PortBinding.port_id == Port.id, PortBinding.status == constants.ACTIVE))
        .outerjoin(
            PortBindingLevel,
            sa.and_(
                PortBindingLevel.port_id == Port.id,
                PortBindingLevel.host == PortBinding.host,
                PortBindingLevel.driver.in_(NAMES),
            ),
        )
        .where(clause)
        .where(sa.or_(PortBindingLevel.driver.is_not(None), sa.and_(Port.device_owner.in_(ROUTED))))
        .order_by(Port.id)
        .limit(limit)
        .distinct()
        .add_columns(PortBindingLevel.driver)
    )
    with db_api.CONTEXT_READER.using(context):
        rows = context.session.execute(query).all()
        routers = noted(context.session, {row.device_id for row in rows if row.driver is None})
    return [
        Seen(row.id, row.status, row.admin_state_up, row.host if row.driver else "", row.device_id in routers)
        for row in rows
    ]


@db_api.retry_if_session_inactive()
def held(context: Any) -> list[str]:
    """Ports that wait for the driver to say that their flows are there."""
    query = (
        sa.select(Port.id)
        .join(ProvisioningBlock, ProvisioningBlock.standard_attr_id == Port.standard_attr_id)
        .where(ProvisioningBlock.entity == provisioning_blocks.L2_AGENT_ENTITY)
        .where(Port.admin_state_up.is_(True))
    )
    with db_api.CONTEXT_READER.using(context):
        return list(context.session.scalars(query))


Change = tuple[dict[str, Any], dict[str, Any]]
"""A port as it was and as it is, as the API shows it."""


def settle(plugin: Any, context: Any, due: Mapping[str, Due]) -> Iterator[list[Change]]:
    """Give ports the status that is due, in batches; of each, what changed, of which Neutron is still to be told."""
    items = list(due.items())
    for start in range(0, len(items), BATCH):
        changes = write(plugin, context, dict(items[start : start + BATCH]))
        if changes:
            wake()
        yield changes


def tell(plugin: Any, context: Any, change: Change) -> None:
    """Tell whoever listens in Neutron (trunks, for example) of a port that changed. Some of them take their time."""
    original, updated = change
    payload = events.DBEventPayload(context, resource_id=updated["id"], states=(original, updated))
    registry.publish(resources.PORT, events.AFTER_UPDATE, plugin, payload=payload)


@db_api.retry_if_session_inactive()
def write(plugin: Any, context: Any, due: Mapping[str, Due]) -> list[Change]:
    """One transaction; returns the ports that changed, as they were and as they are.

    The objects are written one by one, and not by a statement, for Nova's notifier watches them.
    """
    changes = []
    with db_api.CONTEXT_WRITER.using(context):
        ports = context.session.query(Port).filter(Port.id.in_(due)).all()
        ready = [port for port in ports if due[port.id].status == ACTIVE and is_bound(port, due[port.id].host)]
        blocked = lift(context, [port.standard_attr_id for port in ready])
        for port in ports:
            status, host = due[port.id]
            if port.status == status or not is_bound(port, host):
                continue
            if status == ACTIVE and (port.standard_attr_id in blocked or not port.admin_state_up):
                continue
            original = plugin._make_port_dict(port)
            port.status = status
            changes.append((port, original))
        context.session.flush()
        for port, _ in changes:
            record(context, "port", port.id)  # its revision was counted up
            LOG.debug("Port %s is %s", port.id, port.status)
        return [
            (original, {**original, "status": port.status, "revision_number": port.revision_number})
            for port, original in changes
        ]


def is_bound(port: Port, host: str) -> bool:
    """Whether a port is still bound to the host for which its status was told; routers' ports are bound to none."""
    active = next((each for each in port.port_bindings if each.status == constants.ACTIVE), None)
    if not host:
        return port.device_owner in ROUTED
    return active is not None and active.host == host and active.vif_type not in portbindings.VIF_UNPLUGGED_TYPES


def lift(context: Any, attributes: Iterable[int]) -> set[int]:
    """Take the driver's own blocks off ports (standard attribute ids); returns those that others hold up."""
    ids = list(attributes)
    if not ids:
        return set()
    ours = ProvisioningBlock.entity == provisioning_blocks.L2_AGENT_ENTITY
    of_these = ProvisioningBlock.standard_attr_id.in_(ids)
    context.session.execute(sa.delete(ProvisioningBlock).where(of_these, ours))
    return set(context.session.scalars(sa.select(ProvisioningBlock.standard_attr_id).where(of_these)))


@db_api.retry_if_session_inactive()
def prepared(context: Any, hosts: Mapping[str, Collection[str]]) -> list[tuple[Port, str]]:
    """Of ports and hosts where the controller has them prepared, those that Neutron binds there as inactive."""
    query = sa.select(PortBinding.port_id, PortBinding.host).where(
        PortBinding.port_id.in_(hosts), PortBinding.status == constants.INACTIVE
    )
    with db_api.CONTEXT_READER.using(context):
        rows = [row for row in context.session.execute(query) if row.host in hosts[row.port_id]]
        ports = {port.id: port for port in context.session.query(Port).filter(Port.id.in_({row[0] for row in rows}))}
    return [(ports[port], host) for port, host in rows if port in ports]
