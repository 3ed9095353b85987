"""io: the logging driver: what security groups let through or stop. Logs are told by their rows
(resources/network_log.py).
"""

from neutron.services.logapi.common import sg_validate  # noqa: F401  checks requests of this type
from neutron.services.logapi.drivers import base
from neutron_lib.api.definitions import portbindings
from neutron_lib.services.logapi import constants

from networking_daybreak.ml2 import extensions
from networking_daybreak.services.needs import LOG


class DaybreakLogDriver(base.DriverBase):
    """Registers with Neutron's logging plugin, if that is loaded."""

    def __init__(self) -> None:
        super().__init__(
            name="daybreak",
            vif_types=[portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER],
            vnic_types=[portbindings.VNIC_NORMAL],
            supported_logging_types=(),
            requires_rpc=False,
        )

    @property
    def supported_logging_types(self) -> tuple[str, ...]:
        """Security groups, where the controller acts on logs; also before it was ever reached."""
        can = extensions.known()
        return (constants.SECURITY_GROUP,) if can is None or LOG in can else ()

    @supported_logging_types.setter
    def supported_logging_types(self, value: object) -> None:
        """The base class sets what it was made with; here it follows the controller."""
