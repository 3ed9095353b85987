"""data: which packets the clouds want written down (Neutron API reference, "Logging")."""

from typing import ClassVar

from daybreak.model.owned import Owned


class NetworkLog(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What is let through, or not, is to be logged.

    `resource_type` is security_group, `resource_id` one of them (None: all), `target_id` one port (None: all that have
    the group); `event` is ALL, ACCEPT or DROP. `enabled` None counts as true.
    """

    kind: ClassVar[str] = "network_log"

    name: str | None = None
    enabled: bool | None = None
    event: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    target_id: str | None = None
