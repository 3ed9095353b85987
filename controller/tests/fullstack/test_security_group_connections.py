"""Security groups on real switches: what happens to connections when rules, members and controllers change."""

import itertools
import re
import shutil
from typing import Any

import pytest

from daybreak_lab import Hypervisor

from .cloud import Cloud, all_reach, uuid
from .connections import Tcp, Udp

pytestmark = pytest.mark.ovs

SOON = 0.5
"""Seconds after which a connection that is silent counts as cut: it answers in milliseconds."""


def groups(*names: str) -> dict[str, list[str]]:
    """A port's groups, as its field."""
    return {"security_groups": [uuid(name) for name in names]}


def labels(host: Hypervisor) -> set[str]:
    """The labels of the connections that conntrack knows."""
    return set(re.findall(r"labels=(0x[0-9a-f]+)", host.appctl("dpctl/dump-conntrack")))


def entries(host: Hypervisor) -> set[str]:
    """TCP connections that conntrack knows and that stand: their addresses, zones and labels."""
    known = r"tcp,(orig=.*zone=\d+,labels=0x[0-9a-f]+),protoinfo=\(state=ESTABLISHED\)"
    return set(re.findall(known, host.appctl("dpctl/dump-conntrack")))


def everything(cloud: Cloud) -> list[dict[str, Any]]:
    """What a cloud tells a controller that has lost its store."""
    kinds = {"network": "networks", "port": "ports", "security_group": "security-groups"}
    kinds["security_group_rule"] = "security-group-rules"
    return [
        {"put": {"kind": kind, "body": body}}
        for kind, path in kinds.items()
        for body in cloud.modern("GET", f"/{path}")["items"]
    ]


def wait_for_silence(*connections: Tcp | Udp) -> None:
    """Wait until nothing of them is heard: Open vSwitch's cached flows follow the tables within half a second or so."""
    for connection in connections:
        Cloud.until("a connection to be cut", lambda connection=connection: not connection.talks(SOON))  # type: ignore[misc]


def test_a_rule_goes(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """What nothing else allows is cut, on one host and across, by IPv4 and IPv6; all else lives, with another label."""
    cloud.network("blue")
    cloud.group("server")
    for family in (4, 6):
        cloud.rule(f"web-{family}", "server", "ingress", "tcp", ports=(80, 81), family=family)
        cloud.rule(f"narrow-{family}", "server", "ingress", "tcp", ports=80, family=family)
        cloud.rule(f"ssh-{family}", "server", "ingress", "tcp", ports=22, family=family)
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", "fd00::1/64", **groups("server"))
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", "fd00::2/64")
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", "fd00::3/64")
    all_reach([near, far])
    kinds = [(client, address) for client in (near, far) for address in server.addresses]
    opened = [[Tcp(client, server, port, address) for client, address in kinds] for port in (80, 81, 22)]
    twice, once, other = opened
    assert all(tcp.talks() for tcp in (*twice, *once, *other))
    before = labels(hosts[0])
    cloud.drop("security_group_rule", "narrow-4", "narrow-6")
    assert all(tcp.talks() for tcp in (*twice, *once, *other))
    cloud.rule("narrow-4", "server", "ingress", "tcp", ports=80)
    cloud.rule("narrow-6", "server", "ingress", "tcp", ports=80, family=6)
    cloud.drop("security_group_rule", "web-4", "web-6")
    assert all(tcp.talks() for tcp in (*twice, *other))
    wait_for_silence(*once)
    assert labels(hosts[0]) != before
    cloud.drop("security_group_rule", "narrow-4", "narrow-6")
    wait_for_silence(*twice)
    assert all(tcp.talks() for tcp in other)
    cloud.rule("web-4", "server", "ingress", "tcp", ports=(80, 81))
    cloud.rule("web-6", "server", "ingress", "tcp", ports=(80, 81), family=6)
    for tcp in (*twice, *once):  # TCP says it again, later and later
        cloud.until("what was cut to be heard", tcp.talks)
    for connection in itertools.chain(*opened):
        connection.close()


def test_only_answers_flow(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """A stream that its client asked for once ends with the rule that let the question in, at either side."""
    cloud.network("blue")
    cloud.group("server")
    cloud.group("client")
    cloud.rule("hear", "server", "ingress", "udp", ports=5000)
    cloud.rule("hear-too", "server", "ingress", "udp", ports=(5001, 5002))
    cloud.rule("ask", "client", "egress", "udp", ports=5000)
    cloud.rule("ask-all", "client", "egress", "udp")
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", **groups("server"))
    client = cloud.vm("client", "blue", hosts[0], "10.0.0.2/24", **groups("client"))
    with Udp(client, server, 5000) as stream, Udp(client, server, 5001) as other:
        assert stream.talks() and other.talks()
        cloud.drop("security_group_rule", "hear")
        wait_for_silence(stream)
        assert other.talks()
        cloud.rule("hear-again", "server", "ingress", "udp", ports=5000)
        assert stream.talks()  # though the client never said a word again
        cloud.drop("security_group_rule", "ask-all")
        wait_for_silence(other)
        assert stream.talks()
        cloud.drop("security_group_rule", "ask")
        wait_for_silence(stream)


def test_a_port_leaves_a_group(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Its connections go with it, whichever side it is; those of other members, and those of its other groups, stay."""
    cloud.network("blue")
    for group in ("server", "admin", "friends"):
        cloud.group(group)
    cloud.put("address_group", "office", addresses=["10.0.0.2", "10.0.0.4"])
    cloud.rule("web", "server", "ingress", "tcp", ports=80, of="friends")
    cloud.rule("mail", "server", "ingress", "tcp", ports=25, among="office")
    cloud.rule("ssh", "admin", "ingress", "tcp", ports=22)
    cloud.rule("answer", "friends", "egress")
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", **groups("server", "admin"))
    a = cloud.vm("a", "blue", hosts[0], "10.0.0.2/24", **groups("friends"))
    b = cloud.vm("b", "blue", hosts[1], "10.0.0.3/24", **groups("friends"))
    cloud.until("the tunnel", lambda: a.namespace and b.ping(server, count=1, timeout=0.1) and True)
    with (
        Tcp(a, server, 80) as a_web,
        Tcp(b, server, 80) as b_web,
        Tcp(a, server, 22) as a_ssh,
        Tcp(a, server, 25) as a_mail,
    ):
        assert a_web.talks() and b_web.talks() and a_ssh.talks() and a_mail.talks()
        cloud.rule("all", "admin", "egress")  # else a's port could not answer, in no group at all
        cloud.group("others")
        cloud.rule("talk", "others", "egress")
        cloud.change_port("b", **groups("others"))
        wait_for_silence(b_web)
        assert a_web.talks() and a_ssh.talks() and a_mail.talks()
        cloud.put("address_group", "office", addresses=["10.0.0.4"])
        wait_for_silence(a_mail)
        assert a_web.talks() and a_ssh.talks()
        cloud.change_port("server", **groups("admin"))
        wait_for_silence(a_web)
        assert a_ssh.talks()
        cloud.change_port("server", **groups())
        wait_for_silence(a_ssh)
        cloud.change_port("server", security_groups=None)
        cloud.until("what is asked no more to be heard", a_ssh.talks)


def test_nothing_that_the_controller_does_breaks_a_connection(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Killed and started again, rules changed that say nothing of it, all flows replaced, flows deleted, its store lost
    and filled again by the cloud: the connection lives."""
    cloud.network("blue")
    cloud.group("server")
    cloud.rule("web", "server", "ingress", "tcp", ports=80)
    cloud.rule("remote", "server", "ingress", "tcp", ports=81, of="server")
    server = cloud.vm("server", "blue", hosts[0], "10.0.0.1/24", **groups("server"))
    near = cloud.vm("near", "blue", hosts[0], "10.0.0.2/24", **groups("server"))
    far = cloud.vm("far", "blue", hosts[1], "10.0.0.3/24", **groups("server"))
    cloud.rule("out", "server", "egress")
    cloud.until("the tunnel", lambda: far.ping(server, count=1, timeout=0.1) and True)
    connections = [Tcp(client, server, port) for client in (near, far) for port in (80, 81)]

    def alive() -> bool:
        return all(connection.talks() for connection in connections)

    assert alive()
    cloud.kill()
    assert alive()
    cloud.start()
    cloud.until("all to be as it should", lambda: not cloud.check())
    assert alive()
    cloud.group("nothing")
    cloud.rule("more", "server", "ingress", "tcp", ports=(1000, 2000))
    cloud.change_port("far", **groups("server", "nothing"))
    assert alive()
    wanted = [cloud.flows(host) for host in hosts]
    for host in hosts:  # as after an upgrade that gave each flow another cookie
        path = cloud.directory / "flows"
        others = [re.sub("cookie=0x[0-9a-f]+", "cookie=0x1", line) for line in cloud.flows(host) if "cookie" in line]
        path.write_text("\n".join(others))
        host.ovs_ofctl("--bundle", "replace-flows", "br-int", str(path))
    cloud.until("all flows to be as they were", lambda: [cloud.flows(host) for host in hosts] == wanted)
    assert alive()
    hosts[0].ovs_ofctl("del-flows", "br-int")
    cloud.until("the flows to be back", lambda: cloud.flows(hosts[0]) == wanted[0])
    assert alive()
    known, zones = everything(cloud), [entries(host) for host in hosts]
    assert all(zones[:2])
    cloud.kill()
    shutil.rmtree(cloud.directory / "data")
    cloud.start()
    cloud.transact(*known)
    cloud.until("all to be as it should", lambda: not cloud.check())
    assert alive()
    assert all(before <= entries(host) for before, host in zip(zones, hosts, strict=True))
    for connection in connections:
        connection.close()


def test_a_zone_is_empty_when_it_is_used_again(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    """Another port with the OpenFlow port, and so the zone, of one that is gone, finds none of its connections."""
    cloud.network("blue")
    cloud.group("server")
    cloud.rule("web", "server", "ingress", "tcp", ports=80)
    client = cloud.vm("client", "blue", hosts[0], "10.0.0.2/24")
    first = cloud.vm("first", "blue", hosts[0], "10.0.0.1/24", **groups("server"))
    zone = hosts[0].ovs_vsctl("get", "Interface", first.tap, "ofport").strip()
    with Tcp(client, first, 80) as tcp:
        assert tcp.talks()
        assert f"zone={zone}," in hosts[0].appctl("dpctl/dump-conntrack")
        cloud.lab.delete_vm(first)
    second = cloud.machine("second", "10.0.0.1/24")
    cloud.port("second", "blue", second.mac, second.addresses, **groups("server"))
    assert f"zone={zone}," in hosts[0].appctl("dpctl/dump-conntrack")
    second.plug(hosts[0], uuid("second"))
    hosts[0].ovs_vsctl("set", "Interface", second.tap, f"ofport_request={zone}")
    cloud.until(
        "it to have the number", lambda: hosts[0].ovs_vsctl("get", "Interface", second.tap, "ofport").strip() == zone
    )
    cloud.wait_for_status("ACTIVE", "second")
    cloud.until("its zone to be empty", lambda: f"zone={zone}," not in hosts[0].appctl("dpctl/dump-conntrack"))
    client.exec("ip", "neigh", "flush", "all")
    with Tcp(client, second, 80) as tcp:
        assert tcp.talks()
        cloud.kill()
        cloud.start()
        assert tcp.talks()
