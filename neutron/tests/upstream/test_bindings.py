"""Neutron's tests of bound ports: their bindings, second ones for live migration, and which hosts reach a network."""

from collections.abc import Mapping
from typing import Any

from networking_daybreak.status import agents
from neutron.tests.unit.plugins.ml2 import test_plugin, test_port_binding
from neutron_lib import context

from .driven import Driven, without

DETAILS = {
    "bridge_name": "br-int",
    "connectivity": "l2",
    "datapath_type": "system",
    "ovs_hybrid_plug": False,
    "port_filter": True,
}


class WithHosts(Driven):
    """The hosts that the tests bind to are known, as the status worker has them from the controller."""

    hosts: Mapping[str, str] = {"host-ovs-no_filter": "physnet1", "host-bridge-filter": "physnet1"}

    def setUp(self, *args: Any, **options: Any) -> None:
        super().setUp(*args, **options)
        for host, network in self.hosts.items():
            record = {"vtep": "192.0.2.1", "tunnels": ["vxlan", "geneve"], "bridge_mappings": {network: "br-ex"}}
            agents.report(self.plugin, context.get_admin_context(), host, record, None, connected=True)


@without("expects a port of Linux bridge", "test_binding_filter")
@without("expects a port without security groups", "test_binding_no_filter")
@without("expects that a driver makes a port ACTIVE by binding it", "test_binding_status_active")
@without("expects segments that a driver makes while it binds", "test_hierarchical_binding")
class Binding(test_port_binding.PortBindingTestCase, WithHosts):
    pass


@without("expects the name of Neutron's stand-in for a mechanism driver", "test_activate_port_binding")
@without("binds ports of SR-IOV, which are another driver's", "test_bind_pf_port_with_mac_port_updated")
class SecondBinding(test_port_binding.ExtendedPortBindingTestCase, WithHosts):
    hosts: Mapping[str, str] = {"host-ovs-no_filter": "physnet1", "host-ovs-filter-active": "physnet1"}

    def _assert_bound_port_binding(self, binding: Mapping[str, Any]) -> None:
        found = {each: binding[each] for each in ("host", "vif_type", "vif_details")}
        self.assertEqual({"host": self.host, "vif_type": "ovs", "vif_details": DETAILS}, found)


class BindingByApi(test_plugin.TestMl2PortBinding, Driven):
    pass


class BindingHost(test_plugin.TestMl2PortBindingHost, Driven):
    pass


class BindingVnicType(test_plugin.TestMl2PortBindingVnicType, Driven):
    pass


class HostsThatReach(test_plugin.TestMl2HostsNetworkAccess, WithHosts):
    hosts: Mapping[str, str] = {"host1": "physnet1", "host2": "physnet2", "host3": "physnet3"}
