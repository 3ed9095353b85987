"""rules: what a switch's database should say, and the one transaction that closes the difference.

Each column that is overwritten is guarded by its old value, and names of bridges and ports are unique: so what somebody
else changed in the meantime makes the transaction fail, to be planned again, and nobody's change is lost.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from daybreak.model.tunnel import TUNNEL_NAMES, TUNNEL_PORTS
from daybreak.southbound.ovsdb.learn import bridge_mappings, bridge_named, interfaces_of, layer2, root_of
from daybreak.southbound.ovsdb.names import DATAPATH_TYPE, INTEGRATION, OWNER, PHYSICAL_NETWORK, patch_ports
from daybreak.wire.ovsdb import UUID, NamedUUID, Replica, Value
from daybreak.wire.ovsdb.operations import Operation, comment, insert, mutate, update, wait
from daybreak.wire.ovsdb.vswitch import Bridge, Controller, FlowTable, Interface, Manager, OpenVSwitch, Port, Row

PROTOCOL: Final = "OpenFlow13"
CONTROLLER: Final[Mapping[str, Value]] = {"inactivity_probe": 10_000, "max_backoff": 1_000}
"""Milliseconds. The default back-off of 8 s is how long a switch would be without its controller after a restart."""
DATAPATH_TYPES: Final = {"system": "system", "netdev": "netdev", "dpdkvhostuser": "netdev"}
"""From what hosts' configurations say to what Open vSwitch knows."""


class InterfaceWant(NamedTuple):
    """For an interface of a port: its MTU in bytes, and whether it keeps its number when ovs-vswitchd restarts."""

    mtu_request: int | None = None
    pin_ofport: bool = False


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of one switch. Bridge mappings and the datapath's type are in its own database."""

    integration: str = INTEGRATION
    controller_targets: tuple[str, ...] = ()
    """The integration bridge's controllers ("tcp:192.0.2.1:6653"). With none, those that are there stay."""
    manager: str | None = None
    """Where the switch's database calls us, ADDRESS:PORT; None where it doesn't."""
    tunnels: tuple[str, ...] = tuple(TUNNEL_PORTS)
    """Encapsulations, of those in TUNNEL_PORTS."""
    table_names: Mapping[int, str] = {}
    """What `ovs-ofctl --names` calls the tables."""
    interfaces: Mapping[str, InterfaceWant] = {}
    """By name; without effect for those that aren't on the integration bridge or carry no iface-id."""


class Plan(NamedTuple):
    """`operations` is one transaction, empty if all is as wanted. `findings` say what only people can mend."""

    operations: tuple[Operation, ...]
    findings: tuple[str, ...]


class PortWant(NamedTuple):
    """A port of ours."""

    name: str
    type: str
    options: dict[str, str]
    labels: dict[str, str]
    ofport_request: int | None = None


def plan(replica: Replica, wants: Wants) -> Plan:
    """What is to be done; planning again when it was done yields no operation."""
    root = root_of(replica)
    if root is None:
        return Plan((), ("the database has no row in Open_vSwitch: is ovs-vswitchd set up?",))
    draft = Draft(replica)
    bridge = bridge_named(replica, wants.integration)
    if bridge is None:
        bridge = _create(draft, root, wants.integration)
    else:
        bridge = _adjust(draft, root, bridge)
    _set_controllers(draft, bridge, wants.controller_targets)
    _hasten_manager(draft, wants.manager)
    _probe_datapath(draft, root, bridge)
    ports = {bridge.name: _tunnel_ports(root, wants.tunnels)}
    for network, physical in sorted(bridge_mappings(root).items()):
        for name, port in _patch(draft, bridge, network, physical):
            ports.setdefault(name, []).append(port)
    for row in (bridge, *(other for other in replica.rows(Bridge).values() if other.name != bridge.name)):
        _set_ports(draft, row, ports.get(row.name, []))
    _name_tables(draft, bridge, wants.table_names)
    _set_interfaces(draft, bridge, wants.interfaces)
    operations = (comment("daybreak"), *draft.operations) if draft.operations else ()
    return Plan(operations, tuple(draft.findings))


class Draft:
    """Operations and findings as they're gathered."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.operations: list[Operation] = []
        self.findings: list[str] = []
        self._names = 0

    def insert(self, table: str, row: Mapping[str, Value]) -> NamedUUID:
        """Make a row, marked as ours."""
        self._names += 1
        name = NamedUUID(f"new{self._names}")
        labels = row.get("external_ids", {})
        assert isinstance(labels, dict)
        self.operations.append(insert(table, {**row, "external_ids": OWNER | labels}, name))
        return name

    def change(self, row: Row, wanted: Mapping[str, Value], given: Iterable[str] = ()) -> None:
        """Overwrite columns where they differ, if by then they (and those `given`) are still what they are now."""
        columns = {name: value for name, value in wanted.items() if not _same(getattr(row, name), value)}
        if not columns:
            return
        if isinstance(row.uuid, UUID):
            self.operations.append(wait(row.table, row.uuid, {name: getattr(row, name) for name in (*columns, *given)}))
        self.operations.append(update(row.table, row.uuid, columns))

    def add(self, row: Row, column: str, value: Value) -> None:
        """Add to a set or a map; what is there stays."""
        self.operations.append(mutate(row.table, row.uuid, column, "insert", value))

    def remove(self, row: Row, column: str, value: Value) -> None:
        """Remove from a set, or keys from a map."""
        self.operations.append(mutate(row.table, row.uuid, column, "delete", value))


def _same(old: Value, new: Value) -> bool:
    """Sets have no order."""
    if isinstance(old, tuple) and isinstance(new, tuple):
        return set(old) == set(new)
    return old == new


def _is_ours(row: Port | FlowTable | Interface) -> bool:
    return OWNER.items() <= row.external_ids.items()


# the integration bridge


def _create(draft: Draft, root: OpenVSwitch, name: str) -> Bridge:
    interface = draft.insert("Interface", {"name": name, "type": "internal"})
    port = draft.insert("Port", {"name": name, "interfaces": (interface,)})
    datapath_type = _datapath_type(draft, root) or ""
    other_config = {"datapath-id": hashlib.sha256(f"{root.uuid} {name}".encode()).hexdigest()[:16]}
    settings: dict[str, Value] = {
        "name": name,
        "datapath_type": datapath_type,
        "fail_mode": "secure",
        "other_config": other_config,
        "ports": (port,),
        "protocols": (PROTOCOL,),
    }
    uuid = draft.insert("Bridge", settings)
    draft.add(root, "bridges", (uuid,))
    return Bridge(uuid=uuid, name=name, datapath_type=datapath_type, other_config=other_config)


def _adjust(draft: Draft, root: OpenVSwitch, bridge: Bridge) -> Bridge:
    """Returns the bridge with the datapath_type that it will have."""
    wanted: dict[str, Value] = {"fail_mode": "secure"}
    if bridge.protocols and PROTOCOL not in bridge.protocols:  # with none set, all are allowed
        wanted["protocols"] = (*bridge.protocols, PROTOCOL)
    datapath_type = _datapath_type(draft, root)
    if datapath_type is not None and datapath_type != (bridge.datapath_type or "system"):
        # The ports of machines would lose their network: the host has to be emptied first.
        others = [port.name for port in draft.replica.named(Port, bridge.ports) if not _is_ours(port)]
        if set(others) <= {bridge.name}:
            wanted["datapath_type"] = datapath_type
        else:
            draft.findings.append(
                f"{bridge.name} should have the datapath_type {datapath_type}, but has ports: it stays as it is"
            )
    draft.change(bridge, wanted)
    if bridge.datapath_id is None:
        known = bridge.datapath_type or "system"
        draft.findings.append(
            f"Open vSwitch hasn't made {bridge.name}: is ovs-vswitchd running, and has it the datapath_type {known}?"
        )
    return msgspec.structs.replace(bridge, datapath_type=wanted.get("datapath_type", bridge.datapath_type))


def _datapath_type(draft: Draft, root: OpenVSwitch) -> str | None:
    """The type that the host's configuration asks for, if it does."""
    asked = layer2(root).get("datapath_type") or root.external_ids.get(DATAPATH_TYPE)
    if asked is None:
        return None
    known = DATAPATH_TYPES.get(asked) if isinstance(asked, str) else None
    if known is None:
        draft.findings.append(f"the host's configuration asks for an unknown datapath_type: {asked!r}")
    return known


def _set_controllers(draft: Draft, bridge: Bridge, targets: tuple[str, ...]) -> None:
    """Never without a controller: taking away the last one, as giving the first, has Open vSwitch drop all flows."""
    if not targets:
        return
    known = {row.target: row for row in draft.replica.named(Controller, bridge.controller)}
    wanted: list[UUID | NamedUUID] = []
    for target in targets:
        row = known.get(target)
        if row is None:
            wanted.append(draft.insert("Controller", {"target": target, **CONTROLLER}))
        else:
            draft.change(row, CONTROLLER)
            wanted.append(row.uuid)
    # Else it would add hidden flows with the action NORMAL, of higher priority than any other.
    other_config = bridge.other_config | {"disable-in-band": "true"}
    if bridge.datapath_id:
        # Else it follows the lowest MAC address of the ports, and each change of it costs the connection.
        other_config = {"datapath-id": bridge.datapath_id} | other_config
    draft.change(bridge, {"controller": tuple(wanted), "other_config": other_config})


def _hasten_manager(draft: Draft, manager: str | None) -> None:
    """The database calls again as soon as the bridge does; what happens to its ports is not seen before."""
    for row in draft.replica.rows(Manager).values():
        if row.target.partition(":")[2] == manager:
            draft.change(row, {"max_backoff": CONTROLLER["max_backoff"]})


def _probe_datapath(draft: Draft, root: OpenVSwitch, bridge: Bridge) -> None:
    """ovs-vswitchd fills in what the datapath can do where there's a row for it."""
    datapath_type = bridge.datapath_type or "system"
    if datapath_type not in root.datapaths:
        draft.add(root, "datapaths", {datapath_type: draft.insert("Datapath", {})})


# ports


def _tunnel_ports(root: OpenVSwitch, encapsulations: tuple[str, ...]) -> list[PortWant]:
    """Flow-based ports: flows say where to. The address that packets come from is only given where the host gave it."""
    options = {"remote_ip": "flow", "key": "flow"}
    address = root.other_config.get("local_ip")
    if address:
        options["local_ip"] = address
    return [
        PortWant(TUNNEL_NAMES[name], name, options, {}, TUNNEL_PORTS[name])
        for name in TUNNEL_PORTS
        if name in encapsulations
    ]


def _patch(draft: Draft, bridge: Bridge, network: str, physical: str) -> list[tuple[str, PortWant]]:
    """Both ends of a physical network's patch, each with the name of its bridge."""
    other = bridge_named(draft.replica, physical)
    problem = None
    if other is None:
        problem = "there's no such bridge"
    elif other.name == bridge.name:
        problem = "that's the integration bridge"
    elif (other.datapath_type or "system") != (bridge.datapath_type or "system"):
        problem = f"its datapath_type isn't that of {bridge.name}"
    if problem is not None:
        draft.findings.append(f"physical network {network} is mapped to {physical}: {problem}")
        return []
    near, far = patch_ports(network, physical)
    labels = {PHYSICAL_NETWORK: network}
    return [
        (bridge.name, PortWant(near, "patch", {"peer": far}, labels)),
        (physical, PortWant(far, "patch", {"peer": near}, labels)),
    ]


def _set_ports(draft: Draft, bridge: Bridge, wanted: list[PortWant]) -> None:
    """Make and mend our ports of a bridge, and remove those of ours that aren't wanted any more."""
    known = {port.name: port for port in draft.replica.named(Port, bridge.ports)}
    for want in wanted:
        port = known.get(want.name)
        if port is None:
            _add_port(draft, bridge, want)
        elif _is_ours(port):
            _mend_port(draft, port, want)
        else:
            draft.findings.append(f"{bridge.name} has a port {want.name} of somebody else: it stays as it is")
    names = {want.name for want in wanted} | {bridge.name}
    unwanted = tuple(port.uuid for port in known.values() if _is_ours(port) and port.name not in names)
    if unwanted:
        draft.remove(bridge, "ports", unwanted)


def _add_port(draft: Draft, bridge: Bridge, want: PortWant) -> None:
    settings: dict[str, Value] = {"name": want.name, "type": want.type, "options": want.options}
    if want.ofport_request is not None:
        settings["ofport_request"] = want.ofport_request
    interface = draft.insert("Interface", settings)
    row: dict[str, Value] = {"name": want.name, "interfaces": (interface,), "external_ids": want.labels}
    draft.add(bridge, "ports", (draft.insert("Port", row),))


def _mend_port(draft: Draft, port: Port, want: PortWant) -> None:
    for interface in draft.replica.named(Interface, port.interfaces):
        settings: dict[str, Value] = {"type": want.type, "options": want.options}
        if want.ofport_request is not None:
            settings["ofport_request"] = want.ofport_request
        draft.change(interface, settings)
        if interface.error is not None:
            draft.findings.append(f"Open vSwitch can't make the port {want.name}: {interface.error}")
        elif interface.ofport is not None and want.ofport_request not in (None, interface.ofport):
            draft.findings.append(
                f"{want.name} has the OpenFlow port {interface.ofport} instead of {want.ofport_request}"
            )


# tables and interfaces


def _name_tables(draft: Draft, bridge: Bridge, names: Mapping[int, str]) -> None:
    rows = {number: draft.replica.get(FlowTable, uuid) for number, uuid in bridge.flow_tables.items()}
    for number, name in sorted(names.items()):
        row = rows.get(number)
        if row is None:
            draft.add(bridge, "flow_tables", {number: draft.insert("Flow_Table", {"name": name})})
        else:
            draft.change(row, {"name": name})
    unwanted = tuple(number for number, row in rows.items() if row and _is_ours(row) and number not in names)
    if unwanted:
        draft.remove(bridge, "flow_tables", unwanted)


def _set_interfaces(draft: Draft, bridge: Bridge, wants: Mapping[str, InterfaceWant]) -> None:
    for interface in interfaces_of(draft.replica, bridge):
        want = wants.get(interface.name)
        if want is None or "iface-id" not in interface.external_ids:
            continue
        if want.mtu_request is not None:
            draft.change(interface, {"mtu_request": want.mtu_request})
        number = interface.ofport
        if want.pin_ofport and interface.ofport_request is None and number is not None and number > 0:
            draft.change(interface, {"ofport_request": number}, given=("ofport",))
