"""What rules let through and what is dropped, counted and logged on real switches."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from daybreak_lab import Hypervisor

from .cloud import DAYBREAK, DEADLINE, Cloud, assert_unreachable, uuid
from .frames import udp

pytestmark = pytest.mark.ovs

FOREIGN_MAC = "fa:16:3e:99:99:99"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the controller writes what network logs ask for."""
    return tmp_path_factory.mktemp("log") / "security.log"


@pytest.fixture(scope="module")
def settings(log: Path) -> str:
    return f'counters_interval = 0.5\nsecurity_log = "{log}"\nlog_rate = 20\nlog_burst = 20\n'


def daybreak(cloud: Cloud, *arguments: str) -> tuple[int, str]:
    """`daybreak …`: exit code and what it printed."""
    done = cloud.lab.controller_namespace.exec(DAYBREAK, *arguments, check=False)
    return done.returncode, done.stdout + done.stderr


def counters(cloud: Cloud, rule: str) -> tuple[int, int]:
    """Connections and packets of a rule."""
    (found,) = [each for each in told(cloud, "rules") if each["id"] == uuid(rule)]
    return found["connections"], found["packets"]


def told(cloud: Cloud, *arguments: str) -> Any:
    return json.loads(daybreak(cloud, *arguments, "--json")[1])


def settled(cloud: Cloud, rule: str) -> tuple[int, int]:
    """The counters of a rule once two looks find nothing more: Open vSwitch tells of packets up to a second late."""
    while True:
        before = counters(cloud, rule)
        time.sleep(2.0)
        if counters(cloud, rule) == before:
            return before


@pytest.mark.timeout(240)
def test_rules_are_counted_once_whatever_restarts(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    h1, h2, _ = hosts
    cloud.network("blue")
    cloud.group("server")
    cloud.rule("web", "server", "ingress", "tcp", ports=(80, 80), ethertype="IPv4")
    cloud.rule("ssh", "server", "ingress", "tcp", ports=(22, 22), ethertype="IPv4")
    cloud.rule("ping", "server", "ingress", "icmp", ethertype="IPv4")
    server = cloud.vm("server", "blue", h1, "10.0.0.1/24", security_groups=[uuid("server")])
    client = cloud.vm("client", "blue", h2, "10.0.0.2/24")
    client.wait_until_reaches(server)

    # One connection is counted as one, with all its packets in both directions.
    with server.listen("tcp", 80):
        for _ in range(3):
            assert client.call(server, "tcp", 80)
    cloud.until("the connections are counted", lambda: counters(cloud, "web")[0] == 3)
    cloud.until("their packets, too", lambda: counters(cloud, "web")[1] > 3 * 2)
    assert counters(cloud, "ssh") == (0, 0)

    # A controller that is killed has lost nothing when it is back, and counts nothing twice.
    cloud.kill()
    with server.listen("tcp", 80):
        assert client.call(server, "tcp", 80)
    cloud.start()
    cloud.until("what it missed is counted", lambda: counters(cloud, "web")[0] == 4)
    connections, packets = settled(cloud, "web")
    assert connections == 4
    assert packets > 4 * 5

    # A switch that restarts counts from zero; the sums go on.
    h1.restart_switch()
    cloud.wait_for_status("ACTIVE", "server")
    client.wait_until_reaches(server)
    assert settled(cloud, "web") == (connections, packets)
    with server.listen("tcp", 80):
        assert client.call(server, "tcp", 80)
    cloud.until("it counts again", lambda: counters(cloud, "web")[0] == connections + 1)

    # So does one whose flows somebody deletes.
    connections, packets = settled(cloud, "web")
    h1.ovs_ofctl("del-flows", "br-int")
    client.wait_until_reaches(server)
    assert settled(cloud, "web") == (connections, packets)

    code, shown = daybreak(cloud, "rules", "server")
    assert code == 0
    assert "ingress    IPv4       tcp       80     anybody" in shown
    code, shown = daybreak(cloud, "rules", "server", "--unused")
    assert [line.split()[5] for line in shown.splitlines()[1:]] == ["22"]
    assert "never since 20" in shown


def test_why_drop(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    h1, h2, _ = hosts
    cloud.network("red")
    cloud.group("closed")
    closed = cloud.vm("closed", "red", h1, "10.0.0.1/24", security_groups=[uuid("closed")])
    other = cloud.vm("other", "red", h2, "10.0.0.2/24")
    cloud.until("it is looked at", lambda: daybreak(cloud, "why", "drop", "--port", "closed")[0] in (0, 1))

    assert_unreachable(other, closed)
    closed.send(udp(FOREIGN_MAC, "10.0.0.1", b"not my MAC"))
    closed.send(udp(closed.mac, "10.0.0.99", b"not my address"))

    def reasons(port: str) -> dict[str, int]:
        answer = told(cloud, "why", "drop", "--port", port, "--since", "10m")
        return {each["reason"]: each["packets"] for each in answer["drops"] if each["own"]}

    wanted = {
        "no rule lets it in": 4,
        "it comes from a MAC that is not the port's": 1,
        "it comes from an address that is not the port's": 1,
    }
    cloud.until("all of it is told", lambda: wanted.keys() <= reasons("closed").keys(), DEADLINE)
    found = reasons("closed")
    assert found["no rule lets it in"] >= 4
    assert {reason: found[reason] for reason in [*wanted][1:]} == {reason: wanted[reason] for reason in [*wanted][1:]}
    assert reasons("other") == {}

    code, shown = daybreak(cloud, "why", "drop", "--port", "closed", "--since", "10m")
    assert code == 1
    print(shown)
    assert f"port closed {uuid('closed')[:8]}  on h1  since" in shown
    assert "  1 packet  it comes from a MAC that is not the port's\n" in shown
    metrics = cloud.lab.controller_namespace.exec("curl", "-sS", "-u", "admin:admin", "http://127.0.0.1:8181/metrics")
    dropped = re.search(r'^daybreak_host_dropped_packets{host="h1"} (\d+)', metrics.stdout, re.MULTILINE)
    assert dropped and int(dropped[1]) >= sum(found.values())
    assert "daybreak_security_rules 0.0" in metrics.stdout
    assert daybreak(cloud, "why", "drop", "--port", "nobody")[0] == 1
    assert daybreak(cloud, "why", "drop", "--port", "closed", "--since", "soon")[0] == 2


def put(cloud: Cloud, path: str, body: dict[str, Any]) -> None:
    """A PUT of the modern API."""
    where = f"http://127.0.0.1:8181/v1/{path}"
    command = ("curl", "-sSf", "-u", "admin:admin", "-X", "PUT", where, "--json", json.dumps(body))
    cloud.lab.controller_namespace.exec(*command)


def test_connections_are_logged_as_the_cloud_asks(cloud: Cloud, hosts: list[Hypervisor], log: Path) -> None:
    """Each first packet once, admitted and dropped, with names; what is not asked for is not logged."""
    h1, h2, _ = hosts

    def logged(**fields: Any) -> list[Any]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if all(line.get(name) == value for name, value in fields.items())]

    cloud.network("green")
    cloud.group("watched")
    cloud.rule("http", "watched", "ingress", "tcp", ports=(80, 80), ethertype="IPv4")
    watched = cloud.vm("watched", "green", h1, "10.0.0.1/24", security_groups=[uuid("watched")])
    other = cloud.vm("other", "green", h2, "10.0.0.2/24")
    put(cloud, "network-logs/all?wait=applied", {"resource_type": "security_group", "resource_id": uuid("watched")})
    assert "pktps burst stats" in h1.ovs_ofctl("dump-meters", "br-int")
    assert "pktps" not in h2.ovs_ofctl("dump-meters", "br-int")
    with watched.listen("tcp", 80):
        cloud.until("the tunnel", lambda: other.call(watched, "tcp", 80))
    (line,) = cloud.until("it is logged", lambda: logged(event="ACCEPT"))
    assert line["port"] == {"id": uuid("watched"), "name": "watched"}
    assert line["network"] == {"id": uuid("green"), "name": "green"}
    assert (line["host"], line["direction"], line["rule"]) == ("h1", "ingress", uuid("http"))
    assert (line["protocol"], line["destination"], line["destination_port"]) == ("tcp", "10.0.0.1", 80)
    assert (line["source"], line["logs"]) == ("10.0.0.2", ["all"])

    # Of a datagram in pieces, no piece is called dropped. Its answer is logged too: by then the rule is known.
    cloud.rule("dns", "watched", "ingress", "udp", ports=53)
    with watched.listen("udp", 53):
        assert other.call(watched, "udp", 53, size=4000)

    assert other.call(watched, "tcp", 81, timeout=0.5).error == "timed out"
    (line,) = cloud.until("the drop is logged", lambda: logged(event="DROP", destination_port=81))
    assert (line["rule"], line["group"], line["direction"]) == (None, None, "ingress")
    assert {each["event"] for each in logged(protocol="udp")} == {"ACCEPT"}
    code, shown = daybreak(cloud, "why", "drop", "--port", "watched")
    assert code == 1
    assert f"ingress  tcp  10.0.0.2:{line['source_port']} → 10.0.0.1:81" in shown

    # A scan is seen in part, and holds nobody up: what is behind the meter goes on as before.
    put(cloud, "network-logs/all?wait=applied", {"resource_id": uuid("watched"), "event": "DROP"})
    before, admitted = len(logged()), len(logged(event="ACCEPT"))
    frames = [
        udp(other.mac, "10.0.0.2", b"scan", to=watched.mac, ports=(40000 + number, 1 + number)) for number in range(400)
    ]
    for frame in frames:
        other.send(frame)
    with watched.listen("tcp", 80):
        assert other.call(watched, "tcp", 80)
    cloud.until("the scan is logged", lambda: logged(protocol="udp", event="DROP"))
    seen = len(logged()) - before
    print(f"{seen} of {len(frames)} drops were logged")
    assert 0 < seen < len(frames)
    assert len(logged(event="ACCEPT")) == admitted, "only drops are asked for now"

    put(cloud, "network-logs/all?wait=applied", {"resource_id": uuid("watched"), "enabled": False})
    assert "pktps" not in h1.ovs_ofctl("dump-meters", "br-int")
