"""io: security groups, their rules, and groups of addresses that rules name."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from neutron.db.models.address_group import AddressAssociation, AddressGroup
from neutron.db.models.securitygroup import SecurityGroup, SecurityGroupRule
from neutron_lib import constants

from networking_daybreak.resources.kind import Body, Kind, Opendaylight, chosen, column, references
from networking_daybreak.resources.reading import belonging, objects, paged

NAMED = frozenset({"tcp", "udp", "icmp", "icmpv6"})
"""Protocols that keep their names on the wire; others go by number (RFC 790)."""

ANY = (None, "any", constants.PROTO_NAME_IP, "0")


def read_groups(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Security groups with their rules."""
    found = objects(context, SecurityGroup, ids)
    members = belonging(context, SecurityGroupRule, "security_group_id", found, "id")
    rules = read_rules(context, [each["id"] for group in members.values() for each in group])
    for id, body in found.items():
        body["security_group_rules"] = [rules[each["id"]] for each in members[id] if each["id"] in rules]
    return found


def read_rules(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Rules of security groups."""
    return objects(context, SecurityGroupRule, ids) if ids else {}


def read_address_groups(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Groups of addresses, with these."""
    found = objects(context, AddressGroup, ids)
    members = belonging(context, AddressAssociation, "address_group_id", found, "address")
    for id, body in found.items():
        body["addresses"] = [each["address"] for each in members[id]]
    return found


def rule_record(body: Body) -> dict[str, Any]:
    """A rule as /v1 takes it."""
    plain = ("security_group_id", "direction", "ethertype", "port_range_min", "port_range_max", "remote_group_id")
    record = chosen(body, *plain, "remote_address_group_id")
    if (protocol := wire_protocol(body)) is not None:
        record["protocol"] = protocol
    if body["remote_ip_prefix"]:
        record["remote_ip_prefix"] = str(ipaddress.ip_network(body["remote_ip_prefix"], strict=False))
    return record


def wire_protocol(body: Body) -> str | None:
    """A rule's protocol: a name that every side knows, or a number; None: any."""
    protocol = body["protocol"]
    if protocol in ANY:
        return None
    names_icmp = protocol in ("icmp", "icmpv6", "ipv6-icmp", "58")
    if names_icmp and body["ethertype"] == constants.IPv6:
        return "icmpv6"
    if protocol in NAMED or protocol not in constants.IP_PROTOCOL_MAP:
        return str(protocol)
    return str(constants.IP_PROTOCOL_MAP[protocol])


def rule_parents(body: Body) -> Iterable[tuple[str, str]]:
    """What a rule refers to."""
    yield from references("security_group", body["security_group_id"], body["remote_group_id"])
    yield from references("address_group", body["remote_address_group_id"])


def opendaylight_rule(body: Body) -> Body:
    """A rule as networking-odl sends it."""
    return {**body, "protocol": wire_protocol(body)}


def opendaylight_group(body: Body) -> Body:
    """A group as networking-odl sends it, with its rules."""
    return {**body, "security_group_rules": [opendaylight_rule(each) for each in body["security_group_rules"]]}


KINDS = (
    Kind(
        "address_group",
        read_address_groups,
        paged(AddressGroup),
        lambda body: chosen(body, "name", "addresses"),
        model=AddressGroup,
        rows={AddressGroup: column("id"), AddressAssociation: column("address_group_id")},
    ),
    Kind(
        "security_group",
        read_groups,
        paged(SecurityGroup),
        lambda body: chosen(body, "name", "stateful"),
        opendaylight=Opendaylight("security-groups", "security_group", shape=opendaylight_group),
        model=SecurityGroup,
        rows={SecurityGroup: column("id"), SecurityGroupRule: column("security_group_id")},
    ),
    Kind(
        "security_group_rule",
        read_rules,
        paged(SecurityGroupRule),
        rule_record,
        parents=rule_parents,
        parent_kinds=("security_group", "address_group"),
        opendaylight=Opendaylight("security-group-rules", "security_group_rule", shape=opendaylight_rule),
        rows={SecurityGroupRule: column("id")},
    ),
)
