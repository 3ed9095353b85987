"""The driver's tables in Neutron's database."""
