"""data: a host as Neutron knows it: a row of the table of agents, kept by the status worker."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

AGENT_TYPE = "Daybreak host"
"""What `openstack network agent list` shows for a hypervisor."""

BINARY = "ovs-vswitchd"
"""The only program that a host runs for Daybreak."""

CONTROLLER_TYPE = "Daybreak controller"
"""What `openstack network agent list` shows for the controller."""

TOPIC = "N/A"
"""No one sends messages to a switch's row."""

INTEGRATION = "br-int"
SOCKETS = "/var/run/openvswitch"
"""Where Open vSwitch keeps its vhost-user sockets unless the host says otherwise."""

OVERLAYS = ("vxlan", "geneve", "gre")
ROOM, ZONE_ROOM = 4095, 255
"""Characters that Neutron's table has for `configurations` and for a zone."""


@dataclass(frozen=True)
class VhostUser:
    """How a port gets to a VM by shared memory. `mode` is QEMU's part (Neutron, portbindings.VHOST_USER_MODE)."""

    mode: str = "server"
    directory: str = SOCKETS
    prefix: str = "vhu"


@dataclass(frozen=True)
class Host:
    """What binding needs to know of a host.

    `gone` says that the controller has had no connection for longer than Neutron's agent_down_time. `network_types` is
    None where the host allows all that it can do.
    """

    name: str
    gone: bool = False
    tunnel_address: str | None = None
    tunnel_types: Sequence[str] = ()
    network_types: Sequence[str] | None = None
    bridge_mappings: Mapping[str, str] = field(default_factory=dict)
    datapath_type: str = "system"
    vhost_user: VhostUser | None = None


def configurations(told: Mapping[str, Any], connected: bool) -> dict[str, Any]:
    """The `configurations` of a host's row, from its record in the controller's /v1 (docs/api.md, "Events")."""
    found: dict[str, Any] = {
        "connected": connected,
        "integration_bridge": INTEGRATION,
        "tunneling_ip": told.get("vtep"),
        "tunnel_types": list(told.get("tunnels", ())),
        "bridge_mappings": dict(told.get("bridge_mappings", ())),
        "datapath_type": told.get("datapath_type") or "system",
        "ovs_version": told.get("ovs_version"),
    }
    said = hostconfig(dict(told.get("hostconfigs", ())).get("ODL L2"))
    if isinstance(types := said.get("allowed_network_types"), list):
        found["allowed_network_types"] = [str(each) for each in types]
    if vhost_user := vhost_user_of(said) or vhost_user_by_ability(told):
        found["vhostuser"] = vhost_user
    if len(json.dumps(found)) > ROOM:
        # Neutron has no room for so many; what it does not know of it can't bind to, and says so.
        found |= {"bridge_mappings": {}, "too_many_bridge_mappings": len(found["bridge_mappings"])}
    return found


def zone(told: Mapping[str, Any]) -> str | None:
    """The availability zone of a host, from its record."""
    return (told.get("availability_zone") or "")[:ZONE_ROOM] or None


def hostconfig(text: str | None) -> dict[str, Any]:
    """A hostconfig as networking-odl's tool writes it into external_ids; empty if it is not a JSON object."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def vhost_user_of(said: Mapping[str, Any]) -> dict[str, str] | None:
    """How a hostconfig wants VMs connected by vhost-user; None: it doesn't say so."""
    types = said.get("supported_vnic_types")
    for each in types if isinstance(types, list) else ():
        if isinstance(each, dict) and each.get("vnic_type") == "normal" and each.get("vif_type") == "vhostuser":
            details = each.get("vif_details") or {}
            return {
                "mode": str(details.get("vhostuser_mode", VhostUser.mode)),
                "directory": str(details.get("vhostuser_socket_dir", VhostUser.directory)),
                "prefix": str(details.get("port_prefix", VhostUser.prefix)),
            }
    return None


def vhost_user_by_ability(told: Mapping[str, Any]) -> dict[str, str] | None:
    """How a host with DPDK takes VMs; None: it has none, or its bridge is not for it.

    Open vSwitch as client is the one that survives its restart (Open vSwitch, "DPDK vHost User Ports").
    """
    types = told.get("vhost_user", ())
    if not types or told.get("datapath_type") != "netdev":
        return None
    mode = "server" if "dpdkvhostuserclient" in types else "client"
    return {"mode": mode, "directory": SOCKETS, "prefix": VhostUser.prefix}


def of_agent(agent: Mapping[str, Any]) -> Host:
    """The host behind a row, as the core plugin's `get_agents` shows it."""
    said = agent["configurations"]
    vhost_user = said.get("vhostuser")
    return Host(
        name=agent["host"],
        gone=not agent["alive"] and not said.get("connected", True),
        tunnel_address=said.get("tunneling_ip"),
        tunnel_types=said.get("tunnel_types", ()),
        network_types=said.get("allowed_network_types"),
        bridge_mappings=said.get("bridge_mappings", {}),
        datapath_type=said.get("datapath_type", "system"),
        vhost_user=VhostUser(**vhost_user) if vhost_user else None,
    )
