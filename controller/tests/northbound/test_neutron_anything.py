"""Whatever is sent: never a 5xx, and what is refused changes nothing."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.northbound.neutron.catalogue import RESOURCES
from daybreak.northbound.neutron.resource import Resource

IDS = [f"60000000-0000-4000-8000-00000000000{number}" for number in range(4)]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
ADDRESSES = ["fa:16:3e:00:00:01", "10.0.0.1", "10.0.0.0/24", "10.0.0.0/33", "::1", "fe80::1%eth0", "2001:db8::/32"]
NUMBERS = ["4", 4, 6, -1, 1 << 63, 1 << 64, 1e308, "9" * 5000, "१"]
LIKELY = st.sampled_from([*IDS, *ADDRESSES, *NUMBERS, "", "true", "flat", "vxlan", "slaac", "\x00"])
NAMES = sorted({each.name for resource in RESOURCES for each in resource.fields})
INNER = [
    "id",
    "ip_address",
    "mac_address",
    "subnet_id",
    "start",
    "end",
    "destination",
    "nexthop",
    "opt_name",
    "opt_value",
]
KEYS = st.sampled_from(NAMES + INNER) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSON = st.recursive(
    SCALARS | LIKELY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
PLAUSIBLE: dict[str, list[Any]] = {
    "tenant_id": ["", "wilder", IDS[0], 7],
    "name": ["", "web", True, 1.5],
    "revision_number": [0, "3", 5],
    "admin_state_up": [True, "false", 0],
    "status": ["ACTIVE", "BUILD"],
    "provider:network_type": ["", "vlan", "gre"],
    "provider:segmentation_id": [100, "007", ""],
    "segments": [[], [{"provider:network_type": "vlan", "provider:segmentation_id": 7}]],
    "mtu": [0, "1450"],
    "cidr": ["10.0.0.0/24", "2001:DB8::/64", "0.0.0.0/0", "10.0.0.4/32"],
    "gateway_ip": ["10.0.0.1", "10.9.9.9", "10.0.0.255", "FE80::1", ""],
    "allocation_pools": [[], [{"start": "10.0.0.3", "end": "10.0.0.3"}]],
    "host_routes": [[{"destination": "10.1.0.9/16", "nexthop": "10.0.0.1"}]],
    "mac_address": ["FA-16-3E-00-00-01", "fa:16:3e:00:00:02"],
    "fixed_ips": [[], [{"ip_address": "10.0.0.5"}], [{"ip_address": "2001:DB8::0:5", "subnet_id": IDS[1]}]],
    "security_groups": [[], IDS[:2], [{"id": IDS[0]}]],
    "allowed_address_pairs": [[{"ip_address": "10.0.0.9/24"}, {"ip_address": "::1", "mac_address": ""}]],
    "binding:profile": ["", "{}", {}, {"a": [1 << 70, 1e308]}],
    "binding:vif_details": [{}, {"port_filter": True, "bound_drivers": {"0": "x"}, "gone": None}],
    "extra_dhcp_opts": [[{"opt_name": "mtu", "opt_value": 1400, "ip_version": "6"}]],
}
OBJECTS = st.builds(
    lambda base, plausible, wild: base | plausible | wild,
    st.fixed_dictionaries({"id": st.sampled_from(IDS), "network_id": st.sampled_from(IDS)}),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in PLAUSIBLE.items()}),
    st.just({}) | st.dictionaries(st.sampled_from(NAMES), LIKELY | JSON, max_size=3),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
MEDIA = st.sampled_from(["application/json", "application/json;charset=x", "text/plain", "", "/"])
VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
PARAMETERS = [
    "limit",
    "marker",
    "page_reverse",
    "fields",
    *sorted({name for each in RESOURCES for name in each.filters}),
]
ID_FIELDS = ("id", "network_id")
many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def ask(served: Any, verb: str, path: str, content: bytes = b"", media: str = "application/json") -> Any:
    """The answer, which is never a 5xx; and if it is a refusal, nothing has changed."""
    before = served.store.revision
    answer = await served.client.request(verb, served.url + path, content=content, headers={"Content-Type": media})
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert served.store.revision == before
        assert answer.text or verb == "HEAD"
    return answer


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
@many
@given(body=OBJECTS, bulk=st.booleans())
async def test_what_is_created_is_shown_and_can_be_put_back(
    resource: Resource, body: dict[str, Any], bulk: bool, served: Any
) -> None:
    wrapped = {resource.plural: [body]} if bulk else {resource.singular: body}
    answer = await ask(served, "POST", f"/{resource.path}", json.dumps(wrapped).encode())
    if answer.status_code == 201:
        echo = answer.json()[resource.plural][0] if bulk else answer.json()[resource.singular]
        path = f"/{resource.path}/{body['id']}"
        shown = await ask(served, "GET", path)
        put = await ask(served, "PUT", path, shown.content)
        assert put.json() == shown.json()
        # The status of a port is what the switches say, and not what was posted.
        assert echo | {"status": None} == shown.json()[resource.singular] | {"status": None}
        assert (await ask(served, "DELETE", path)).status_code == 204


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
@many
@given(body=OBJECTS)
async def test_updates_of_all_kinds(resource: Resource, body: dict[str, Any], served: Any) -> None:
    path = f"/{resource.path}/{IDS[0]}"
    await ask(
        served, "POST", f"/{resource.path}", json.dumps({resource.singular: dict.fromkeys(ID_FIELDS, IDS[0])}).encode()
    )
    await ask(served, "PUT", path, json.dumps({resource.singular: body}).encode())
    assert (await ask(served, "GET", path)).json()[resource.singular]["id"] == IDS[0]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
@many
@given(body=JSON.map(json.dumps).map(str.encode) | st.binary(max_size=40), media=MEDIA, verb=st.sampled_from(VERBS))
async def test_bodies_of_all_kinds(resource: Resource, body: bytes, media: str, verb: str, served: Any) -> None:
    await ask(served, verb, f"/{resource.path}", body, media)
    await ask(served, verb, f"/{resource.path}/{IDS[0]}", body, media)


@many
@given(path=st.lists(TEXT | st.sampled_from(["networks", "ports", *IDS]), max_size=4), verb=st.sampled_from(VERBS))
async def test_paths_of_all_kinds(path: list[str], verb: str, served: Any) -> None:
    await ask(served, verb, "/" + quote("/".join(path)), b'{"network": {"name": "x"}}')


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
@many
@given(query=st.lists(st.tuples(st.sampled_from(PARAMETERS) | TEXT, LIKELY.map(str) | TEXT), max_size=4))
async def test_queries_of_all_kinds(resource: Resource, query: list[tuple[str, str]], served: Any) -> None:
    if not served.store.revision:
        bodies = [dict.fromkeys(ID_FIELDS, each) for each in IDS]
        await ask(served, "POST", f"/{resource.path}", json.dumps({resource.plural: bodies}).encode())
    answer = await ask(served, "GET", f"/{resource.path}?{urlencode(query)}")
    if answer.status_code == 200:
        assert len(answer.json()[resource.plural]) <= len(IDS)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_following_links_shows_each_object_once_there_and_back(limit: int, served: Any) -> None:
    bodies = [{"id": each, "name": "a"} for each in reversed(IDS)] + [{"id": IDS[0].replace("6", "7"), "name": "b"}]
    await ask(served, "POST", "/networks", json.dumps({"networks": bodies}).encode())
    for ref in ("next", "previous"):
        seen, href = [], f"/networks?limit={limit}&name=a"
        if ref == "previous":
            href += f"&marker={IDS[-1]}&page_reverse=true"
        while href:
            page = (await ask(served, "GET", href.removeprefix(served.url))).json()
            ids = [each["id"] for each in page["networks"]]
            seen = seen + ids if ref == "next" else ids + seen
            href = next((link["href"] for link in page["networks_links"] if link["ref"] == ref), "")
        assert seen == (IDS if ref == "next" else IDS[:-1])
