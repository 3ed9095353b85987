"""data: the requests of OVSDB's protocol, and what comes back (RFC 7047, section 4.1; ovsdb-server(7), section 4.1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from daybreak.wire.ovsdb.columns import columns_of
from daybreak.wire.ovsdb.framing import Message
from daybreak.wire.ovsdb.operations import Operation
from daybreak.wire.ovsdb.vswitch import Row

_ENCODER = msgspec.json.Encoder()


class TransactionError(Exception):
    """The server refused a transaction; nothing of it was done. The words are the server's own."""

    def __init__(self, error: str, details: str = "", operation: int | None = None) -> None:
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        """A short name, such as "constraint violation" (RFC 7047, section 3.1)."""
        self.details = details
        self.operation = operation
        """Which operation failed, from 0; None if it was the transaction as a whole."""


def request(id: int | str, method: str, params: Sequence[Any]) -> bytes:
    """The bytes of any request."""
    return _ENCODER.encode({"method": method, "params": params, "id": id})


def reply(message: Message, result: Any) -> bytes:
    """The bytes of the answer to a request of the peer."""
    return _ENCODER.encode({"result": result, "error": None, "id": message.id})


def refusal(message: Message) -> bytes:
    """The bytes of the answer to a request that isn't known here."""
    error = {"error": "unknown method", "details": str(message.method)[:80]}
    return _ENCODER.encode({"result": None, "error": error, "id": message.id})


def echo(id: int | str) -> bytes:
    """Are you there? The answer comes at once."""
    return request(id, "echo", [])


def list_dbs(id: int | str) -> bytes:
    """Which databases are there? The answer is their names."""
    return request(id, "list_dbs", [])


def transact(id: int | str, database: str, operations: Iterable[Operation]) -> bytes:
    """Do all of the operations, or none."""
    return request(id, "transact", [database, *operations])


def monitor(id: int | str, database: str, monitor_id: str, tables: Mapping[str, type[Row]]) -> bytes:
    """Tell all rows of these tables, and each change by `update`."""
    return request(id, "monitor", [database, monitor_id, _columns(tables)])


def monitor_cond(id: int | str, database: str, monitor_id: str, tables: Mapping[str, type[Row]]) -> bytes:
    """As `monitor`, but changes come as differences, by `update2`. Open vSwitch 2.6 or later."""
    return request(id, "monitor_cond", [database, monitor_id, _columns(tables)])


def lock(id: int | str, name: str) -> bytes:
    """Queue for a lock; the answer says whether it's ours, `locked` tells it later."""
    return request(id, "lock", [name])


def steal(id: int | str, name: str) -> bytes:
    """Take a lock, whoever has it; they're told by `stolen`."""
    return request(id, "steal", [name])


def unlock(id: int | str, name: str) -> bytes:
    """Give up a lock, or the place in its queue."""
    return request(id, "unlock", [name])


def results(operations: Sequence[Operation], answer: Message) -> list[dict[str, Any]]:
    """The result of each operation. Raises TransactionError with the server's words if there's no such."""
    if answer.error is not None:
        raise _refused(answer.error)
    if not isinstance(answer.result, list):
        raise TransactionError("protocol error", "the result of a transaction isn't an array")
    for index, result in enumerate(answer.result):
        if isinstance(result, dict) and "error" in result:
            # One result more than operations: all could be done, but not committed (RFC 7047, 4.1.3).
            raise _refused(result, index if index < len(operations) else None)
    if len(answer.result) < len(operations) or None in answer.result:
        raise TransactionError("protocol error", "the result of a transaction is incomplete")
    return answer.result


def _refused(error: Any, operation: int | None = None) -> TransactionError:
    if isinstance(error, dict):
        return TransactionError(str(error.get("error", "unknown error")), str(error.get("details", "")), operation)
    return TransactionError(str(error), operation=operation)


def _columns(tables: Mapping[str, type[Row]]) -> dict[str, Any]:
    return {table: [{"columns": list(columns_of(kind))}] for table, kind in tables.items()}
