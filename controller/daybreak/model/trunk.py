"""data: trunks: several networks on one VM's port, told apart by tags (Neutron API reference, "Trunk networking")."""

from typing import ClassVar

import msgspec

from daybreak.model.owned import Owned


class SubPort(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A port whose packets travel tagged: `segmentation_type` is vlan, `segmentation_id` the tag."""

    port_id: str
    segmentation_type: str | None = None
    segmentation_id: int | None = None


class Trunk(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A parent port and the sub-ports that it carries."""

    kind: ClassVar[str] = "trunk"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    port_id: str | None = None
    sub_ports: tuple[SubPort, ...] | None = None
