"""data: what all records have in common."""

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A row of one table. Subclasses are kinds; instances are never changed, only replaced.

    `kind` names the table on disk and in what people read, so it never changes once released.
    """

    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """The row's identity within its kind."""
        raise NotImplementedError
