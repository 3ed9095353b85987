"""data: the records that everything is said in. What the clouds want and what the switches report are both records.

A record is frozen, compares by value and has a string `key` that is unique within its kind. Its class is its kind.
Nothing in this package does input or output, and it imports nothing from the rest of Daybreak.
"""

from daybreak.model.intent import (
    AddressPair,
    AllocationPool,
    DhcpOption,
    FixedIp,
    HostRoute,
    Network,
    Port,
    Segment,
    Subnet,
)
from daybreak.model.number import Number, Pool
from daybreak.model.observed import Host, Interface, Location, PortStatus
from daybreak.model.record import Record
from daybreak.model.settings import SETTINGS, Settings
from daybreak.model.transaction import Change, Expect, Transaction

__all__ = [
    "SETTINGS",
    "AddressPair",
    "AllocationPool",
    "Change",
    "DhcpOption",
    "Expect",
    "FixedIp",
    "Host",
    "HostRoute",
    "Interface",
    "Location",
    "Network",
    "Number",
    "Pool",
    "Port",
    "PortStatus",
    "Record",
    "Segment",
    "Settings",
    "Subnet",
    "Transaction",
]
