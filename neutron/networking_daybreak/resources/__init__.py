"""data: all kinds of Neutron's objects that the controller is told of. A further one is a module here, and a line."""

from collections.abc import Mapping

from networking_daybreak.resources import (
    floating_ip,
    metering,
    network,
    network_log,
    port,
    qos_policy,
    router,
    security_group,
    trunk,
)
from networking_daybreak.resources.kind import Body, Kind, Opendaylight

__all__ = ["KINDS", "Body", "Kind", "Opendaylight"]

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for module in (
        security_group,
        qos_policy,
        network,
        port,
        router,
        floating_ip,
        trunk,
        metering,
        network_log,
    )
    for kind in module.KINDS
}
"""By name."""
