"""io: Daybreak as a provider of L3 flavors: routers of its flavors, or of none where it is the default, are its own.

service_plugins = router
[service_providers]
service_provider = L3_ROUTER_NAT:daybreak:networking_daybreak.l3.flavor.DaybreakL3ServiceProvider:default
"""

from typing import Any

from neutron.services.l3_router.service_providers import base
from oslo_config import cfg
from oslo_log import log as logging

from networking_daybreak.l3 import events

LOG = logging.getLogger(__name__)


class DaybreakL3ServiceProvider(base.L3ServiceProvider):
    """What Neutron's controller of L3 drivers loads.

    `ha` and `distributed` are how Neutron's own L3 agents build a router, with ports and networks that Daybreak has no
    use for: a router that asks for one of them is theirs, and setting or clearing them moves a router from one to the
    other. Which backend a router has is written in Neutron's database (l3/ownership.py), not asked of this object.
    """

    ha_support = base.UNSUPPORTED
    distributed_support = base.UNSUPPORTED
    use_integrated_agent_scheduler = False

    def __init__(self, l3plugin: Any) -> None:
        super().__init__(l3plugin)
        events.subscribe()
        for option in ("l3_ha", "router_distributed"):
            if cfg.CONF.get(option):
                LOG.warning("%s = true: routers without a flavor go to Neutron's L3 agents, not to Daybreak", option)
