"""Digests: what a client computes of its own data is what the controller tells, and differences are found by them."""

import random
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daybreak.model import Network, Port, Record, Transaction
from daybreak.model.origin import Origin
from daybreak.northbound.v1.digests import Digests
from daybreak.northbound.v1.tombstones import Tombstones
from daybreak.service.controller import KINDS
from daybreak.store.memory import MemoryStore

KINDS_HERE: tuple[type[Record], ...] = (Network, Port)


def digest_of(objects: Mapping[str, int]) -> str:
    """What docs/api.md tells clients to compute."""
    value = 0
    for id, revision in objects.items():
        value ^= int.from_bytes(sha256(f"{id} {revision}".encode()).digest()[:16], "big")
    return f"{value:032x}"


def page_of(id: str) -> str:
    return sha256(id.encode()).hexdigest()


def test_the_vector_in_the_documentation() -> None:
    assert digest_of({}) == "0" * 32
    assert digest_of({"4e8e5957-649f-477b-9e5b-f1f75b21c03c": 7}) == "0484d8f99846660d8e2e3a06aefb078e"
    both = {"4e8e5957-649f-477b-9e5b-f1f75b21c03c": 7, "n1": 1}
    assert digest_of(both) == "81f14283de588f0f9df2859ff0c41038"
    assert page_of("4e8e5957-649f-477b-9e5b-f1f75b21c03c").startswith("d920")


async def put(served: Any, objects: Mapping[str, int], client: str = "region1", kind: str = "network") -> None:
    operations = [{"put": {"kind": kind, "body": {"id": id}, "revision": objects[id]}} for id in objects]
    for start in range(0, len(operations), 1000):
        await served.transact(*operations[start : start + 1000], fence={"client": client})


async def differences(served: Any, mine: Mapping[str, int], client: str) -> tuple[dict[str, int | None], int]:
    """What a client has to do: ids that differ, with what the controller has of them; and how often it asked."""
    found: dict[str, int | None] = {}
    paths, asked = [""], 0
    while paths:
        path = paths.pop()
        own = {id: revision for id, revision in mine.items() if page_of(id).startswith(path)}
        _, page = await served.ask("GET", "/digests/network", client=client, path=path)
        asked += 1
        if "objects" in page:
            theirs = page["objects"]
            changed = {id for id in own.keys() | theirs.keys() if own.get(id, -1) != theirs.get(id, -1)}
            found |= {id: theirs.get(id, -1) for id in changed}
            continue
        pages = {each: told["digest"] for each, told in page["pages"].items()}
        width = len(path) + 2
        for each in pages.keys() | {page_of(id)[:width] for id in own}:
            part = {id: revision for id, revision in own.items() if page_of(id).startswith(each)}
            if pages.get(each, "0" * 32) != digest_of(part):
                paths.append(each)
    return found, asked


async def test_a_client_finds_what_differs_with_few_questions(served: Any) -> None:
    objects = {f"net-{number}": number for number in range(2000)}
    await put(served, objects)
    _, told = await served.ask("GET", "/digests")
    (network,) = told["collections"]
    assert network == {"kind": "network", "client": "region1", "count": 2000, "digest": digest_of(objects)}
    assert await differences(served, objects, "region1") == ({}, 1)

    mine = objects | {"net-7": 8, "net-new": 1}
    del mine["net-9"]
    found, asked = await differences(served, mine, "region1")
    assert found == {"net-7": 7, "net-new": -1, "net-9": 9}
    assert asked <= 4


async def test_clients_have_digests_of_their_own(served: Any) -> None:
    await put(served, {"n1": 1}, "region1")
    await put(served, {"n2": 1}, "region2")
    await served.ask("PUT", "/networks/n3", {})
    _, told = await served.ask("GET", "/digests")
    assert [(each["client"], each["count"]) for each in told["collections"]] == [
        (None, 1),
        ("region1", 1),
        ("region2", 1),
    ]
    assert told["collections"][1]["digest"] == digest_of({"n1": 1})
    _, page = await served.ask("GET", "/digests/network", path=page_of("n3")[:2])
    assert page["objects"] == {"n3": None}


async def test_what_somebody_else_changed_shows_as_a_difference(served: Any) -> None:
    objects = {f"n{number}": 5 for number in range(20)}
    await put(served, objects)
    await served.ask("PUT", "/networks/n3", {"name": "by hand"})
    await served.ask("DELETE", "/networks/n4")
    found, _ = await differences(served, objects, "region1")
    assert found == {"n3": None, "n4": -1}
    await put(served, {"n3": 5, "n4": 5})
    assert await differences(served, objects, "region1") == ({}, 1)


async def test_pages_of_many_objects_have_pages_of_their_own(served: Any) -> None:
    """In the API a page has that many only among some 260,000 objects; here all ids share a first byte."""
    rng, ids = random.Random(1), set[str]()
    while len(ids) < 1100:
        id = f"n{rng.getrandbits(60):x}"
        if page_of(id).startswith("a3"):
            ids.add(id)
    objects = dict.fromkeys(ids, 1)
    await put(served, objects)
    _, page = await served.ask("GET", "/digests/network", client="region1", path="a3")
    assert "objects" not in page and len(page["pages"]) > 200
    assert (page["count"], page["digest"]) == (1100, digest_of(objects))
    changed = next(iter(ids))
    found, asked = await differences(served, objects | {changed: 2}, "region1")
    assert (found, asked) == ({changed: 1}, 3)


async def test_questions_about_pages_that_are_none(served: Any) -> None:
    status, problem = await served.ask("GET", "/digests/cable")
    assert (status, problem["detail"][:34]) == (404, "There is no kind cable; there is n")
    for path in ("a", "xy", "A3", "a3b"):
        status, problem = await served.ask("GET", "/digests/network", path=path)
        assert (status, problem["detail"]) == (400, "path: expected none, two or four hexadecimal digits in lower case")


CHANGE = st.tuples(
    st.sampled_from(["record", "origin", "both", "delete", "forget"]),
    st.sampled_from(["n1", "n2", "n3"]),
    st.integers(1, 4),
    st.sampled_from([None, "a", "b"]),
)


@given(steps=st.lists(st.lists(CHANGE, min_size=1, max_size=3), max_size=12))
async def test_digests_that_are_kept_up_are_those_of_all_rows(steps: list[Any]) -> None:
    store = MemoryStore(KINDS)
    digests = Digests(KINDS_HERE, store.get)
    store.subscribe(lambda committed: digests.follow(committed.changes))
    for step in steps:
        put: list[Record] = []
        delete: list[tuple[type[Record], str]] = []
        for what, id, revision, client in step:
            if what in ("record", "both"):
                put.append(Network(id, name=str(revision)))
            if what in ("origin", "both"):
                put.append(Origin("network", id, revision, client, content=revision))
            if what == "delete":
                delete.append((Network, id))
            if what == "forget":
                delete.append((Origin, f"network/{id}"))
        await store.commit(Transaction(tuple(put), tuple(delete)))
        afresh = Digests(KINDS_HERE, store.get)
        afresh.load(Network, store.rows(Network))
        assert digests.collections() == afresh.collections()


def test_tombstones_go_by_age_and_by_number() -> None:
    graves = Tombstones(Origin("network", f"n{at}", 1, deleted_at=at) for at in (30, 10, 20))
    assert graves.expired(now=100, kept=10, seconds=100) == []
    assert graves.expired(now=115, kept=10, seconds=100) == ["network/n10"]
    assert graves.expired(now=120, kept=10, seconds=100) == ["network/n10", "network/n20"]
    assert graves.expired(now=0, kept=1, seconds=100) == ["network/n10", "network/n20"]


async def test_tombstones_that_are_too_old_go_with_the_next_write(served: Any) -> None:
    old = tuple(Origin("network", f"n{number}", 1, deleted_at=number) for number in range(300))
    await served.store.commit(Transaction(old))
    await served.transact({"delete": {"kind": "network", "id": "new", "revision": 1}})
    assert len(served.store.rows(Origin)) == 101
    await served.transact({"delete": {"kind": "network", "id": "newer", "revision": 1}})
    assert {each.id for each in served.store.rows(Origin).values()} == {"new", "newer"}
