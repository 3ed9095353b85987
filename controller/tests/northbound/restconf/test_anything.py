"""Whatever is sent: never a 5xx, a refusal in RESTCONF's form, and nothing is changed by it."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.model import Host, Interface, Network, Port, PortStatus, Transaction

from .conftest import Served

LIKELY = [
    "operational",
    "config",
    "streams",
    "stream",
    "operations",
    "neutron:neutron",
    "neutron",
    "hostconfigs",
    "hostconfig",
    "cmp1",
    "ports",
    "neutron:ports",
    "port",
    "p1",
    "status",
    "uuid",
    "features",
    "feature",
    "network-topology:network-topology",
    "topology",
    "netvirt:1",
    "ovsdb:1",
    "flow:1",
    "node",
    "networks",
    "network",
    "n1",
    "ovsdb://uuid/u1",
    "ovsdb://uuid/u1/bridge/br-int",
    "termination-point",
    "tap1",
    "ovsdb:ofport",
    "openflow:1",
    "%",
    "sal-remote:create-data-change-event-subscription",
    "data-change-event-subscription",
    "datastore=OPERATIONAL",
]
# A newline in a path is nobody's: the server says so in plain text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8)
NAMES = st.sampled_from([*LIKELY, "ODL L2", ""]) | TEXTS.filter(lambda text: text not in (".", ".."))
SEGMENTS = st.lists(NAMES, max_size=8)
VALUES = st.sampled_from(["/neutron:neutron/neutron:ports", "OPERATIONAL", "SUBTREE", "JSON"]) | TEXTS
KEYS = st.sampled_from(["input", "path", "sal-remote-augment:datastore", "sal-remote-augment:scope"]) | TEXTS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
BODIES = st.builds(lambda value: json.dumps(value).encode(), JSON) | st.binary(max_size=20)
METHODS = st.sampled_from(["GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
FILLED = Transaction(
    (
        Host("cmp1", "u1", dpid=1, hostconfigs=(("ODL L2", "{}"),)),
        Interface("cmp1", "tap1", "p1", 1),
        PortStatus("p1", True, "cmp1"),
        Network("n1", tenant_id="admin", segments=()),
        Port("p1", "n1"),
    )
)


async def check(served: Served, method: str, path: str, body: bytes, headers: dict[str, bytes] | None = None) -> Any:
    answer = await served.client.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500, (method, path, answer.text)
    if answer.status_code >= 400 and method != "HEAD":
        (error,) = answer.json()["errors"]["error"]
        assert error.keys() == {"error-type", "error-tag", "error-message"}
    return answer


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(METHODS, st.sampled_from(["operational", "config", "streams", "operations", ""]), SEGMENTS, BODIES)
def test_paths_and_bodies(standing: Any, method: str, first: str, segments: list[str], body: bytes) -> None:
    runner, served = standing
    path = "/restconf/" + "/".join(quote(each, safe=":") for each in [first, *segments])
    if served.store.revision == 0:
        runner.run(served.store.commit(FILLED))
    runner.run(check(served, method, path, body))
    assert served.store.revision == 1


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(BODIES)
def test_subscriptions(standing: Any, body: bytes) -> None:
    runner, served = standing
    path = "/restconf/operations/sal-remote:create-data-change-event-subscription"
    runner.run(check(served, "POST", path, body))


ODD = ["/restconf/", "/restconf//operational", "/restconf/%ff/%00", "/restconf/a?b=%", "/restconf/%2e%2e"]


@pytest.mark.parametrize("path", ODD)
async def test_odd_paths(path: str, served: Any) -> None:
    answer = await served.client.get(path)
    assert answer.status_code == 404


@pytest.mark.parametrize("host", ["", "[::1", "a b", "[]:80", "[::1]:99999", "x" * 3000, "ü", "h1:port", "@", "/"])
async def test_odd_names_of_this_machine(host: str, served: Any) -> None:
    name = "data-change-event-subscription/neutron:neutron/neutron:ports/datastore=OPERATIONAL/scope=SUBTREE"
    answer = await check(served, "GET", f"/restconf/streams/stream/{name}", b"", {"Host": host.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.headers["location"].startswith("ws://")


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("controller.example:8181", "ws://controller.example:{}/"),
        ("192.0.2.1", "ws://192.0.2.1:{}/"),
        ("[2001:db8::1]:8181", "ws://[2001:db8::1]:{}/"),
    ],
)
async def test_streams_are_where_the_client_addressed_us(host: str, location: str, served: Any) -> None:
    name = "data-change-event-subscription/neutron:neutron/neutron:ports/datastore=OPERATIONAL/scope=SUBTREE"
    answer = await check(served, "GET", f"/restconf/streams/stream/{name}", b"", {"Host": host.encode("latin-1")})
    assert answer.headers["location"].startswith(location.format(served.websockets))
