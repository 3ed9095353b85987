"""rules: the networks, subnets and ports of the clouds as OpenDaylight kept them in its configuration data.

Names are those of the YANG modules of opendaylight/neutron (neutron, neutron-attrs, neutron-networks, neutron-subnets,
neutron-ports and the modules that augment them); enumerations are identities ("neutron-networks:network-type-vxlan").
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from daybreak.model import Network, Port, Record, Subnet
from daybreak.northbound.restconf.tree import Entry, Rows
from daybreak.store.contract import Store

Leaf = tuple[str, Callable[[Any], Any]]
"""Name, and what makes JSON of a record's value."""


def same(value: Any) -> Any:
    return value


def dashed(tenant: str) -> str:
    """A tenant's UUID as YANG has it; names of tenants that are none stay."""
    return re.sub(r"^(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})$", r"\1-\2-\3-\4-\5", tenant)


def identity(base: str) -> Callable[[Any], str]:
    return lambda value: f"{base}{value}"


def entries(**names: str) -> Callable[[Any], list[Entry]]:
    """A list whose entries have leaves of these names."""
    leaves = {attribute: (name, same) for attribute, name in names.items()}
    return lambda values: [written(leaves, each) for each in values]


NETWORK_TYPE = identity("neutron-networks:network-type-")
IP_VERSION = identity("neutron-constants:ip-version-v")
DHCPV6 = identity("neutron-constants:dhcpv6-")
PROVIDER = "neutron-provider-ext:"
BINDING = "neutron-binding:"


def segments(values: Any) -> list[Entry]:
    return [
        {
            "segmentation-index": str(index),
            **written(
                {
                    "network_type": ("network-type", NETWORK_TYPE),
                    "physical_network": ("physical-network", same),
                    "segmentation_id": ("segmentation-id", same),
                },
                each,
            ),
        }
        for index, each in enumerate(values, 1)
    ]


BASE: Mapping[str, Leaf] = {
    "id": ("uuid", same),
    "name": ("name", same),
    "tenant_id": ("tenant-id", dashed),
    "project_id": ("project-id", same),
    "revision_number": ("revision-number", same),
}
ADMIN: Mapping[str, Leaf] = {"admin_state_up": ("admin-state-up", same), "status": ("status", same)}

NETWORK: Mapping[str, Leaf] = {
    **BASE,
    **ADMIN,
    "shared": ("shared", same),
    "vlan_transparent": ("vlan-transparent", same),
    "mtu": ("mtu", same),
    "external": ("neutron-L3-ext:external", same),
    "network_type": (f"{PROVIDER}network-type", NETWORK_TYPE),
    "physical_network": (f"{PROVIDER}physical-network", same),
    "segmentation_id": (f"{PROVIDER}segmentation-id", same),
    "segments": (f"{PROVIDER}segments", segments),
    "qos_policy_id": ("neutron-qos-ext:qos-network-extension-id", same),
}

SUBNET: Mapping[str, Leaf] = {
    **BASE,
    "network_id": ("network-id", same),
    "ip_version": ("ip-version", IP_VERSION),
    "cidr": ("cidr", same),
    "gateway_ip": ("gateway-ip", same),
    "dns_nameservers": ("dns-nameservers", list),
    "allocation_pools": ("allocation-pools", entries(start="start", end="end")),
    "host_routes": ("host-routes", entries(destination="destination", nexthop="nexthop")),
    "enable_dhcp": ("enable-dhcp", same),
    "ipv6_address_mode": ("ipv6-address-mode", DHCPV6),
    "ipv6_ra_mode": ("ipv6-ra-mode", DHCPV6),
}

PORT: Mapping[str, Leaf] = {
    **BASE,
    **ADMIN,
    "network_id": ("network-id", same),
    "mac_address": ("mac-address", same),
    "fixed_ips": ("fixed-ips", entries(subnet_id="subnet-id", ip_address="ip-address")),
    "device_id": ("device-id", same),
    "device_owner": ("device-owner", same),
    "security_groups": ("security-groups", list),
    "allowed_address_pairs": ("allowed-address-pairs", entries(mac_address="mac-address", ip_address="ip-address")),
    "extra_dhcp_opts": ("extra-dhcp-opts", entries(opt_name="opt-name", opt_value="opt-value")),
    "host_id": (f"{BINDING}host-id", same),
    "vnic_type": (f"{BINDING}vnic-type", same),
    "vif_type": (f"{BINDING}vif-type", same),
    "profile": (f"{BINDING}profile", same),
    "vif_details": (
        f"{BINDING}vif-details",
        lambda details: [{"details-key": key, "value": value} for key, value in details],
    ),
    "port_security_enabled": ("neutron-portsecurity:port-security-enabled", same),
    "qos_policy_id": ("neutron-qos-ext:qos-port-extension-id", same),
}


def written(leaves: Mapping[str, Leaf], record: Any) -> Entry:
    """An entry: what the record says, by the names of YANG; what is not said or empty is left out."""
    values = ((leaf, getattr(record, attribute)) for attribute, leaf in leaves.items())
    return {name: write(value) for (name, write), value in values if value not in (None, ())}


def rows(store: Store, kind: type[Record], leaves: Mapping[str, Leaf]) -> Rows:
    def one(key: str) -> Entry | None:
        record = store.get(kind, key)
        return None if record is None else written(leaves, record)

    return Rows(("uuid",), lambda: (written(leaves, each) for each in [*store.rows(kind).values()]), one)


def configuration(store: Store) -> Entry:
    """The tree below /restconf/config."""
    return {
        "neutron:neutron": {
            "networks": {"network": rows(store, Network, NETWORK)},
            "subnets": {"subnet": rows(store, Subnet, SUBNET)},
            "ports": {"port": rows(store, Port, PORT)},
        }
    }
