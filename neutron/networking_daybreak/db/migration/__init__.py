"""How the driver's tables are made and changed: neutron-db-manage --subproject networking-daybreak upgrade heads."""
