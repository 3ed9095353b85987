"""A real Neutron in a lab, with a database of its own; no Keystone, no message bus, no Nova.

It knows nothing of any driver: mechanism drivers, service plugins, programs and sections of the configuration are
parameters. Everything lives in one of the lab's network namespaces and ends with the lab.
"""

from daybreak_lab.openstack.client import ApiError, Client
from daybreak_lab.openstack.database import Database, MariaDB, PostgreSQL
from daybreak_lab.openstack.identity import ADMIN, SERVICE, Identity, member
from daybreak_lab.openstack.neutron import Neutron
from daybreak_lab.openstack.settings import Settings

__all__ = [
    "ADMIN",
    "SERVICE",
    "ApiError",
    "Client",
    "Database",
    "Identity",
    "MariaDB",
    "Neutron",
    "PostgreSQL",
    "Settings",
    "member",
]
