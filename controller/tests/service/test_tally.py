"""Counters that begin anew become sums that do not, whatever order things happen in."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from daybreak.features import pipeline
from daybreak.service.counters_file import CountersFile, Kept, Total
from daybreak.service.drops import Drop, Drops, Reasons
from daybreak.service.tally import Tally
from daybreak.store.contract import StoreError
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.flow import Condition, Hit, flow_key

KEY, OTHER = (flow_key(3, priority, [Condition(FIELDS["tun_id"], 7)]) for priority in (1, 2))


def met(packets: int, key: bytes = KEY) -> Hit:
    """A flow that met as many packets of 100 bytes."""
    return Hit(key, 0xDB, packets, 100 * packets, False)


def grown(tally: Tally, *found: Hit) -> list[tuple[int, int]]:
    """What these flows met since the last look."""
    return [(each.packets, each.octets) for each in tally.take("h1", 3, found)]


def test_what_is_more_than_before_counts() -> None:
    tally = Tally()
    assert grown(tally, met(5)) == [(5, 500)]
    assert grown(tally, met(5)) == []
    assert grown(tally, met(7), met(1, OTHER)) == [(2, 200), (1, 100)]


def test_a_counter_that_is_lower_has_begun_anew() -> None:
    tally = Tally()
    grown(tally, met(5))
    assert grown(tally, met(3)) == [(3, 300)]


@pytest.mark.parametrize("away", ["emptied", "remade", "not seen"])
def test_a_flow_that_was_away_counts_from_zero(away: str) -> None:
    """Even where it has overtaken by the next look what it had counted before."""
    tally = Tally()
    grown(tally, met(5), met(2, OTHER))
    if away == "emptied":
        tally.emptied("h1")
    elif away == "remade":
        tally.remade("h1", [KEY])
    else:
        grown(tally, met(2, OTHER))
    assert grown(tally, met(6), met(2, OTHER)) == [(6, 600)] + [(2, 200)] * (away == "emptied")


def test_hosts_and_tables_are_counted_apart() -> None:
    tally = Tally()
    grown(tally, met(5))
    assert [each.packets for each in tally.take("h2", 3, [met(5)])] == [5]
    tally.forget("h1")
    assert grown(tally, met(5)) == [(5, 500)]


def test_the_first_look_says_so_unless_the_switch_was_seen_empty() -> None:
    tally = Tally()
    assert [each.is_first for each in tally.take("h1", 3, [met(5)])] == [True]
    assert [each.is_first for each in tally.take("h1", 3, [met(6)])] == [False]
    tally.emptied("h2")
    assert [each.is_first for each in tally.take("h2", 3, [met(5)])] == [False]


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    tally = Tally()
    grown(tally, met(5), met(2, OTHER))
    file, kept = CountersFile.open(path)
    assert kept == ({}, {})
    total = Total(1, 2, 3, 4.5, None)
    file.save(Kept(dict(tally.baselines), {("rule", "a"): total, ("rule", "b"): total}))
    file.save(Kept({}, {("rule", "b"): None, ("rule", "a"): total._replace(last=5.5)}))
    file.close()
    file, kept = CountersFile.open(path)
    file.close()
    assert kept == (tally.baselines, {("rule", "a"): total._replace(last=5.5)})


def no_database(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def torn_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 8192)


def torn_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE total SET counts = x'c1' WHERE id = '7'")
        database.commit()


def written(path: Path) -> None:
    """A file of some size, as a controller leaves it."""
    file, _ = CountersFile.open(path)
    flows = {cookie: (cookie, cookie) for cookie in range(400)}
    file.save(Kept({(f"h{n}", 3): flows for n in range(50)}, {("rule", str(n)): Total(n) for n in range(500)}))
    file.close()


@pytest.mark.parametrize("damage", [no_database, torn_page, torn_row])
def test_a_file_that_is_damaged_is_put_aside(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "counters"
    written(path)
    damage(path)
    damaged = path.read_bytes()
    file, kept = CountersFile.open(path)
    assert kept == ({}, {})
    file.save(Kept({}, {("rule", "a"): Total(1)}))
    file.close()
    assert (tmp_path / "counters.broken").read_bytes() == damaged


def test_a_file_that_somebody_else_holds_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    written(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=f"^{path}: database is locked$"):
            CountersFile.open(path)
    assert not (tmp_path / "counters.broken").exists()
    file, kept = CountersFile.open(path)
    file.close()
    assert len(kept.totals) == 500


def test_drops_are_forgotten_after_an_hour() -> None:
    drops = Drops()
    for at in (0.0, 1000.0, 4000.0):
        drops.add(Drop(at, "h1", 3, KEY, None, "", 1, 1))
    assert [drop.at for drop in drops.since(0.0)] == [1000.0, 4000.0]
    assert [drop.at for drop in drops.since(2000.0)] == [4000.0]


def test_every_flow_that_drops_has_a_reason_of_its_own() -> None:
    linked = pipeline()
    reasons = [shape.doc for shape in linked.drops]
    assert all(reasons)
    for table in linked.tables:
        here = [shape.doc for shape in linked.drops if shape.table is table]
        assert len(here) == len(set(here)), table


def test_reasons_are_found_by_the_constants_of_a_match() -> None:
    linked = pipeline()
    reasons = Reasons(linked)
    (said,) = [table for table in linked.tables if table.name == "SAID"]
    number = linked.numbers[said]

    def why(*match: tuple[str, int]) -> str:
        key = flow_key(number, 50, [Condition(FIELDS[name], value) for name, value in match])
        return reasons.of(Drop(0.0, "h1", number, key, None, "", 1, 1))

    assert why(("eth_type", 0x0800), ("ip_proto", 17), ("udp_src", 67), ("udp_dst", 68)) == "a VM is no DHCP server"
    assert why(("eth_type", 0x86DD), ("ip_proto", 17), ("udp_src", 547), ("udp_dst", 546)).startswith("nor a DHCPv6")
    assert why(("eth_type", 0x86DD), ("ip_proto", 58), ("icmpv6_type", 134)).startswith("advertisements of others'")
    assert why(("eth_type", 0x0806)) == ""
    miss = next(table for table in linked.tables if table.miss)
    assert reasons.of(Drop(0.0, "h1", linked.numbers[miss], b"", None, "", 1, 0)) == miss.miss
