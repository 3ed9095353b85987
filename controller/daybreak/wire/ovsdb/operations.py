"""data: the operations of a transaction (RFC 7047, section 5.2), ready to be encoded."""

from collections.abc import Mapping
from typing import Any

from daybreak.wire.ovsdb.values import UUID, NamedUUID, Value, encode

Operation = dict[str, Any]


def insert(table: str, row: Mapping[str, Value], name: NamedUUID) -> Operation:
    """A new row, to which other operations of the transaction refer by `name`."""
    return {"op": "insert", "table": table, "row": _row(row), "uuid-name": str(name)}


def update(table: str, uuid: UUID | NamedUUID, row: Mapping[str, Value]) -> Operation:
    """Replace these columns of a row."""
    return {"op": "update", "table": table, "where": _is(uuid), "row": _row(row)}


def mutate(table: str, uuid: UUID | NamedUUID, column: str, mutator: str, value: Value) -> Operation:
    """Change a column of a row: `insert` into a set or map (what is there stays), or `delete` a set of keys from it."""
    return {"op": "mutate", "table": table, "where": _is(uuid), "mutations": [[column, mutator, encode(value)]]}


def wait(table: str, uuid: UUID | NamedUUID, row: Mapping[str, Value]) -> Operation:
    """Fail the transaction (with "timed out") unless a row has just these values now."""
    return {
        "op": "wait",
        "timeout": 0,
        "table": table,
        "where": _is(uuid),
        "columns": sorted(row),
        "until": "==",
        "rows": [_row(row)],
    }


def comment(text: str) -> Operation:
    """What the server writes to its log of the transaction (ovsdb-tool show-log)."""
    return {"op": "comment", "comment": text}


def assert_lock(lock: str) -> Operation:
    """Fail the transaction unless this connection owns a lock."""
    return {"op": "assert", "lock": lock}


def _row(row: Mapping[str, Value]) -> dict[str, Any]:
    return {column: encode(value) for column, value in row.items()}


def _is(uuid: UUID | NamedUUID) -> list[Any]:
    return [["_uuid", "==", encode(uuid)]]
