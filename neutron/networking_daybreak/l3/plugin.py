"""io: the service plugin `daybreak-router`: routers and floating IPs for clouds whose only L3 backend is Daybreak.

It is made of Neutron's own mixins that keep to the database, and has what Neutron's `router` plugin lacks: several
gateways, default routes over all of them, availability zones of hosts. Routers whose flavor names another provider are
that provider's here, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from neutron.api.rpc.agentnotifiers.utils import RPCNotifierHandler
from neutron.conf.db import l3_extra_gws_db as options
from neutron.db import (
    dns_db,
    extraroute_db,
    l3_db,
    l3_extra_gws_db,
    l3_fip_pools_db,
    l3_fip_port_details,
    l3_fip_qos,
    l3_gateway_ip_qos,
)
from neutron.db.availability_zone.router import RouterAvailabilityZoneMixin
from neutron.db.models.l3 import FloatingIP, Router
from neutron.objects.agent import Agent
from neutron.objects.subnet import Subnet
from neutron.quota import resource_registry
from neutron_lib import constants
from neutron_lib.api.definitions import (
    extraroute,
    extraroute_atomic,
    fip_pf_detail,
    fip_port_details,
    floatingip_pools,
    floatingip_router_writable,
    l3,
    l3_enable_default_route_bfd,
    l3_enable_default_route_ecmp,
    l3_ext_gw_mode,
    l3_ext_gw_multihoming,
    l3_flavors,
    l3_port_ip_change_not_allowed,
    qos_fip,
    qos_gateway_ip,
    router_availability_zone,
    router_enable_snat,
)
from neutron_lib.db import resource_extend
from neutron_lib.exceptions.availability_zone import AvailabilityZoneNotFound
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.services.base import ServicePluginBase

from networking_daybreak.l3.controller import DriverController
from networking_daybreak.ml2.host import AGENT_TYPE

EXTENSIONS = (
    l3.ALIAS,
    extraroute.ALIAS,
    extraroute_atomic.ALIAS,
    fip_pf_detail.ALIAS,
    fip_port_details.ALIAS,
    floatingip_pools.ALIAS,
    floatingip_router_writable.ALIAS,
    l3_enable_default_route_bfd.ALIAS,
    l3_enable_default_route_ecmp.ALIAS,
    l3_ext_gw_mode.ALIAS,
    l3_ext_gw_multihoming.ALIAS,
    l3_flavors.ALIAS,
    l3_port_ip_change_not_allowed.ALIAS,
    router_availability_zone.ALIAS,
    router_enable_snat.ALIAS,
)
WITH_QOS = (qos_fip.ALIAS, qos_gateway_ip.ALIAS)


@resource_extend.has_resource_extenders
class DaybreakRouterPlugin(
    ServicePluginBase,
    extraroute_db.ExtraRoute_dbonly_mixin,
    l3_db.L3NotifierMixin,
    dns_db.DNSDbMixin,
    l3_fip_port_details.Fip_port_details_db_mixin,
    RouterAvailabilityZoneMixin,
    l3_fip_qos.FloatingQoSDbMixin,
    l3_gateway_ip_qos.L3_gw_ip_qos_dbonly_mixin,
    l3_fip_pools_db.FloatingIPPoolsMixin,
    l3_extra_gws_db.ExtraGatewaysDbOnlyMixin,
):
    """Neutron's database does the work; what is written there is told to the controller (l3/events.py)."""

    @resource_registry.tracked_resources(router=Router, floatingip=FloatingIP)
    def __init__(self) -> None:
        super().__init__()
        options.register_db_l3_extragws_opts()
        self.l3_driver_controller = DriverController(self)
        self._l3_rpc_notifier = RPCNotifierHandler()  # there are no L3 agents to be told

    @property
    def supported_extension_aliases(self) -> list[str]:
        return [*EXTENSIONS, *(WITH_QOS if directory.get_plugin(plugins.QOS) else ())]

    @classmethod
    def get_plugin_type(cls) -> str:
        return str(plugins.L3)

    def get_plugin_description(self) -> str:
        return "Routers and floating IPs by Daybreak"

    @property
    def l3_rpc_notifier(self) -> Any:
        return self._l3_rpc_notifier

    def router_supports_scheduling(self, context: Any, router_id: str) -> bool:
        """Never: a router is on every host that has ports of it."""
        return False

    def create_floatingip(
        self, context: Any, floatingip: Mapping[str, Any], initial_status: str = constants.FLOATINGIP_STATUS_DOWN
    ) -> Any:
        """It is ACTIVE when the controller says so (status/floating_ips.py)."""
        return super().create_floatingip(context, floatingip, initial_status)

    def update_router_gw_ports(self, context: Any, network: Any, subnet: Any) -> None:
        """Called when an external network gets a subnet: gateways get an address, unless it is for others only."""
        types = Subnet.get_object(context, id=subnet["id"]).service_types
        if not types or constants.DEVICE_OWNER_ROUTER_GW in types:
            self._update_router_gateway_ports(context, network, subnet)

    def validate_availability_zones(self, context: Any, resource_type: str, availability_zones: Iterable[str]) -> None:
        """Raises AvailabilityZoneNotFound for a zone that no host is in."""
        hosts = Agent.get_objects(context.elevated(), agent_type=AGENT_TYPE)
        if missing := set(availability_zones) - {host.availability_zone for host in hosts}:
            raise AvailabilityZoneNotFound(availability_zone=min(missing))

    def get_router_availability_zones(self, router: Any) -> list[str]:
        """None: a router is wherever its ports are, and its hints are no more than hints."""
        return []

    @staticmethod
    @resource_extend.extends([l3.ROUTERS])
    def _show_flavor(shown: dict[str, Any], router: Any) -> None:
        shown["flavor_id"] = router["flavor_id"]
