"""rules: what the status of a port should be, from what Neutron has and what the controller told."""

from dataclasses import dataclass

from networking_daybreak.status.picture import Told

ACTIVE, DOWN = "ACTIVE", "DOWN"


@dataclass(frozen=True)
class Seen:
    """A port as Neutron has it.

    `host` is that of its active binding if this driver bound it, else empty. `routed`: it is a port of one of
    Daybreak's routers, which no switch has as an interface.
    """

    id: str
    status: str
    up: bool = True
    host: str = ""
    routed: bool = False


def verdict(seen: Seen, told: Told | None, *, routers: bool = True) -> str | None:
    """The status that the port should have; None: leave it as it is. `routers`: whether the controller acts on them.

    What the controller has never heard of is still on its way, and what is told of another host is about a binding
    that the controller does not know yet, or no longer: both leave the port as it is.
    """
    if told is None:
        return None
    if seen.host:
        if told.active and told.host != seen.host:
            return None
        due = ACTIVE if told.active else DOWN
    elif seen.routed:
        due = ACTIVE if seen.up and routers else DOWN
    else:
        return None
    return None if due == seen.status else due
