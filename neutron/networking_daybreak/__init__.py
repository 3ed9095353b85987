"""Daybreak's driver for OpenStack Neutron. It runs inside Neutron, and meets the controller only over HTTP."""
