"""io: the file in which counters outlive the controller: baselines and sums, written together.

It is a file of its own, and may be lost: then counting begins anew. What is written is a moment of both, so a
controller that is killed between two writes loses nothing: what it had added up since is in the switches' counters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import structlog

from daybreak.service.tally import Baselines
from daybreak.store.disk import naming

log = structlog.get_logger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS baseline (host TEXT, flow_table INTEGER, flows BLOB, PRIMARY KEY (host, flow_table));
CREATE TABLE IF NOT EXISTS total (kind TEXT, id TEXT, counts BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""

PATIENCE = 1.0
"""Seconds to wait for somebody else who has the file."""

Place = tuple[str, int]
"""Host and table."""

Subject = tuple[str, str]
"""Kind and id of what is counted."""


class Total(NamedTuple):
    """What was counted for one thing. Times are UNIX times in seconds; `last` None: nothing ever."""

    connections: int = 0
    packets: int = 0
    octets: int = 0
    since: float = 0.0
    last: float | None = None


class Kept(NamedTuple):
    """What is in the file, or what has changed of it; None: that is gone."""

    baselines: dict[Place, Baselines | None]
    totals: dict[Subject, Total | None]


_pack = msgspec.msgpack.Encoder().encode
_baselines = msgspec.msgpack.Decoder(dict[int, tuple[int, int]]).decode
_total = msgspec.msgpack.Decoder(Total).decode


class CountersFile:
    """A file that was opened. Its methods block; one at a time."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False, isolation_level=None)

    @classmethod
    def open(cls, path: Path) -> tuple[Self, Kept]:
        """The file at `path`, and all that is in it. What can't be read is put aside: counting begins anew.

        Raises StoreError where the fault is not the file's: it is in use, or the system doesn't let us have it.
        """
        with naming(path):
            file = cls(path)
            try:
                return file, file._load()
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                file.close()
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = path.with_name(f"{path.name}.broken")
                path.replace(aside)
                log.error("counters can't be read, so they begin anew", kept_as=str(aside), reason=str(error))
            file = cls(path)
            return file, file._load()

    def _load(self) -> Kept:
        """All that is in the file; its tables are made where they are not there."""
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(SCHEMA)
        places = self._database.execute("SELECT host, flow_table, flows FROM baseline")
        totals = self._database.execute("SELECT kind, id, counts FROM total")
        return Kept(
            {(host, table): _baselines(flows) for host, table, flows in places},
            {(kind, key): _total(counts) for kind, key, counts in totals},
        )

    def save(self, changed: Kept) -> None:
        """Write what has changed, all together."""
        self._database.execute("BEGIN")
        try:
            self._write("baseline", ("host", "flow_table", "flows"), changed.baselines.items())
            self._write("total", ("kind", "id", "counts"), changed.totals.items())
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _write(
        self, table: str, columns: tuple[str, str, str], rows: Iterable[tuple[tuple[object, object], object]]
    ) -> None:
        gone = [key for key, value in rows if value is None]
        there = [(*key, _pack(value)) for key, value in rows if value is not None]
        self._database.executemany(f"DELETE FROM {table} WHERE {columns[0]} = ? AND {columns[1]} = ?", gone)
        self._database.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES (?, ?, ?)", there)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
