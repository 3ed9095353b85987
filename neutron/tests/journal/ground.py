"""io: what the journal's tests stand on: a database with Neutron's tables, a controller, and dispatchers to kill.

Networks and ports are written as Neutron's own transactions write them, with their notes in the journal, but without
Neutron's API: so a test can write thousands. The controller is the real one, as a process.
"""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from networking_daybreak import config
from networking_daybreak.journal.dispatcher import Dispatcher
from networking_daybreak.journal.models import Comparison, Lease, Member, Row
from networking_daybreak.journal.record import record
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.sync.digests import digest
from networking_daybreak.sync.watch import Watcher
from neutron.db.models.securitygroup import SecurityGroup, SecurityGroupPortBinding
from neutron.db.models_v2 import Network, Port
from neutron_lib.db import api as db_api
from neutron_lib.db.standard_attr import StandardAttribute
from oslo_config import cfg
from oslo_db.sqlalchemy import enginefacade
from oslo_utils import timeutils
from sqlalchemy.orm import Session

BIN = Path(sys.executable).parent
DAYBREAK = Path(__file__).parents[3] / ".venv/bin/daybreak"
CREDENTIALS = {"username": "admin", "password": "admin"}
DEADLINE = 60.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""

TABLES = [
    *(model.__table__ for model in (Row, Member, Lease, Comparison, SecurityGroupPortBinding)),
    *(model.__table__ for model in (Port, SecurityGroup, Network, StandardAttribute)),
]
ATTRIBUTES = StandardAttribute.__table__
J = Row.__table__


def wait_for(what: str, condition: Callable[[], object], timeout: float = DEADLINE) -> None:
    """Raises AssertionError if it doesn't become true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout} s"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Controller:
    """`daybreak serve` on a port of its own; its store survives it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log, file = self.folder / "log", self.folder / "daybreak.toml"
        ports = {name: free_port() for name in ("ovsdb", "openflow", "websocket")}
        file.write_text(
            f'data = "{self.folder / "data"}"\nnorthbound = "127.0.0.1:{self.port}"\n'
            f'ovsdb = ["ptcp:{ports["ovsdb"]}:127.0.0.1"]\nopenflow = ["ptcp:{ports["openflow"]}:127.0.0.1"]\n'
            f"websocket_port = {ports['websocket']}\n"
        )
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                (str(DAYBREAK), "serve", "--config", str(file)), stdout=output, stderr=output
            )
        wait_for("controller", lambda: b"event=ready" in log.read_bytes() or self._process.poll() is not None)
        assert self._process.poll() is None, log.read_text()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It hears, and doesn't answer."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        authorization = base64.b64encode(b"admin:admin").decode()
        headers = {"Authorization": f"Basic {authorization}", "Content-Type": "application/json"}
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, json.loads(content) if content else None

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """By id."""
        found: dict[str, dict[str, Any]] = {}
        after: str | None = ""
        while after is not None:
            _, page = self.request("GET", f"/v1/{collection}?limit=1000&after={after}")
            found |= {item["id"]: item for item in page["items"]}
            after = page["next"]
        return found

    def names(self, collection: str) -> list[str]:
        """Sorted."""
        return sorted(each.get("name", "") for each in self.objects(collection).values())

    def empty(self) -> None:
        """Delete what tests put."""
        for kind, collection in {"port": "ports", "network": "networks", "security_group": "security-groups"}.items():
            operations = [{"delete": {"kind": kind, "id": id}} for id in self.objects(collection)]
            for start in range(0, len(operations), 1000):
                body = {"operations": operations[start : start + 1000]}
                assert self.request("POST", "/v1/transactions", body)[0] == 200

    def digests(self, client: str = "neutron") -> dict[str, tuple[int, str]]:
        """By kind."""
        _, answer = self.request("GET", "/v1/digests")
        told = (each for each in answer["collections"] if each["client"] == client)
        return {each["kind"]: (each["count"], each["digest"]) for each in told}


class Ground:
    """A database with Neutron's tables."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.engine = sa.create_engine(url, pool_pre_ping=True)
        self._dispatchers: list[Dispatcher] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._count = 0

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """This process's Neutron uses the database."""
        manager = enginefacade.transaction_context()
        manager.configure(connection=self.url, sqlite_fk=True, flush_on_subtransaction=True, max_pool_size=20)
        reset = db_api.get_context_manager().patch_factory(manager)
        try:
            yield
        finally:
            self.end()
            reset()
            manager.dispose_pool()

    def empty(self) -> None:
        with self.engine.begin() as connection:
            for table in TABLES:
                connection.execute(sa.delete(table))

    # -- Neutron's own transactions -----------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """What a hook gets as context, in a transaction."""
        with Session(self.engine) as session, session.begin():
            yield SimpleNamespace(session=session)

    def network(self, name: str, id: str | None = None, revision: int = 1) -> str:
        """A network is created; its id."""
        id = id or str(uuid.uuid4())
        with self.transaction() as context:
            self._insert(context, Network, "networks", revision, id=id, name=name, admin_state_up=True, mtu=1450)
            record(context, "network", id)
        return id

    def ports(self, network: str, *names: str, groups: tuple[str, ...] = ()) -> list[str]:
        """Ports are created in one transaction; their ids."""
        ids = [str(uuid.uuid4()) for _ in names]
        with self.transaction() as context:
            for id, name in zip(ids, names, strict=True):
                self._count += 1
                mac = f"fa:16:3e:{self._count >> 16:02x}:{self._count >> 8 & 255:02x}:{self._count & 255:02x}"
                fields = {"network_id": network, "mac_address": mac, "device_id": "", "device_owner": ""}
                values = {"id": id, "name": name, "status": "DOWN", "admin_state_up": True, **fields}
                self._insert(context, Port, "ports", 1, **values)
                for group in groups:
                    binding = {"port_id": id, "security_group_id": group}
                    context.session.execute(sa.insert(SecurityGroupPortBinding.__table__).values(**binding))
                record(context, "port", id)
        return ids

    def group(self, name: str) -> str:
        """A security group is created; its id."""
        id = str(uuid.uuid4())
        with self.transaction() as context:
            self._insert(context, SecurityGroup, "securitygroups", 1, id=id, name=name, stateful=True)
            record(context, "security_group", id)
        return id

    def rename(self, model: Any, id: str, name: str, *, is_recorded: bool = True, **others: Any) -> None:
        """An object is updated. Not recorded: as if the note had been lost."""
        table = model.__table__
        with self.transaction() as context:
            context.session.execute(sa.update(table).where(table.c.id == id).values(name=name, **others))
            attributes = sa.select(table.c.standard_attr_id).where(table.c.id == id).scalar_subquery()
            higher = sa.update(ATTRIBUTES).where(ATTRIBUTES.c.id == attributes)
            later = timeutils.utcnow() + timedelta(seconds=2)
            values = {"revision_number": ATTRIBUTES.c.revision_number + 1, "updated_at": later}
            context.session.execute(higher.values(**values))
            if is_recorded:
                record(context, KIND[model], id)

    def delete(self, model: Any, id: str, *, is_recorded: bool = True) -> None:
        """An object is deleted."""
        table = model.__table__
        with self.transaction() as context:
            context.session.execute(sa.delete(table).where(table.c.id == id))
            if is_recorded:
                record(context, KIND[model], id)

    def _insert(self, context: Any, model: Any, type: str, revision: int, **values: Any) -> None:
        attributes = sa.insert(ATTRIBUTES).values(resource_type=type, revision_number=revision, description="")
        (key,) = context.session.execute(attributes).inserted_primary_key
        values |= {"project_id": "red", "standard_attr_id": key}
        if model is Network:
            values["status"] = "ACTIVE"
        context.session.execute(sa.insert(model.__table__).values(**values))

    # -- the journal --------------------------------------------------------------------------------------------------

    def rows(self) -> list[Any]:
        """What the journal holds, in order."""
        with self.engine.connect() as connection:
            return [*connection.execute(sa.select(J).order_by(J.c.seq))]

    def members(self) -> dict[str, str]:
        """Their states."""
        with self.engine.connect() as connection:
            return {row.name: row.state for row in connection.execute(sa.select(Member.__table__))}

    def drained(self) -> bool:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(J.c.seq).limit(1)).first() is None

    def digests(self) -> dict[str, tuple[int, str]]:
        """What the controller should say of what Neutron has."""
        found = {}
        with self.engine.connect() as connection:
            for model, kind in KIND.items():
                table = model.__table__
                query = sa.select(table.c.id, ATTRIBUTES.c.revision_number).join_from(table, ATTRIBUTES)
                if objects := {row[0]: row[1] for row in connection.execute(query)}:
                    found[kind] = tuple(digest(objects))
        return found

    # -- dispatchers --------------------------------------------------------------------------------------------------

    def conf(self, *controllers: Controller, **options: Any) -> Any:
        """The section [daybreak]; impatient, so that tests are quick."""
        conf = cfg.ConfigOpts()
        conf([])
        section = config.register(conf)
        for name, value in ({"url": [each.url for each in controllers]} | CREDENTIALS | QUICK | options).items():
            conf.set_override(name, value, config.GROUP)
        return section

    def dispatcher(self, name: str, *controllers: Controller, watches: bool = False, **options: Any) -> Dispatcher:
        """A dispatcher in this process, which runs. `watches`: it also compares."""
        conf = self.conf(*controllers, **options)
        socket_path = str(self.folder / f"{name}.sock")
        found = Dispatcher(conf, name, Controllers.of(conf, lambda: 0.5), socket_path, lambda: 0.5)
        if watches:
            found.beside(Watcher(found).run)
        found.start()
        self._dispatchers.append(found)
        return found

    def process(
        self, name: str, *controllers: Controller, crash_at: str = "", **options: Any
    ) -> subprocess.Popen[bytes]:
        """A dispatcher as operators run it, in a process of its own."""
        values: Mapping[str, Any] = CREDENTIALS | QUICK | options
        urls = ",".join(each.url for each in controllers)
        home = self.folder / name
        home.mkdir(exist_ok=True)
        lines = [f"{key} = {value}" for key, value in values.items()]
        file = home / "neutron.conf"
        file.write_text(
            f"[DEFAULT]\nstate_path = {home}\n[database]\nconnection = {self.url}\n"
            + "\n".join(["[daybreak]", f"server = {name}", f"url = {urls}", *lines])
        )
        env = {**os.environ, "DAYBREAK_CRASH_AT": crash_at} if crash_at else None
        with (home / "log").open("ab") as log:
            command = (str(BIN / "neutron-daybreak-journal"), "--config-file", str(file))
            process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        self._processes.append(process)
        return process

    def log(self, name: str) -> str:
        """What a dispatcher's process said."""
        return (self.folder / name / "log").read_text()

    @contextmanager
    def answer_lost(self, statement: str) -> Iterator[Callable[[], bool]]:
        """The next transaction of this process that changes rows so is committed, and its connection gone by then."""
        engine = db_api.CONTEXT_WRITER.get_engine()
        lost: list[str] = []

        def executed(connection: Any, cursor: Any, text: str, *_: Any) -> None:
            if text.startswith(statement) and cursor.rowcount > 0:
                connection.info["is_meant"] = True

        def commits(connection: Any) -> None:
            if connection.info.pop("is_meant", False) and not lost:
                lost.append(statement)
                connection.connection.dbapi_connection.commit()
                connection.connection.dbapi_connection.close()

        sa.event.listen(engine, "after_cursor_execute", executed)
        sa.event.listen(engine, "commit", commits)
        try:
            yield lambda: bool(lost)
        finally:
            sa.event.remove(engine, "after_cursor_execute", executed)
            sa.event.remove(engine, "commit", commits)

    def end(self) -> None:
        """End all dispatchers."""
        for dispatcher in self._dispatchers:
            dispatcher.stop()
        for process in self._processes:
            process.kill()
            process.wait()
        self._dispatchers.clear()
        self._processes.clear()


KIND = {Network: "network", Port: "port", SecurityGroup: "security_group"}
QUICK = {
    "poll_interval": 0.1,
    "heartbeat_interval": 0.2,
    "suspect_after": 1.0,
    "gone_after": 2.5,
    "timeout": 5.0,
    "sync_interval": 1.0,
    "sync_full_every": 1,
}
