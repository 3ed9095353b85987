"""rules: which conntrack zones must be emptied before flows use them.

A zone that another used before may hold its connections, and packets of a new user that look like theirs would pass.
Who uses a zone is the cookie of the flows that lead into it by number (one rule's key for each zone). A flow with
another cookie than the last user's takes the zone into use; the same cookie finds its connections as they were: after
a restart, a resynchronisation, or a store that was lost, for cookies don't depend on any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import pack

from daybreak.wire.openflow.actions import NICIRA, Ct, decode_instructions
from daybreak.wire.openflow.flow import COOKIE_SIZE
from daybreak.wire.openflow.shared import is_shared

MARK = pack("!IH", NICIRA, 35)
"""In all flows with the action ct, and in few others: those are decoded to be sure."""


def zones_of(flows: Mapping[bytes, bytes | None]) -> dict[int, int]:
    """Zones that flows lead into by number (not by a register), with the flows' cookies."""
    found = {}
    for key, body in flows.items():
        if body is None or MARK not in body or is_shared(key):
            continue
        for step in decode_instructions(body[COOKIE_SIZE:]):
            if isinstance(step, Ct) and isinstance(step.zone, int) and step.table is not None:
                found[step.zone] = int.from_bytes(body[:COOKIE_SIZE], "big")
    return found


class Zones:
    """The zones of one switch and the last user of each."""

    def __init__(self) -> None:
        self._users: dict[int, int] = {}

    def seen(self, flows: Iterable[Mapping[bytes, bytes]]) -> None:
        """These flows are on the switch."""
        for part in flows:
            self._users |= zones_of(part)

    def taken(self, flows: Mapping[bytes, bytes | None]) -> list[int]:
        """Note that flows come; the zones that they take from another, or that nobody is known to have had."""
        users = zones_of(flows)
        taken = [zone for zone, user in users.items() if self._users.get(zone) != user]
        self._users |= users
        return sorted(taken)
