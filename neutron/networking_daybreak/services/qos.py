"""io: the QoS driver: which rules ports may have. Policies themselves are told by their rows (resources/qos_policy.py).

Rules that the controller doesn't act on are refused where a port or a network asks for them, as Neutron does for any
back end: better than a limit that limits nothing.
"""

from collections.abc import Mapping
from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db.constants import DB_INTEGER_MAX_VALUE
from neutron_lib.services.qos import base
from neutron_lib.services.qos import constants as qos

from networking_daybreak.ml2 import extensions
from networking_daybreak.services.needs import QOS_RULES

NUMBER = {"type:range": [0, DB_INTEGER_MAX_VALUE]}
EITHER = {"type:values": constants.VALID_DIRECTIONS}

RULES: Mapping[str, Mapping[str, Any]] = {
    qos.RULE_TYPE_BANDWIDTH_LIMIT: {qos.MAX_KBPS: NUMBER, qos.MAX_BURST: NUMBER, qos.DIRECTION: EITHER},
    qos.RULE_TYPE_DSCP_MARKING: {qos.DSCP_MARK: {"type:values": constants.VALID_DSCP_MARKS}},
    qos.RULE_TYPE_MINIMUM_BANDWIDTH: {qos.MIN_KBPS: NUMBER, qos.DIRECTION: EITHER},
    qos.RULE_TYPE_PACKET_RATE_LIMIT: {qos.MAX_KPPS: NUMBER, qos.MAX_BURST_KPPS: NUMBER, qos.DIRECTION: EITHER},
    qos.RULE_TYPE_MINIMUM_PACKET_RATE: {
        qos.MIN_KPPS: NUMBER,
        qos.DIRECTION: {"type:values": constants.VALID_DIRECTIONS_AND_ANY},
    },
}
"""Type of a rule → what its fields may be (Neutron's QoS driver interface)."""


class DaybreakQosDriver(base.DriverBase):
    """Registers with Neutron's QoS plugin, if that is loaded."""

    def __init__(self) -> None:
        super().__init__(
            name="daybreak",
            vif_types=[portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER],
            vnic_types=[portbindings.VNIC_NORMAL, portbindings.VNIC_DIRECT],
            supported_rules=None,
            requires_rpc_notifications=False,
        )

    @property
    def supported_rules(self) -> Mapping[str, Mapping[str, Any]]:
        """Those that the controller acts on; all, before it was ever reached."""
        can = extensions.known()
        return {type: fields for type, fields in RULES.items() if can is None or QOS_RULES[type] in can}

    @supported_rules.setter
    def supported_rules(self, value: Any) -> None:
        """The base class sets what it was made with; here it follows the controller."""
