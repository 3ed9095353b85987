"""Controllers as they are met in the wild: OpenDaylight's northbound, TLS, proxies in front, starting, overloaded."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from networking_daybreak.journal.record import record
from networking_daybreak.northbound.answers import Change, Fence, Unavailable
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.northbound.endpoint import Access, Away, Endpoint
from networking_daybreak.northbound.opendaylight import NOBODY
from neutron.db.models_v2 import Port

from .ground import DAYBREAK, Controller, Ground, wait_for

ACCESS = Access("admin", "admin", timeout=5)


class Door(BaseHTTPRequestHandler):
    """Stands before a controller, as a load balancer does; `answers` are what it says itself, one after the other.

    Questions it lets through, unless it is `shut`.
    """

    protocol_version = "HTTP/1.1"
    controller: Controller
    answers: list[int]
    shut = False
    passed: list[str]

    def _pass(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.answers and (self.shut or self.command != "GET"):
            self._say(self.answers.pop(0), b"{}")
            return
        import http.client

        with closing(http.client.HTTPConnection("127.0.0.1", self.controller.port, timeout=60)) as there:
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            there.request(self.command, self.path, content or None, headers)
            answer = there.getresponse()
            self.passed.append(f"{self.command} {self.path.rpartition('/neutron/')[2]} {answer.status}")
            self._say(answer.status, answer.read())

    def _say(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _pass

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def door(controller: Controller) -> Iterator[type[Door]]:
    """`door.url` is the controller's as clients see it."""
    handler = type("ADoor", (Door,), {"controller": controller, "answers": [], "passed": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{server.server_port}"
        yield handler
        server.shutdown()


def changes(door: type[Door]) -> list[str]:
    """What passed that could change something; not the question whether changes are taken."""
    return [each for each in door.passed if "GET" not in each and NOBODY not in each]


@pytest.mark.parametrize("statuses", [[503, 503], [429], [401], [502], [500, 500]])
def test_a_controller_that_is_not_ready_costs_nothing_but_time(
    ground: Ground, controller: Controller, door: type[Door], statuses: list[int]
) -> None:
    door.answers += statuses
    ground.network("blue")
    ground.dispatcher("one", url=[door.url], streams=1)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue"]


@pytest.mark.parametrize("dialect", ["daybreak", "opendaylight"])
def test_a_proxy_that_lets_through_questions_and_no_changes(
    ground: Ground, controller: Controller, door: type[Door], dialect: str
) -> None:
    """As when the controller behind it went away and the answers come from a cache: that's no row's fault."""
    blue = ground.network("blue")
    ground.ports(blue, "p1", "p2")
    door.answers += [500] * 1000
    dispatcher = ground.dispatcher("one", url=[door.url], retries=1, northbound=dialect)
    wait_for("several tries", lambda: len(door.answers) < 998)
    assert not dispatcher.controllers.current
    assert dispatcher.controllers.circuit.reason == f"{door.url}: it answers, and takes no changes"
    assert [(row.state, row.attempts) for row in ground.rows()] == [("pending", 0)] * len(ground.rows())
    door.answers.clear()
    wait_for("drained", ground.drained)
    assert sorted(controller.names("ports")) == ["p1", "p2"]


@pytest.mark.parametrize("status", [302, 404, 408, 425, 501, 507, 520, 529])
@pytest.mark.parametrize("dialect", ["daybreak", "opendaylight"])
def test_what_a_proxy_says_is_no_changes_fault(door: type[Door], dialect: str, status: int) -> None:
    """A login that everything is redirected to, a server without the application, one that is full …"""
    north = Controllers([door.url], ACCESS, dialect, lambda: 0.5, lambda: 0.0).connect()
    made = {"id": "n", "name": "blue", "network_segments": []}
    door.shut, door.answers[:] = True, [status] * 1000
    for change in (Change("network", "n", made, 1, record={"id": "n", "name": "blue"}), Change("port", "p", None, 1)):
        with pytest.raises(Unavailable, match=f"it answers {status}"):
            north.send([change], Fence("neutron", "one.0", 1))


def test_changes_are_not_taken_any_more(ground: Ground, controller: Controller, door: type[Door]) -> None:
    dispatcher = ground.dispatcher("one", url=[door.url], retries=1)
    blue = ground.network("blue")
    wait_for("drained", ground.drained)
    door.answers += [500] * 1000
    ground.ports(blue, "p1", "p2")
    wait_for("the controller is taken for away", lambda: dispatcher.controllers.circuit.is_open)
    wait_for("several tries", lambda: len(door.answers) < 997)
    assert {(row.state, row.attempts) for row in ground.rows()} == {("pending", 0)}
    door.answers.clear()
    wait_for("drained", ground.drained)
    assert sorted(controller.names("ports")) == ["p1", "p2"]


def test_a_body_that_breaks_the_controller_is_tried_alone_and_then_parked(
    ground: Ground, controller: Controller, door: type[Door]
) -> None:
    """Whatever has to do with one port is answered 500, though the controller is well."""
    blue = ground.network("blue")
    ids = ground.ports(blue, *(f"p{number}" for number in range(20)))
    passes = door._pass

    def breaks(self: Door) -> None:
        poison = ids[7].encode()
        length = int(self.headers.get("Content-Length") or 0)
        if self.command == "POST" and poison in self.rfile.peek(length):
            self.rfile.read(length)
            self._say(500, b"{}")
        else:
            passes(self)

    door.do_POST = breaks
    ground.dispatcher("one", url=[door.url], retries=1)
    wait_for("one to be parked", lambda: [row.state for row in ground.rows()] == ["parked"])
    (row,) = ground.rows()
    assert (row.object_id, row.attempts) == (ids[7], 2)
    assert "The controller is well, but it answers 500" in row.reason
    assert len(controller.objects("ports")) == 19


def test_opendaylight_gets_what_it_knows_from_networking_odl(
    ground: Ground, controller: Controller, door: type[Door]
) -> None:
    ground.dispatcher("one", url=[door.url], northbound="opendaylight", streams=1)
    blue, web = ground.network("blue"), ground.group("web")
    (port,) = ground.ports(blue, "p1", groups=(web,))
    wait_for("drained", ground.drained)
    ground.rename(Port, port, "renamed")
    wait_for("drained", ground.drained)
    ground.delete(Port, port)
    wait_for("drained", ground.drained)
    assert changes(door) == [
        "POST security-groups 201",
        "POST networks 201",
        "POST ports 201",
        f"PUT ports/{port} 200",
        f"DELETE ports/{port} 204",
    ]
    assert controller.names("networks") == ["blue"]

    # What exists or is gone already is no error: here a journal that was restored from a backup.
    with ground.transaction() as context:
        record(context, "network", blue)
        record(context, "port", port)
    door.passed.clear()
    wait_for("drained", ground.drained)
    assert changes(door) == ["POST networks 409", f"DELETE ports/{port} 404"]

    # What exists and is another than Neutron's is updated.
    named = {"network": {"name": "by hand"}}
    assert controller.request("PUT", f"/controller/nb/v2/neutron/networks/{blue}", named)[0] == 200
    with ground.transaction() as context:
        record(context, "network", blue)
    door.passed.clear()
    wait_for("drained", ground.drained)
    assert changes(door) == ["POST networks 409", f"PUT networks/{blue} 200"]
    assert controller.names("networks") == ["blue"]


def test_opendaylight_lacks_what_a_body_refers_to(ground: Ground, controller: Controller, door: type[Door]) -> None:
    """It lost the network and says so by its code 442; the port that comes next brings it back."""
    ground.dispatcher("one", url=[door.url], northbound="opendaylight")
    blue = ground.network("blue")
    wait_for("drained", ground.drained)
    assert controller.request("DELETE", f"/controller/nb/v2/neutron/networks/{blue}")[0] == 204
    door.answers.append(442)
    ground.ports(blue, "p1")
    wait_for("drained", ground.drained)
    assert (controller.names("networks"), controller.names("ports")) == (["blue"], ["p1"])


def test_what_is_no_controller_is_not_taken_for_one(controller: Controller) -> None:
    def connect(url: str, dialect: str = "auto", password: str = "admin") -> str:
        access = Access("admin", password, timeout=5)
        return Controllers([url], access, dialect, lambda: 0.5, lambda: 0.0).connect().name

    assert connect(controller.url) == "daybreak"
    assert connect(controller.url, "opendaylight") == "opendaylight"
    with pytest.raises(Unavailable, match="user name or password is not right"):
        connect(controller.url, password="wrong")
    with pytest.raises(Unavailable, match="nothing is served there"):
        connect(f"{controller.url}/elsewhere", "opendaylight")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="no connection"):
            connect(f"http://127.0.0.1:{closed.getsockname()[1]}")


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    folder = tmp_path / "pki"
    for words in (("init", "--address", "127.0.0.1"), ("issue", "client")):
        subprocess.run([str(DAYBREAK), "pki", *words, "--directory", str(folder)], check=True, capture_output=True)
    return folder


def test_tls_with_certificates_of_both_sides(pki: Path) -> None:
    """A controller's proxy that wants to see ours."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki / "controller.pem", pki / "controller.key")
    server.load_verify_locations(pki / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        web.socket = server.wrap_socket(web.socket, server_side=True)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{web.server_port}"
        ca, cert, key = (str(pki / name) for name in ("ca.pem", "client.pem", "client.key"))
        assert Endpoint(url, Access(None, None, ca, cert, key)).ask("GET", "/").status == 200
        with pytest.raises(Away):
            Endpoint(url, Access(None, None, ca)).ask("GET", "/")
        with pytest.raises(Away, match="not trusted"):
            Endpoint(url, Access(None, None, None, cert, key)).ask("GET", "/")
        web.shutdown()


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Silence."""


def test_the_journal_works_on_sqlite_for_one_client(
    tmp_path: Path, controller: Controller, journal_databases: Callable[..., object]
) -> None:
    """As devstack's and the demo's smallest clouds have it."""
    from neutron_lib.db import model_base

    ground = Ground(f"sqlite:///{tmp_path}/neutron.db", tmp_path)
    from neutron.db.migration.models import head  # noqa: F401

    model_base.BASEV2.metadata.create_all(ground.engine)
    with ground.in_use():
        blue = ground.network("blue")
        ground.ports(blue, "p1", "p2")
        ground.dispatcher("one", controller, streams=1)
        wait_for("drained", ground.drained)
        assert controller.digests() == ground.digests()
