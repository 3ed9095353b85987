"""rules: the way of a packet from switch to switch: what leaves one by a tunnel or a physical network enters others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import NamedTuple

from daybreak.engine.interpreter.machine import interpret
from daybreak.engine.interpreter.outcome import Copy, Outcome
from daybreak.engine.interpreter.tables import Tables
from daybreak.engine.interpreter.tracking import Connections
from daybreak.wire.openflow import fields as f
from daybreak.wire.openflow.fields import Field

MOST_LEGS = 1000
"""Switches that one packet may enter; more is taken for a loop. A broadcast enters each host of its network once."""

CARRIED = [f.FIELDS["tun_id"], *(f.FIELDS[f"tun_metadata{n}"] for n in range(8))]
"""What a tunnel takes along beside the frame."""


class Site(NamedTuple):
    """A host's switch: what it has, and which of its OpenFlow ports lead elsewhere.

    `vteps` are its tunnel addresses as numbers; `tunnels` the ports of tunnels; `uplinks` those of physical networks,
    with their names.
    """

    tables: Tables
    vteps: tuple[int, ...] = ()
    tunnels: frozenset[int] = frozenset()
    uplinks: Mapping[int, str] = {}
    match_fragments: bool = True


class Entry(NamedTuple):
    """A packet that enters a host's switch. `cause` is the number of the leg that it comes from, None for the first;
    `metadata` is what its tunnel told."""

    host: str
    in_port: int
    frame: bytes
    metadata: Mapping[Field, int] = {}
    cause: int | None = None


class Leg(NamedTuple):
    """What happened in one switch. `arrivals` are the copies that left by ports that lead to no other switch; `outside`
    those that a physical network takes beyond the switches; `lost` those that entered no switch, with the reason."""

    entry: Entry
    outcome: Outcome
    arrivals: tuple[Copy, ...]
    outside: tuple[Copy, ...]
    lost: tuple[tuple[Copy, str], ...]


Known = dict[str, Connections]
"""Host → the connections that its switch knows."""

Walk = Generator[str, Site | None, tuple[Leg, ...]]
"""Asks for the sites of hosts, by name, as it comes to them; None: that switch can't be told of."""

Across = Callable[[str, str, bytes], Iterable[tuple[str, int]]]
"""(host, physical network, frame) → the other hosts that the network takes it to, and the ports where it enters."""


def walk(first: Entry, connections: Known, behind: Callable[[int], str | None], across: Across = lambda *_: ()) -> Walk:
    """Follow a packet and its copies until none enters another switch, breadth first.

    `behind` tells which host has a tunnel address. `connections` are changed as the switches do it. Raises
    NotInterpreted and ValueError as `interpret` does, and ValueError where it goes round in circles.
    """
    legs: list[Leg] = []
    waiting = deque([first])
    sites: dict[str, Site | None] = {}
    while waiting:
        entry = waiting.popleft()
        if entry.host not in sites:
            sites[entry.host] = yield entry.host
        site = sites[entry.host]
        if site is None:
            continue
        if len(legs) == MOST_LEGS:
            raise ValueError(f"the packet entered {MOST_LEGS} switches, and is still on its way")
        outcome = interpret(
            entry.frame,
            entry.in_port,
            site.tables,
            connections.get(entry.host),
            metadata=entry.metadata,
            match_fragments=site.match_fragments,
        )
        connections[entry.host] = outcome.connections
        arrivals: list[Copy] = []
        outside: list[Copy] = []
        lost: list[tuple[Copy, str]] = []
        for copy in outcome.copies:
            if copy.port in site.tunnels:
                entered, why = _through_tunnel(copy, site, behind)
                waiting.extend(each._replace(cause=len(legs)) for each in entered)
                lost += [(copy, why)] * (not entered)
            elif copy.port in site.uplinks:
                hosts = [*across(entry.host, site.uplinks[copy.port], copy.frame)]
                waiting.extend(Entry(host, port, copy.frame, cause=len(legs)) for host, port in hosts)
                if not hosts or copy.frame[0] & 1:
                    outside.append(copy)
            else:
                arrivals.append(copy)
        legs.append(Leg(entry, outcome, tuple(arrivals), tuple(outside), tuple(lost)))
    return tuple(legs)


def _through_tunnel(copy: Copy, site: Site, behind: Callable[[int], str | None]) -> tuple[list[Entry], str]:
    """Where a copy comes out of its tunnel. The IPv4 destination counts as long as it is not zero."""
    ipv4, ipv6 = copy.fields.get(f.FIELDS["tun_dst"], 0), copy.fields.get(f.FIELDS["tun_ipv6_dst"], 0)
    destination = ipv4 or ipv6
    if destination in site.vteps:
        return [], "the tunnel leads back to this host"
    host = behind(destination)
    if host is None:
        return [], "no host has that tunnel address"
    ends = ("tun_src", "tun_dst") if ipv4 else ("tun_ipv6_src", "tun_ipv6_dst")
    own = next((vtep for vtep in site.vteps if vtep.bit_length() > 32 or ipv4), 0)
    metadata = {field: copy.fields[field] for field in CARRIED if copy.fields.get(field)}
    metadata |= {f.FIELDS[ends[0]]: own, f.FIELDS[ends[1]]: destination}
    return [Entry(host, copy.port, copy.frame, metadata)], ""


def follow(steps: Walk, sites: Mapping[str, Site]) -> tuple[Leg, ...]:
    """A walk to its end, with all sites at hand."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(sites.get(wanted))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
