"""Daybreak: an SDN controller for private clouds on stock Open vSwitch."""
