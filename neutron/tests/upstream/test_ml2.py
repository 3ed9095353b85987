"""Neutron's tests of ML2: networks, subnets, ports, and how many queries they take."""

from neutron.tests.unit.plugins.ml2 import test_plugin

from .driven import Driven, without


class Get(test_plugin.TestMl2BasicGet, Driven):
    pass


class Http(test_plugin.TestMl2V2HTTPResponse, Driven):
    pass


@without(
    "expects the vif types of Neutron's stand-in for a mechanism driver",
    "test__update_segmentation_id_agentless_mech_drivers",
)
class Networks(test_plugin.TestMl2NetworksV2, Driven):
    pass


class ExternalNetworks(test_plugin.TestExternalNetwork, Driven):
    pass


class NetworksOfSeveralSegments(test_plugin.TestMultiSegmentNetworks, Driven):
    pass


@without(
    "looks into Neutron's stand-in for a mechanism driver, or binds by it",
    "test_create_network_mtu_on_precommit",
    "test_prevent_delete_segment_with_project_port",
)
@without(
    "calls for a segment outside of a transaction, where drivers are never called",
    "test_release_segment",
    "test_reserve_segment_fail_with_duplicate_param",
    "test_reserve_segment_success_with_partial_segment",
    "test_reserve_segment_update_network_mtu",
)
class Segments(test_plugin.TestML2Segments, Driven):
    pass


class Subnets(test_plugin.TestMl2SubnetsV2, Driven):
    pass


class Ports(test_plugin.TestMl2PortsV2, Driven):
    pass


class PortsWithRevisions(test_plugin.TestMl2PortsV2WithRevisionPlugin, Driven):
    pass


class PortSecurity(test_plugin.TestMl2PortSecurity, Driven):
    pass


class AddressPairs(test_plugin.TestMl2AllowedAddressPairs, Driven):
    pass


class DhcpOptions(test_plugin.DHCPOptsTestCase, Driven):
    pass


class Queries(test_plugin.TestMl2DbOperationBounds, Driven):
    """A list of many takes as many queries as a list of one."""


class QueriesOfProject(test_plugin.TestMl2DbOperationBoundsProject, Driven):
    pass


class Transactions(test_plugin.TestTransactionGuard, Driven):
    pass
