"""What a transaction would do is told, and not done."""

from typing import Any

from daybreak.model import INTENTS

from .conftest import Served

NETWORK, PORT = "b1be0000-0000-4000-8000-000000000001", "3eb00000-0000-4000-8000-000000000011"


def put(kind: str, **body: Any) -> dict[str, Any]:
    return {"put": {"kind": kind, "body": body}}


async def test_a_plan_changes_nothing(served: Served) -> None:
    operations = [
        put("network", id=NETWORK, name="blue", network_type="vxlan"),
        put("port", id=PORT, network_id=NETWORK, name="web", mac_address="fa:16:3e:00:00:01"),
    ]
    before = served.store.revision
    status, plan = await served.ask("POST", "/plan", {"operations": operations})
    assert status == 200
    assert plan["revision"] == before == served.store.revision
    assert all(not served.store.rows(kind) for kind in INTENTS)
    assert [port["name"] for port in plan["ports"]] == ["web"]
    assert plan["objects"] == 5, "the network, its key and its VNI; the port and its key"
    assert plan["cuts"] == []

    assert await served.transact(*operations) == ["applied", "applied"]
    _, again = await served.ask("POST", "/plan", {"operations": operations})
    assert (again["objects"], again["flows"], again["ports"]) == (0, [], [])


async def test_what_would_fail_is_said(served: Served) -> None:
    wrong = put("network", id=NETWORK, network_type="vlan", physical_network="physnet1", segmentation_id="5000")
    _, plan = await served.ask("POST", "/plan", {"operations": [wrong]})
    assert plan["failures"] == [
        f"l2.network({NETWORK}): Contradiction: segmentation id 5000 is not a VLAN (1 to 4094)",
    ]


async def test_a_plan_that_can_not_be_understood_is_refused_as_the_transaction_would_be(served: Served) -> None:
    operations = [{"delete": {"kind": "planet", "id": NETWORK}}]
    (status, planned), (_, refused) = [
        await served.ask("POST", path, {"operations": operations}) for path in ("/plan", "/transactions")
    ]
    assert status == 400
    assert planned["detail"] == refused["detail"]
