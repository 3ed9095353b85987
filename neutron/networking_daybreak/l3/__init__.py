"""Routers, floating IPs and what goes through them: as a provider of Neutron's `router`, or as a plugin of our own."""
