"""io: hypervisors that are none: as many as wanted in one process, each an OVSDB and an OpenFlow connection.

A `FakeHost` keeps a database (the tables and columns that Daybreak reads) and a flow table as Open vSwitch does: it
carries out transactions, guards included, tells monitors of each change, opens interfaces, adds and deletes flows, and
takes bundles as a whole. Packets it has none.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from daybreak.model.tunnel import TUNNEL_NAMES, TUNNEL_PORTS
from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages_connection import BarrierReply, EchoReply, EchoRequest, FeaturesReply, Hello
from daybreak.wire.openflow.messages_experimenter import BundleControl, BundleStep
from daybreak.wire.openflow.messages_header import ONF, Type, frame
from daybreak.wire.openflow.messages_multipart import Kind, Multipart, TableStats
from daybreak.wire.ovsdb.framing import Framer as JsonFramer
from daybreak.wire.ovsdb.vswitch import TABLES

PART: Final = 60_000
"""Bytes of a part of a dump, at most."""
TABLES_OF_A_BRIDGE: Final = 254
HEAD: Final = 24
"""Bytes of a flow's key before its match: what follows the cookie and its mask in a flow-mod."""
ADD, DELETE, DELETE_STRICT = 0, 3, 4
BUNDLE_CONTROL, BUNDLE_ADD = 2300, 2301
INNER: Final = 24
"""Where the message begins that a bundle-add carries."""

_MATCH = struct.Struct("!HH")
_ENTRY = struct.Struct("!HBxQHHHHI")  # length, table, duration, priority, timeouts, flags
_KEY = struct.Struct("!BBHHH")
_FLAGS = struct.Struct("!H")
_EXPERIMENTER = struct.Struct("!II")

encode = msgspec.json.Encoder().encode
Rows = dict[str, dict[str, Any]]
"""Row's UUID → column → notation (RFC 7047, 5.1)."""

interned: dict[bytes, bytes] = {}
"""Keys and bodies of flows, once for all switches: most are on many."""


def named(*words: object) -> str:
    """A UUID of its own for these words."""
    return str(uuid5(NAMESPACE_DNS, " ".join(map(str, words))))


# -- OVSDB ------------------------------------------------------------------------------------------------------------


class Refused(Exception):
    """An operation that can't be done; its words are those of RFC 7047."""


class Database:
    """Tables of rows, and whoever monitors them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tables: dict[str, Rows] = {table: {} for table in TABLES}
        self.connection: DatabaseConnection | None = None
        self._numbers = count(1)
        self._ofports = count(1)
        self.root = self.insert("Open_vSwitch", {"external_ids": ["map", [["hostname", name]]]})
        self.news: dict[str, dict[str, Any]] = {}

    def insert(self, table: str, row: dict[str, Any]) -> str:
        uuid = named(self.name, table, next(self._numbers))
        self.tables[table][uuid] = row
        return uuid

    def update(self, table: str, uuid: str, columns: dict[str, Any]) -> None:
        """Change columns, and note what is to be told."""
        self.tables[table][uuid].update(columns)
        self.news.setdefault(table, {}).setdefault(uuid, None)

    def flush(self) -> None:
        """Tell what changed, as `update` of RFC 7047 does: whole rows."""
        news, self.news = self.news, {}
        if self.connection is None or not self.connection.monitor or not news:
            return
        updates: dict[str, dict[str, Any]] = {}
        for table, uuids in news.items():
            for uuid in uuids:
                row = self.tables[table].get(uuid)
                updates.setdefault(table, {})[uuid] = {"old": {}} if row is None else {"new": row}
        self.connection.say(method="update", params=[self.connection.monitor, updates], id=None)

    def transact(self, operations: list[dict[str, Any]]) -> list[Any]:
        """All or none."""
        before = {table: {uuid: dict(row) for uuid, row in rows.items()} for table, rows in self.tables.items()}
        names: dict[str, str] = {}
        try:
            results = [self._do(operation, names) for operation in operations]
        except Refused as error:
            self.tables, self.news = before, {}
            return [{"error": str(error)}]
        self._run()
        return results

    def _do(self, operation: dict[str, Any], names: dict[str, str]) -> Any:
        match operation["op"]:
            case "comment":
                return {}
            case "insert":
                table, row = operation["table"], self._resolve(operation["row"], names)
                uuid = self.insert(table, row)
                names[operation["uuid-name"]] = uuid
                self.news.setdefault(table, {})[uuid] = None
                return {"uuid": ["uuid", uuid]}
        table = operation["table"]
        uuid = self._resolve(operation["where"][0][2], names)[1]
        row = self.tables[table].get(uuid)
        if row is None:
            return {"count": 0}
        match operation["op"]:
            case "wait":
                empty = ["set", []]
                for column, value in operation["rows"][0].items():
                    if _canonical(row.get(column, empty)) not in (_canonical(value), _canonical(_blank(value))):
                        raise Refused("timed out")
                return {}
            case "update":
                self.update(table, uuid, self._resolve(operation["row"], names))
            case "mutate":
                for column, mutator, value in self._resolve(operation["mutations"], names):
                    self.update(table, uuid, {column: _mutated(row.get(column), mutator, value)})
        return {"count": 1}

    def _resolve(self, notation: Any, names: dict[str, str]) -> Any:
        """References to rows that the same transaction made."""
        if isinstance(notation, list):
            if len(notation) == 2 and notation[0] == "named-uuid":
                return ["uuid", names[notation[1]]]
            return [self._resolve(each, names) for each in notation]
        if isinstance(notation, dict):
            return {key: self._resolve(each, names) for key, each in notation.items()}
        return notation

    def _run(self) -> None:
        """What ovs-vswitchd would do: make bridges, open interfaces."""
        for uuid, row in self.tables["Bridge"].items():
            if "datapath_id" not in row:
                config = dict(row.get("other_config", ["map", []])[1])
                self.update("Bridge", uuid, {"datapath_id": config.get("datapath-id", "0000000000000001")})
        for uuid, row in self.tables["Interface"].items():
            if "ofport" not in row:
                number = row.get("ofport_request") or next(self._ofports)
                self.update("Interface", uuid, {"ofport": number, "admin_state": "up", "link_state": "up"})


def _members(notation: Any) -> list[Any]:
    if notation is None:
        return []
    return list(notation[1]) if isinstance(notation, list) and notation[0] in ("set", "map") else [notation]


def _canonical(notation: Any) -> Any:
    """Sets and maps have no order, and a set of one may be written as the one."""
    return sorted(map(repr, _members(notation)))


def _blank(value: Any) -> Any:
    """What a column without a value may be compared with."""
    return ["set", []] if value in ("", ["map", []]) else value


def _mutated(old: Any, mutator: str, value: Any) -> Any:
    kind = "map" if isinstance(value, list) and value[0] == "map" else "set"
    is_map = kind == "map" or (isinstance(old, list) and old[0] == "map")
    members, given = _members(old), _members(value)
    if mutator == "insert":
        known = [pair[0] for pair in members] if is_map else members
        return [kind, members + [each for each in given if (each[0] if is_map else each) not in known]]
    return ["map" if is_map else "set", [each for each in members if (each[0] if is_map else each) not in given]]


class DatabaseConnection(asyncio.Protocol):
    """ovsdb-server's end."""

    def __init__(self, database: Database) -> None:
        self.database, self.monitor = database, ""
        self._framer = JsonFramer()
        database.connection = self

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self.database.connection is self:
            self.database.connection = None

    def say(self, **message: Any) -> None:
        self.transport.write(encode(message))

    def data_received(self, data: bytes) -> None:
        for message in self._framer.feed(data):
            match message.method:
                case "echo":
                    self.say(result=message.params, error=None, id=message.id)
                case "monitor_cond":  # as a server before Open vSwitch 2.6
                    self.say(result=None, error="unknown method", id=message.id)
                case "monitor":
                    assert isinstance(message.params, list)
                    self.monitor = message.params[1]
                    rows = {
                        table: {uuid: {"new": row} for uuid, row in self.database.tables[table].items()}
                        for table in message.params[2]
                    }
                    self.say(result=rows, error=None, id=message.id)
                case "transact":
                    assert isinstance(message.params, list)
                    results = self.database.transact(message.params[1:])
                    self.say(result=results, error=None, id=message.id)
                    self.database.flush()


# -- OpenFlow ---------------------------------------------------------------------------------------------------------


class Table:
    """A bridge's flows: key → body, as in wire.openflow.flow."""

    def __init__(self) -> None:
        self.flows: dict[bytes, bytes] = {}

    def apply(self, message: bytes) -> None:
        """A flow-mod."""
        cookie, command = message[8:16], message[25]
        (_, length) = _MATCH.unpack_from(message, HEAD + HEAD)
        end = HEAD + HEAD + ((length + 7) & ~7)
        key = message[HEAD : HEAD + 1] + b"\0" + message[HEAD + 2 : end]
        if command == ADD:
            body = cookie + message[end:]
            self.flows[interned.setdefault(key, key)] = interned.setdefault(body, body)
        elif command == DELETE_STRICT:
            # A deletion names any port and group; so does every key.
            self.flows.pop(key, None)
        elif command == DELETE:
            self.flows.clear()

    def parts(self, wanted: int) -> Iterator[bytes]:
        """The bodies of a flow-stats reply for a table, or (0xff) for all; at least one."""
        entries: list[bytes] = []
        size = 0
        for key, body in self.flows.items():
            table, _, idle, hard, priority = _KEY.unpack_from(key)
            if wanted not in (table, 0xFF):
                continue
            (flags,) = _FLAGS.unpack_from(key, 20)
            length = 48 + len(key) - HEAD + len(body) - 8
            head = _ENTRY.pack(length, table, 0, priority, idle, hard, flags, 0)
            entries += (head, body[:8], bytes(16), key[HEAD:], body[8:])
            size += length
            if size > PART:
                yield b"".join(entries)
                entries, size = [], 0
        yield b"".join(entries)


class SwitchConnection(asyncio.Protocol):
    """ovs-vswitchd's end."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self._framer = Framer()
        self._bundle: list[bytes] = []
        host.switch = self

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(Hello().encode())

    def connection_lost(self, error: Exception | None) -> None:
        if self.host.switch is self:
            self.host.switch = None

    def data_received(self, data: bytes) -> None:
        answers: list[bytes] = []
        for message in self._framer.feed(data):
            answers += self._answer(message)
        if answers:
            self.transport.write(b"".join(answers))

    def _answer(self, message: bytes) -> Iterable[bytes]:
        kind, xid = message[1], int.from_bytes(message[4:8], "big")
        match kind:
            case Type.ECHO_REQUEST:
                return (EchoReply(message[8:]).encode(xid),)
            case Type.FEATURES_REQUEST:
                return (FeaturesReply(self.host.dpid).encode(xid),)
            case Type.BARRIER_REQUEST:
                return (BarrierReply().encode(xid),)
            case Type.FLOW_MOD:
                self.host.table.apply(message)
            case Type.ROLE_REQUEST:
                return (frame(Type.ROLE_REPLY, message[8:], xid),)
            case Type.MULTIPART_REQUEST:
                return self._multipart(int.from_bytes(message[8:10], "big"), message[16:], xid)
            case Type.EXPERIMENTER:
                return self._experimenter(message, xid)
        return ()

    def _multipart(self, kind: int, body: bytes, xid: int) -> Iterator[bytes]:
        match kind:
            case Kind.FLOW:
                parts = list(self.host.table.parts(body[0]))
            case Kind.TABLE:
                parts = [b"".join(TableStats(table, 0, 0, 0).encode() for table in range(TABLES_OF_A_BRIDGE))]
            case _:
                parts = [b""]
        for number, part in enumerate(parts, 1):
            yield Multipart(kind, part, number < len(parts), xid).encode()

    def _experimenter(self, message: bytes, xid: int) -> Iterator[bytes]:
        owner, kind = _EXPERIMENTER.unpack_from(message, 8)
        if owner == ONF and kind == BUNDLE_ADD:
            self._bundle.append(message[INNER:])
        elif owner == ONF and kind == BUNDLE_CONTROL:
            control = BundleControl.decode(message)
            bundle, self._bundle = self._bundle, []
            if control.step == BundleStep.COMMIT_REQUEST:
                for each in bundle:
                    self.host.table.apply(each)
            yield BundleControl(control.bundle_id, control.step + 1, control.flags).encode(xid)

    def ask(self) -> None:
        """A question, as Open vSwitch asks it on an idle connection."""
        self.transport.write(EchoRequest().encode())


# -- hosts ------------------------------------------------------------------------------------------------------------


class FakeHost:
    """One hypervisor: a database, a flow table, and the connections to a controller, if they stand."""

    def __init__(self, name: str, number: int, vtep: str, interfaces: Iterable[tuple[str, str, int]] = ()) -> None:
        """`number` is the datapath id; `interfaces` are name, port's id and OpenFlow port."""
        self.name, self.dpid = name, number
        self.table = Table()
        self.database = Database(name)
        self.switch: SwitchConnection | None = None
        root = self.database.tables["Open_vSwitch"][self.database.root]
        root["other_config"] = ["map", [["local_ip", vtep]]]
        settings = {
            "name": "br-int",
            "datapath_id": f"{number:016x}",
            "datapath_type": "netdev",
            "fail_mode": "secure",
            "other_config": ["map", [["datapath-id", f"{number:016x}"], ["disable-in-band", "true"]]],
            "protocols": "OpenFlow13",
            "ports": ["set", []],
        }
        self.bridge = self.database.insert("Bridge", settings)
        root["bridges"] = ["uuid", self.bridge]
        datapath = self.database.insert("Datapath", {"capabilities": ["map", [["nd_ext", "true"]]]})
        root["datapaths"] = ["map", [["netdev", ["uuid", datapath]]]]
        self.ports: dict[str, tuple[str, str]] = {}
        options = ["map", [["remote_ip", "flow"], ["key", "flow"], ["local_ip", vtep]]]
        for encap, ofport in TUNNEL_PORTS.items():
            row = {"type": encap, "options": options, "ofport": ofport, "ofport_request": ofport}
            self._add_port(TUNNEL_NAMES[encap], row, ["map", [["owner", "daybreak"]]])
        for interface, port, ofport in interfaces:
            self.plug(interface, port, ofport)

    def _add_port(self, name: str, interface: dict[str, Any], labels: Any = None) -> None:
        row = self.database.insert("Interface", {"name": name, **interface})
        port = self.database.insert(
            "Port", {"name": name, "interfaces": ["uuid", row], **({"external_ids": labels} if labels else {})}
        )
        self.ports[name] = port, row
        ports = self.database.tables["Bridge"][self.bridge]["ports"]
        ports[1].append(["uuid", port])
        for table, uuid in (("Interface", row), ("Port", port), ("Bridge", self.bridge)):
            self.database.news.setdefault(table, {})[uuid] = None

    def plug(self, name: str, port: str, ofport: int) -> None:
        """An interface that carries a port's id."""
        row = {
            "ofport": ofport,
            "ofport_request": ofport,
            "external_ids": ["map", [["iface-id", port]]],
            "admin_state": "up",
            "link_state": "up",
        }
        self._add_port(name, row)
        self.database.flush()

    def unplug(self, name: str) -> None:
        """It's gone."""
        port, row = self.ports.pop(name)
        ports = self.database.tables["Bridge"][self.bridge]["ports"]
        ports[1].remove(["uuid", port])
        for table, uuid in (("Interface", row), ("Port", port)):
            del self.database.tables[table][uuid]
            self.database.news.setdefault(table, {})[uuid] = None
        self.database.news.setdefault("Bridge", {})[self.bridge] = None
        self.database.flush()

    async def connect(self, address: str, ovsdb: int, openflow: int) -> None:
        """Call the controller, as the database and the bridge do."""
        loop = asyncio.get_running_loop()
        self.database.news.clear()
        await loop.create_connection(lambda: DatabaseConnection(self.database), address, ovsdb)
        await self.connect_switch(address, openflow)

    async def connect_switch(self, address: str, openflow: int) -> None:
        """Call the controller, as the bridge does when ovs-vswitchd has restarted."""
        await asyncio.get_running_loop().create_connection(lambda: SwitchConnection(self), address, openflow)

    def disconnect(self) -> None:
        """Both connections break."""
        for connection in (self.database.connection, self.switch):
            if connection is not None:
                connection.transport.abort()

    def restart_switch(self) -> None:
        """ovs-vswitchd restarts: its flows are gone, and so is its connection."""
        self.table = Table()
        if self.switch is not None:
            self.switch.transport.abort()


async def keep(hosts: Sequence[FakeHost], seconds: float = 5.0) -> None:
    """Ask the controller for an echo on each connection every so often, as Open vSwitch does, until cancelled."""
    while True:
        for host in hosts:
            if host.switch is not None:
                host.switch.ask()
            if host.database.connection is not None:
                host.database.connection.say(method="echo", params=[], id="echo")
            await asyncio.sleep(seconds / len(hosts))
