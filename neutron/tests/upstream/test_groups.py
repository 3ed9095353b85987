"""Neutron's tests of security groups and address groups."""

from neutron.tests.unit.extensions import test_address_group
from neutron.tests.unit.plugins.ml2 import test_security_group

from .driven import Driven


class SecurityGroups(test_security_group.TestMl2SecurityGroups, Driven):
    pass


class AddressGroups(test_address_group.TestAddressGroup, Driven):
    pass
