"""io: throughput and new connections through stateful security groups, beside OVN and beside a bare bridge.

    sudo python bench/security_throughput.py [--rounds 5] [--seconds 1]

Three clouds of two hypervisors each, with the same Open vSwitch and two VMs on each of the first: Daybreak, OVN (the
Debian packages ovn-central, ovn-host and ovn-common, unpacked into a temporary folder; driven by ovn-nbctl alone) and a
bridge that does nothing but NORMAL. Daybreak and OVN have the same groups: what a group lets in is TCP from its own
members, beside twenty rules that nothing here matches. Rounds are interleaved, and each cloud is
first in its turn.

Each measurement begins with no connection tracked (else a switch that ended in the round before would be ahead), and a
client has ports enough for what it opens within the minute that TCP keeps a closed connection.
"""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from uuid import NAMESPACE_DNS, uuid5

import click
from fleet import line
from ovn import Daemons, ended

from daybreak_lab import Hypervisor, Lab, Machine, wait_for

DAYBREAK = str(Path(sys.executable).with_name("daybreak"))
PORT = 5000
IDLE_RULES = 20
BLOCK = bytes(1 << 16)
CLIENTS = 4
TRIES = 2
SILENCE = 3.0
"""Seconds after which a connection is given up."""
PLACES = {"one host": ("a", "b"), "two hosts": ("a", "c")}


# -- the load: processes inside of the VMs' namespaces ----------------------------------------------------------------


@contextlib.contextmanager
def forked(machine: Machine, work: Callable[[], None]) -> Iterator[int]:
    """Run `work` in a process in the VM's namespace; it is ended at the end."""
    pid = os.fork()
    if not pid:
        try:
            with machine.namespace.entered():
                work()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def sink() -> None:
    """Take connections, one after another: read what comes until its end, then say how much that was.

    One that falls silent, for its switch ended meanwhile, must not keep others waiting for ever.
    """
    server, space = socket.create_server(("", PORT), backlog=512), bytearray(1 << 18)
    while True:
        connection, _ = server.accept()
        connection.settimeout(SILENCE)
        with connection, contextlib.suppress(OSError):
            received = 0
            while size := connection.recv_into(space):
                received += size
            connection.sendall(b"%d" % received)


def throughput(client: Machine, address: str, seconds: float) -> float:
    """Megabits a second of one TCP connection, as the other side received them."""
    with client.namespace.entered():
        connection = socket.create_connection((address, PORT), SILENCE)
    with connection:
        connection.settimeout(30)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.sendall(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        received = int(connection.recv(64))
        return received * 8 / 1e6 / (time.perf_counter() - began)


def connections(client: Machine, address: str, seconds: float) -> float:
    """New connections a second, from several processes, each opened and answered before the next."""
    reading, writing = os.pipe()

    def work() -> None:
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            with socket.create_connection((address, PORT), SILENCE) as connection:
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(64) == b"0"
            count += 1
        os.write(writing, count.to_bytes(8, "big"))
        time.sleep(60)

    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(forked(client, work))
        os.close(writing)
        counts = [int.from_bytes(os.read(reading, 8), "big") for _ in range(CLIENTS)]
    os.close(reading)
    if 0 in counts:  # the end of the pipe: a client gave up
        raise OSError("a connection failed")
    return sum(counts) / seconds


# -- the clouds -------------------------------------------------------------------------------------------------------


crashes: dict[str, int] = {}
"""By cloud: how often an ovs-vswitchd of its hosts ended while connections were made."""


def uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_DNS, name))


class Bare:
    """Bridges that learn, and a tunnel between them."""

    name = "bare NORMAL bridge"

    def __init__(self, lab: Lab) -> None:
        self.hosts = {name: lab.hypervisor(f"bare-{name}") for name in ("h1", "h2")}
        for host in self.hosts.values():
            host.ovs_vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
        self.vms = machines(lab, "n", self.hosts)
        for host, other in (("h1", "h2"), ("h2", "h1")):
            far = self.hosts[other].underlay_address
            tunnel = ("type=geneve", f"options:remote_ip={far}", "options:key=1")
            self.hosts[host].ovs_vsctl("add-port", "br-int", "tun0", "--", "set", "interface", "tun0", *tunnel)


class Ovn:
    """OVN's central daemons beside the controller's place, ovn-controller on each hypervisor."""

    name = "OVN"

    def __init__(self, lab: Lab, stack: ExitStack, directory: Path) -> None:
        daemons = Daemons(lab, stack, directory)
        nbctl = daemons.nbctl
        self.hosts = {name: daemons.hypervisor(f"ovn-{name}") for name in ("h1", "h2")}
        ports = [(each, f"n-{each}") for each in "abc"]
        nbctl("ls-add", "net")
        for each, _ in ports:
            nbctl("lsp-add", "net", uuid(f"o-{each}"))
        self.vms = machines(lab, "o", self.hosts)
        for each, _ in ports:
            vm = self.vms[each]
            addresses = f"{vm.mac} {vm.address}"
            nbctl("lsp-set-addresses", uuid(f"o-{each}"), addresses)
            nbctl("lsp-set-port-security", uuid(f"o-{each}"), addresses)
        nbctl("pg-add", "members", *(uuid(f"o-{each}") for each, _ in ports))
        allowed = [f"tcp.dst == {PORT} && ip4.src == $members_ip4"]
        allowed += [f"tcp.dst == {7000 + number} && ip4.src == 192.0.2.{number}" for number in range(IDLE_RULES)]
        for rule in allowed:
            nbctl("acl-add", "members", "to-lport", "1002", f"outport == @members && ip4 && {rule}", "allow-related")
        nbctl("acl-add", "members", "from-lport", "1002", "inport == @members && ip4", "allow-related")
        nbctl("acl-add", "members", "to-lport", "1001", "outport == @members && ip", "drop")
        nbctl("acl-add", "members", "from-lport", "1001", "inport == @members && ip", "drop")
        nbctl("--wait=hv", "--timeout=30", "sync")


class Daybreak:
    """The controller, told by the Neutron dialect."""

    name = "Daybreak"

    def __init__(self, lab: Lab, stack: ExitStack, directory: Path) -> None:
        self.lab = lab
        settings = directory / "daybreak.toml"
        settings.write_text(
            f'data = "{directory / "data"}"\novsdb = ["ptcp:6640"]\nopenflow = ["ptcp:6653"]\n'
            'allow_plaintext = ["127.0.0.0/8", "198.18.0.0/15"]\n'
        )
        log = (directory / "controller.log").open("wb")
        process = lab.controller_namespace.popen(DAYBREAK, "serve", "--config", str(settings), stderr=log)
        stack.callback(ended, process)
        wait_for("the controller", lambda: b"event=ready" in (directory / "controller.log").read_bytes(), 30)
        manager = f"tcp:{lab.controller_address}:6640"
        self.hosts = {
            name: lab.hypervisor(
                f"our-{name}",
                external_ids={"hostname": f"our-{name}", "daybreak-datapath-type": "netdev"},
                manager=manager,
            )
            for name in ("h1", "h2")
        }
        group = uuid("members")
        self.post("security-group", id=group, name="members")
        self.rule("allowed", direction="ingress", protocol="tcp", port=PORT, remote_group_id=group)
        for number in range(IDLE_RULES):
            self.rule(
                f"idle {number}",
                direction="ingress",
                protocol="tcp",
                port=7000 + number,
                remote_ip_prefix=f"192.0.2.{number}/32",
            )
        self.rule("egress", direction="egress")
        self.post("network", id=uuid("net"), **{"provider:network_type": "geneve", "provider:segmentation_id": "77"})
        for host in self.hosts.values():
            host.wait_for_bridge(timeout=30)
        self.vms = machines(lab, "d", self.hosts)
        for each, vm in self.vms.items():
            self.post(
                "port",
                id=uuid(f"d-{each}"),
                network_id=uuid("net"),
                mac_address=vm.mac,
                fixed_ips=[{"ip_address": vm.address}],
                security_groups=[group],
                port_security_enabled=True,
            )

    def rule(self, name: str, *, port: int | None = None, **fields: object) -> None:
        limits = {} if port is None else {"port_range_min": port, "port_range_max": port}
        body = {"security_group_id": uuid("members"), "ethertype": "IPv4", **limits, **fields}
        self.post("security-group-rule", id=uuid(name), **body)

    def post(self, kind: str, **body: object) -> None:
        with self.lab.controller_namespace.entered():
            connection = http.client.HTTPConnection("127.0.0.1", 8181, timeout=10)
            connection.connect()
        headers = {
            "Authorization": "Basic " + base64.b64encode(b"admin:admin").decode(),
            "Content-Type": "application/json",
        }
        content = json.dumps({kind.replace("-", "_"): {"tenant_id": uuid("tenant"), **body}})
        connection.request("POST", f"/controller/nb/v2/neutron/{kind}s", content, headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 201, answer
        connection.close()


def machines(lab: Lab, prefix: str, hosts: dict[str, Hypervisor]) -> dict[str, Machine]:
    """a and b on the first host, c on the second."""
    found = {}
    for number, (name, host) in enumerate((("a", "h1"), ("b", "h1"), ("c", "h2")), 1):
        found[name] = lab.vm(f"{prefix}-{name}", ips=[f"10.0.0.{number}/24"], mtu=1400)
        found[name].namespace.sysctl(ipv4__ip_local_port_range="1024 65535")
        found[name].plug(hosts[host], uuid(f"{prefix}-{name}"), timeout=30)
    return found


# -- the comparison ---------------------------------------------------------------------------------------------------


def measured(
    cloud: Daybreak | Ovn | Bare,
    measure: Callable[[Machine, str, float], float],
    client: str,
    server: str,
    seconds: float,
) -> float | None:
    """A figure. A switch that ended meanwhile is started again, and the measurement repeated; None: it always ended."""
    for _ in range(TRIES):
        address = cloud.vms[server].address
        for host in cloud.hosts.values():
            host.appctl("dpctl/flush-conntrack")
        with contextlib.suppress(OSError):
            return measure(cloud.vms[client], address, seconds)
        for host in cloud.hosts.values():
            if host.ovs.pid("ovs-vswitchd") is None:
                crashes[cloud.name] = crashes.get(cloud.name, 0) + 1
                host.start_switch()
        wait_for(f"{cloud.name} to let in again", partial(reaches, cloud.vms[client], address), 60)
    return None


def reaches(client: Machine, address: str) -> bool:
    with client.namespace.entered():
        try:
            socket.create_connection((address, PORT), 0.5).close()
        except OSError:
            return False
    return True


def report(middle: dict[tuple[str, str, str], float]) -> None:
    """Print the medians, by cloud, place and what was measured, and what they are to each other."""
    for (name, place, what), value in middle.items():
        print(f"{name}, {place}: {value:,.0f} {what}")
    for name, count in crashes.items():
        print(f"{name}: ovs-vswitchd ended {count} times while connections were made; each was tried {TRIES} times")
    for place in PLACES:
        for what in ("Mbit/s", "connections/s"):
            ours, ovn = middle[Daybreak.name, place, what], middle.get((Ovn.name, place, what))
            if ovn is None:
                line(f"{what}, {place}, against OVN", "no figure", "≥ 1.0 ×", False)
            else:
                line(f"{what}, {place}, against OVN", f"{ours / ovn:.2f} ×", "≥ 1.0 ×", ours >= ovn)
            line(f"{what}, {place}, against NORMAL", f"{ours / middle[Bare.name, place, what]:.2f} ×", "", True)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="For each measurement.")
def main(rounds: int, seconds: float) -> None:
    """Run the benchmark."""
    figures: dict[tuple[str, str, str], list[float]] = {}
    hopeless: set[tuple[str, str, str]] = set()
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (temporary / "ovn").mkdir()
        (temporary / "daybreak").mkdir()
        clouds = [Daybreak(lab, stack, temporary / "daybreak"), Ovn(lab, stack, temporary / "ovn"), Bare(lab)]
        for cloud in clouds:
            for server in ("b", "c"):
                stack.enter_context(forked(cloud.vms[server], sink))
                address = cloud.vms[server].address
                wait_for(f"{cloud.name} to let in", lambda c=cloud, a=address: reaches(c.vms["a"], a), 30)
            if not isinstance(cloud, Bare):
                flows = cloud.hosts["h1"].ovs_ofctl("dump-aggregate", "br-int")
                print(f"{cloud.name}: {flows.rpartition('flow_count=')[2]} flows on the first host")
        for turn in range(rounds):
            for cloud in clouds[turn % 3 :] + clouds[: turn % 3]:
                for place, (client, server) in PLACES.items():
                    for what, measure in (("Mbit/s", throughput), ("connections/s", connections)):
                        key = (cloud.name, place, what)
                        figure = None if key in hopeless else measured(cloud, measure, client, server, seconds)
                        if figure is None:
                            hopeless.add(key)
                            continue
                        figures.setdefault(key, []).append(figure)
                        print(f"\r{cloud.name}, {place}: {figure:.0f} {what}     ", end="", file=sys.stderr)
        print(file=sys.stderr)
    report({key: median(values) for key, values in figures.items()})


if __name__ == "__main__":
    main()
