"""data: what the operator decides and rules read."""

from typing import ClassVar

from daybreak.model.record import Record

SETTINGS = "settings"
"""The key of the one row."""


class Settings(Record, frozen=True, gc=False, omit_defaults=True):
    """`overlay` is the encapsulation of networks whose type the cloud leaves open.

    `log_rate` and `log_burst`: what a network log may show of a host, in packets a second and at once.
    """

    kind: ClassVar[str] = "settings"

    overlay: str = "vxlan"
    log_rate: int = 100
    log_burst: int = 25

    @property
    def key(self) -> str:
        return SETTINGS
