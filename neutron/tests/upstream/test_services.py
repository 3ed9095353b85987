"""Neutron's tests of its services that hang on the core: revisions, trunks, names, routed segments."""

from neutron.tests.unit.extensions import test_dns, test_segment
from neutron.tests.unit.services.revisions import test_revision_plugin
from neutron.tests.unit.services.trunk import test_plugin as test_trunk

from .driven import Driven


class Revisions(test_revision_plugin.TestRevisionPlugin, Driven):
    pass


class Trunks(test_trunk.TrunkPluginTestCase, Driven):
    pass


class Names(test_dns.DnsExtensionTestCase, Driven):
    pass


class SegmentNames(test_segment.TestSegmentNameDescription, Driven):
    pass


class SegmentSubnets(test_segment.TestSegmentSubnetAssociation, Driven):
    pass


class SegmentAddresses(test_segment.TestSegmentAwareIpamML2, Driven):
    pass
