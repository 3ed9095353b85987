"""What the controller tells of ports and hosts, brought into Neutron: by state, so that no lost notification counts."""
