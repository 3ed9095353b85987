"""While nothing can be written the controller goes on, and catches up; what it can't do without ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from daybreak.model import Host, Interface, Network, Port, Transaction
from daybreak.service.controller import KINDS
from daybreak.store.contract import StoreError
from daybreak.store.sqlite import SqliteStore

from .conftest import POOLS, Site, until


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """Somebody else holds the database, so that nothing can be written: as good as a disk that is full."""
    with closing(sqlite3.connect(directory / "daybreak.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(SqliteStore.open(tmp_path, KINDS, POOLS))


def told(capsys: pytest.CaptureFixture[str], words: str) -> list[str]:
    """The lines of the log that say so, since the last look."""
    return [line for line in capsys.readouterr().out.splitlines() if words in line]


async def test_what_hosts_report_meanwhile_is_written_afterwards(site: Site, tmp_path: Path, capsys) -> None:
    async with site.running():
        h1, h2 = site.hosts
        h1.plug("tap", "p", 1)
        with unwritable(tmp_path):
            await site.connect(h1)
            await until("it was tried", lambda: told(capsys, "what hosts report can't be written"))
            assert site.rows(Host) == set()
        await site.connect(h2)
        await until("both are known", lambda: site.rows(Host) == {"h1", "h2"})
        assert site.rows(Interface) == {"h1/tap"}


async def test_where_ports_are_is_written_afterwards(site: Site, tmp_path: Path, capsys) -> None:
    async with site.running():
        h1, _ = site.hosts
        h1.plug("tap", "p", 1)
        await site.store.commit(Transaction((Network("n"), Port("p", "n", mac_address="fa:16:3e:00:00:01"))))
        await site.connect(h1)
        await until("the port is active", lambda: site.is_active("p"))
        with unwritable(tmp_path):
            h1.disconnect()
            await until("it was tried", lambda: told(capsys, "what is true of ports can't be written"))
            assert site.is_active("p")
        await until("the port is down", lambda: not site.is_active("p"))


async def test_a_host_that_could_not_be_forgotten_can_be_later(site: Site, tmp_path: Path) -> None:
    async with site.running():
        h1, _ = site.hosts
        h1.plug("tap", "p", 1)
        await site.connect(h1)
        await until("it is known", lambda: site.rows(Host, Interface) == {"h1", "h1/tap"})
        h1.disconnect()
        await until("it is gone", lambda: "h1" not in site.controller.hosts.sessions)
        with unwritable(tmp_path), pytest.raises(StoreError):
            await site.controller.hosts.forget("h1")
        assert site.controller.hosts.interfaces("h1").keys() == {"tap"}
        assert await site.controller.hosts.forget("h1")
        assert site.rows(Host, Interface) == set()


async def test_an_error_in_a_part_of_the_controller_is_told_and_stops_it(site: Site, capsys) -> None:
    def fails(host: str, session: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    async with site.running():
        site.controller.hosts.session_listeners.append(fails)
        await site.connect(site.hosts[0])
        await until("it failed", site.failed.is_set)
        assert told(capsys, "a part of the controller failed")
        assert site.controller.is_broken
