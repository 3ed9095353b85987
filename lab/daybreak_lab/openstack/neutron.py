"""io: one server of a real Neutron: its API by uwsgi, and the other programs that run beside it.

Several share one database: give each a name and a port of its own.
"""

import http.client
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from daybreak_lab.daemon import Daemon
from daybreak_lab.namespace import Namespace
from daybreak_lab.openstack.client import Client
from daybreak_lab.openstack.database import Database, PostgreSQL
from daybreak_lab.openstack.identity import ADMIN, Identity, member
from daybreak_lab.openstack.settings import PASTE, Settings
from daybreak_lab.process import LabError

PORT = 9696
PERIODIC = "neutron-periodic-workers"
"""Everything that plugins and drivers have to do beside answering requests."""
RPC = "neutron-rpc-server"
"""Only agents talk to it, and here they could not, for lack of a message bus; a real server has it all the same."""
MARIADB_ALONE = ("ad80a9f07c5c", "d553edeb540f")
"""The second is a revision of Neutron 2025.2 whose SQL only MariaDB and MySQL understand (it makes tags case sensitive,
which elsewhere they are anyway); the first is the one before. Without help there is no Neutron 29 on PostgreSQL."""
LOADED = "WSGI app 0 (mountpoint='') ready"
"""What uwsgi says of each process."""
BROKEN = ("no app loaded", "unable to load app")
"""What uwsgi says before it tries again, for ever."""


class Neutron:
    """One server. `daemons` has its programs by name: `api` and those of `programs`."""

    def __init__(
        self,
        namespace: Namespace,
        bin: Path,
        database: Database,
        settings: Settings,
        *,
        name: str = "neutron",
        port: int = PORT,
        processes: int = 2,
        threads: int = 2,
        programs: Sequence[str] = (PERIODIC,),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """bin: of the environment that Neutron is installed in, such as `.venv/bin`.
        name: of the server: its `host` in the configuration, and its folder in the namespace's home.
        programs: what runs beside the API, each started with --config-file.
        env: of all of its programs.
        """
        self.namespace = namespace
        self.bin = bin
        self.database = database
        self.name = name
        self.port = port
        self.directory = namespace.home / name
        self.settings = settings
        self.processes = processes
        self.env = dict(env or {})
        api = (*self._uwsgi(), f"--processes={processes}", f"--threads={threads}")
        environment = {
            **self.env,
            "TMPDIR": str(self.directory / "state"),  # its processes tell each other there when they were started
            "OS_NEUTRON_CONFIG_DIR": str(self.directory),
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        }
        self.daemons = {
            "api": Daemon(namespace, f"{name}-api", *api, env=environment, ready=self._serves),
            **{each: Daemon(namespace, f"{name}-{each}", *self._program(each), env=self.env) for each in programs},
        }
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Write the configuration; what runs keeps to what it has read."""
        self.settings = settings
        state = self.directory / "state" / "lock"
        state.mkdir(parents=True, exist_ok=True)
        (self.directory / "neutron.conf").write_text(
            settings.neutron_conf(self.name, self.database.url, self.directory)
        )
        (self.directory / "api-paste.ini").write_text(PASTE)

    def migrate(self) -> None:
        """Bring the database to the newest schema, of Neutron and all that is installed beside it: seconds."""
        if isinstance(self.database, PostgreSQL):
            before, itself = MARIADB_ALONE
            self.run("neutron-db-manage", "--subproject", "neutron", "upgrade", before)
            self.run("neutron-db-manage", "--subproject", "neutron", "stamp", itself)
        self.run("neutron-db-manage", "upgrade", "heads")

    def start(self) -> None:
        """Start all programs, and wait until each is ready."""
        for daemon in self.daemons.values():
            daemon.start(wait=False)
        for daemon in self.daemons.values():
            daemon.wait_until_ready()

    def stop(self) -> None:
        """End all programs in an orderly way, those that run."""
        for daemon in self.daemons.values():
            if daemon.is_running:
                daemon.stop()

    def kill(self) -> None:
        """SIGKILL to all of them."""
        for daemon in self.daemons.values():
            daemon.end()

    @property
    def api(self) -> Daemon:
        return self.daemons["api"]

    @property
    def config_file(self) -> Path:
        return self.directory / "neutron.conf"

    @property
    def url(self) -> str:
        """Within the namespace."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, identity: Identity = ADMIN) -> Client:
        return Client(self.namespace, self.port, identity)

    def openstack(self, identity: Identity, *arguments: str) -> str:
        """`openstack …` as somebody; returns what it prints. Raises LabError if it fails."""
        return self.namespace.exec(*self.openstack_argv(identity), *arguments).stdout

    def openstack_argv(self, identity: Identity) -> tuple[str, ...]:
        """How it is called."""
        auth = ("--os-auth-type", "admin_token", "--os-endpoint", self.url, "--os-token", identity.token)
        return (str(self.bin / "openstack"), *auth)

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program that is installed beside Neutron with this server's configuration, to its end."""
        argv = (*self._program(program), *arguments)
        return self.namespace.exec(*argv, env=self.env, timeout=300, check=check)

    def _program(self, name: str) -> tuple[str, ...]:
        return (str(self.bin / name), f"--config-file={self.directory / 'neutron.conf'}")

    def _uwsgi(self) -> tuple[str, ...]:
        return (
            str(self.bin / "uwsgi"),
            f"--http-socket=127.0.0.1:{self.port}",
            f"--virtualenv={self.bin.parent}",
            "--module=neutron.wsgi.api:application",
            "--master",
            "--lazy-apps",  # each process loads Neutron itself: it starts threads, which don't outlive a fork
            "--need-app",
            "--no-orphans",
            "--die-on-term",
            "--enable-threads",
            "--worker-reload-mercy=10",  # seconds that a process has to end, which may be in a request
            "--thunder-lock",
            "--buffer-size=65535",
            "--add-header=Connection: close",
            "--disable-logging",
        )

    def _serves(self, daemon: Daemon) -> bool:
        if broken := next((word for word in BROKEN if word in daemon.said), None):
            raise LabError(f"{self.name} can't load its API ({broken})")
        if daemon.said.count(LOADED) < self.processes:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            with self.namespace.entered():
                connection.connect()
            # The first request that asks for a permission makes a process read its policies; until it has, those of its
            # other threads are refused. So one is asked here that is refused in any case, and changes nothing.
            headers = {"Content-Type": "application/json", **member("nobody").headers}
            connection.request("POST", "/v2.0/networks", '{"network": {"shared": true}}', headers)
            return connection.getresponse().status == 403
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
