"""data: what the clouds want counted (Neutron API reference, "Metering")."""

from typing import ClassVar

from daybreak.model.owned import Owned


class MeteringLabel(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A name that bytes through a tenant's routers are counted under."""

    kind: ClassVar[str] = "metering_label"

    name: str | None = None
    shared: bool | None = None


class MeteringLabelRule(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Which bytes count: those to or from `remote_ip_prefix`, or all but those (`excluded`).

    Instead of the remote prefix there may be the source's, the destination's, or both.
    """

    kind: ClassVar[str] = "metering_label_rule"

    direction: str | None = None
    excluded: bool | None = None
    remote_ip_prefix: str | None = None
    metering_label_id: str | None = None
    source_ip_prefix: str | None = None
    destination_ip_prefix: str | None = None
