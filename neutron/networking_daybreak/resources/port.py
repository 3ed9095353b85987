"""io: ports."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from neutron.db.extra_dhcp_opt.models import ExtraDhcpOpt
from neutron.db.models.allowed_address_pair import AllowedAddressPair
from neutron.db.models.data_plane_status import PortDataPlaneStatus
from neutron.db.models.dns import PortDNS
from neutron.db.models.port_forwarding import PortForwarding
from neutron.db.models.port_trusted import PortTrusted
from neutron.db.models.securitygroup import SecurityGroupPortBinding
from neutron.db.models.uplink_status_propagation import PortUplinkStatusPropagation
from neutron.db.models_v2 import IPAllocation, Network, Port
from neutron.db.port_security.models import PortSecurityBinding
from neutron.db.qos.models import QosPortPolicyBinding
from neutron.plugins.ml2.models import PortBinding
from sqlalchemy.orm.attributes import get_history

from networking_daybreak.resources.kind import OWNERSHIP, Body, Kind, Opendaylight, chosen, column, references
from networking_daybreak.resources.reading import belonging, objects, paged, valued

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"


def read_ports(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Ports with their addresses, bindings, groups and options."""
    found = objects(context, Port, ids)
    addresses = belonging(context, IPAllocation, "port_id", found, "subnet_id", "ip_address")
    bindings = belonging(context, PortBinding, "port_id", found, "host")
    groups = belonging(context, SecurityGroupPortBinding, "port_id", found, "security_group_id")
    pairs = belonging(context, AllowedAddressPair, "port_id", found, "mac_address", "ip_address")
    options = belonging(context, ExtraDhcpOpt, "port_id", found, "ip_version", "opt_name")
    secured = valued(context, PortSecurityBinding, "port_id", "port_security_enabled", found)
    policies = valued(context, QosPortPolicyBinding, "port_id", "policy_id", found)
    names = belonging(context, PortDNS, "port_id", found)
    watched = valued(context, PortDataPlaneStatus, "port_id", "data_plane_status", found)
    uplinks = valued(context, PortUplinkStatusPropagation, "port_id", "propagate_uplink_status", found)
    trusted = valued(context, PortTrusted, "port_id", "trusted", found)
    unowned = [body["network_id"] for body in found.values() if not body["project_id"]]
    owners = valued(context, Network, "id", "project_id", unowned) if unowned else {}
    for id, body in found.items():
        if not body["project_id"]:
            # A router's own ports belong to nobody in Neutron; the controller counts them to their network's owner.
            body["tenant_id"] = body["project_id"] = owners.get(body["network_id"]) or ""
        body["fixed_ips"] = [{name: each[name] for name in ("subnet_id", "ip_address")} for each in addresses[id]]
        body["security_groups"] = [each["security_group_id"] for each in groups[id]]
        body["allowed_address_pairs"] = [
            {name: each[name] for name in ("mac_address", "ip_address")} for each in pairs[id]
        ]
        body["extra_dhcp_opts"] = [
            {name: each[name] for name in ("opt_name", "opt_value", "ip_version")} for each in options[id]
        ]
        body["port_security_enabled"] = secured.get(id, True)
        body["qos_policy_id"] = policies.get(id)
        (name,) = names[id] or ({},)
        body["dns_name"] = name.get("dns_name")
        body["dns_domain"] = name.get("dns_domain")
        body["data_plane_status"] = watched.get(id)
        body["propagate_uplink_status"] = uplinks.get(id)
        body["trusted"] = trusted.get(id)
        body["bindings"] = bindings[id]
        body.update(bound(next((each for each in bindings[id] if each["status"] == ACTIVE), None)))
    return found


def bound(binding: Body | None) -> Body:
    """How Neutron's API shows the binding in force."""
    if binding is None:
        return {"binding:host_id": "", "binding:vif_type": "unbound", "binding:vnic_type": "normal"}
    return {
        "binding:host_id": binding["host"],
        "binding:vif_type": binding["vif_type"],
        "binding:vnic_type": binding["vnic_type"],
        "binding:vif_details": decoded(binding["vif_details"]),
        "binding:profile": decoded(binding["profile"]),
    }


def decoded(text: str | None) -> Body:
    """The JSON object of a column; an empty one for what is empty or none."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def port_record(body: Body) -> dict[str, Any]:
    """A port as /v1 takes it. Its status is left out: it comes from there."""
    record = chosen(
        body,
        "network_id",
        "name",
        "admin_state_up",
        "mac_address",
        "fixed_ips",
        "device_id",
        "device_owner",
        "security_groups",
        "allowed_address_pairs",
        "extra_dhcp_opts",
        "port_security_enabled",
        "qos_policy_id",
        "data_plane_status",
        "propagate_uplink_status",
        "trusted",
    )
    record |= {name: body[name] for name in ("dns_name", "dns_domain") if body[name]}
    record["host_id"] = body["binding:host_id"]
    record["vnic_type"] = body["binding:vnic_type"]
    record["vif_type"] = body["binding:vif_type"]
    if len(body["bindings"]) > 1:
        # A live migration: the destination needs the port's flows before the VM is there.
        record["bindings"] = [{"host": each["host"], "status": each["status"]} for each in body["bindings"]]
    if body.get("binding:profile"):
        record["profile"] = json.dumps(body["binding:profile"], sort_keys=True)
    if body.get("binding:vif_details"):
        details = sorted(body["binding:vif_details"].items())
        record["vif_details"] = [
            [name, value if isinstance(value, str) else json.dumps(value)] for name, value in details
        ]
    return record


def second_binding(session: Any, row: PortBinding) -> Iterable[str]:
    """The port of an inactive binding: it comes and goes without a call of mechanism drivers."""
    was = get_history(row, "status").deleted or ()
    return [row.port_id] if INACTIVE in (row.status, *was) else lost(session, row)


def lost(session: Any, row: PortBinding | IPAllocation) -> Iterable[str]:
    """The port that stays without a binding or an address: these are deleted without a call of mechanism drivers."""
    return [row.port_id] if row in session.deleted and row.port not in session.deleted else []


def port_parents(body: Body) -> Iterable[tuple[str, str]]:
    """What a port refers to. Not its router: that refers to its gateway's port in turn."""
    yield "network", body["network_id"]
    yield from references("subnet", *(each["subnet_id"] for each in body["fixed_ips"]))
    yield from references("security_group", *body["security_groups"])
    yield from references("qos_policy", body["qos_policy_id"])


def opendaylight_port(body: Body) -> Body:
    """A port as networking-odl sends it: the profile as text, the groups as objects."""
    shaped = {name: value for name, value in body.items() if name != "bindings"}
    shaped["security_groups"] = [{"id": id} for id in body["security_groups"]]
    if "binding:profile" in shaped:
        shaped["binding:profile"] = json.dumps(shaped["binding:profile"])
    return shaped


KINDS = (
    Kind(
        "port",
        read_ports,
        paged(Port),
        port_record,
        parents=port_parents,
        parent_kinds=("network", "subnet", "security_group", "qos_policy"),
        opendaylight=Opendaylight(
            "ports",
            "port",
            create=frozenset({"status"}),
            update=frozenset({"status", "network_id", "id", *OWNERSHIP}),
            unless_null=frozenset(
                {
                    "binding:profile",
                    "data_plane_status",
                    "dns_domain",
                    "dns_name",
                    "port_security_enabled",
                    "propagate_uplink_status",
                    "qos_policy_id",
                    "trusted",
                }
            ),
            shape=opendaylight_port,
        ),
        model=Port,
        rows={
            IPAllocation: lost,
            PortBinding: second_binding,
            PortForwarding: column("internal_neutron_port_id"),
        },
    ),
)
