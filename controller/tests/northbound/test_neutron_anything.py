"""Whatever is sent: never a 5xx, and what is refused changes nothing."""

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.model import INTENTS, LoadBalancerPool, Transaction
from daybreak.northbound.neutron import codec
from daybreak.northbound.neutron.catalogue import RESOURCES
from daybreak.northbound.neutron.catalogue.balancing import MEMBERS
from daybreak.northbound.neutron.catalogue.switching import PORTS
from daybreak.northbound.neutron.catalogue.tap import TAP_FLOWS
from daybreak.northbound.neutron.codec import Invalid
from daybreak.northbound.neutron.fields import Field
from daybreak.northbound.neutron.resource import Resource
from daybreak.northbound.neutron.translate import created
from daybreak.store.sqlite import SqliteStore

IDS = [f"60000000-0000-4000-8000-00000000000{number}" for number in range(4)]
OUTER = "70000000-0000-4000-8000-000000000000"
"""The pool, and the tap service, that others are within."""


class Place(NamedTuple):
    """A collection, where it is listed, and where its objects are made and found."""

    resource: Resource
    listed: str
    path: str


PLACES = [
    *(Place(resource, f"/{resource.path}", f"/{resource.path}") for resource in RESOURCES),
    Place(MEMBERS, f"/lbaas/pools/{OUTER}/members", f"/lbaas/pools/{OUTER}/members"),
    Place(TAP_FLOWS, "/tap/flows", f"/tap/flows/{OUTER}/flows"),
]
everywhere = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.resource.path)

ADDRESSES = ["fa:16:3e:00:00:01", "10.0.0.1", "10.0.0.0/24", "10.0.0.0/33", "::1", "fe80::1%eth0", "2001:db8::/32"]
NUMBERS = ["4", 4, 6, -1, 1 << 63, 1 << 64, 1e308, "9" * 5000, "१"]
WORDS = ["", "true", "flat", "vxlan", "slaac", "TCP", "ingress", "\x00"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
LIKELY = st.sampled_from([*IDS, *ADDRESSES, *NUMBERS, *WORDS])
NAMES = sorted({each.name for place in PLACES for each in place.resource.fields})
INNER = ["ip_address", "start", "end", "destination", "nexthop", "opt_name", "opt_value", "max_kbps", "interfaces"]
KEYS = st.sampled_from(NAMES + INNER) | TEXT
JSON = st.recursive(
    SCALARS | LIKELY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)

PLAUSIBLE_BY_NAME: dict[str, list[Any]] = {
    "provider:network_type": ["vlan", "gre", ""],
    "provider:segmentation_id": ["007", 100, ""],
    "segments": [[{"provider:network_type": "vlan", "provider:segmentation_id": 7}], []],
    "allocation_pools": [[{"start": "10.0.0.3", "end": "10.0.0.3"}], []],
    "host_routes": [[{"destination": "10.1.0.9/16", "nexthop": "10.0.0.1"}]],
    "dns_nameservers": [["10.0.0.9"], []],
    "ipv6_address_mode": ["slaac", ""],
    "ipv6_ra_mode": ["off"],
    "fixed_ips": [[{"ip_address": "10.0.0.5"}], [], [{"ip_address": "2001:DB8::0:5", "subnet_id": IDS[1]}]],
    "security_groups": [IDS[:2], [], [{"id": IDS[0]}]],
    "allowed_address_pairs": [[{"ip_address": "10.0.0.9/24"}, {"ip_address": "::1", "mac_address": ""}]],
    "binding:profile": ["{}", "", {}, {"a": [1 << 70, 1e308]}],
    "binding:vif_details": [{"port_filter": True, "bound_drivers": {"0": "x"}, "gone": None}, {}],
    "extra_dhcp_opts": [[{"opt_name": "mtu", "opt_value": 1400, "ip_version": "6"}]],
    "routes": [[{"destination": "10.9.0.1/16", "nexthop": "10.0.0.9"}], []],
    "external_gateway_info": [
        {"network_id": IDS[1], "enable_snat": "true", "external_fixed_ips": [{"ip_address": "203.0.113.9"}]},
        {},
    ],
    "direction": ["egress", "ingress", "BOTH", ""],
    "protocol": ["tcp", "icmpv6", 6, "47", "HTTP", ""],
    "ethertype": ["IPv6", "IPv4"],
    "action": ["deny", "allow"],
    "connection_limit": [-1, "100"],
    "protocol_port": ["80", 443],
    "loadbalancers": [[{"id": IDS[0]}], []],
    "listeners": [[{"id": IDS[1]}]],
    "pools": [[IDS[2]]],
    "session_persistence": [{"type": "APP_COOKIE", "cookie_name": "x"}, {}],
    "type": ["HTTP", "PING", "l2", "l3"],
    "lifetime": [{"units": "seconds", "value": "3600"}, {}],
    "dpd": [{"action": "hold", "interval": 30, "timeout": 120}, {}],
    "peer_cidrs": [["192.0.2.9/24"], []],
    "bandwidth_limit_rules": [[{"id": IDS[0], "tenant_id": "", "max_kbps": 1000}], []],
    "dscp_marking_rules": [[{"dscp_mark": "26"}]],
    "minimum_bandwidth_rules": [[{"min_kbps": 10, "direction": "egress"}]],
    "sub_ports": [[{"port_id": IDS[1], "segmentation_type": "vlan", "segmentation_id": 7}], []],
    "route_targets": [["64512:1"], []],
    "import_targets": [["64512:2"]],
    "export_targets": [["64512:3"]],
    "route_distinguishers": [["64512:4"]],
    "networks": [IDS[:1], []],
    "routers": [IDS[1:3]],
    "devices": [[{"device_name": "tor1", "interfaces": [{"name": "eth1", "segmentation_id": [7, "8"]}]}], []],
    "port_pairs": [IDS[:2], []],
    "port_pair_groups": [IDS[:2]],
    "flow_classifiers": [IDS[2:]],
    "members": [[{"id": IDS[0], "address": "10.0.0.9"}], "ignored"],
}
PLAUSIBLE_BY_CODEC: dict[codec.Codec, list[Any]] = {
    codec.UUID_TEXT: [*IDS, ""],
    codec.TENANT: ["wilder", "", IDS[0], 7],
    codec.TEXT: ["web", "", True, 1.5],
    codec.BOOL: [True, "false", 0],
    codec.LONG: [5, 0, "3"],
    codec.COUNT: [1450, "7", 0],
    codec.PORT_NUMBER: [22, "65535"],
    codec.IP_VERSION: [4, "4"],
    codec.MAC_TEXT: ["FA-16-3E-00-00-01", "fa:16:3e:00:00:02"],
    codec.IP: ["10.0.0.1", "10.9.9.9", "10.0.0.255", "FE80::1", ""],
    codec.CIDR: ["10.0.0.0/24", "2001:DB8::/64", "0.0.0.0/0", "10.0.0.4/32"],
    codec.IP_OR_PREFIX: ["10.0.0.9/24", "10.0.0.9", "::/0", ""],
    codec.MAPPING: [{"a": "b", "c": 1}, {}],
}


def accepts(field: Field, value: Any) -> bool:
    try:
        field.codec.read(value)
    except Invalid:
        return False
    return True


def plausible(field: Field) -> list[Any]:
    """Values that the field takes."""
    values = PLAUSIBLE_BY_NAME.get(field.name) or PLAUSIBLE_BY_CODEC[field.codec]
    return [value for value in values if accepts(field, value)]


def telling(field: Field) -> Any:
    """A value that is not the default."""
    return next(value for value in plausible(field) if field.codec.read(value) != field.default)


def objects(resource: Resource) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a collection as its row in the catalogue describes them, and some that are not."""
    names = [each.name for each in resource.fields]
    return st.builds(
        lambda base, likely, wild: base | likely | wild,
        st.fixed_dictionaries({each.name: st.sampled_from(IDS) for each in resource.required}),
        st.fixed_dictionaries({}, optional={each.name: st.sampled_from(plausible(each)) for each in resource.fields}),
        st.just({}) | st.dictionaries(st.sampled_from(names), LIKELY | JSON, max_size=3),
    )


def full(resource: Resource) -> dict[str, Any]:
    """An object that says something of each field that can be written."""
    return {each.name: telling(each) for each in resource.fields if each.name != "members"} | {"id": IDS[0]}


def least(resource: Resource, key: str) -> dict[str, Any]:
    """An object that has only what it must have."""
    return dict.fromkeys([each.name for each in resource.required], key)


def queries(resource: Resource) -> st.SearchStrategy[list[tuple[str, str]]]:
    names = st.sampled_from(["limit", "marker", "page_reverse", "fields", *resource.filters]) | TEXT
    return st.lists(st.tuples(names, LIKELY.map(str) | TEXT), max_size=4)


MEDIA = st.sampled_from(["application/json", "application/json;charset=x", "text/plain", "", "/"])
VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
some = settings(many, max_examples=12)


@pytest.fixture
async def cloud(served: Any) -> Any:
    """What `served` gives, with the pool that members are within."""
    await served.client.post("/lbaas/pools", json={"pool": {"id": OUTER}})
    return served


async def ask(served: Any, verb: str, path: str, content: bytes = b"", media: str = "application/json") -> Any:
    """The answer, which is never a 5xx; and if it is a refusal, nothing has changed."""
    before = served.store.revision
    answer = await served.client.request(verb, served.url + path, content=content, headers={"Content-Type": media})
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert served.store.revision == before
        assert answer.text or verb == "HEAD"
    return answer


async def send(served: Any, verb: str, path: str, body: Any) -> Any:
    return await ask(served, verb, path, json.dumps(body).encode())


@everywhere
@some
@given(data=st.data(), bulk=st.booleans())
async def test_what_is_created_is_shown_and_can_be_put_back(place: Place, data: Any, bulk: bool, cloud: Any) -> None:
    resource, body = place.resource, data.draw(objects(place.resource))
    bulk = bulk and not resource.no_bulk
    answer = await send(cloud, "POST", place.path, {resource.plural: [body]} if bulk else {resource.singular: body})
    if answer.status_code == 201:
        echo = answer.json()[resource.plural][0] if bulk else answer.json()[resource.singular]
        path = f"{place.path}/{echo['id']}"
        shown = await ask(cloud, "GET", path)
        if resource is PORTS:
            # The status of a port is what the switches say, and not what was posted.
            echo |= {"status": "DOWN"}
        assert shown.json() == {resource.singular: echo}
        put = await ask(cloud, "PUT", path, shown.content)
        if resource.editable:
            assert put.json() == shown.json()
        else:
            assert put.status_code == 405
        assert (await ask(cloud, "DELETE", path)).status_code == 204


@everywhere
@some
@given(data=st.data())
async def test_updates_of_all_kinds(place: Place, data: Any, cloud: Any) -> None:
    resource, path = place.resource, f"{place.path}/{IDS[0]}"
    await send(cloud, "POST", place.path, {resource.singular: least(resource, IDS[0])})
    await send(cloud, "PUT", path, {resource.singular: data.draw(objects(resource))})
    assert (await ask(cloud, "GET", path)).json()[resource.singular]["id"] == IDS[0]


@everywhere
@some
@given(body=JSON.map(json.dumps).map(str.encode) | st.binary(max_size=40), media=MEDIA, verb=st.sampled_from(VERBS))
async def test_bodies_of_all_kinds(place: Place, body: bytes, media: str, verb: str, cloud: Any) -> None:
    for path in {place.listed, place.path, f"{place.path}/{IDS[0]}"}:
        await ask(cloud, verb, path, body, media)


@many
@given(
    path=st.lists(TEXT | st.sampled_from(["networks", "lbaas", "pools", "members", "tap", *IDS, OUTER]), max_size=5),
    verb=st.sampled_from(VERBS),
)
async def test_paths_of_all_kinds(path: list[str], verb: str, cloud: Any) -> None:
    await ask(cloud, verb, "/" + quote("/".join(path)), b'{"network": {"name": "x"}}')


@everywhere
@some
@given(data=st.data())
async def test_queries_of_all_kinds(place: Place, data: Any, cloud: Any) -> None:
    resource = place.resource
    for key in IDS[:2]:
        await send(cloud, "POST", place.path, {resource.singular: least(resource, key)})
    answer = await ask(cloud, "GET", f"{place.listed}?{urlencode(data.draw(queries(resource)))}")
    if answer.status_code == 200:
        assert {each.get("id", OUTER) for each in answer.json()[resource.plural]} <= {*IDS[:2], OUTER}


@everywhere
async def test_each_field_is_taken_and_shown_and_each_filter_filters(place: Place, cloud: Any) -> None:
    resource = place.resource
    everything = full(resource)
    for body in (everything, least(resource, IDS[1])):
        answer = await send(cloud, "POST", place.path, {resource.singular: body})
        assert answer.status_code == 201, answer.text
    shown = (await ask(cloud, "GET", place.listed)).json()[resource.plural]
    first = next(each for each in shown if each["id"] == IDS[0])
    assert first.keys() >= everything.keys()
    for parameter, field in resource.filters.items():
        wanted = first[field.name]
        wanted = wanted[0] if isinstance(wanted, list) else wanted
        text = json.dumps(wanted) if isinstance(wanted, bool) else str(wanted)
        found = (await ask(cloud, "GET", f"{place.listed}?{urlencode({parameter: text})}")).json()[resource.plural]
        equal = [each for each in shown if each.get(field.name) in (first[field.name], wanted)]
        assert found == equal, parameter


def whole(kind: Any) -> Any:
    """A record with a value in each field, those that no dialect of OpenDaylight knows, too."""
    return kind(**{field.name: some_value(field.type) for field in msgspec.inspect.type_info(kind).fields})


def some_value(info: msgspec.inspect.Type) -> Any:
    match info:
        case msgspec.inspect.StructType(cls=kind):
            return whole(kind)
        case msgspec.inspect.VarTupleType(item_type=item):
            return (some_value(item),)
        case msgspec.inspect.TupleType(item_types=items):
            return tuple(some_value(item) for item in items)
        case msgspec.inspect.UnionType(types=types):
            return some_value(next(each for each in types if not isinstance(each, msgspec.inspect.NoneType)))
        case _:
            return {msgspec.inspect.IntType: 7, msgspec.inspect.BoolType: True}.get(type(info), "text")


async def test_every_field_of_every_kind_survives_a_restart(tmp_path: Path) -> None:
    spoken = [created(resource, full(resource)) for resource in [*RESOURCES, TAP_FLOWS]]
    pool = LoadBalancerPool(OUTER, members=(created(MEMBERS, full(MEMBERS)),))
    records = [*spoken, *(msgspec.structs.replace(whole(kind), id=IDS[3]) for kind in INTENTS)]
    store = SqliteStore.open(tmp_path, INTENTS)
    await store.commit(Transaction(put=(*records, pool)))
    await store.close()
    store = SqliteStore.open(tmp_path, INTENTS)
    assert [store.get(type(each), each.key) for each in [*records, pool]] == [*records, pool]
    await store.close()


@everywhere
async def test_many_at_once(place: Place, cloud: Any) -> None:
    resource = place.resource
    body = {resource.plural: [least(resource, key) for key in IDS]}
    answer = await send(cloud, "POST", place.path, body)
    if resource.no_bulk:
        assert (answer.status_code, answer.text) == (400, resource.no_bulk)
    else:
        assert answer.status_code == 201
        assert [each["id"] for each in answer.json()[resource.plural]] == IDS
        assert (await send(cloud, "POST", place.path, body)).status_code == 409


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
