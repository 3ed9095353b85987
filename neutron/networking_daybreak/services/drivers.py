"""io: the drivers of Neutron's service plugins: made once in each process, before the plugins ask who is there."""

from functools import cache
from typing import Any

from networking_daybreak.services import rows
from networking_daybreak.services.log import DaybreakLogDriver
from networking_daybreak.services.qos import DaybreakQosDriver
from networking_daybreak.services.trunk import DaybreakTrunkDriver


@cache
def subscribe() -> tuple[Any, ...]:
    """Called by the mechanism driver. The registry holds on to methods weakly, so the drivers are kept here."""
    rows.subscribe()
    return DaybreakQosDriver(), DaybreakTrunkDriver(), DaybreakLogDriver()
