"""Which JSON is an object, and what is said of that which is none."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.model import INTENTS, AddressPair, FixedIp, Network, Port, Record, Subnet
from daybreak.northbound.v1.reading import read_record
from daybreak.northbound.values import Invalid


def test_addresses_are_brought_into_one_form() -> None:
    body = {
        "id": "p1",
        "network_id": "n1",
        "mac_address": "FA-16-3E-00-00-01",
        "fixed_ips": [{"ip_address": "2001:DB8:0::1"}],
        "allowed_address_pairs": [{"ip_address": "10.0.0.7/24", "mac_address": "FA:16:3E:00:00:02"}],
        "security_groups": ["g1"],
    }
    assert read_record(Port, json.dumps(body).encode()) == Port(
        "p1",
        "n1",
        mac_address="fa:16:3e:00:00:01",
        fixed_ips=(FixedIp("2001:db8::1"),),
        allowed_address_pairs=(AddressPair("10.0.0.0/24", "fa:16:3e:00:00:02"),),
        security_groups=("g1",),
    )


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (Network, "{", "network: is not JSON: Input data was truncated"),
        (Network, "[]", "network: expected an object, got a list"),
        (Network, "{}", "network: Object missing required field `id`"),
        (Network, '{"id": ""}', 'network.id: expected an id of up to 64 letters, digits and . _ : -, got ""'),
        (Network, '{"id": "n1", "mtu": "big"}', "network.mtu: Expected `int | null`, got `str`"),
        (Network, '{"id": "n1", "mtu": 18446744073709551616}', "network.mtu: expected a number of 64 bits"),
        (Network, '{"id": "n1", "names": 1}', "network.names: there is no such field; there is id, tenant_id, "),
        (Network, '{"id": "n1", "network_type": "mpls"}', "network.network_type: expected one of flat, vlan, vxlan, "),
        (Network, '{"id": "n1", "segmentation_id": "007"}', "network.segmentation_id: expected the digits of a whole "),
        (Port, '{"id": "p1"}', "port: Object missing required field `network_id`"),
        (Port, '{"id": "p1", "network_id": "n1", "mac_address": ""}', "port.mac_address: must not be empty; "),
        (
            Port,
            '{"id": "p1", "network_id": "n1", "fixed_ips": [{"ip": 1}]}',
            "port.fixed_ips[0].ip: there is no such field; there is ip_address, subnet_id",
        ),
        (Port, '{"id": "p1", "network_id": "n1", "name": "\\ud800"}', "port: is not JSON: "),
        (Subnet, '{"id": "s1", "network_id": "n1", "cidr": "10.0.0.1/24"}', "subnet.cidr: 10.0.0.1/24 has bits beyond"),
        (
            Subnet,
            '{"id": "s1", "network_id": "n1", "ip_version": 6, "cidr": "10.0.0.0/24"}',
            "subnet.cidr: 10.0.0.0/24 is not of IP version 6",
        ),
        (Network, '{"id": "n1", "name": ' + "[" * 5000 + "]" * 5000 + "}", "network: is nested too deeply"),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(kind: type[Record], body: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_record(kind, body.encode())
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("kind", INTENTS, ids=lambda kind: kind.kind)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_taken_comes_back_the_same(kind: type[Record], data: Any) -> None:
    """A record's JSON is read as this very record; whatever else is sent is read or refused, and never fails."""
    known = [field.name for field in msgspec.structs.fields(kind)]
    plain = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["10.0.0.1", "x", "4"])
    values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.sampled_from(known), plain, max_size=2)
    body = {"id": "x1", "network_id": "n1"} | data.draw(st.dictionaries(st.sampled_from(known), values, max_size=4))
    try:
        record = read_record(kind, json.dumps({name: body[name] for name in body if name in known}).encode())
    except Invalid as refused:
        assert str(refused).startswith(kind.kind)
    else:
        assert read_record(kind, msgspec.json.encode(record)) == record
