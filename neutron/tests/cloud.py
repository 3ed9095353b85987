"""io: a whole cloud in a lab: a database, Neutron with our driver, the controller, hypervisors; all of it real.

Nothing is mocked and nothing of the controller is imported: it is the program of its own environment.
"""

import base64
import http.client
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daybreak_lab import Hypervisor, Lab, Machine
from daybreak_lab.daemon import Daemon
from daybreak_lab.openstack import ADMIN, Client, Database, Identity, MariaDB, Neutron, Settings
from daybreak_lab.openstack.neutron import PERIODIC

BIN = Path(sys.executable).parent
"""Of Neutron's environment."""
DAYBREAK = Path(__file__).parents[2] / ".venv/bin/daybreak"
JOURNAL = "neutron-daybreak-journal"
NORTHBOUND = 8181
DEADLINE = 60.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""

CONFIGURATION = """
ovsdb = ["ptcp:6640"]
openflow = ["ptcp:6653"]
allow_plaintext = ["127.0.0.0/8", "198.18.0.0/15"]
"""

OTHER_ROUTERS = "neutron.services.l3_router.service_providers.single_node.SingleNodeDriver"
"""A provider of routers that isn't ours: Neutron's L3 agents."""

DRIVEN = Settings(
    mechanism_drivers=("daybreak",),
    service_plugins=(
        "daybreak-router",
        "port_forwarding",
        "ndp_proxy",
        "conntrack_helper",
        "qos",
        "trunk",
        "log",
        "metering",
        "segments",
    ),
    extension_drivers=("port_security", "qos", "dns", "data_plane_status"),
    sections={
        "service_providers": {"service_provider": f"L3_ROUTER_NAT:agents:{OTHER_ROUTERS}"},
        "DEFAULT": {"dns_domain": "cloud.example."},  # with Neutron's own default it keeps no names of ports
        "daybreak": {
            "url": f"http://127.0.0.1:{NORTHBOUND}",
            "username": "admin",
            "password": "admin",
            "sync_interval": 3600,  # the journal has to do it alone: a comparison would repair what it lost
        },
    },
)
"""A Neutron that is driven by Daybreak alone."""


class Controller(Daemon):
    """`daybreak serve`, in the namespace that hypervisors call; its store survives it."""

    def __init__(self, lab: Lab, settings: str = "") -> None:
        """`settings` are lines of its configuration file."""
        namespace = lab.controller_namespace
        namespace.home.mkdir(exist_ok=True)
        file = namespace.home / "daybreak.toml"
        file.write_text(f'data = "{namespace.home / "daybreak"}"\n{CONFIGURATION}{settings}')
        argv = (str(DAYBREAK), "serve", "--config", str(file))
        super().__init__(namespace, "daybreak", *argv, ready=lambda daemon: "event=ready" in daemon.said)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request to its northbound, such as GET /v1/ports; the answer's status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", NORTHBOUND, timeout=DEADLINE)
        with self.namespace.entered():
            connection.connect()
        headers = {
            "Authorization": "Basic " + base64.b64encode(b"admin:admin").decode(),
            "Content-Type": "application/json",
        }
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """All objects of a collection of /v1, such as `security-groups`, by id."""
        found: dict[str, dict[str, Any]] = {}
        after: str | None = ""
        while after is not None:
            status, page = self.request("GET", f"/v1/{collection}?limit=1000" + (f"&after={after}" if after else ""))
            assert status == 200, page
            found |= {item["id"]: item for item in page["items"]}
            after = page["next"]
        return found

    def run(self, *arguments: str) -> str:
        """`daybreak …`; returns what it prints."""
        return self.namespace.exec(str(DAYBREAK), *arguments, check=False).stdout


class Cloud:
    """All of it in one lab. Its parts can be killed and started again one by one."""

    def __init__(
        self, lab: Lab, database: Database, settings: Settings = DRIVEN, servers: int = 1, **options: Any
    ) -> None:
        """`options` are those of each Neutron server."""
        self.lab = lab
        self.database = database
        self.controller = Controller(lab)
        programs = options.pop("programs", (PERIODIC, JOURNAL))
        self.servers = [
            Neutron(
                lab.controller_namespace,
                BIN,
                database,
                settings,
                name=f"neutron{number}" if number else "neutron",
                port=9696 + number,
                programs=programs,
                **options,
            )
            for number in range(servers)
        ]
        self.hosts: dict[str, Hypervisor] = {}

    def __enter__(self) -> Self:
        self.controller.start()
        for server in self.servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            server.kill()
        self.controller.end()
        self.database.remove()

    @property
    def neutron(self) -> Neutron:
        """The first server."""
        return self.servers[0]

    def client(self, identity: Identity = ADMIN) -> Client:
        """Somebody's way to the first server's API."""
        return self.neutron.client(identity)

    def host(self, name: str, **options: Any) -> Hypervisor:
        """A hypervisor that calls the controller; options are the lab's."""
        ids = {"hostname": name, "daybreak-datapath-type": "netdev", **options.pop("external_ids", {})}
        manager = f"tcp:{self.lab.controller_address}:6640"
        self.hosts[name] = self.lab.hypervisor(name, external_ids=ids, manager=manager, **options)
        return self.hosts[name]

    def boot(self, name: str, port: dict[str, Any], host: Hypervisor, prefix: int = 24, **options: Any) -> Machine:
        """What Nova does with a port that is bound to a host: a VM with its addresses, and a card with its id."""
        ips = [f"{each['ip_address']}/{64 if ':' in each['ip_address'] else prefix}" for each in port["fixed_ips"]]
        machine = self.lab.vm(name, mac=port["mac_address"], ips=ips, **options)
        machine.plug(host, port["id"], timeout=DEADLINE)
        return machine

    def complaints(self) -> list[str]:
        """The lines of all logs that tell of errors, each program's in order."""
        daemons = [self.controller, *(daemon for server in self.servers for daemon in server.daemons.values())]
        words = (" ERROR ", " CRITICAL ", "level=error", "Traceback")
        lines = (f"{each.name}: {line}" for each in daemons for line in each.log.splitlines())
        return [line for line in lines if any(word in line for word in words) and "oslo_cache.memcache" not in line]


class Schema:
    """The newest schema in each kind of database, made once and copied from then on."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._made: dict[type[Database], Path] = {}

    def database(self, lab: Lab, kind: type[Database] = MariaDB, name: str = "database") -> Database:
        """A server that runs, with the schema and nothing else."""
        database = kind(lab.controller_namespace, name)
        lab.controller_namespace.home.mkdir(exist_ok=True)
        database.copy(self.files(kind))
        return database

    def files(self, kind: type[Database]) -> Path:
        if kind not in self._made:
            namespace = self.lab.controller_namespace
            database = kind(namespace, f"schema-{kind.__name__}")
            database.create()
            Neutron(namespace, BIN, database, Settings(), name="migration").migrate()
            self._made[kind] = namespace.home / f"{kind.__name__}.template"
            database.save(self._made[kind])
            database.remove()
        return self._made[kind]


def by_id(objects: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in objects}
