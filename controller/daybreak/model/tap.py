"""data: what the clouds want mirrored (neutron-tap-as-a-service's API)."""

from typing import ClassVar

from daybreak.model.owned import Owned


class TapService(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The port that copies go to."""

    kind: ClassVar[str] = "tap_service"

    name: str | None = None
    port_id: str | None = None


class TapFlow(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The port whose packets are copied: those that it receives (IN), sends (OUT), or BOTH."""

    kind: ClassVar[str] = "tap_flow"

    tap_service_id: str
    name: str | None = None
    direction: str | None = None
    source_port: str | None = None
