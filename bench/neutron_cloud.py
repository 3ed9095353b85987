"""io: from a plug to the first ping, and to ACTIVE: a real Neutron with Daybreak beside a real Neutron with ML2/OVN.

    python bench/neutron_cloud.py [--plugs 20] [--ports 200] [--rounds 3]

Both clouds run all the time, in one lab: each has a Neutron with the same plugins and as many processes, a MariaDB,
two hypervisors, a network, and a group that lets everything in. OVN is that of Debian's packages, unpacked into a
temporary folder. The clouds take turns, and another is first in each.

- A plug: a port is created bound to the second host and its VM made, while a VM on the first pings its address all the
  time; a second later ovs-vsctl plugs the VM's card in. An answer from before the command's end counts as 0 from there.
  Each VM knows the other's MAC, for a guest repeats an ARP request after a second only.
- A burst: ports are created, half of them bound to each host, and a second later plugged at a fixed pace, each with one
  end of a cable that is up; what counts is how long after the last plug Neutron shows all as ACTIVE.

It needs root and Neutron's environment (make setup-neutron), in which it starts itself.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ovn import Daemons

from daybreak_lab import Hypervisor, Lab, LabError, Machine, wait_for
from daybreak_lab.openstack import Neutron, Settings
from daybreak_lab.openstack.client import Object
from daybreak_lab.openstack.neutron import PERIODIC

ENVIRONMENT = Path(__file__).parents[1] / ".venv-neutron/bin/python"
TESTS = Path(__file__).parents[1] / "neutron"
PORT = 9796
"""Of OVN's Neutron; the other has the usual one."""
MAINTENANCE = "neutron-ovn-maintenance-worker"
CARD = "eth0"
EVERY = 0.002
"""Seconds between two pings."""
PAUSE = 1.0
"""Seconds between a port's creation and its plug; with Nova they are more."""
PACE = 20
"""Plugs a second in a burst."""
LOOK = 0.05
"""Seconds between two looks at what is ACTIVE: in the database, for Neutron's API has enough to do."""
ACTIVE = "SELECT id FROM ports WHERE status = 'ACTIVE'"
DEADLINE = 600.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""
PING_LIMIT, ACTIVE_LIMIT = 0.020, 0.5

SAME = Settings(
    extension_drivers=("port_security",),
    sections={"ml2": {"tenant_network_types": "geneve"}, "ml2_type_geneve": {"max_header_size": 38}},
)
"""What both are made of."""


class Plug(NamedTuple):
    """Seconds until the first answer."""

    since_begin: float
    since_end: float


class Burst(NamedTuple):
    """Seconds: of each POST, of all plugs, and after them until all were ACTIVE."""

    posts: list[float]
    plugging: float
    active: float


class Cloud:
    """One of the two: its network, and a VM on each host, of which the first is the one that pings."""

    def __init__(self, name: str, lab: Lab, neutron: Neutron, hosts: list[Hypervisor]) -> None:
        self.name, self.lab, self.api, self.hosts = name, lab, neutron.client(), hosts
        from sqlalchemy import create_engine, text

        self._database, self._active = create_engine(neutron.database.url), text(ACTIVE)
        self._numbers = count(1)
        for host in hosts:
            host.wait_for_bridge(timeout=DEADLINE)
        wait_for(f"{name} to know its hosts", self._knows_hosts, DEADLINE)
        self.network = self.api.create("networks", name="bench")["id"]
        self.api.create("subnets", network_id=self.network, ip_version=4, cidr="10.0.0.0/16")
        self.group = self.api.create("security-groups", name="all")["id"]
        rule = {"direction": "ingress", "ethertype": "IPv4"}
        self.api.create("security-group-rules", security_group_id=self.group, **rule)
        self.client, other = (self._boot(host) for host in hosts)
        self.client.wait_until_reaches(other, DEADLINE)

    def port(self, host: Hypervisor) -> Object:
        """What Nova has of Neutron for a VM on a host."""
        asked = {"network_id": self.network, "security_groups": [self.group], "binding:host_id": host.name}
        made = self.api.create("ports", **asked)
        if made["binding:vif_type"] != "ovs":
            raise LabError(f"{self.name} does not bind a port to {host.name}: {made['binding:vif_type']}")
        return made

    def machine(self, port: Object) -> Machine:
        """The VM of a port, without a card."""
        addresses = [f"{each['ip_address']}/16" for each in port["fixed_ips"]]
        name = f"{self.name.lower()[:3]}-vm{next(self._numbers)}"
        return self.lab.vm(name, mac=port["mac_address"], ips=addresses, mtu=1400)

    def active(self) -> set[str]:
        """The ports that Neutron shows as such."""
        with self._database.connect() as connection:
            return set(connection.scalars(self._active))

    def _boot(self, host: Hypervisor) -> Machine:
        port = self.port(host)
        machine = self.machine(port)
        machine.plug(host, port["id"])
        return machine

    def _knows_hosts(self) -> bool:
        alive = {agent["host"] for agent in self.api.list("agents") if agent["alive"]}
        return alive >= {host.name for host in self.hosts}


# -- what is measured -------------------------------------------------------------------------------------------------


def plugged(cloud: Cloud) -> Plug:
    """One VM more on the second host."""
    host = cloud.hosts[1]
    port = cloud.port(host)
    machine = cloud.machine(port)
    give_card(machine, host, tap(port))
    introduce(machine, cloud.client)
    introduce(cloud.client, machine)
    with cloud.client.pinging(machine, interval=EVERY, grace=0.1) as ping:
        time.sleep(PAUSE)
        began = time.monotonic()
        plug(host, port)
        ended = time.monotonic()
        wait_for(f"{cloud.name}: an answer", lambda: ping.result.received, DEADLINE)
    answered = min(ping.result.sent[number] + rtt for number, rtt in ping.result.rtts.items())
    if answered < began:
        raise LabError(f"{cloud.name}: an answer before the plug")
    return Plug(answered - began, max(0.0, answered - ended))


def burst(cloud: Cloud, size: int) -> Burst:
    """Many ports, that are gone afterwards."""
    posts, ports = [], []
    for number in range(size):
        host = cloud.hosts[number % 2]
        began = time.monotonic()
        ports.append((host, cloud.port(host)))
        posts.append(time.monotonic() - began)
    for host in cloud.hosts:
        host.namespace.ip(*(command for port in at(host, ports) for command in cable(port)))
    time.sleep(PAUSE)
    began = time.monotonic()
    with ThreadPoolExecutor(len(cloud.hosts)) as pool:
        plugs = []
        for number, (host, port) in enumerate(ports):
            time.sleep(max(0.0, began + number / PACE - time.monotonic()))
            plugs.append(pool.submit(plug, host, port))
        for each in plugs:
            each.result()
    last = time.monotonic()
    wait_until_active(cloud, {port["id"] for _, port in ports})
    figures = Burst(posts, last - began, time.monotonic() - last)
    for host in cloud.hosts:
        host.ovs_vsctl(*(word for port in at(host, ports) for word in ("--", "del-port", tap(port))))
        host.namespace.ip(*(f"link delete {tap(port)}" for port in at(host, ports)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: cloud.api.delete("ports", each[1]["id"]), ports))
    return figures


def at(host: Hypervisor, ports: list[tuple[Hypervisor, Object]]) -> list[Object]:
    return [port for where, port in ports if where is host]


def wait_until_active(cloud: Cloud, ids: set[str]) -> None:
    until = time.monotonic() + DEADLINE
    while missing := ids - cloud.active():
        if time.monotonic() > until:
            raise LabError(f"{cloud.name}: {len(missing)} of {len(ids)} ports are not ACTIVE after {DEADLINE:.0f} s")
        time.sleep(LOOK)


# -- Nova's part ------------------------------------------------------------------------------------------------------


def tap(port: Object) -> str:
    return f"tap{port['id'][:11]}"


def cable(port: Object) -> tuple[str, ...]:
    """ip(8)'s commands for a card without a VM; a card without a link would not count as plugged in."""
    card, far = tap(port), f"far{port['id'][:11]}"
    return f"link add {card} type veth peer name {far}", f"link set {card} up", f"link set {far} up"


def plug(host: Hypervisor, port: Object) -> None:
    """Until the switch has it."""
    name, ids = tap(port), {"iface-id": port["id"], "attached-mac": port["mac_address"], "iface-status": "active"}
    external = (f"external_ids:{key}={value}" for key, value in ids.items())
    host.ovs_vsctl("add-port", "br-int", name, "--", "set", "Interface", name, *external)


def give_card(machine: Machine, host: Hypervisor, device: str) -> None:
    """A card whose other end is a device on the host, not yet plugged in."""
    host.namespace.ip(
        f"link add {device} type veth peer name {CARD} address {machine.mac} mtu {machine.record.mtu}"
        f" netns {machine.namespace.name}",
        f"link set {device} up",
    )
    machine.exec("ethtool", "-K", CARD, "tx", "off")  # the userspace datapath completes no checksums
    machine.namespace.ip(f"link set {CARD} up", *(f"address add {each} dev {CARD}" for each in machine.record.ips))


def introduce(machine: Machine, other: Machine) -> None:
    """A machine knows another's MAC for good."""
    machine.namespace.ip(f"neighbour replace {other.address} lladdr {other.mac} dev {CARD} nud permanent")


# -- the comparison ---------------------------------------------------------------------------------------------------


def clouds(lab: Lab, stack: ExitStack) -> list[Cloud]:
    """Both, running."""
    from tests import cloud as ours

    schema = ours.Schema(lab)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    daemons = Daemons(lab, stack, directory)
    ovn = {"ovn_nb_connection": daemons.northbound, "ovn_sb_connection": daemons.southbound}
    peer = Neutron(
        lab.controller_namespace,
        ours.BIN,
        schema.database(lab, name="ovn-database"),
        replace(SAME, mechanism_drivers=("ovn",), service_plugins=("ovn-router",)).adding({"ovn": ovn}),
        name="ovn-neutron",
        port=PORT,
        programs=(PERIODIC, MAINTENANCE),
    )
    driven = replace(
        SAME,
        mechanism_drivers=ours.DRIVEN.mechanism_drivers,
        service_plugins=("daybreak-router",),
        sections=ours.DRIVEN.adding(SAME.sections).sections,
    )
    daybreak = stack.enter_context(ours.Cloud(lab, schema.database(lab), driven))
    peer.start()
    return [
        Cloud("Daybreak", lab, daybreak.neutron, [daybreak.host(name) for name in ("our-h1", "our-h2")]),
        Cloud("OVN", lab, peer, [daemons.hypervisor(name) for name in ("ovn-h1", "ovn-h2")]),
    ]


def in_turns(both: list[Cloud], times: int, measure: Callable[[Cloud], Any]) -> list[list[Any]]:
    """The figures of each; another is first in each turn."""
    figures: dict[str, list[Any]] = {cloud.name: [] for cloud in both}
    for turn in range(times):
        for cloud in both[turn % 2 :] + both[: turn % 2]:
            figures[cloud.name].append(measure(cloud))
            print(f"\r{turn + 1} of {times}: {cloud.name}     ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return list(figures.values())


def report_plugs(names: list[str], figures: list[list[Plug]]) -> None:
    for name, plugs in zip(names, figures, strict=True):
        begin, end = ([1000 * value for value in values] for values in zip(*plugs, strict=True))
        print(
            f"{name}: plug to first ping, from the command's begin {median(begin):.1f} ms (at most {max(begin):.1f}), "
            f"from its end {median(end):.1f} ms (at most {max(end):.1f})"
        )
    ours, theirs = (median(plug.since_begin for plug in plugs) for plugs in figures)
    waited = median(plug.since_end for plug in figures[0])
    line("plug to first ping, from the command's end", f"{1000 * waited:.1f} ms", "≤ 20 ms", waited <= PING_LIMIT)
    line("the same from its begin, against ML2/OVN", f"{ours / theirs:.2f} ×", "", True)


def report_bursts(names: list[str], figures: list[list[Burst]]) -> None:
    posts, active = [], []
    for name, bursts in zip(names, figures, strict=True):
        posts.append(median(seconds for burst in bursts for seconds in burst.posts))
        active.append(median(burst.active for burst in bursts))
        each = ", ".join(f"{burst.active:.2f}" for burst in bursts)
        print(
            f"{name}: {len(bursts[0].posts)} ports plugged within {median(burst.plugging for burst in bursts):.1f} s, "
            f"all ACTIVE {active[-1]:.2f} s after the last ({each}); POST {1000 * posts[-1]:.0f} ms"
        )
    ratio = active[0] / active[1]
    line("from the last plug until all are ACTIVE, against ML2/OVN", f"{ratio:.2f} ×", "≤ 0.5 ×", ratio <= ACTIVE_LIMIT)
    line("POST of a bound port, against ML2/OVN", f"{posts[0] / posts[1]:.2f} ×", "", True)


def line(what: str, value: str, target: str, reached: bool) -> None:
    print(f"{what:74} {value:>12} {target:>10} {'' if reached else 'MISSED'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugs", type=int, default=20)
    parser.add_argument("--ports", type=int, default=200, help="of a burst")
    parser.add_argument("--rounds", type=int, default=3, help="bursts of each cloud")
    options = parser.parse_args()
    if Path(sys.prefix) != ENVIRONMENT.parents[1]:
        os.execv(ENVIRONMENT, [str(ENVIRONMENT), "-W", "ignore", *sys.argv])
    sys.path.insert(0, str(TESTS))
    with ExitStack() as stack:
        both = clouds(stack.enter_context(Lab()), stack)
        names = [cloud.name for cloud in both]
        report_plugs(names, in_turns(both, options.plugs, plugged))
        report_bursts(names, in_turns(both, options.rounds, lambda cloud: burst(cloud, options.ports)))


if __name__ == "__main__":
    main()
