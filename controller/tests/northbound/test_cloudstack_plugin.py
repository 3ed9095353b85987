"""CloudStack's OpenDaylight plugin against the controller, as far as networks and ports go.

The plugin takes exactly one status for each verb, and reads answers into typed objects. (Its call to OpenDaylight's
connection manager is not part of this dialect.)
"""

from typing import Any
from uuid import UUID

import pytest

from daybreak.model import INTENTS, Network

EXACT = {"GET": 200, "POST": 201, "PUT": 200, "DELETE": 204}
GUEST, OTHER, AGAIN = (f"c4c4c4c4-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
NIC, ROUTER_NIC = "60000000-0000-4000-8000-000000000001", "60000000-0000-4000-8000-000000000002"


class Plugin:
    """What the plugin does at each step of a network and of a NIC."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def ask(self, verb: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(verb, path, json=body)
        assert answer.status_code == EXACT[verb], answer.text
        return answer.json() if answer.content else None

    async def implement(self, network: str, name: str, account: str = "wilder") -> str:
        """The first VM of a network starts. Gives what the plugin keeps as broadcast URI."""
        body = {
            "id": network,
            "name": name,
            "shared": False,
            "tenant_id": account,
            "provider:network_type": "gre",
            "provider:segmentation_id": 100,
        }
        answer = (await self.ask("POST", "/networks", {"network": body}))["network"]
        return f"opendaylight://{UUID(answer['id'])}"

    async def reserve(self, network: str, nic: str, mac: str) -> None:
        """A NIC starts."""
        ports = await self.ask("GET", "/ports")
        assert isinstance(ports, dict)
        assert "nodes" not in ports
        body = {
            "id": nic,
            "name": nic,
            "tenant_id": "wilder",
            "network_id": network,
            "mac_address": mac,
            "device_id": "80000000-0000-4000-8000-000000000001",
            "admin_state_up": True,
            "status": "ACTIVE",
            "fixed_ips": [],
        }
        port = (await self.ask("POST", "/ports", {"port": body}))["port"]
        assert port["fixed_ips"] == []
        assert [str(UUID(port[name])) for name in ("id", "network_id", "device_id")] == [
            nic,
            network,
            body["device_id"],
        ]

    async def release(self, nic: str) -> None:
        """A NIC stops."""
        assert await self.ask("DELETE", f"/ports/{nic}") is None

    async def shutdown(self, uri: str) -> None:
        """Nobody uses the network any more."""
        assert await self.ask("DELETE", f"/networks/{uri.removeprefix('opendaylight://')}") is None


@pytest.fixture
def plugin(served: Any) -> Plugin:
    return Plugin(served.client)


async def test_a_network_with_a_vm_and_its_virtual_router(plugin: Plugin, served: Any) -> None:
    uri = await plugin.implement(GUEST, "guest")
    await plugin.reserve(GUEST, ROUTER_NIC, "02:00:4c:5f:00:02")
    await plugin.reserve(GUEST, NIC, "02:00:4c:5f:00:01")
    await plugin.release(NIC)
    await plugin.reserve(GUEST, NIC, "02:00:4c:5f:00:01")
    for nic in (NIC, ROUTER_NIC):
        await plugin.release(nic)
    await plugin.shutdown(uri)
    assert not any(served.store.rows(kind) for kind in INTENTS)


async def test_all_networks_say_gre_and_100(plugin: Plugin, served: Any) -> None:
    for network, account in ((GUEST, "wilder"), (OTHER, "dahl")):
        await plugin.implement(network, "guest", account)
    rows = served.store.rows(Network)
    assert {(each.network_type, each.segmentation_id) for each in rows.values()} == {("gre", "100")}
    assert {each.tenant_id for each in rows.values()} == {"wilder", "dahl"}


async def test_a_network_that_is_restarted_has_another_id(plugin: Plugin, served: Any) -> None:
    await plugin.shutdown(await plugin.implement(GUEST, "guest"))
    await plugin.implement(AGAIN, "guest")
    assert [*served.store.rows(Network)] == [AGAIN]


async def test_networks_may_go_while_ports_are_left(plugin: Plugin, served: Any) -> None:
    """Clean-up comes in any order when a management server died."""
    uri = await plugin.implement(GUEST, "guest")
    await plugin.reserve(GUEST, NIC, "02:00:4c:5f:00:01")
    await plugin.shutdown(uri)
    await plugin.release(NIC)
    assert not any(served.store.rows(kind) for kind in INTENTS)
