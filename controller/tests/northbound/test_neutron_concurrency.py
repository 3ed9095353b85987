"""Writers at the same time: whoever comes second builds on what the first one left."""

import asyncio
from collections import Counter
from typing import Any

from daybreak.model import Network, Port, Transaction

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
