"""Comparing Neutron with the controller, and having the journal repair what differs."""
