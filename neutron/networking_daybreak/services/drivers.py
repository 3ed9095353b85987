"""io: the drivers of Neutron's service plugins: made once in each process, before the plugins ask who is there."""

from functools import cache
from typing import Any

from neutron.services.conntrack_helper.plugin import Plugin as ConntrackHelperPlugin
from neutron.services.portforwarding.pf_plugin import PortForwardingPlugin
from oslo_config import cfg

from networking_daybreak.l3.ownership import PLUGINS
from networking_daybreak.services import rows
from networking_daybreak.services.log import DaybreakLogDriver
from networking_daybreak.services.qos import DaybreakQosDriver
from networking_daybreak.services.trunk import DaybreakTrunkDriver


@cache
def subscribe() -> tuple[Any, ...]:
    """Called by the mechanism driver. The registry holds on to methods weakly, so the drivers are kept here."""
    rows.subscribe()
    stand_for_router()
    return DaybreakQosDriver(), DaybreakTrunkDriver(), DaybreakLogDriver()


def stand_for_router() -> None:
    """Keep Neutron's `router` plugin out where ours is configured.

    Two plugins that need a router plugin load that one beside any that they have not heard of, and both would then act
    on every router. The core plugin, and so this, is always loaded first.
    """
    if PLUGINS & set(cfg.CONF.service_plugins):
        PortForwardingPlugin.required_service_plugins = []
        PortForwardingPlugin._rpc_notifications_required = False
        ConntrackHelperPlugin.required_service_plugins = []
