"""Nothing that Neutron acknowledged is lost, nothing goes backwards, whoever is killed and whenever."""

import random
import time

import pytest

from daybreak_lab import wait_for
from daybreak_lab.openstack import MariaDB, PostgreSQL, member

from ..cloud import JOURNAL, Cloud
from .load import GENEROUS, broken_promises, load, seconds_until_equal

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(600)]

CRASH_AT = "DAYBREAK_CRASH_AT"
POINTS = ("after-claim", "after-send")
"""tests/journal has them all, without Neutron around."""
BOTH = pytest.mark.parametrize("kind", [MariaDB, PostgreSQL], indirect=True, ids=["MariaDB", "PostgreSQL"])
ONE = pytest.mark.parametrize("kind", [MariaDB], indirect=True, ids=["MariaDB"])
SEED = random.SystemRandom().randrange(1_000_000)


@BOTH
def test_two_servers_under_load(pair: Cloud) -> None:
    """Four clients, two servers, one database: no request fails, and nothing is there twice."""
    with load(pair, clients=4, seed=SEED) as (ledgers, watcher):
        wait_for("some work", lambda: sum(ledger.acknowledged for ledger in ledgers) > 150, GENEROUS)
    assert [line for ledger in ledgers for line in (*ledger.refused, *ledger.unknown)] == []
    seconds_until_equal(pair)
    assert broken_promises(pair, ledgers) == []
    assert watcher.backwards == []
    assert watcher.looks > 3
    ports = pair.client().list("ports")
    addresses = [(port["network_id"], ip["ip_address"]) for port in ports for ip in port["fixed_ips"]]
    assert len(addresses) == len(set(addresses))


@BOTH
def test_everything_is_killed_at_random(pair: Cloud) -> None:
    """Dispatchers, API servers, the controller, the database: each with -9 during the load, and started again."""
    victims = [
        *(server.daemons[JOURNAL] for server in pair.servers),
        *(server.api for server in pair.servers),
        pair.controller,
        *(pair.database,) * 3,  # each time in the middle of something else
        pair.servers[0].daemons[JOURNAL],
    ]
    dice = random.Random(SEED)
    dice.shuffle(victims)
    print(f"seed {SEED}: {[victim.name for victim in victims]}")
    with load(pair, clients=3, seed=SEED + 100) as (ledgers, watcher):
        for victim in victims:
            time.sleep(dice.uniform(0.2, 1.5))
            victim.kill()
            time.sleep(dice.uniform(0.0, 0.5))
            victim.start()
    took = seconds_until_equal(pair)
    acknowledged = sum(ledger.acknowledged for ledger in ledgers)
    unanswered = sum(len(ledger.unknown) for ledger in ledgers)
    print(f"{acknowledged} calls were acknowledged, {unanswered} had no answer; equal after {took:.1f} s")
    assert acknowledged > 20
    assert broken_promises(pair, ledgers) == []
    assert watcher.backwards == []
    assert [line for ledger in ledgers for line in ledger.refused] == []


@ONE
@pytest.mark.parametrize("point", POINTS)
def test_a_dispatcher_dies(pair: Cloud, point: str) -> None:
    """At a place of its choice, while another server's dispatcher lives: that one does the rest."""
    victim = pair.servers[0].daemons[JOURNAL]
    other = pair.servers[1].daemons[JOURNAL]
    other.kill()  # so that the victim has the work to itself
    victim.kill()
    victim.env[CRASH_AT] = point
    victim.start()
    change_something(pair, point)
    try:
        wait_for(f"the end at {point}", lambda: not victim.is_running, GENEROUS)
        other.start()
        seconds_until_equal(pair)
    finally:
        del victim.env[CRASH_AT]
        victim.end()
        victim.start()


@ONE
@pytest.mark.parametrize("point", ["before-takeover"])
def test_who_takes_over_dies(pair: Cloud, point: str) -> None:
    """Whoever comes next takes over from both."""
    victims = [server.daemons[JOURNAL] for server in pair.servers]
    for victim in victims:
        victim.kill()
    try:
        for victim, where in zip(victims, ("after-claim", point), strict=True):
            victim.env[CRASH_AT] = where
            victim.start()
            change_something(pair, point)
            wait_for(f"the end at {where}", lambda victim=victim: not victim.is_running, GENEROUS)
    finally:
        for victim in victims:
            victim.env.pop(CRASH_AT, None)
            victim.end()
    victims[0].start()
    seconds_until_equal(pair)
    victims[1].start()


@ONE
def test_all_at_once(pair: Cloud) -> None:
    """A power cut: everything goes in the middle of the load, and everything comes back."""
    with load(pair, clients=3, seed=SEED + 200) as (ledgers, _):
        wait_for("some work", lambda: sum(ledger.acknowledged for ledger in ledgers) > 30, GENEROUS)
        for server in pair.servers:
            server.kill()
        pair.controller.kill()
        pair.database.kill()
    pair.database.start()
    pair.controller.start()
    for server in pair.servers:
        server.start()
    took = seconds_until_equal(pair)
    print(f"equal after {took:.1f} s")
    assert broken_promises(pair, ledgers) == []


def change_something(cloud: Cloud, name: str) -> None:
    """A network and ports: one created, one updated, one deleted."""
    client = cloud.client(member("changes"))
    network = client.create("networks", name=name)
    ports = [client.create("ports", network_id=network["id"]) for _ in range(3)]
    client.update("ports", ports[1]["id"], name="7")
    client.delete("ports", ports[2]["id"])
