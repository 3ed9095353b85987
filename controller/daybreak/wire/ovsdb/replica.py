"""data: a copy of the columns that are monitored, kept by the server's updates (RFC 7047, 4.1.5; ovsdb-server(7))."""

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

import msgspec

from daybreak.wire.ovsdb.columns import columns_of
from daybreak.wire.ovsdb.framing import ProtocolError
from daybreak.wire.ovsdb.values import UUID, identity
from daybreak.wire.ovsdb.vswitch import TABLES, Row

AnyRow = TypeVar("AnyRow", bound=Row)


class Replica:
    """Rows by table and UUID. Rows are frozen; an update replaces them."""

    __slots__ = ("_kinds", "_tables")

    def __init__(self, kinds: Mapping[str, type[Row]] = TABLES) -> None:
        self._kinds = kinds
        self._tables: dict[str, dict[UUID, Row]] = {table: {} for table in kinds}

    def rows(self, kind: type[AnyRow]) -> Mapping[UUID, AnyRow]:
        """A live view of a table."""
        return cast(Mapping[UUID, AnyRow], self._tables[kind.table])

    def get(self, kind: type[AnyRow], uuid: UUID) -> AnyRow | None:
        return self.rows(kind).get(uuid)

    def named(self, kind: type[AnyRow], uuids: tuple[UUID, ...]) -> Iterator[AnyRow]:
        """The rows that a column refers to, in its order; those not in the replica are left out."""
        rows = self.rows(kind)
        return (rows[uuid] for uuid in uuids if uuid in rows)

    def update2(self, updates: Any) -> None:
        """Apply a <table-updates2>: the reply to `monitor_cond`, or what `update2` brings. Raises ProtocolError."""
        for table, uuid, update in self._updates(updates):
            match update:
                case {"initial": dict(row)} | {"insert": dict(row)}:
                    self._put(table, uuid, row)
                case {"modify": dict(row)}:
                    self._modify(table, uuid, row)
                case {"delete": _}:
                    self._tables[table].pop(uuid, None)
                case _:
                    raise ProtocolError(f"not a row's update: {reprlib.repr(update)}")

    def update(self, updates: Any) -> None:
        """Apply a <table-updates>: the reply to `monitor`, or what `update` brings. Raises ProtocolError."""
        for table, uuid, update in self._updates(updates):
            match update:
                case {"new": dict(row)}:
                    self._put(table, uuid, row)
                case {"old": dict()}:
                    self._tables[table].pop(uuid, None)
                case _:
                    raise ProtocolError(f"not a row's update: {reprlib.repr(update)}")

    def _updates(self, updates: Any) -> Iterator[tuple[str, UUID, Any]]:
        if not isinstance(updates, dict):
            raise ProtocolError(f"not the updates of tables: {reprlib.repr(updates)}")
        for table, rows in updates.items():
            if table not in self._kinds or not isinstance(rows, dict):
                raise ProtocolError(f"not the updates of a table that is monitored: {reprlib.repr(table)}")
            for uuid, update in rows.items():
                yield table, identity(uuid), update

    def _put(self, table: str, uuid: UUID, row: dict[str, Any]) -> None:
        kind = self._kinds[table]
        columns = columns_of(kind)
        try:
            values = {name: columns[name].decode(notation) for name, notation in row.items()}
        except KeyError as error:
            raise ProtocolError(f"{table} has a column that isn't monitored: {error}") from error
        self._tables[table][uuid] = kind(uuid=uuid, **values)

    def _modify(self, table: str, uuid: UUID, row: dict[str, Any]) -> None:
        columns = columns_of(self._kinds[table])
        old = self._tables[table].get(uuid)
        if old is None:
            raise ProtocolError(f"{table} has no row {uuid} to modify")
        try:
            values = {
                name: columns[name].change(getattr(old, name), columns[name].decode(notation))
                for name, notation in row.items()
            }
        except KeyError as error:
            raise ProtocolError(f"{table} has a column that isn't monitored: {error}") from error
        self._tables[table][uuid] = msgspec.structs.replace(old, **values)
