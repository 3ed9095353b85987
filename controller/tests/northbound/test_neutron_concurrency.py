"""Writers at the same time: whoever comes second builds on what the first one left."""

import asyncio
from collections import Counter
from typing import Any

from daybreak.model import LoadBalancerPool, Network, Port, Transaction

NETWORK = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"
PORT = "60000000-0000-4000-8000-000000000001"


async def test_two_updates_of_a_port_at_once_lose_neither(durable: Any) -> None:
    """Each leaves out what the other sets, and PUT keeps addresses and MAC where they are left out."""
    await durable.store.commit(Transaction(put=(Port(PORT, NETWORK),)))
    for number in range(20):
        mac, address = f"fa:16:3e:00:00:{number:02x}", f"10.0.0.{number}"
        answers = await asyncio.gather(
            durable.client.put(f"/ports/{PORT}", json={"port": {"mac_address": mac}}),
            durable.client.put(f"/ports/{PORT}", json={"port": {"fixed_ips": [{"ip_address": address}]}}),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        port = durable.store.get(Port, PORT)
        assert (port.mac_address, port.fixed_ips[0].ip_address) == (mac, address)


async def test_of_many_revisions_at_once_the_highest_stays(durable: Any) -> None:
    await durable.store.commit(Transaction(put=(Network(NETWORK, revision_number=0),)))
    revisions = [7, 3, 12, 1, 9, 11, 2, 10, 5, 8, 4, 6]
    updates = [{"network": {"name": f"r{number}", "revision_number": number}} for number in revisions]
    await asyncio.gather(*(durable.client.put(f"/networks/{NETWORK}", json=update) for update in updates))
    assert durable.store.get(Network, NETWORK) == Network(NETWORK, name="r12", revision_number=12)


async def test_of_many_creations_at_once_one_succeeds(durable: Any) -> None:
    bodies = [{"network": {"id": NETWORK, "name": f"n{number}"}} for number in range(8)]
    answers = await asyncio.gather(*(durable.client.post("/networks", json=body) for body in bodies))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    created = next(answer for answer in answers if answer.status_code == 201)
    assert durable.store.get(Network, NETWORK).name == created.json()["network"]["name"]


async def test_of_many_deletions_at_once_one_succeeds(durable: Any) -> None:
    await durable.store.commit(Transaction(put=(Network(NETWORK),)))
    answers = await asyncio.gather(*(durable.client.delete(f"/networks/{NETWORK}") for _ in range(8)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 7}


async def test_members_of_a_pool_that_come_and_go_at_once_are_all_heeded(durable: Any) -> None:
    """They are parts of one record, so each writes on top of what another left."""
    pool = "70000000-0000-4000-8000-000000000001"
    path = f"/lbaas/pools/{pool}/members"
    ids = [f"60000000-0000-4000-8000-{number:012d}" for number in range(12)]
    await durable.store.commit(Transaction(put=(LoadBalancerPool(pool),)))
    answers = await asyncio.gather(*(durable.client.post(path, json={"member": {"id": each}}) for each in ids))
    assert [answer.status_code for answer in answers] == [201] * 12
    changes = [
        *(durable.client.delete(f"{path}/{each}") for each in ids[:6]),
        *(durable.client.put(f"{path}/{each}", json={"member": {"id": each, "weight": 7}}) for each in ids[6:]),
        durable.client.put(f"/lbaas/pools/{pool}", json={"pool": {"id": pool, "name": "web"}}),
    ]
    answers = await asyncio.gather(*changes)
    assert [answer.status_code for answer in answers] == [204] * 6 + [200] * 7
    stored = durable.store.get(LoadBalancerPool, pool)
    assert stored.name == "web"
    assert {(each.id, each.weight) for each in stored.members} == {(each, 7) for each in ids[6:]}
