"""rules: the life of a member, as it and others see it, and how work is shared out among those that are there."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b

JOINING, ACTIVE, SUSPECT, GONE = "joining", "active", "suspect", "gone"
"""Announced, with earlier claims to be settled; at work; silent; replaced, until it joins anew.

        join                settled              silence               silence
  ───────────────► joining ────────► active ───────────────► suspect ──────────► gone
                      ▲                 ◄───────────────────────                   │
                      │                    a sign of life                          │
                      └─────────────────────────── join ◄──────────────────────────┘

A member that stops in order says gone itself. Whoever is gone has a token above the one that it joined with, so it
can't finish what it had claimed, should it wake up; others take that over.
"""

PRESENT = frozenset({ACTIVE, SUSPECT})
"""Those that work is shared out among. Who's silent for a moment keeps its share."""


@dataclass(frozen=True)
class Patience:
    """Seconds of silence after which a member is suspect, and after which it's gone."""

    suspect_after: float
    gone_after: float


@dataclass
class Sighting:
    """A member's token and beats, and since when (by the observer's own clock) they are what they are."""

    token: int
    beats: int
    since: float


class Watch:
    """Sees whether members give signs of life. Clocks of members need not agree: only changes count."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._seen: dict[str, Sighting] = {}

    def state(self, name: str, state: str, token: int, beats: int, now: float) -> str:
        """The state in which a member should be that says to be in `state`."""
        seen = self._seen.get(name)
        if seen is None or (seen.token, seen.beats) != (token, beats):
            self._seen[name] = Sighting(token, beats, now)
            return ACTIVE if state == SUSPECT else state
        silence = now - seen.since
        if state == GONE or silence < self._patience.suspect_after:
            return state
        if silence >= self._patience.gone_after:
            return GONE
        return SUSPECT if state == ACTIVE else state

    def forget(self, names: Collection[str]) -> None:
        """All but these are no longer members."""
        for name in [name for name in self._seen if name not in names]:
            del self._seen[name]


def owner_of(key: str, members: Iterable[str]) -> str | None:
    """Which of the members does the work for a key; None: there is none.

    Rendezvous hashing (Thaler and Ravishankar 1998): all who know the same members agree without speaking, and when one
    comes or goes only its own share moves.
    """
    return max(members, key=lambda member: (weight(key, member), member), default=None)


def share_of(member: str, keys: Iterable[str], members: Collection[str]) -> list[str]:
    """The keys that are one member's to work for."""
    return [key for key in keys if owner_of(key, members) == member]


def weight(key: str, member: str) -> bytes:
    return blake2b(f"{member}\0{key}".encode(), digest_size=8).digest()
