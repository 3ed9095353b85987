"""rules: which other things a record of a cloud names, told from the names of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from daybreak.model import Record


class References:
    """References between records of these kinds.

    A field `network_id`, or one that ends so (`floating_network_id`), names a network; `security_groups` names
    several security groups. What stands inside of a record (`fixed_ips`, say) counts too. Fields that name things in
    other words are not known here.
    """

    def __init__(self, kinds: Iterable[type[Record]]) -> None:
        self._kinds = {kind.kind: kind for kind in kinds}
        self._targets: dict[str, type[Record] | None] = {}

    def of(self, record: Struct) -> Iterator[tuple[type[Record], str]]:
        """(kind, id) of all that it names."""
        for field in record.__struct_fields__:
            value: Any = getattr(record, field)
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Struct):
                    yield from self.of(each)
                elif isinstance(each, str) and each and (kind := self._target(field)):
                    yield kind, each

    def _target(self, field: str) -> type[Record] | None:
        """What a field names."""
        if field not in self._targets:
            words = field.removesuffix("_id").split("_") if field.endswith("_id") else []
            names = ["_".join(words[start:]) for start in range(len(words))] or [field.removesuffix("s")]
            self._targets[field] = next((self._kinds[name] for name in names if name in self._kinds), None)
        return self._targets[field]
