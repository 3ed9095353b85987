"""io: the SQLite file: its lock, its layout, loading it, and writing a batch of transactions with one fsync.

One directory holds `daybreak.db` (with SQLite's own `-wal` and `-shm` beside it) and `lock`. Records are MessagePack,
as maps by field name. Layout of the database, schema version (`PRAGMA user_version`) 1:

    rows     every record with its kind and key, and the revision that wrote it
    log      what each of the last revisions changed: a list of [kind, key, old, new]
    resting  numbers that were freed, until every switch has applied the revision that freed them

`rows` has no index by key, for its one writer keeps all in memory anyway, and knows each row's id. Keys are random, so
each new one would dirty a page of that index: a bulk of ports would write some seven times as much.
"""

import contextlib
import fcntl
import itertools
import os
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from daybreak.model import Change, Number, Record
from daybreak.store.contract import Committed, StoreError
from daybreak.store.ledger import Draft, Rest

MIGRATIONS = (
    """
    CREATE TABLE rows (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL,
                       body BLOB NOT NULL);
    CREATE TABLE log (revision INTEGER PRIMARY KEY, size INTEGER NOT NULL, changes BLOB NOT NULL);
    CREATE TABLE resting (kind TEXT NOT NULL, value INTEGER NOT NULL, revision INTEGER NOT NULL,
                          PRIMARY KEY (kind, value)) WITHOUT ROWID;
    """,
)
"""Script n leads from schema version n to n + 1; an empty file has version 0."""

PAGE = 200
"""Changes that are read from the log at once, about."""

encode = msgspec.msgpack.Encoder().encode
NOTHING = encode(None)
_entries = msgspec.msgpack.Decoder(list[tuple[str, str, msgspec.Raw, msgspec.Raw]])


class Batch(NamedTuple):
    """Some transactions in a row, as the database takes them.

    `applied` and `trim` are revisions: numbers that rest up to the one, and log entries up to the other, are deleted.
    """

    puts: Sequence[tuple[int, str, str, int, bytes]]
    deletes: Sequence[tuple[int, str, str]]
    log: Sequence[tuple[int, int, bytes]]
    rests: Sequence[tuple[str, int, int]]
    applied: int
    trim: int


class Contents(NamedTuple):
    """What a database held when it was opened."""

    revision: int
    records: list[Record]
    rests: list[Rest]


def connect(path: Path) -> sqlite3.Connection:
    """Open a database whose COMMIT returns when the transaction would survive a power failure."""
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)  # waiting would stop the loop
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def insert(db: sqlite3.Connection, batch: Batch) -> None:
    """Begin a transaction with all of a batch in it. Touches memory alone: COMMIT is what writes and syncs."""
    db.execute("BEGIN IMMEDIATE")
    db.executemany("REPLACE INTO rows (id, kind, key, revision, body) VALUES (?, ?, ?, ?, ?)", batch.puts)
    db.executemany("DELETE FROM rows WHERE id = ? AND kind = ? AND key = ?", batch.deletes)
    db.executemany("INSERT INTO log (revision, size, changes) VALUES (?, ?, ?)", batch.log)
    db.execute("DELETE FROM resting WHERE revision <= ?", (batch.applied,))
    db.executemany("REPLACE INTO resting (kind, value, revision) VALUES (?, ?, ?)", batch.rests)
    db.execute("DELETE FROM log WHERE revision <= ?", (batch.trim,))


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what the system or SQLite says into one line that names the path."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise StoreError(f"{path}: {error}") from error


class Disk:
    """The directory of one store, held by this process alone.

    `log` is how many changes are kept for those who watch, about: older revisions are deleted. Raises `StoreError`
    where the directory or the database in it can't be used.
    """

    def __init__(self, directory: Path, kinds: Iterable[type[Record]], log: int) -> None:
        self._kinds = {kind.kind: kind for kind in kinds}
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
            name: msgspec.msgpack.Decoder(kind | None) for name, kind in self._kinds.items()
        }
        self._ids: dict[str, dict[str, int]] = {name: {} for name in self._kinds}
        self._new_ids = itertools.count(1)
        self._limit = log
        self._trim = 0
        self.path = directory / "daybreak.db"
        with contextlib.ExitStack() as undo:
            lock = _lock(directory)
            undo.callback(os.close, lock)
            with naming(self.path):
                self.db = connect(self.path)
                undo.callback(self.db.close)
                self._migrate()
                self._reader = sqlite3.connect(self.path, check_same_thread=False)
                undo.callback(self._reader.close)
                self._sizes = deque(self.db.execute("SELECT revision, size FROM log ORDER BY revision"))
            self._kept = sum(size for _, size in self._sizes)
            self._release = undo.pop_all()

    def load(self) -> Contents:
        """All that is on the disk."""
        with naming(self.path):
            rows = self.db.execute("SELECT id, kind, key, body FROM rows ORDER BY id")
            records = [self._record(*row) for row in rows]
            (last,) = self.db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()
            self._new_ids = itertools.count(last + 1)
            rests = self.db.execute("SELECT kind, value, revision FROM resting")
            rested = [Rest(self._number(kind), value, revision) for kind, value, revision in rests]
        revision = self._sizes[-1][0] if self._sizes else 0
        return Contents(revision, records, rested)

    def log(self, after: int, last: int) -> list[Committed]:
        """The revisions that follow `after`, a page of them, up to `last`. Empty: the log does not lead on from there.

        May run in another thread while a batch is inserted, for it has a connection of its own.
        """
        page: list[Committed] = []
        changes = 0
        with naming(self.path):
            query = "SELECT revision, size, changes FROM log WHERE revision > ? AND revision <= ? ORDER BY revision"
            with contextlib.closing(self._reader.execute(query, (after, last))) as rows:
                for revision, size, blob in rows:
                    if revision != after + 1 + len(page) or (page and changes + size > PAGE):
                        break
                    page.append(Committed(revision, tuple(self._change(*entry) for entry in _entries.decode(blob))))
                    changes += size
        return page

    def batch(self, drafts: Iterable[Draft], applied: int) -> Batch:
        """The drafts as rows: of those that touch the same row, the last counts."""
        last: dict[tuple[str, str], tuple[int, bytes]] = {}  # the body is NOTHING where the row goes
        log = []
        rests = []
        for (revision, changes), freed in drafts:
            entries = []
            for kind, key, old, new in changes:
                row, body = (kind.kind, key), encode(new)
                last[row] = revision, body
                entries.append((*row, old, msgspec.Raw(body)))
            log.append((revision, len(changes), encode(entries)))
            rests += [(number.kind, value, revision) for number, value, revision in freed]
        puts = []
        deletes = []
        for (name, key), (revision, body) in last.items():
            known = self._ids[name].get(key)
            if body != NOTHING:
                puts.append((known or next(self._new_ids), name, key, revision, body))
            elif known:
                deletes.append((known, name, key))
        while self._kept > self._limit and len(self._sizes) > 1:
            self._trim, size = self._sizes.popleft()
            self._kept -= size
        return Batch(puts, deletes, log, rests, applied, self._trim)

    def wrote(self, batch: Batch) -> None:
        """The batch is durable: remember where its rows are, and how long the log is."""
        for identity, kind, key, _, _ in batch.puts:
            self._ids[kind][key] = identity
        for _, kind, key in batch.deletes:
            del self._ids[kind][key]
        for revision, size, _ in batch.log:
            self._sizes.append((revision, size))
            self._kept += size

    def close(self) -> None:
        """Let go of the database and the lock."""
        self._release.close()

    def _migrate(self) -> None:
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            known = f"schema {version}, this one knows {len(MIGRATIONS)}"
            raise StoreError(f"{self.path}: written by a newer version of Daybreak ({known})")
        if version == 0 and self.db.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
            raise StoreError(f"{self.path}: not a database of Daybreak")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self.db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT")

    def _record(self, identity: int, kind: str, key: str, body: bytes) -> Record:
        try:
            record: Record = self._decoders[kind].decode(body)
            self._ids[kind][record.key] = identity
        except KeyError:
            raise self._unknown(kind) from None
        except msgspec.DecodeError as error:
            raise StoreError(f"{self.path}: {kind} {key}: {error}") from error
        return record

    def _change(self, kind: str, key: str, old: msgspec.Raw, new: msgspec.Raw) -> Change:
        if kind not in self._decoders:
            raise self._unknown(kind)
        decode = self._decoders[kind].decode
        return Change(self._kinds[kind], key, decode(old), decode(new))

    def _number(self, kind: str) -> type[Number]:
        number = self._kinds.get(kind)
        if number is None or not issubclass(number, Number):
            raise self._unknown(kind)
        return number

    def _unknown(self, kind: str) -> StoreError:
        return StoreError(f"{self.path}: holds records of kind {kind!r}, which this version of Daybreak does not know")


def _lock(directory: Path) -> int:
    """Hold the directory's lock, making the directory if only it is missing. Returns the lock's file descriptor."""
    with naming(directory):
        if not directory.exists():
            directory.mkdir(mode=0o750)
            _sync(directory.parent)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode().strip()
        os.close(lock)
        raise StoreError(f"{directory}: in use by another process ({holder})") from None
    except OSError as error:
        os.close(lock)
        raise StoreError(f"{directory}: {error.strerror}") from error
    return lock


def _sync(directory: Path) -> None:
    """Make a new entry of a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
