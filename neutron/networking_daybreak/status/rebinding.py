"""io: binds ports anew whose host was not known, not connected or not able to have them, when it is."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from neutron.objects import ports as ports_objects
from neutron.plugins.ml2 import db as ml2_db
from neutron.plugins.ml2 import driver_context
from neutron.plugins.ml2.models import PortBinding
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import api as db_api
from oslo_log import log as logging

from networking_daybreak.ml2 import binding
from networking_daybreak.ml2.host import Host

LOG = logging.getLogger(__name__)


@db_api.retry_if_session_inactive()
def failed_hosts(context: Any) -> set[str]:
    """Hosts to which the binding of some port failed."""
    failed = PortBinding.vif_type == portbindings.VIF_TYPE_BINDING_FAILED
    with db_api.CONTEXT_READER.using(context):
        return set(context.session.scalars(sa.select(PortBinding.host).where(failed).distinct()))


def rebind(plugin: Any, context: Any, host: Host) -> Iterator[bool]:
    """Bind those ports whose binding to the host failed and that it can have now; of each whether it could be."""
    failed = ports_objects.Port.get_ports_by_binding_type_and_host(
        context, portbindings.VIF_TYPE_BINDING_FAILED, host.name
    )
    for port in failed:
        try:
            yield rebind_port(plugin, context, port, host)
        except Exception:
            LOG.exception("Port %s could not be bound to host %s", port.id, host.name)
            yield False


def rebind_port(plugin: Any, context: Any, port: Any, host: Host) -> bool:
    """Bind one port, by the core plugin's own way, if the rules say that it can be."""
    standing = next(
        (each for each in port.bindings if each.host == host.name and each.status == constants.ACTIVE), None
    )
    if standing is None:
        return False
    shown = plugin._make_port_dict(port.db_obj)
    network = plugin.get_network(context, port.network_id)
    levels = ml2_db.get_binding_level_objs(context, port.id, host.name)
    mechanism = driver_context.PortContext(plugin, context, shown, network, standing.db_obj, levels)
    outcome = binding.bind(shown, host.name, mechanism.network.network_segments, host)
    if isinstance(outcome, binding.Refused):
        return False
    LOG.info("Binding port %s to host %s, which can have it now", port.id, host.name)
    plugin._bind_port_if_needed(mechanism)
    return True
