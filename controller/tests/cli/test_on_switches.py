"""The command line against a controller that runs, with real switches: what is done to them is seen."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from daybreak_lab import Hypervisor, Lab

from ..fullstack.cloud import DAYBREAK, Cloud, uuid

pytestmark = pytest.mark.ovs

FOREIGN = "table=0,priority=7,tcp,tp_dst=23,actions=drop"


class Session:
    """A cloud with two VMs on two hosts, and commands that are typed beside its controller."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.h1, self.h2 = cloud.host("h1"), cloud.host("h2")
        cloud.network("blue", mtu=1450)
        cloud.create("subnets", "blue4", network_id=uuid("blue"), cidr="10.0.0.0/24", ip_version=4)
        self.web = cloud.vm("web", "blue", self.h1, "10.0.0.1/24")
        self.db = cloud.vm("db", "blue", self.h2, "10.0.0.2/24")
        self.web.wait_until_reaches(self.db)

    def run(self, *arguments: str) -> tuple[int, str]:
        """`daybreak …`: exit code and what it printed."""
        done = self.cloud.lab.controller_namespace.exec(DAYBREAK, *arguments, check=False)
        return done.returncode, done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json")[1])

    @staticmethod
    def dumped(host: Hypervisor) -> int:
        """How many flows the switch has."""
        return host.ovs_ofctl("dump-flows", "br-int").count("cookie=")

    def check(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """(kind, host) of all findings, and of all notes."""
        answer = self.json("check")
        findings, notes = ({(each["kind"], each["host"]) for each in answer[key]} for key in ("findings", "notes"))
        return findings, notes


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Lab() as lab:
        cloud = Cloud(lab, tmp_path_factory.mktemp("cloud"))
        cloud.start()
        yield Session(cloud)
        cloud.stop()


def test_traces_to_where_nobody_is(session: Session) -> None:
    blue, web = f"network blue ({uuid('blue')[:8]})", f"port web ({uuid('web')[:8]})"
    why = f"ot delivered: no port of {blue} has 10.0.0.77; shown is the question for its MAC"
    code, said = session.run("trace", "web", "10.0.0.77", "--brief")
    assert (code, said.splitlines()[-1]) == (1, f"N{why}.")
    assert session.run("trace", "web", "10.0.0.77", "--probe") == (
        1,
        f"Error: There is no such packet to send: n{why}\n",
    )
    assert session.run("trace", "web", "192.0.2.77") == (
        1,
        f"Error: 192.0.2.77 is not in the network of {web}, whose subnets have no gateway\n",
    )


def test_a_healthy_cloud_is_shown_as_it_is(session: Session) -> None:
    assert session.cloud.until("all to be well", lambda: session.run("check")[0] == 0)
    code, said = session.run("check", "--deep")
    assert code == 0
    assert re.fullmatch(
        r"(note  not_in_effect: .*\n)*"
        r"All is well: 2 hosts, 2 ports, \d+ flows at revision \d+, computed again from nothing\.\n",
        said,
    )

    _, shown = session.run("show")
    lines = [re.sub(r"[├└]── ", "  ", line) for line in shown.splitlines()]
    mac, short = session.db.mac, uuid("db")[:8]
    where = f"on h2 ({session.db.tap}, port 1, VTEP {session.h2.underlay_address})"
    assert f"  port db {short}  {mac}  10.0.0.2  {where}  active" in lines
    assert lines[0].startswith(f"network blue {uuid('blue')[:8]}  vxlan 5001  mtu 1450")
    host = next(line for line in lines if line.startswith("host h1"))
    assert f"VTEP {session.h1.underlay_address}" in host
    assert host.endswith("datapath netdev  connected")

    for name, row in zip(("h1", "h2"), session.json("hosts"), strict=True):
        assert row["name"] == name
        assert (row["ovsdb"], row["openflow"], row["in_sync"]) == (True, True, True)
        assert (row["ports"], row["quarantined"], row["findings"]) == (1, 0, [])
        assert row["applied"] == row["revision"]
        assert row["flows"] == session.dumped(session.cloud.hosts[name])


def test_flows_have_counters_of_the_switch(session: Session) -> None:
    def sent() -> int:
        flows = session.json("flows", "--port", "web", "--counters")
        (classify,) = [flow for flow in flows if flow["table"] == "CLASSIFY"]
        assert (classify["rule"], classify["hosts"]) == ("local", ["h1"])
        assert [each["name"] for each in classify["objects"]] == ["web", "blue"]
        return int(classify["packets"])

    before = sent()
    assert session.web.ping(session.db, count=5).ok
    session.cloud.until("the pings are counted", lambda: sent() >= before + 5)


def test_the_flows_of_a_host_are_those_that_its_switch_has(session: Session) -> None:
    flows = session.json("flows", "--host", "h2", "--counters")
    assert len(flows) == session.dumped(session.h2)
    assert all(flow["packets"] is not None for flow in flows)


def test_a_trace_goes_by_the_flows_that_switches_hold(session: Session) -> None:
    """Those that they hold and those that they were sent lead the same way, and pings are counted on it."""
    way, actual = (session.json("trace", "web", "db", *more) for more in ((), ("--actual",)))
    assert (way["delivered"], way["answered"], actual["actual"]) == (True, True, True)
    assert [leg["host"] for leg in way["legs"]] == ["h1", "h2", "h2", "h1"]

    def steps(answer: Any) -> list[Any]:
        return [step | {"packets": None} for leg in answer["legs"] for step in leg["steps"]]

    assert steps(actual) == steps(way)

    def counted(answer: Any) -> list[int]:
        """Packets of each flow; those of its very first in the end."""
        return [step["packets"] for leg in answer["legs"] for step in leg["steps"] if step["kind"] == "flow"]

    before = counted(actual)
    assert session.web.ping(session.db, count=5).ok

    def has_risen() -> bool:
        now = counted(session.json("trace", "web", "db"))
        return all(after >= former + 5 for former, after in zip(before, now, strict=True))

    session.cloud.until("the pings are counted by each flow on the way", has_risen)


def test_a_probe_goes_where_the_trace_says(session: Session) -> None:
    code, said = session.run("trace", "web", "db", "tcp/5432", "--brief", "--probe")
    *_, verdict, probe = said.splitlines()
    assert (code, verdict) == (0, "Delivered, and so is its answer.")
    title = re.escape(f"port db ({uuid('db')[:8]})")
    assert re.fullmatch(rf"probe: arrived at {title} on h2 after [0-9.]+ ms, as traced\.", probe)
    for wrong, why in (
        (("db", "arp"), "A probe is tcp, udp, sctp with a port, or icmp (an echo request)"),
        (("web", "tcp/1"), "A probe goes from a port to another port"),
    ):
        code, said = session.run("trace", "web", *wrong, "--probe")
        assert (code, why in said) == (2, True), said


def test_a_foreign_flow_is_healed_and_reported(session: Session) -> None:
    session.h1.ovs_ofctl("add-flow", "br-int", FOREIGN)
    session.cloud.until("the drift is reported", lambda: ("drift", "h1") in session.check()[1])
    assert "tp_dst=23" not in session.h1.ovs_ofctl("dump-flows", "br-int")
    code, said = session.run("check")
    assert code == 0
    assert "host h1: somebody else changed its flows, which was put right at 20" in said and "(1 foreign)" in said


def test_what_the_cloud_or_a_host_got_wrong_is_found_until_it_is_right(session: Session) -> None:
    db = uuid("db")
    session.h1.ovs_vsctl(
        "add-port", "br-int", "dup", "--", "set", "Interface", "dup", "type=internal", f"external_ids:iface-id={db}"
    )
    session.h2.ovs_vsctl(
        "add-port", "br-int", "stray", "--", "set", "Interface", "stray", "type=internal", "external_ids:iface-id=no"
    )
    session.cloud.port("lost", "no-network", "fa:16:3e:00:00:09", ["10.0.0.9"])
    wrong = {("duplicate_claim", "h1"), ("unknown_port", "h2"), ("dangling", None)}
    session.cloud.until("all of it is found", lambda: session.check()[0] == wrong)
    code, said = session.run("check")
    assert code == 1
    assert f"port db ({db[:8]}) is claimed by dup of host h1 too, but the one that counts is" in said
    assert "interface stray of host h2 claims port no, which does not exist" in said
    assert f"refers to network {uuid('no-network')}, which does not exist" in said
    assert f"network {uuid('no-network')[:8]}  does not exist" in session.run("show")[1]

    session.h1.ovs_vsctl("del-port", "dup")
    session.h2.ovs_vsctl("del-port", "stray")
    session.cloud.delete("ports", "lost")
    session.cloud.until("all is well again", lambda: session.run("check")[0] == 0)


def test_what_a_switch_refuses_is_found_and_named(session: Session) -> None:
    """A table that holds no more flows than it has: Open vSwitch then refuses another (flow_limit, overflow_policy)."""
    table = session.h1.ovs_vsctl("--bare", "--columns=_uuid", "find", "Flow_Table", "name=OUTPUT").strip()
    session.h1.ovs_vsctl("set", "Flow_Table", table, "flow_limit=1", "overflow_policy=refuse")
    late = session.cloud.machine("late", "10.0.0.3/24")
    session.cloud.port("late", "blue", late.mac, late.addresses)
    late.plug(session.h1, uuid("late"))
    session.cloud.until("it is found", lambda: ("quarantined", "h1") in session.check()[0])
    _, said = session.run("check")
    assert f"host h1: the switch refuses flows of rule l2.local for port late ({uuid('late')[:8]})" in said
    assert session.json("hosts")[0]["quarantined"] == 1

    session.h1.ovs_vsctl("clear", "Flow_Table", table, "flow_limit", "overflow_policy")
    session.cloud.lab.delete_vm(late)
    session.cloud.delete("ports", "late")
    session.cloud.until("all is well again", lambda: session.run("check")[0] == 0)


def test_a_host_that_is_cut_off_is_found(session: Session) -> None:
    session.h2.stop_switch()
    session.h2.restart_database(kill=True)
    session.cloud.until(
        "the host is missed", lambda: session.json("hosts")[1]["openflow"] is False and session.run("check")[0] == 1
    )
    assert "host h2 is not connected by OpenFlow" in session.run("check")[1]
    assert session.run("flows", "--host", "h2", "--counters") == (1, "Error: The switch of host h2 is not connected\n")
    refused = "Error: No probe was sent: the switch of host h2 is not connected\n"
    assert session.run("trace", "web", "db", "tcp/5432", "--probe") == (1, refused)
    session.h2.start_switch()
    session.cloud.until("it is back", lambda: session.run("check")[0] == 0)


def test_metrics_tell_each_host(session: Session) -> None:
    metrics = session.cloud.lab.controller_namespace.exec(
        "curl", "-sS", "-u", "admin:admin", "http://127.0.0.1:8181/metrics"
    ).stdout.splitlines()
    for host in ("h1", "h2"):
        assert f'daybreak_host_openflow_connected{{host="{host}"}} 1.0' in metrics
        assert f'daybreak_host_quarantined{{host="{host}"}} 0.0' in metrics
    assert "daybreak_ports 2.0" in metrics
