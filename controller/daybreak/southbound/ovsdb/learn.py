"""rules: what a switch's database says about the host and the ports on it."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

import msgspec

from daybreak.model import Host, Interface
from daybreak.model.tunnel import TUNNEL_NAMES, TUNNEL_PORTS
from daybreak.southbound.ovsdb.names import INTEGRATION, patch_ports
from daybreak.wire.ovsdb import Replica, vswitch
from daybreak.wire.ovsdb.vswitch import Bridge, Datapath, OpenVSwitch, Port

HOSTCONFIG_ID = "odl_os_hostconfig_hostid"
HOSTCONFIG = "odl_os_hostconfig_config_odl_"
DATAPATH_ID = re.compile("(0x)?[0-9a-f]{16}|0x[0-9a-f]{1,15}", re.IGNORECASE)
"""What Open vSwitch takes for one (ovs-vswitchd.conf.db(5), other_config:datapath-id)."""
HOSTCONFIG_TAIL = 8  # OpenDaylight read no more of a host type's name


class Learned(NamedTuple):
    """`host` is None, with a `reason`, where the database doesn't describe one. `interfaces` go by their names."""

    host: Host | None
    interfaces: dict[str, Interface]
    reason: str | None = None


def learn(replica: Replica, remote_address: str | None, integration: str = INTEGRATION) -> Learned:
    """What the database says; `remote_address` is that of its connection."""
    root = root_of(replica)
    if root is None:
        return Learned(None, {}, "the database has no row in Open_vSwitch: is ovs-vswitchd set up?")
    bridge = bridge_named(replica, integration)
    interfaces = {} if bridge is None else {row.name: row for row in interfaces_of(replica, bridge)}
    datapath = None if bridge is None else bridge.datapath_type or "system"
    host = Host(
        id=host_id(root),
        ovs_uuid=str(root.uuid),
        vtep=root.other_config.get("local_ip") or _reachable(remote_address),
        dpid=None if bridge is None else _dpid(bridge),
        ovs_version=root.ovs_version,
        datapath_type=datapath,
        capabilities=() if datapath is None else _capabilities(replica, root, datapath),
        bridge_mappings=tuple(sorted(bridge_mappings(root).items())),
        patches=tuple(_patches(root, interfaces)),
        tunnels=tuple(_tunnels(interfaces)),
        hostconfigs=tuple(sorted(hostconfigs(root).items())),
        vhost_user=tuple(sorted(kind for kind in root.iface_types if kind.startswith("dpdkvhostuser"))),
        availability_zone=root.external_ids.get("availability-zone") or None,
    )
    return Learned(host, {claim.name: claim for claim in _claims(host.id, interfaces)})


def root_of(replica: Replica) -> OpenVSwitch | None:
    """The database's one row of Open_vSwitch."""
    return next(iter(replica.rows(OpenVSwitch).values()), None)


def bridge_named(replica: Replica, name: str) -> Bridge | None:
    """A bridge by its name, which is unique."""
    return next((bridge for bridge in replica.rows(Bridge).values() if bridge.name == name), None)


def interfaces_of(replica: Replica, bridge: Bridge) -> Iterator[vswitch.Interface]:
    """The interfaces of all ports of a bridge."""
    for port in replica.named(Port, bridge.ports):
        yield from replica.named(vswitch.Interface, port.interfaces)


def host_id(root: OpenVSwitch) -> str:
    """The name that clouds bind ports to."""
    known = (root.external_ids.get(key) for key in (HOSTCONFIG_ID, "hostname", "system-id"))
    return next(filter(None, known), f"ovs-{root.uuid[:8]}")


def hostconfigs(root: OpenVSwitch) -> dict[str, str]:
    """The configuration by host type ("ODL L2"), as OpenDaylight read them from external_ids."""
    return {
        f"ODL {key.removeprefix(HOSTCONFIG)[:HOSTCONFIG_TAIL].upper()}": text
        for key, text in root.external_ids.items()
        if key.startswith(HOSTCONFIG)
    }


def layer2(root: OpenVSwitch) -> dict[str, Any]:
    """The configuration of "ODL L2"; empty if there's none or it isn't a JSON object."""
    try:
        return msgspec.json.decode(hostconfigs(root).get("ODL L2", "{}"), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def bridge_mappings(root: OpenVSwitch) -> dict[str, str]:
    """The bridge of each physical network: other_config:provider_mappings, else the hostconfig's `bridge_mappings`."""
    text = root.other_config.get("provider_mappings")
    if text is None:
        mappings = layer2(root).get("bridge_mappings")
        pairs = list(mappings.items()) if isinstance(mappings, dict) else []
    else:
        pairs = [entry.strip().rpartition(":")[::2] for entry in text.split(",")]
    return {network: bridge for network, bridge in pairs if network and bridge and isinstance(bridge, str)}


def _reachable(address: str | None) -> str | None:
    """No other host can send tunnels to a loopback address, by which a switch beside its controller may call."""
    return None if address is None or ip_address(address).is_loopback else address


def _dpid(bridge: Bridge) -> int | None:
    """What the bridge has or, while ovsdb-server was restarted and ovs-vswitchd hasn't written it again, will have."""
    text = bridge.datapath_id or bridge.other_config.get("datapath-id", "")
    return int(text, 16) if DATAPATH_ID.fullmatch(text) else None


def _capabilities(replica: Replica, root: OpenVSwitch, datapath_type: str) -> tuple[str, ...]:
    datapath = root.datapaths.get(datapath_type)
    row = None if datapath is None else replica.get(Datapath, datapath)
    return () if row is None else tuple(sorted(name for name, value in row.capabilities.items() if _is_able(value)))


def _is_able(value: str) -> bool:
    """Open vSwitch writes a capability as "true" or "false", or as a number of what it can hold."""
    return value == "true" or (value.isascii() and value.isdigit() and value.strip("0") != "")


def _patches(root: OpenVSwitch, interfaces: dict[str, vswitch.Interface]) -> Iterator[tuple[str, int]]:
    for network, bridge in sorted(bridge_mappings(root).items()):
        interface = interfaces.get(patch_ports(network, bridge)[0])
        if interface is not None and interface.type == "patch" and interface.error is None:
            number = _ofport(interface)
            if number is not None:
                yield network, number


def _tunnels(interfaces: dict[str, vswitch.Interface]) -> Iterator[str]:
    for encapsulation, number in TUNNEL_PORTS.items():
        interface = interfaces.get(TUNNEL_NAMES[encapsulation])
        # Flows name the port by this very number, so a port with another is of no use.
        if interface is not None and interface.error is None and interface.ofport == number:
            yield encapsulation


def _claims(host: str, interfaces: dict[str, vswitch.Interface]) -> Iterator[Interface]:
    for row in interfaces.values():
        iface_id = row.external_ids.get("iface-id")
        if iface_id:
            mac = row.external_ids.get("attached-mac")
            yield Interface(
                host=host,
                name=row.name,
                iface_id=iface_id,
                ofport=_ofport(row),
                attached_mac=None if mac is None else mac.lower(),
                link_up=row.admin_state != "down" and row.link_state != "down",
                error=row.error,
            )


def _ofport(row: vswitch.Interface) -> int | None:
    """Open vSwitch writes -1 for a device that it couldn't open."""
    return row.ofport if row.ofport is not None and row.ofport > 0 else None
