"""The words in which a plain OpenDaylight is told: networking-odl's, without what went wrong there."""

from typing import Any

import pytest
from networking_daybreak.resources import KINDS

from ..cloud import Controller

NORTHBOUND = "/controller/nb/v2/neutron"
OWNED = {"tenant_id": "t", "project_id": "t", "revision_number": 3}
ID = "80000000-0000-4000-8000-00000000000{}".format

RULES = [
    {"id": ID(1), "qos_policy_id": ID(0), "type": "bandwidth_limit", "max_kbps": 1, "direction": "egress"},
    {"id": ID(2), "qos_policy_id": ID(0), "type": "bandwidth_limit", "max_kbps": 2, "direction": "ingress"},
    {"id": ID(3), "qos_policy_id": ID(0), "type": "dscp_marking", "dscp_mark": 26},
]
POLICY = {"id": ID(0), **OWNED, "name": "gold", "shared": False, "rules": RULES}
ROUTER = {"id": ID(4), **OWNED, "name": "r", "status": "ACTIVE", "gw_port_id": None, "routes": [], "ha": False}
FLOATING_IP = {
    "id": ID(5),
    **OWNED,
    "floating_network_id": ID(6),
    "floating_ip_address": "203.0.113.9",
    "port_id": None,
    "fixed_ip_address": None,
    "router_id": None,
    "status": "DOWN",
}
TRUNK = {
    "id": ID(7),
    **OWNED,
    "port_id": ID(8),
    "status": "DOWN",
    "sub_ports": [{"port_id": ID(9), "segmentation_type": "vlan", "segmentation_id": 101}],
}


def told(kind: str, body: dict[str, Any], *, update: bool = False) -> Any:
    dialect = KINDS[kind].opendaylight
    assert dialect is not None
    return dialect.body(body, update=update)


def test_a_policy_keeps_both_limits() -> None:
    policy = told("qos_policy", POLICY)["policy"]
    assert [(rule["id"], rule["direction"]) for rule in policy["bandwidth_limit_rules"]] == [
        (ID(1), "egress"),
        (ID(2), "ingress"),
    ]
    assert policy["dscp_marking_rules"] == [{"id": ID(3), "dscp_mark": 26, "tenant_id": "t"}]
    assert not {"rules", "tenant_id", "minimum_bandwidth_rules"} & policy.keys()


def test_a_disassociation_is_a_put_without_the_port() -> None:
    """A PUT replaces: what a body leaves out is cleared."""
    floating = told("floating_ip", FLOATING_IP, update=True)["floatingip"]
    assert not {"port_id", "fixed_ip_address", "router_id"} & floating.keys()
    assert floating["floating_ip_address"] == "203.0.113.9"


def test_an_update_of_a_router_says_everything_but_what_never_changes() -> None:
    assert told("router", ROUTER)["router"]["id"] == ID(4)
    router = told("router", ROUTER, update=True)["router"]
    assert not {"id", "tenant_id", "project_id", "status"} & router.keys()
    assert (router["name"], router["routes"]) == ("r", [])


@pytest.mark.parametrize("kind", ["port_forwarding", "ndp_proxy", "network_log", "address_group"])
def test_what_opendaylight_never_knew_is_not_told(kind: str) -> None:
    assert KINDS[kind].opendaylight is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [("qos_policy", POLICY), ("router", ROUTER), ("floating_ip", FLOATING_IP), ("trunk", TRUNK)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_northbound_takes_it(controller: Controller, kind: str, body: dict[str, Any]) -> None:
    dialect = KINDS[kind].opendaylight
    assert dialect is not None
    path = f"{NORTHBOUND}/{dialect.path}"
    assert controller.request("POST", path, told(kind, body))[0] == 201
    status, answer = controller.request("PUT", f"{path}/{body['id']}", told(kind, body, update=True))
    assert status == 200, answer
    assert controller.request("DELETE", f"{path}/{body['id']}")[0] == 204
