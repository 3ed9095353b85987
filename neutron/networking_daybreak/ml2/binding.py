"""rules: whether a port can be bound to a host, by which segment, and what Nova is told of it; else why not."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from networking_daybreak.ml2.host import INTEGRATION, OVERLAYS, Host

NORMAL, DIRECT = "normal", "direct"
OVS, VHOST_USER = "ovs", "vhostuser"
SOCKET_NAME = 14
"""Characters of a vhost-user socket's name at most, as Nova and Open vSwitch cut it."""


class Bound(NamedTuple):
    """The segment, and binding:vif_type and binding:vif_details of the port."""

    segment: str
    vif_type: str
    vif_details: Mapping[str, Any]


class Refused(NamedTuple):
    """Why a port can't be bound, in words for the operator."""

    reason: str


def bind(
    port: Mapping[str, Any], host_id: str, segments: Sequence[Mapping[str, Any]], host: Host | None
) -> Bound | Refused:
    """Bind a port (as in Neutron's API) by the first segment that the host can carry.

    `host` is None where the controller has never heard of it; `segments` are those to choose from (ML2, PortContext).
    """
    if host is None:
        return Refused(
            f"the controller knows no host {host_id}. Is its Open vSwitch connected (ovs-vsctl set-manager), and does "
            "external_ids:hostname say this name? The port is bound again when the host appears"
        )
    if host.gone:
        return Refused(f"host {host.name} is not connected to the controller; the port is bound again when it is")
    if reason := unfit(port):
        return Refused(reason)
    reasons = []
    for segment in segments:
        reason = unreachable(segment, host)
        if reason is None:
            return Bound(segment["id"], vif_type(port, host), vif_details(port, host))
        reasons.append(reason)
    return Refused("; ".join(dict.fromkeys(reasons)) or "none of the network's segments has the subnets of the port")


def unfit(port: Mapping[str, Any]) -> str | None:
    """Why Open vSwitch can't have such a port on any host; None: it can."""
    vnic_type = port.get("binding:vnic_type") or NORMAL
    if vnic_type == NORMAL:
        return None
    if vnic_type != DIRECT:
        return f"vnic_type {vnic_type} is not Open vSwitch's; it takes normal, and direct with switchdev"
    if "switchdev" in ((port.get("binding:profile") or {}).get("capabilities") or ()):
        return None
    return "vnic_type direct without the capability switchdev in binding:profile is for an SR-IOV driver"


def unreachable(segment: Mapping[str, Any], host: Host) -> str | None:
    """Why a host can't carry a segment; None: it can."""
    network_type, network = segment["network_type"], segment.get("physical_network")
    if host.network_types is not None and network_type not in host.network_types:
        return f"host {host.name} allows networks of type {', '.join(host.network_types) or 'none'}, not {network_type}"
    if network_type == "local":
        return None
    if network_type in ("flat", "vlan"):
        if network in host.bridge_mappings:
            return None
        known = ", ".join(sorted(host.bridge_mappings)) or "none"
        return (
            f"host {host.name} has no bridge for physical network {network} (it has: {known}); "
            f"set other_config:provider_mappings={network}:BRIDGE in its Open_vSwitch row"
        )
    if network_type not in OVERLAYS:
        return f"networks of type {network_type} are not known"
    if not host.tunnel_address:
        return f"host {host.name} has no tunnel address; set other_config:local_ip in its Open_vSwitch row"
    if network_type not in host.tunnel_types:
        return f"host {host.name} has no {network_type} port yet (it has: {', '.join(host.tunnel_types) or 'none'})"
    return None


def allowed(segments: Iterable[Mapping[str, Any]], subnets: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The segments that have the subnets of a port's addresses; a subnet without a segment is on all of them."""
    wanted = {subnet["segment_id"] for subnet in subnets if subnet.get("segment_id")}
    return [segment for segment in segments if not wanted or segment["id"] in wanted]


def vif_type(port: Mapping[str, Any], host: Host) -> str:
    """How the VM's card gets into Open vSwitch."""
    direct = port.get("binding:vnic_type") == DIRECT
    return VHOST_USER if host.vhost_user is not None and not direct else OVS


def vif_details(port: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """What Nova and os-vif have to know (Neutron API reference, binding:vif_details)."""
    details = {
        "connectivity": "l2",
        "port_filter": True,
        "ovs_hybrid_plug": False,
        "bridge_name": INTEGRATION,
        "datapath_type": host.datapath_type,
    }
    if vif_type(port, host) == VHOST_USER:
        assert host.vhost_user is not None
        socket = (host.vhost_user.prefix + port["id"])[:SOCKET_NAME]
        details |= {
            "vhostuser_mode": host.vhost_user.mode,
            "vhostuser_ovs_plug": True,
            "vhostuser_socket": f"{host.vhost_user.directory}/{socket}",
        }
    return details
