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
