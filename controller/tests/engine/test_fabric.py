"""What a physical network takes beyond the switches: what no host has, and what is for everybody."""

import asyncio

import pytest

from daybreak.engine.interpreter import Tables
from daybreak.engine.interpreter.fabric import Entry, Site, follow, walk
from daybreak.features import pipeline

from ..proof.frames import ip, mac, tcp
from ..proof.proof import flows_of
from ..scenarios.transcript import Player

CLOUD = """
network dmz type=vlan physical=physnet1 vlan=120
host h1 patches=physnet1:40
host h2 patches=physnet1:40
port web network=dmz mac=fa:16:3e:00:00:01 ips=10.1.0.1
port db network=dmz mac=fa:16:3e:00:00:02 ips=10.1.0.2
plug web h1 ofport=1
plug db h2 ofport=2
"""
WEB, DB, ROUTER, ALL = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "00:11:22:33:44:55", "ff:ff:ff:ff:ff:ff"


@pytest.mark.parametrize(
    ("target", "entered", "outside"),
    [(DB, ["h1", "h2"], False), (ROUTER, ["h1"], True), (ALL, ["h1", "h2"], True)],
)
def test_where_a_frame_goes(target: str, entered: list[str], outside: bool) -> None:
    player = Player(pipeline())
    asyncio.run(player.play(CLOUD))
    sites = {host: Site(Tables(flows_of(player.engine, host)), uplinks={40: "physnet1"}) for host in ("h1", "h2")}

    def across(host: str, network: str, frame: bytes) -> list[tuple[str, int]]:
        return [("h2", 40)] if frame[:6] in (mac(DB), mac(ALL)) else []

    ((_, frame), *_) = tcp((mac(WEB), mac(target)), (ip("10.1.0.1"), ip("10.1.0.2")), (999, 80))
    legs = follow(walk(Entry("h1", 1, frame), {}, lambda _: None, across), sites)
    assert [leg.entry.host for leg in legs] == entered
    assert [(leg.entry.host, copy.port) for leg in legs for copy in leg.outside] == [("h1", 40)] * outside
    assert [(leg.entry.host, copy.port) for leg in legs for copy in leg.arrivals] == [("h2", 2)] * ("h2" in entered)
