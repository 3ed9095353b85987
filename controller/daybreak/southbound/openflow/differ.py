"""rules: what a switch has against what it should have, as the flow-mods that close the difference.

A table is a mapping of flow keys to bodies (see wire.openflow.flow). Everything here is about bytes: what a flow
means is known to whoever made it, and its cookie leads there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from daybreak.wire.openflow.flow import flow_delete, flow_mod

Changes = dict[bytes, bytes | None]
"""Flow key → the body that it should have, or None: there should be no such flow."""


class Difference(NamedTuple):
    """How a switch's table differs: `missing` and `altered` flows are ours, `foreign` ones are on the switch alone."""

    missing: dict[bytes, bytes]
    altered: dict[bytes, bytes]
    foreign: dict[bytes, bytes]

    def __bool__(self) -> bool:
        return bool(self.missing or self.altered or self.foreign)

    def changes(self) -> Changes:
        """What closes it."""
        return {**dict.fromkeys(self.foreign), **self.altered, **self.missing}


def difference(desired: Mapping[bytes, bytes], actual: Iterable[Mapping[bytes, bytes]]) -> Difference:
    """Compare a desired table with a dump, which comes in parts."""
    missing = dict(desired)
    altered, foreign = {}, {}
    take = missing.pop
    for part in actual:
        for key, body in part.items():
            wanted = take(key, None)
            if wanted is None:
                foreign[key] = body
            elif wanted != body:
                altered[key] = wanted
    return Difference(missing, altered, foreign)


def messages(changes: Mapping[bytes, bytes | None]) -> list[bytes]:
    """Flow-mods: always ADD, which replaces the cookie too (MODIFY would not), or DELETE_STRICT."""
    return [flow_delete(key) if body is None else flow_mod(key, body) for key, body in changes.items()]


COOKIE = slice(8, 16)
"""Where a flow-mod has its cookie (OpenFlow 1.3.5, section 7.3.4.1)."""


def cookie_of(message: bytes) -> int:
    """The cookie of a flow-mod."""
    return int.from_bytes(message[COOKIE], "big")


def owned_by(body: bytes | None) -> int | None:
    """The cookie of a flow's body."""
    return None if body is None else int.from_bytes(body[:8], "big")
