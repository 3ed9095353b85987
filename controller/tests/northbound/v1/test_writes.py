"""What writes do: which count, which come too late, and what a repeated one does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.model import INTENTS, Network, Port, Router, Subnet, Transaction
from daybreak.model.origin import Fence, Origin
from daybreak.northbound.v1.deciding import Author
from daybreak.northbound.v1.index import Index
from daybreak.northbound.v1.writing import Step, Writer
from daybreak.service.controller import KINDS, Controller
from daybreak.store.contract import Committed, Conflict
from daybreak.store.sqlite import SqliteStore

from .conftest import POOLS

NEUTRON = "/controller/nb/v2/neutron"
UUID = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"


def put(id: str, revision: int | None = None, kind: str = "network", **fields: Any) -> dict[str, Any]:
    return {"put": {"kind": kind, "body": {"id": id, **fields}, "revision": revision}}


def delete(id: str, revision: int | None = None, kind: str = "network") -> dict[str, Any]:
    return {"delete": {"kind": kind, "id": id, "revision": revision}}


async def test_an_object_is_put_shown_and_deleted(served: Any) -> None:
    blue = {"name": "blue", "mtu": 1450}
    assert await served.ask("PUT", "/networks/n1", blue) == (
        200,
        {"revision": 1, "outcomes": [{"kind": "network", "id": "n1", "outcome": "applied"}]},
    )
    assert await served.ask("GET", "/networks/n1") == (200, {"id": "n1", **blue})
    assert (await served.ask("DELETE", "/networks/n1"))[1]["outcomes"][0]["outcome"] == "applied"
    assert (await served.ask("DELETE", "/networks/n1"))[1]["outcomes"][0]["outcome"] == "unchanged"
    status, problem = await served.ask("GET", "/networks/n1")
    assert (status, problem["title"], problem["detail"]) == (404, "Not Found", "There is no network n1")


async def test_a_transaction_takes_any_mix_and_is_one_revision(served: Any) -> None:
    commits: list[Committed] = []
    served.store.subscribe(commits.append)
    assert (
        await served.transact(
            put("n1", 1, name="blue"),
            put("s1", 1, "subnet", network_id="n1", cidr="10.0.0.0/24"),
            put("p1", 1, "port", network_id="n1", mac_address="FA-16-3E-00-00-01"),
            put("r1", 1, "router"),
            delete("n2", 7),
        )
        == ["applied"] * 5
    )
    assert {Network, Subnet, Port, Router, Origin} <= {change.kind for change in commits[0].changes}
    assert served.store.get(Port, "p1").mac_address == "fa:16:3e:00:00:01"


async def test_a_repeated_transaction_changes_nothing(served: Any) -> None:
    operations = (put("n1", 3, name="blue"), delete("n2", 4))
    fence = {"client": "region1", "token": 5}
    assert await served.transact(*operations, fence=fence) == ["applied", "applied"]
    before = served.store.revision
    assert await served.transact(*operations, fence=fence) == ["unchanged", "unchanged"]
    assert served.store.revision == before


async def test_a_late_update_changes_nothing_and_is_told_so(served: Any) -> None:
    assert await served.transact(put("n1", 3, name="new")) == ["applied"]
    assert await served.transact(put("n1", 2, name="old"), put("n2", 1)) == ["stale: 3 stands", "applied"]
    assert served.store.get(Network, "n1").name == "new"
    assert await served.transact(put("n1", 3, name="newer")) == ["applied"]
    status, problem = await served.ask("PUT", "/networks/n1", {"name": "old"}, revision=2)
    assert (status, problem["stands"]) == (409, 3)
    assert problem["detail"] == "The revision is too low: 3 stands"


async def test_a_late_update_does_not_revive_what_was_deleted(served: Any) -> None:
    await served.transact(put("n1", 3))
    assert await served.transact(delete("n1", 2)) == ["stale: 3 stands"]
    assert await served.transact(delete("n1", 3)) == ["applied"]
    for revision in (2, 3):
        assert await served.transact(put("n1", revision)) == ["stale: 3 deleted it"]
    status, problem = await served.ask("PUT", "/networks/n1", {}, revision=3)
    assert (status, problem["detail"]) == (409, "The revision is too low: 3 deleted it")
    assert await served.transact(put("n1", 4)) == ["applied"]


async def test_a_deletion_that_overtakes_the_creation_holds(served: Any) -> None:
    assert await served.transact(delete("n1", 5)) == ["applied"]
    assert await served.transact(put("n1", 1)) == ["stale: 5 deleted it"]
    assert not served.store.rows(Network)


async def test_operations_of_a_transaction_see_each_other(served: Any) -> None:
    assert await served.transact(put("n1", 1), put("n1", 2, name="b"), put("n1", 1, name="a")) == [
        "applied",
        "applied",
        "stale: 2 stands",
    ]
    assert await served.transact(delete("n1", 3), put("n1", 2), put("n1", 4, name="again")) == [
        "applied",
        "stale: 3 deleted it",
        "applied",
    ]
    assert served.store.get(Network, "n1").name == "again"


async def test_force_takes_revisions_as_they_come(served: Any) -> None:
    await served.transact(put("n1", 9, name="new"), delete("n2", 9))
    restored = (put("n1", 4, name="restored"), put("n2", 2))
    assert await served.transact(*restored) == ["stale: 9 stands", "stale: 9 deleted it"]
    assert await served.transact(*restored, force=True) == ["applied", "applied"]
    assert await served.transact(put("n1", 5, name="on")) == ["applied"]


async def test_whoever_was_replaced_is_fenced_off(served: Any) -> None:
    old, new = {"client": "region1", "token": 11}, {"client": "region1", "token": 12}
    assert await served.transact(put("n1", 1), fence=old) == ["applied"]
    assert await served.transact(fence=new) == []
    assert served.store.get(Fence, "region1").token == 12
    status, problem = await served.ask("POST", "/transactions", {"operations": [put("n1", 2)], "fence": old})
    assert (status, problem["stands"]) == (409, 12)
    assert problem["detail"] == "Token 11 of client region1 is older than 12, which somebody showed since"
    status, problem = await served.ask("DELETE", "/networks/n1", client="region1", token=11)
    assert (status, problem["stands"]) == (409, 12)
    assert served.store.get(Origin, "network/n1").revision == 1
    assert await served.transact(put("n2", 1), fence={"client": "region2", "token": 1}) == ["applied"]


async def test_several_writers_of_one_client_are_fenced_each_by_itself(served: Any) -> None:
    one, other = {"client": "region1", "writer": "a", "token": 7}, {"client": "region1", "writer": "b", "token": 2}
    assert await served.transact(put("n1", 1), fence=one) == ["applied"]
    assert await served.transact(put("n2", 1), fence=other) == ["applied"]
    assert await served.transact(fence={**other, "token": 3}) == []
    status, problem = await served.ask("POST", "/transactions", {"operations": [put("n2", 2)], "fence": other})
    assert (status, problem["stands"]) == (409, 3)
    assert await served.transact(put("n1", 2), fence=one) == ["applied"]
    _, answer = await served.ask("GET", "/digests")
    assert [(each["client"], each["count"]) for each in answer["collections"]] == [("region1", 2)]


async def test_one_operation_that_cannot_be_taken_refuses_all(served: Any) -> None:
    bad = put("p1", 1, "port", network_id="n1", fixed_ips=[{"ip_address": "10.0.0.256"}])
    status, problem = await served.ask("POST", "/transactions", {"operations": [put("n1", 1), bad]})
    assert status == 400
    assert problem["detail"] == (
        'operations[1].put.port.fixed_ips[0].ip_address: expected an IP address, got "10.0.0.256"'
    )
    assert served.store.revision <= 1
    assert not served.store.rows(Network)


@pytest.mark.parametrize(
    ("operations", "detail"),
    [
        ([{}], "operations[0]: say either put or delete"),
        ([{**put("n1"), **delete("n1")}], "operations[0]: say either put or delete"),
        ([put("n1", kind="cable")], "operations[0].put.kind: expected one of network, subnet, port"),
        ([delete("n 1")], "operations[0].delete: expected an id of up to 64 letters"),
        ([put("n1", -1)], "The body can't be taken: Expected `int` >= 0"),
        ([put("n1", 1 << 63)], "The body can't be taken: Expected `int` <= 9223372036854775807"),
        ([{"upsert": {}}], "The body can't be taken: Object contains unknown field `upsert`"),
        (
            [put(f"n{number}") for number in range(1_001)],
            "The body can't be taken: Expected `array` of length <= 1000",
        ),
    ],
)
async def test_transactions_that_are_none(operations: list[Any], detail: str, served: Any) -> None:
    status, problem = await served.ask("POST", "/transactions", {"operations": operations})
    assert (status, problem["title"]) == (400, "Bad Request")
    assert problem["detail"].startswith(detail)


async def test_a_write_by_hand_leaves_the_client_s_revision_where_it_was(served: Any) -> None:
    await served.transact(put("n1", 3, name="cloud's"), fence={"client": "region1"})
    await served.ask("PUT", "/networks/n1", {"name": "by hand"})
    assert await served.transact(put("n1", 2, name="late")) == ["stale: 3 stands"]
    assert await served.transact(put("n1", 3, name="cloud's"), fence={"client": "region1"}) == ["applied"]
    assert served.store.get(Network, "n1").name == "cloud's"


async def test_other_dialects_and_this_one_write_the_same_objects(served: Any) -> None:
    body = {"network": {"id": UUID, "name": "blue", "admin_state_up": True}}
    assert (await served.client.post(f"{NEUTRON}/networks", json=body)).status_code == 201
    assert (await served.ask("GET", f"/networks/{UUID}"))[1]["name"] == "blue"
    await served.ask("PUT", f"/networks/{UUID}", {"name": "red"})
    shown = (await served.client.get(f"{NEUTRON}/networks/{UUID}")).json()
    assert shown["network"]["name"] == "red"


async def test_of_writers_at_the_same_time_the_highest_revision_stands(durable: Any) -> None:
    """Each asks for one of a hundred revisions, in no order; lower ones never overwrite higher ones."""
    revisions = [(7 * number) % 100 + 1 for number in range(100)]
    await asyncio.gather(*(durable.transact(put("n1", each, name=str(each))) for each in revisions))
    assert durable.store.get(Network, "n1").name == "100"
    assert durable.store.get(Origin, "network/n1").revision == 100


class Observed(SqliteStore):
    """Counts the transactions that did not hold."""

    conflicts = 0

    async def commit(self, txn: Transaction) -> Committed:
        try:
            return await super().commit(txn)
        except Conflict:
            self.conflicts += 1
            raise


async def test_writers_do_not_hinder_each_other_while_tombstones_go(tmp_path: Path) -> None:
    store = Observed.open(tmp_path / "data", KINDS, POOLS)
    await store.commit(Transaction(tuple(Origin("network", f"dead{n}", 1, deleted_at=1) for n in range(500))))
    writer = Writer(store, Index(store, INTENTS, ()), Controller(store).progress)

    async def write(id: str) -> None:
        await writer.write([Step(Network, id, Network(id), 1)], Author("region1", None), None)

    await asyncio.gather(*(write(f"n{number}") for number in range(64)))
    assert store.conflicts == 0
    for number in range(2):
        await write(f"m{number}")
    assert not any(origin.deleted_at for origin in store.rows(Origin).values())
    await store.close()


async def test_everything_is_there_after_a_restart(durable: Any, tmp_path: Any) -> None:
    await durable.transact(put("n1", 3), delete("n2", 4), fence={"client": "region1", "token": 5})
    await durable.store.close()
    again = SqliteStore.open(tmp_path / "data", KINDS, POOLS)
    assert again.get(Origin, "network/n1") == durable.store.get(Origin, "network/n1")
    assert again.get(Origin, "network/n2").deleted_at is not None
    assert again.get(Fence, "region1") == Fence("region1", 5)
    await again.close()


async def test_lists_come_in_pages_in_the_order_of_keys(served: Any) -> None:
    ids = [f"n{number:03}" for number in range(25)]
    await served.store.commit(Transaction(tuple(Network(id) for id in reversed(ids))))
    await served.store.commit(Transaction(delete=((Network, "n003"),)))
    ids.remove("n003")
    seen, after = [], ""
    while after is not None:
        _, page = await served.ask("GET", "/networks", limit=7, after=after)
        seen.append([each["id"] for each in page["items"]])
        after = page["next"]
    assert seen == [ids[:7], ids[7:14], ids[14:21], ids[21:]]
    await served.ask("PUT", "/networks/n003", {})
    _, page = await served.ask("GET", "/networks", limit=2, after="n002")
    assert [each["id"] for each in page["items"]] == ["n003", "n004"]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/networks?limit=0", 400, "limit: expected a whole number from 1 to 1000"),
        ("GET", "/networks?mark=n1", 400, "No parameter mark here; there is limit, after"),
        ("DELETE", "/networks/n1?wait=forever", 400, "wait: expected applied"),
        ("DELETE", "/networks/n1?wait=applied&timeout=nan", 400, "timeout: expected a number of seconds from 0 to 300"),
        ("DELETE", "/networks/n1?token=1", 400, "token: whose? Say client, too"),
        ("DELETE", "/networks/n1?client=%20", 400, "client: expected up to 64 letters, digits and . _ : -"),
        ("DELETE", "/networks/n1?force=yes", 400, "force: expected true or false"),
        ("DELETE", "/networks/n%201", 400, 'expected an id of up to 64 letters, digits and . _ : -, got "n 1"'),
        ("GET", "/cables", 404, "There is nothing at /v1/cables"),
        ("PATCH", "/networks/n1", 405, "PATCH is not possible here, but DELETE, GET, HEAD, PUT is"),
    ],
)
async def test_a_wrong_question_is_a_problem_that_says_so(
    method: str, path: str, status: int, detail: str, served: Any
) -> None:
    answer = await served.client.request(method, f"/v1{path}")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (status, status, "about:blank")
    assert problem["detail"] == detail


async def test_strangers_get_a_problem_too(served: Any) -> None:
    answer = await served.client.get("/v1/networks", auth=("admin", "wrong"))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"] == 'Basic realm="daybreak"'
