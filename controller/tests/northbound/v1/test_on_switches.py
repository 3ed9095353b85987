"""Waiting for switches, with real ones: what was answered is on the switch, and who is missing is named."""

import base64
import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from daybreak_lab import Hypervisor, Lab

from ...fullstack.cloud import DEADLINE, Cloud, uuid

pytestmark = pytest.mark.ovs

AUTHORIZATION = "Basic " + base64.b64encode(b"admin:admin").decode()


class Client:
    """The modern API of a cloud's controller."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def connect(self) -> http.client.HTTPConnection:
        with self.cloud.lab.controller_namespace.entered():
            connection = http.client.HTTPConnection("127.0.0.1", 8181, timeout=DEADLINE)
            connection.connect()
        return connection

    def ask(self, method: str, path: str, body: object = None) -> Any:
        connection = self.connect()
        headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
        connection.request(method, f"/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == 200, content
        return json.loads(content)

    def host(self, name: str) -> Any:
        """A host's state."""
        return next(each for each in self.ask("GET", "/hosts")["items"] if each["host"]["id"] == name)

    def put_port(self, name: str, mac: str, address: str, host: str, **query: str) -> Any:
        body = {
            "network_id": uuid("blue"),
            "mac_address": mac,
            "fixed_ips": [{"ip_address": address}],
            "host_id": host,
        }
        words = "&".join(f"{key}={value}" for key, value in query.items())
        return self.ask("PUT", f"/ports/{uuid(name)}?{words}", body)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Lab() as lab:
        cloud = Cloud(lab, tmp_path_factory.mktemp("cloud"))
        cloud.start()
        client = Client(cloud)
        client.ask("PUT", f"/networks/{uuid('blue')}", {"name": "blue", "network_type": "vxlan", "mtu": 1400})
        for name in ("h1", "h2"):
            cloud.host(name)
        cloud.until("both switches", lambda: all(each["connected"] for each in client.ask("GET", "/hosts")["items"]))
        yield client
        cloud.stop()
        assert not cloud.said("level=error")


def test_what_was_answered_is_on_the_switch(client: Client) -> None:
    cloud = client.cloud
    web, db = (
        cloud.machine(name, address, mtu=1400) for name, address in (("web", "10.0.0.1/24"), ("db", "10.0.0.2/24"))
    )
    web.plug(cloud.hosts["h1"], uuid("web"))
    db.plug(cloud.hosts["h2"], uuid("db"))
    first = client.put_port("web", web.mac, "10.0.0.1", "h1", wait="applied")
    second = client.put_port("db", db.mac, "10.0.0.2", "h2", wait="applied")
    assert (first["applied"], first["pending"]) == (True, [])
    assert (second["applied"], second["pending"]) == (True, [])
    cloud.until("both ports to be active", lambda: active(client) == {uuid("web"), uuid("db")})
    web.wait_until_reaches(db)

    client.put_port("web", "fa:16:3e:99:99:99", "10.0.0.1", "h1", wait="applied")
    # No waiting here: the answer came when the switch had it.
    assert any("fa:16:3e:99:99:99" in flow for flow in cloud.all_flows(cloud.hosts["h1"]))
    assert not any(web.mac in flow for flow in cloud.all_flows(cloud.hosts["h1"]))
    again = client.put_port("web", "fa:16:3e:99:99:99", "10.0.0.1", "h1", wait="applied")
    assert (again["outcomes"][0]["outcome"], again["applied"]) == ("unchanged", True)
    client.put_port("web", web.mac, "10.0.0.1", "h1", wait="applied")


def active(client: Client) -> set[str]:
    return {each["port_id"] for each in client.ask("GET", "/port-status")["items"] if each["active"]}


@contextlib.contextmanager
def frozen(host: Hypervisor) -> Iterator[None]:
    """The switch stands still, and its connections stand."""
    pid = int((host.ovs.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_who_is_slow_or_absent_is_named(client: Client) -> None:
    h2 = client.cloud.hosts["h2"]
    mac = client.cloud.lab.machines["db"].mac
    answers: list[Any] = []

    def wait() -> None:
        answers.append(client.put_port("db", mac, "10.0.0.3", "h2", wait="applied", timeout=f"{DEADLINE:.0f}"))

    with frozen(h2):
        slow = client.put_port("db", mac, "10.0.0.3", "h2", wait="applied", timeout="0.5")
        assert (slow["outcomes"][0]["outcome"], slow["applied"], slow["pending"]) == ("applied", False, ["h2"])
        waiting = threading.Thread(target=wait)
        waiting.start()
    waiting.join(DEADLINE)
    # The same again was unchanged, and waited all the same for what was still on its way.
    assert (answers[0]["outcomes"][0]["outcome"], answers[0]["pending"]) == ("unchanged", [])

    h2.stop_switch()
    client.cloud.until("h2 to be missed", lambda: not client.host("h2")["connected"])
    absent = client.put_port("db", mac, "10.0.0.4", "h2", wait="applied", timeout=f"{DEADLINE:.0f}")
    assert (absent["applied"], absent["pending"]) == (False, ["h2"])
    h2.start_switch()
    client.cloud.until("h2 to be back", lambda: client.host("h2")["connected"])
    there = client.put_port("db", mac, "10.0.0.4", "h2", wait="applied", timeout=f"{DEADLINE:.0f}")
    assert (there["applied"], there["pending"]) == (True, [])
    assert any("10.0.0.4" in flow for flow in client.cloud.all_flows(h2))


def test_what_was_asked_before_is_waited_for_though_a_write_adds_nothing_to_it(client: Client) -> None:
    h2, mac = client.cloud.hosts["h2"], client.cloud.lab.machines["db"].mac

    def put(revision: int) -> Any:
        return client.put_port("db", mac, "10.0.0.5", "h2", revision=str(revision), wait="applied", timeout="0.5")

    def delete(revision: int) -> Any:
        return client.ask("DELETE", f"/ports/{uuid('db')}?revision={revision}&wait=applied&timeout=0.5")

    with frozen(h2):
        for answer in (put(1), put(2), put(2), delete(3), delete(3), delete(4)):
            assert (answer["applied"], answer["pending"]) == (False, ["h2"])
    client.cloud.until("the port to be gone", lambda: delete(4)["applied"])
    assert not any("10.0.0.5" in flow for flow in client.cloud.all_flows(h2))


def test_the_stream_tells_of_confirmations(client: Client) -> None:
    mac = client.cloud.lab.machines["web"].mac
    connection = client.connect()
    connection.request("GET", "/v1/events", headers={"Authorization": AUTHORIZATION})
    stream = connection.getresponse()
    written = client.put_port("web", mac, "10.0.0.9", "h1", wait="applied")

    def confirmed(line: bytes) -> bool:
        told = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
        return told.get("host") == "h1" and (told.get("revision") or 0) >= written["revision"]

    assert any(confirmed(line) for line in iter(stream.readline, b""))
    connection.close()
