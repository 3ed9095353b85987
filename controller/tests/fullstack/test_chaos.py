"""Everything at once, in an order that nobody thought of: in the end all is as it should be.

SEED=7 plays another order.
"""

import os
import random
import time
from collections.abc import Callable

import pytest

from daybreak_lab import Hypervisor

from .cloud import Cloud, all_reach, assert_unreachable, uuid

pytestmark = pytest.mark.ovs

STEPS = 40
BLINK = 0.03
"""Seconds. Without any controller, Open vSwitch's userspace datapath loses 6 to 10 ms of what comes through tunnels at
every third port that is added or removed."""

NETWORKS = ("red", "blue")


class Chaos:
    """What may happen. h1 and h2 keep their flows: bystanders there lose no more than Open vSwitch itself loses."""

    def __init__(self, cloud: Cloud, seed: int) -> None:
        self._cloud = cloud
        self._random = random.Random(seed)
        self._hosts = list(cloud.hosts.values())
        self._count = 10
        self.vms: dict[str, str] = {}
        """Their networks."""

    def step(self) -> None:
        happening = self._random.choices(
            [self.boot, self.delete, self.move, self.switch_off_and_on, self.cut_or_heal, self.database, self.trouble],
            [5, 2, 3, 2, 3, 1, 4],
        )[0]
        print(f"{time.monotonic():.2f} {happening.__name__}")
        happening()

    def boot(self) -> None:
        if len(self.vms) < 8:
            self._count += 1
            network = self._random.choice(NETWORKS)
            name = f"{network}-{self._count}"
            self._cloud.boot(name, network, self._host(), f"10.0.0.{self._count}/24")
            self.vms[name] = network

    def delete(self) -> None:
        if self.vms:
            name = self._random.choice(list(self.vms))
            del self.vms[name]
            steps: list[Callable[[], None]] = [
                lambda: self._cloud.lab.delete_vm(self._cloud.lab.machines[name]),
                lambda: self._cloud.delete("ports", name),
            ]
            self._random.shuffle(steps)
            for step in steps:
                step()

    def move(self) -> None:
        if self.vms:
            machine, target = self._cloud.lab.machines[self._random.choice(list(self.vms))], self._host()
            if machine.record.at != target.name:
                machine.move(target)

    def switch_off_and_on(self) -> None:
        if self.vms:
            name = self._random.choice(list(self.vms))
            self._cloud.update("ports", name, admin_state_up=False)
            self._cloud.update("ports", name, admin_state_up=True)

    def cut_or_heal(self) -> None:
        link = self._host().management
        if link.state() == "up":
            link.cut()
        else:
            link.heal()

    def database(self) -> None:
        """Of h3 alone: while its database is away, Open vSwitch's userspace datapath forwards nothing."""
        self._hosts[2].restart_database(kill=True)

    def trouble(self) -> None:
        """The controller is killed, or h3's switch loses its flows, or both in either order."""
        h3 = self._hosts[2]
        restarts: list[Callable[[], None]] = [
            self._cloud.kill,
            lambda: print(h3.ovs_ofctl("del-flows", "br-int")),
            lambda: print(h3.ovs_ofctl("add-flow", "br-int", "table=0,priority=9999,actions=drop")),
            lambda: h3.restart_switch(kill=True),
        ]
        for number in self._random.sample(range(len(restarts)), 2):
            restarts[number]()
        if not self._cloud.is_running:
            self._cloud.start()

    def _host(self) -> Hypervisor:
        host = self._random.choice(self._hosts)
        print(f"  {host.name}")
        return host


def test_all_is_well_in_the_end(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    for network in (*NETWORKS, "calm"):
        cloud.network(network)
    one, other = (cloud.vm(f"calm-{n}", "calm", hosts[n - 1], f"10.0.0.{n}/24") for n in (1, 2))
    all_reach([one, other])
    seed = int(os.environ.get("SEED", "1"))
    chaos = Chaos(cloud, seed)
    with one.pinging(other) as ping:
        for _ in range(STEPS):
            chaos.step()
        for host in hosts:
            host.management.heal()
        cloud.wait_for_status("ACTIVE", *chaos.vms)
        cloud.until("nothing is found any more", lambda: not cloud.check())
        machines = cloud.lab.machines
        for network in NETWORKS:
            all_reach([machines[name] for name, its in chaos.vms.items() if its == network])
        red, blue = ([machines[name] for name, its in chaos.vms.items() if its == network] for network in NETWORKS)
        for stranger in (*blue, *red)[:: max(1, len(red))]:
            assert_unreachable(one, stranger)
    print(f"seed {seed}: {len(ping.result.lost)} of {len(ping.result.sent)} pings of the bystanders lost")
    for outage in ping.result.outages():
        print(outage)
        assert outage.seconds < BLINK
    assert all(cloud.status(name) == "ACTIVE" for name in chaos.vms)
    assert uuid("calm-1") in hosts[0].ovs_vsctl("list", "Interface", one.tap)
