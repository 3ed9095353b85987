"""Neutron's own tests, of a Neutron that is driven by Daybreak."""
