"""rules: what a switch has against what it should have, as the messages that close the difference.

A table is a mapping of keys to bodies, of flows (see wire.openflow.flow) and of meters and groups (wire.openflow.
shared). Everything here is about bytes: what a flow means is known to whoever made it, and its cookie leads there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from daybreak.wire.openflow.flow import flow_delete, flow_mod
from daybreak.wire.openflow.shared import is_meter, is_shared, shared_add, shared_delete

Changes = dict[bytes, bytes | None]
"""Key → the body that it should have, or None: there should be no such flow, meter or group."""


class Difference(NamedTuple):
    """How a switch's table differs: `missing` and `altered` ones are ours, `foreign` ones are on the switch alone."""

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


class Steps(NamedTuple):
    """Keys in the order in which a switch must get them, for a flow is refused whose meter or group is not there.

    Meters go `before`, for no bundle takes them. What is given up goes `after` the bundle: deleting a meter or a group
    deletes the flows that use it.
    """

    before: list[bytes]
    bundle: list[bytes]
    after: list[bytes]


def steps(changes: Mapping[bytes, bytes | None]) -> Steps:
    """Sort changes into steps."""
    shared = [key for key in changes if is_shared(key)]
    if not shared:
        return Steps([], [*changes], [])
    before = [key for key in shared if is_meter(key) and changes[key] is not None]
    groups = [key for key in shared if not is_meter(key) and changes[key] is not None]
    flows = [key for key in changes if not is_shared(key)]
    return Steps(before, groups + flows, [key for key in shared if changes[key] is None])


def message(key: bytes, body: bytes | None) -> bytes:
    """Always ADD, which replaces a flow's cookie too (MODIFY would not), or DELETE_STRICT."""
    if is_shared(key):
        return shared_delete(key) if body is None else shared_add(key, body)
    return flow_delete(key) if body is None else flow_mod(key, body)


def messages(keys: Iterable[bytes], changes: Mapping[bytes, bytes | None]) -> list[bytes]:
    """What changes these keys."""
    return [message(key, changes[key]) for key in keys]


def owned_by(body: bytes | None) -> int | None:
    """The cookie of a body."""
    return None if body is None else int.from_bytes(body[:8], "big")
