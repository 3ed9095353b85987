"""data: what the operator decides and rules read."""

from typing import ClassVar

from daybreak.model.record import Record

SETTINGS = "settings"
"""The key of the one row."""


class Settings(Record, frozen=True, gc=False, omit_defaults=True):
    """`overlay` is the encapsulation of networks whose type the cloud leaves open."""

    kind: ClassVar[str] = "settings"

    overlay: str = "vxlan"

    @property
    def key(self) -> str:
        return SETTINGS
