"""rules: the operational data that OpenDaylight's clients read: hostconfigs, features, status of ports, topologies.

Sources: the YANG modules of opendaylight/neutron (neutron, neutron-hostconfig, neutron-extensions) and of
opendaylight/ovsdb (ovsdb), network-topology of the IETF as OpenDaylight had it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from daybreak.model import Host, Interface, PortStatus
from daybreak.northbound.restconf.tree import Entry, Rows
from daybreak.store.contract import Store

FEATURES = ({"service-provider-feature": "neutron-extensions:operational-port-status", "configuration": ""},)
"""What networking-odl may rely on. With this one it waits for our word before it calls a port ACTIVE."""

Groups = dict[str, list[Interface]]


def hostconfigs_of(host: Host) -> list[Entry]:
    """What a host's Open vSwitch says of itself for Neutron, by type of host ("ODL L2"); the text stays as it is."""
    return [{"host-id": host.id, "host-type": type_, "config": config} for type_, config in host.hostconfigs]


def status_of(status: PortStatus) -> Entry:
    """A port as the switches have it."""
    return {"uuid": status.port_id, "status": "ACTIVE" if status.active else "DOWN"}


def operational(store: Store, bridge: str) -> Entry:
    """The tree below /restconf/operational. `bridge` is the integration bridge's name."""
    return {
        "neutron:neutron": {
            "hostconfigs": {"hostconfig": hostconfigs(store)},
            "ports": {"port": ports(store)},
            "features": {"feature": fixed("service-provider-feature", FEATURES)},
        },
        "network-topology:network-topology": {"topology": topologies(store, bridge)},
    }


def hostconfigs(store: Store) -> Rows:
    def every() -> Iterator[Entry]:
        for host in [*store.rows(Host).values()]:
            yield from hostconfigs_of(host)

    def one(host: str, type_: str) -> Entry | None:
        known = store.get(Host, host)
        return next((each for each in hostconfigs_of(known) if each["host-type"] == type_), None) if known else None

    return Rows(("host-id", "host-type"), every, one)


def ports(store: Store) -> Rows:
    def one(port: str) -> Entry | None:
        status = store.get(PortStatus, port)
        return None if status is None else status_of(status)

    return Rows(("uuid",), lambda: map(status_of, [*store.rows(PortStatus).values()]), one)


def fixed(key: str, entries: Iterable[Entry]) -> Rows:
    """A short list."""
    by_key = {entry[key]: entry for entry in entries}
    return Rows((key,), by_key.values, by_key.get)


# -- topologies -----------------------------------------------------------------------------------------------------


def topologies(store: Store, bridge: str) -> Rows:
    """netvirt:1, whose presence devstack waits for; the hosts by OVSDB; the switches by OpenFlow."""
    return fixed(
        "topology-id",
        [
            {"topology-id": "netvirt:1"},
            {"topology-id": "ovsdb:1", "node": nodes(store, lambda *found: ovsdb_nodes(bridge, *found))},
            {"topology-id": "flow:1", "node": nodes(store, flow_nodes)},
        ],
    )


def nodes(store: Store, of: Callable[[Host, list[Interface]], list[Entry]]) -> Rows:
    """The nodes that each host stands for."""

    def every() -> Iterator[Entry]:
        hosts = [*store.rows(Host).values()]
        interfaces: Groups = defaultdict(list)
        for each in store.rows(Interface).values():
            interfaces[each.host].append(each)
        for host in hosts:
            yield from of(host, interfaces[host.id])

    return Rows(("node-id",), every, lambda id_: next((node for node in every() if node["node-id"] == id_), None))


def pairs(name: str, values: dict[str, Any]) -> list[Entry]:
    """A map of OVSDB as YANG has it: a list of entries with two leaves."""
    return [{f"{name}-key": key, f"{name}-value": value} for key, value in values.items() if value is not None]


def ovsdb_nodes(bridge: str, host: Host, interfaces: list[Interface]) -> list[Entry]:
    """A host's Open vSwitch, and its integration bridge with the interfaces that claim ports."""
    root = f"ovsdb://uuid/{host.ovs_uuid}"
    place = "/network-topology:network-topology/topology[topology-id='ovsdb:1']/node[node-id='{}']"
    external = {f"odl_os_hostconfig_config_{key.lower().replace(' ', '_')}": text for key, text in host.hostconfigs}
    mappings = ",".join(f"{network}:{name}" for network, name in host.bridge_mappings)
    switch = {
        "node-id": root,
        "ovsdb:ovs-version": host.ovs_version,
        "ovsdb:openvswitch-external-ids": pairs(
            "external-id", {**({"odl_os_hostconfig_hostid": host.id} if external else {}), **external}
        ),
        "ovsdb:openvswitch-other-configs": pairs(
            "other-config", {"local_ip": host.vtep, "provider_mappings": mappings or None}
        ),
    }
    if host.dpid is None:
        return [switch]
    switch["ovsdb:managed-node-entry"] = [{"bridge-ref": place.format(f"{root}/bridge/{bridge}")}]
    return [
        switch,
        {
            "node-id": f"{root}/bridge/{bridge}",
            "ovsdb:bridge-name": bridge,
            "ovsdb:datapath-id": host.dpid.to_bytes(8, "big").hex(":"),
            "ovsdb:datapath-type": f"ovsdb:datapath-type-{host.datapath_type or 'system'}",
            "ovsdb:managed-by": place.format(root),
            "termination-point": termination_points(interfaces),
        },
    ]


def termination_points(interfaces: list[Interface]) -> Rows:
    return fixed(
        "tp-id",
        [
            {
                "tp-id": each.name,
                "ovsdb:name": each.name,
                "ovsdb:ofport": each.ofport,
                "ovsdb:interface-external-ids": pairs(
                    "external-id", {"iface-id": each.iface_id, "attached-mac": each.attached_mac}
                ),
            }
            for each in interfaces
        ],
    )


def flow_nodes(host: Host, interfaces: list[Interface]) -> list[Entry]:
    """A host's integration bridge as an OpenFlow switch. Links are none: all of the fabric is tunnels."""
    if host.dpid is None:
        return []
    switch = f"openflow:{host.dpid}"
    opened = [{"tp-id": f"{switch}:{each.ofport}"} for each in interfaces if each.ofport]
    return [{"node-id": switch, "termination-point": fixed("tp-id", opened)}]
