"""rules: counters that start again from zero, with a flow, with a switch, as sums that do not.

A flow's counter says how much it met since the switch has it. What it said the last time, its baseline, is kept for
each flow of each host; what is more since then is added up. A counter that is lower than its baseline has begun anew.
Replacing a flow by an equal one (OpenFlow's ADD) keeps its counter; a flow that was away and is back (`remade`), and
every flow of a switch that lost all, begins at zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from daybreak.wire.openflow.flow import Hit

Baselines = dict[int, tuple[int, int]]
"""A flow (see `identity`) → packets and bytes at the last look. Flows that met nothing are not there."""


class Growth(NamedTuple):
    """What a flow met since the last look; `is_first`: or ever, for nobody looked at this table of this host before."""

    hit: Hit
    packets: int
    octets: int
    is_first: bool


def identity(key: bytes) -> int:
    """A flow's key in 63 bits: the same in every process, and what a file can hold."""
    return int.from_bytes(blake2b(key, digest_size=8).digest()) >> 1


class Tally:
    """The baselines of all hosts, by host and table; they are replaced, never changed.

    `dirty` are the places of those that were replaced since somebody emptied it.
    """

    def __init__(self) -> None:
        self.baselines: dict[tuple[str, int], Baselines] = {}
        self.dirty: set[tuple[str, int]] = set()
        self._began_empty: set[str] = set()

    def take(self, host: str, table: int, hits: Iterable[Hit]) -> list[Growth]:
        """All flows of a table that met packets: what they met since the last look. Others' baselines are forgotten."""
        place = host, table
        is_new, before = place not in self.baselines, self.baselines.get(place, {})
        is_first = is_new and host not in self._began_empty
        after: Baselines = {}
        grown = []
        for hit in hits:
            flow = identity(hit.key)
            packets, octets = before.get(flow, (0, 0))
            if hit.packets < packets:
                packets = octets = 0
            after[flow] = (hit.packets, hit.octets)
            if hit.packets > packets:
                grown.append(Growth(hit, hit.packets - packets, max(0, hit.octets - octets), is_first))
        if is_new or before != after:
            self.baselines[place] = after
            self.dirty.add(place)
        return grown

    def emptied(self, host: str) -> None:
        """The switch has no flows: all counters begin at zero."""
        self._began_empty.add(host)
        for place in self.baselines:
            if place[0] == host:
                self.baselines[place] = {}
                self.dirty.add(place)

    def remade(self, host: str, keys: Iterable[bytes]) -> None:
        """These flows were away and are made again."""
        gone: dict[tuple[str, int], set[int]] = defaultdict(set)
        for key in keys:
            place = host, key[0]
            if self.baselines.get(place):
                gone[place].add(identity(key))
        for place, flows in gone.items():
            kept = {flow: counts for flow, counts in self.baselines[place].items() if flow not in flows}
            self.baselines[place] = kept
            self.dirty.add(place)

    def forget(self, host: str) -> None:
        """The host is no more."""
        for place in [place for place in self.baselines if place[0] == host]:
            del self.baselines[place]
            self.dirty.add(place)
