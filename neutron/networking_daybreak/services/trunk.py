"""io: the trunk driver: sub-ports are bound where their trunk's parent is, and a trunk's status is that of its ports.

Trunks themselves are told by their rows (resources/trunk.py). The controller tells the sub-ports' frames apart by their
tags on the parent's card, so a sub-port is ACTIVE when its own flows are there, like any port.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.db.models_v2 import Port
from neutron.objects import trunk as objects
from neutron.plugins.ml2.models import PortBinding
from neutron.services.trunk.drivers import base
from neutron.services.trunk.models import SubPort, Trunk
from neutron_lib import constants, exceptions
from neutron_lib import context as contexts
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as db_api
from neutron_lib.plugins import directory
from neutron_lib.services.trunk import constants as trunks
from oslo_config import cfg

from networking_daybreak.ml2.host import AGENT_TYPE

NAMES = frozenset({"daybreak", "opendaylight", "opendaylight_v2"})


class DaybreakTrunkDriver(base.DriverBase):
    """Registers with Neutron's trunk plugin, if that is loaded."""

    def __init__(self) -> None:
        super().__init__(
            "daybreak",
            (portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER),
            (trunks.SEGMENTATION_TYPE_VLAN,),
            AGENT_TYPE,
            can_trunk_bound_port=True,
        )

    @property
    def rpc_required(self) -> bool:
        """Hosts are told by the controller, not by messages."""
        return False

    @property
    def is_loaded(self) -> bool:
        return bool(NAMES & set(cfg.CONF.ml2.mechanism_drivers))

    @registry.receives(resources.TRUNK_PLUGIN, [events.AFTER_INIT])
    def register(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        super().register(resource, event, trigger, payload=payload)
        registry.subscribe(joined, resources.TRUNK, events.AFTER_CREATE)
        registry.subscribe(joined, resources.SUBPORTS, events.AFTER_CREATE)
        registry.subscribe(left, resources.SUBPORTS, events.AFTER_DELETE)
        registry.subscribe(dissolved, resources.TRUNK, events.AFTER_DELETE)
        registry.subscribe(port_changed, resources.PORT, events.AFTER_UPDATE)


def joined(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """Sub-ports follow their parent."""
    trunk = payload.states[-1]
    new = payload.metadata.get("subports", trunk.sub_ports) if payload.metadata else trunk.sub_ports
    host = host_of(trunk.port_id)
    for sub_port in new:
        place(sub_port.port_id, host, trunks.TRUNK_SUBPORT_OWNER)
    settle(contexts.get_admin_context(), trunk.id)


def left(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """Former sub-ports are nowhere."""
    for sub_port in payload.metadata["subports"]:
        place(sub_port.port_id, "", "")
    settle(contexts.get_admin_context(), payload.states[-1].id)


def dissolved(resource: str, event: str, trigger: Any, payload: Any) -> None:
    for sub_port in payload.states[-1].sub_ports:
        place(sub_port.port_id, "", "")


def port_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """A parent that moved takes its sub-ports along; a port whose status changed may change its trunk's."""
    before, port = payload.states[0], payload.latest_state
    moved = before.get(portbindings.HOST_ID) != port.get(portbindings.HOST_ID)
    if not moved and before["status"] == port["status"]:
        return
    admin = contexts.get_admin_context()
    own = objects.Trunk.get_object(admin, port_id=port["id"])
    if own is not None:
        if moved:
            for sub_port in own.sub_ports:
                place(sub_port.port_id, port.get(portbindings.HOST_ID) or "", trunks.TRUNK_SUBPORT_OWNER)
        settle(admin, own.id)
    elif port["device_owner"] == trunks.TRUNK_SUBPORT_OWNER:
        member = objects.SubPort.get_object(admin, port_id=port["id"])
        if member is not None:
            settle(admin, member.trunk_id)


def host_of(port: str) -> str:
    """Where a port is bound, "" if nowhere."""
    return str(directory.get_plugin().get_port(contexts.get_admin_context(), port)[portbindings.HOST_ID] or "")


def place(port: str, host: str, owner: str) -> None:
    """Bind a sub-port where its parent is, unless it is gone meanwhile."""
    wanted = {portbindings.HOST_ID: host, "device_owner": owner}
    with contextlib.suppress(exceptions.PortNotFound):
        directory.get_plugin().update_port(contexts.get_admin_context(), port, {"port": wanted})


@db_api.retry_if_session_inactive()
def settle(context: Any, trunk: str) -> None:
    """Write a trunk's status if it is another one than its ports make it.

    Its row is locked before they are read, so that of two who settle it the later one knows what the other one knew.
    """
    with db_api.CONTEXT_WRITER.using(context):
        context.session.execute(sa.select(Trunk.id).where(Trunk.id == trunk).with_for_update())
        ports = members(context.session, trunk)
        if ports and ports[0].shown != status_of(ports):
            context.session.get(Trunk, trunk).status = status_of(ports)


def settle_all(context: Any) -> Iterator[str]:
    """Settle the trunks whose status is not what their ports make it: whoever had to do it may have been killed."""
    for trunk in unsettled(context):
        settle(context, trunk)
        yield trunk


@db_api.retry_if_session_inactive()
def unsettled(context: Any) -> list[str]:
    with db_api.CONTEXT_READER.using(context):
        ports = members(context.session)
    groups = ((trunk, [*group]) for trunk, group in itertools.groupby(ports, lambda port: port.trunk))
    return [trunk for trunk, group in groups if group[0].shown != status_of(group)]


def members(session: Any, trunk: str | None = None) -> Sequence[Any]:
    """The ports of a trunk, or of all, trunk by trunk, each with the status that the trunk is shown with."""
    parents = sa.select(Trunk.id.label("trunk"), Trunk.port_id.label("port"))
    others = sa.select(SubPort.trunk_id, SubPort.port_id)
    if trunk is not None:
        parents, others = parents.where(Trunk.id == trunk), others.where(SubPort.trunk_id == trunk)
    each = sa.union_all(parents, others).subquery()
    query = (
        sa.select(each.c.trunk, Trunk.status.label("shown"), (Port.id == Trunk.port_id).label("is_parent"))
        .add_columns(Port.status, PortBinding.host, PortBinding.vif_type)
        .join(Trunk, Trunk.id == each.c.trunk)
        .join(Port, Port.id == each.c.port)
        .outerjoin(PortBinding, sa.and_(PortBinding.port_id == Port.id, PortBinding.status == constants.ACTIVE))
        .order_by(each.c.trunk)
    )
    return list(session.execute(query))


def status_of(ports: Sequence[Any]) -> str:
    """ACTIVE when parent and sub-ports are; DOWN without a host for the parent; ERROR where one can't be bound."""
    if not any(port.is_parent and port.host for port in ports):
        return str(trunks.TRUNK_DOWN_STATUS)
    if any(port.vif_type == portbindings.VIF_TYPE_BINDING_FAILED for port in ports):
        return str(trunks.TRUNK_ERROR_STATUS)
    active = all(port.status == constants.PORT_STATUS_ACTIVE for port in ports)
    return str(trunks.TRUNK_ACTIVE_STATUS if active else trunks.TRUNK_BUILD_STATUS)
