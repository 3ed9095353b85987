"""Neutron's tests of routers and floating IPs, and of what hangs on them."""

from neutron.conf.db import extraroute_db
from neutron.tests.unit.extensions import (
    test_expose_port_forwarding_in_fip,
    test_extraroute,
    test_fip_port_details,
    test_floating_ip_port_forwarding,
    test_floatingip_pools,
    test_l3,
    test_l3_conntrack_helper,
    test_l3_ext_gw_mode,
    test_l3_ndp_proxy,
    test_qos_fip,
    test_qos_gateway_ip,
)
from neutron_lib import constants

from .driven import Driven, without

DOWN = constants.FLOATINGIP_STATUS_DOWN

extraroute_db.register_db_extraroute_opts()  # some cases set them before there is a plugin


@without(
    "counts the messages to Neutron's L3 agents, and there are none",
    "test__notify_gateway_port_ip_changed",
    "test__notify_gateway_port_ip_not_changed",
    "test_create_floatingip_non_admin_context_agent_notification",
)
@without(
    "changes ports within a transaction, which ML2 refuses with any driver",
    "test_router_add_interface_by_port_fails_nested",
)
class Routers(test_l3.L3NatDBSepTestCase, Driven):
    """A floating IP is DOWN until the controller tells that it has arrived."""

    def test_create_floatingip_with_assoc(self) -> None:
        super().test_create_floatingip_with_assoc(DOWN)

    def test_floatingip_update(self) -> None:
        super().test_floatingip_update(DOWN)

    def test_floatingip_update_subnet_gateway_disabled(self) -> None:
        super().test_floatingip_update_subnet_gateway_disabled(DOWN)

    def test_floatingip_update_to_same_port_id_twice(self) -> None:
        super().test_floatingip_update_to_same_port_id_twice(DOWN)

    def test_floatingip_with_invalid_create_port(self) -> None:
        self._test_floatingip_with_invalid_create_port("neutron.plugins.ml2.plugin.Ml2Plugin")


class Queries(test_l3.TestL3DbOperationBounds, Driven):
    """A list of many takes as many queries as a list of one."""


class FloatingIpNames(test_l3.L3NatDBFloatingIpTestCaseWithDNS, Driven):
    pass


class Routes(test_l3.L3BaseForIntTests, test_l3.L3NatTestCaseMixin, test_extraroute.ExtraRouteDBTestCaseBase, Driven):
    def setUp(self) -> None:
        super().setUp(ext_mgr=test_extraroute.ExtraRouteTestExtensionManager())


@without(
    "breaks a method that ML2 needs to clean up, with any driver", "test_router_gateway_set_fail_after_port_create"
)
class GatewayModes(test_l3_ext_gw_mode.ExtGwModeIntTestCase, Driven):
    pass


class GatewayQos(test_qos_gateway_ip.GatewayIPQoSDBIntTestCase, Driven):
    pass


class FloatingIpQos(test_qos_fip.FloatingIPQoSDBIntTestCase, Driven):
    pass


class FloatingIpPools(test_floatingip_pools.FloatingIPPoolsDBSepTestCase, Driven):
    pass


class FloatingIpPorts(test_fip_port_details.FloatingIPPortDetailsDBIntTestCase, Driven):
    pass


class PortForwardings(test_floating_ip_port_forwarding.FloatingIPPorForwardingTestCase, Driven):
    pass


@without("asks for a distributed router of Neutron's L3 agents", "test_port_in_used_by_port_forwarding")
class FloatingIpPortForwardings(test_expose_port_forwarding_in_fip.TestExtendFipPortForwardingExtension, Driven):
    pass


class ConntrackHelpers(test_l3_conntrack_helper.L3NConntrackHelperTestCase, Driven):
    pass


class NdpProxies(test_l3_ndp_proxy.L3NDPProxyTestCase, Driven):
    pass
