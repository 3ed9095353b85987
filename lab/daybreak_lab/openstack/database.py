"""io: private database servers: own files, a Unix socket, no TCP. They survive kill -9 as real ones do."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from daybreak_lab.daemon import Daemon
from daybreak_lab.namespace import Namespace
from daybreak_lab.process import CommandFailed, LabError, run

NAME = "neutron"
"""Of the one database in each server."""
FOLDERS = ("/usr/sbin", "/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True))
"""Where the programs are beside PATH: Debian keeps PostgreSQL's out of it."""


def program(name: str, package: str) -> str:
    """The path of a program. Raises LabError that names the Debian package it is in."""
    found = shutil.which(name) or next((path for folder in FOLDERS if (path := shutil.which(name, path=folder))), None)
    if found is None:
        raise LabError(f"{name} is not installed (Debian package {package})")
    return found


class Database(ABC):
    """One server with one database. `create` it, or `copy` another's files."""

    SYSTEM: ClassVar[str]
    """The database that is there from the first moment."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        """The files are in the namespace's home, in a folder of that name."""
        self.namespace = namespace
        self.name = name
        self.directory = namespace.home / name
        self.daemon = Daemon(namespace, name, *self._argv(), ready=lambda daemon: self._answers())

    def create(self) -> None:
        """Make the files of an empty database, and start it."""
        self.directory.mkdir(parents=True)
        self._initialise()
        self.start()
        self.query(f"CREATE DATABASE {NAME}", self.SYSTEM)

    def copy(self, template: Path) -> None:
        """Take over the files that `save` saved, and start it: in a moment, where a schema takes seconds."""
        run("cp", "--archive", str(template), str(self.directory))
        self.start()

    def save(self, template: Path) -> None:
        """Save the files as they are, for `copy`. The server is stopped for a moment."""
        self.stop()
        run("cp", "--archive", str(self.directory), str(template))
        self.start()

    def start(self) -> None:
        """Start the server on its files, and wait until it answers: also after it was killed."""
        self.daemon.start()

    def stop(self) -> None:
        """End the server in an orderly way."""
        self.daemon.stop()

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.daemon.kill()

    def remove(self) -> None:
        """End it and take its files away."""
        self.daemon.end()
        shutil.rmtree(self.directory)

    def query(self, statement: str, database: str = NAME) -> list[list[str]]:
        """The rows of a statement's result, all as texts. Raises LabError."""
        done = run(*self._client(database), stdin=statement)
        return [line.split("\t") for line in done.stdout.splitlines()]

    @property
    @abstractmethod
    def url(self) -> str:
        """As SQLAlchemy wants it."""

    @abstractmethod
    def _argv(self) -> tuple[str, ...]:
        """The server."""

    @abstractmethod
    def _client(self, database: str) -> tuple[str, ...]:
        """A program that runs SQL of its standard input, and prints rows with tabs between the columns."""

    @abstractmethod
    def _initialise(self) -> None:
        """Make the files of a server without databases."""

    def _answers(self) -> bool:
        try:
            self.query("SELECT 1", self.SYSTEM)
        except CommandFailed:
            return False
        return True


class MariaDB(Database):
    """mariadbd(8), with every commit on disk before it is acknowledged."""

    SYSTEM = "mysql"

    @property
    def url(self) -> str:
        return f"mysql+pymysql://root@localhost/{NAME}?unix_socket={self._socket}&charset=utf8mb4"

    @property
    def _socket(self) -> Path:
        return self.directory / "server.sock"

    def _argv(self) -> tuple[str, ...]:
        return (
            program("mariadbd", "mariadb-server-core"),
            "--no-defaults",
            "--user=root",
            f"--datadir={self.directory / 'data'}",
            f"--tmpdir={self._temporary}",
            f"--socket={self._socket}",
            f"--pid-file={self.directory / 'server.pid'}",
            "--skip-networking",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--max-connections=400",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-log-file-size=32M",
            "--innodb-buffer-pool-size=64M",
        )

    @property
    def _temporary(self) -> Path:
        """A folder of its own: when it starts, a server removes the temporary tables of all who share one with it."""
        return self.directory / "temporary"

    def _initialise(self) -> None:
        self._temporary.mkdir()
        run(
            program("mariadb-install-db", "mariadb-server-core"),
            *("--no-defaults", "--user=root", f"--datadir={self.directory / 'data'}", f"--tmpdir={self._temporary}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=32M"),
        )

    def _client(self, database: str) -> tuple[str, ...]:
        client = (program("mariadb", "mariadb-client-core"), "--no-defaults", f"--socket={self._socket}")
        return (*client, "--batch", "--skip-column-names", f"--database={database}")


class PostgreSQL(Database):
    """postgres(1). It refuses to be root, so it is the system's user `postgres`, in a folder only root can enter."""

    SYSTEM = "postgres"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://root@/{NAME}?host={self._files}"

    @property
    def _files(self) -> Path:
        return self.directory / "data"

    def _argv(self) -> tuple[str, ...]:
        settings = ("listen_addresses=", f"unix_socket_directories={self._files}", "max_connections=400")
        options = (each for setting in settings for each in ("-c", setting))
        return (*self._as_postgres(), program("postgres", "postgresql"), "-D", str(self._files), *options)

    def _initialise(self) -> None:
        run("install", "--directory", "--owner=postgres", "--group=postgres", "--mode=700", str(self._files))
        options = ("--auth=trust", "--username=root", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        run(*self._as_postgres(), program("initdb", "postgresql"), f"--pgdata={self._files}", *options)

    def _client(self, database: str) -> tuple[str, ...]:
        client = (program("psql", "postgresql"), f"--host={self._files}", "--username=root", f"--dbname={database}")
        # Told nothing, psql ends with 0 when a statement of its input fails.
        return (
            *client,
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
        )

    @staticmethod
    def _as_postgres() -> tuple[str, ...]:
        """setpriv(1): another user, who keeps root's way through the lab's folder."""
        keep = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
        return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *keep)
