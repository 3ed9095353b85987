"""rules: which conntrack zones must be emptied before flows use them.

A zone that another used before may hold its connections, and packets of a new user that look like theirs would pass.
Who uses a zone is the cookie of the flows that lead into it by number (one rule's key for each zone). A flow with
another cookie than the last user's takes the zone into use; the same cookie finds its connections as they were: after
a restart, a resynchronisation, or a store that was lost, for cookies don't depend on any of them.

The kernel's connections outlive ovs-vswitchd, so the users of a host's zones are remembered while its switch is away.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """The zones of one host and the last user of each. Users are given as `zones_of` tells them of flows."""

    def __init__(self) -> None:
        self._users: dict[int, int] = {}

    def seen(self, users: Mapping[int, int]) -> None:
        """These use their zones now."""
        self._users |= users

    def taken(self, users: Mapping[int, int]) -> list[int]:
        """The zones that these take from another, or that nobody is known to have had."""
        return sorted(zone for zone, user in users.items() if self._users.get(zone) != user)

    def inherited(self, users: Mapping[int, int]) -> list[int]:
        """The zones that another is known to have had. Of the rest we take it that they had them before: their switch
        has lost its flows, perhaps not its connections."""
        return sorted(zone for zone, user in users.items() if self._users.get(zone, user) != user)
