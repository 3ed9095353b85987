"""What a controller left that ended before its time, and what is left of those who went."""

from __future__ import annotations

from daybreak.model import Location, Network, Port, PortStatus, Transaction
from daybreak.service.controller import KINDS
from daybreak.store.memory import MemoryStore

from .conftest import POOLS, Site, until


async def test_nothing_is_told_of_a_port_that_went_just_before_a_controller_was_killed() -> None:
    store = MemoryStore(KINDS, POOLS)
    await store.commit(Transaction((Network("n"), Port("p", "n"), Location("p", "h1"), PortStatus("p", True, "h1"))))
    await store.commit(Transaction(delete=((Port, "p"),)))
    async with Site(store).running() as site:
        await until("it is forgotten", lambda: not site.rows(Location, PortStatus))


async def test_nothing_is_found_wrong_with_the_database_of_a_host_that_is_forgotten(site: Site) -> None:
    h1, _ = site.hosts
    databases, hosts = site.controller.databases, site.controller.hosts
    assert "h1" in databases.appliers
    h1.disconnect()
    await until("it is gone", lambda: "h1" not in hosts.sessions)
    assert "h1" in databases.appliers, "what was found may still be so"
    assert await hosts.forget("h1")
    assert databases.appliers.keys() == {"h2"}
    await until("it has let go", lambda: h1.database.connection is None and h1.switch is None)
    await site.connect(h1)
    await until("it is known again", lambda: databases.appliers.keys() == {"h1", "h2"})
