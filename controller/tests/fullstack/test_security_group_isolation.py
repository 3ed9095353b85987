"""Two tenants with the same addresses on the same hosts: whatever they and their groups do, neither hears the other."""

import random
import threading
from collections import Counter

import pytest

from daybreak_lab import Hypervisor, Machine
from daybreak_lab.frames import packet_socket
from daybreak_lab.machine import CARD

from .cloud import Cloud, uuid
from .frames import udp

pytestmark = pytest.mark.ovs

SEED = 20261121
STEPS = 10
TENANTS = ("red", "blue")
PAUSE = 0.1
"""Seconds between two rounds of the storm: in each, every VM sends to everybody's MAC and to all."""


class Voice:
    """One VM in the storm."""

    def __init__(self, tenant: str, machine: Machine) -> None:
        self.tenant, self.machine = tenant, machine
        with machine.namespace.entered():
            self._sender = packet_socket(CARD)
        self.capture = machine.capture().__enter__()

    def close(self) -> None:
        self.capture.__exit__()
        self._sender.close()

    def speak(self, macs: list[str]) -> None:
        """Say whose it is, to each of these MACs."""
        for mac in macs:
            said = f"this is {self.tenant}".encode()
            self._sender.send(udp(self.machine.mac, self.machine.address, said, to=mac))

    def heard(self, tenant: str) -> int:
        """How often it heard a tenant."""
        return sum(f"this is {tenant}".encode() in frame for frame in self.capture.received)


class Storm:
    """All VMs send to all MACs, their own tenant's and the other's, from their own addresses; all listen."""

    def __init__(self) -> None:
        self._voices: dict[str, Voice] = {}
        self._past = Counter[str]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._blow, daemon=True)
        self._lock = threading.Lock()

    def __enter__(self) -> "Storm":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for name in list(self._voices):
            self.remove(name)

    def add(self, tenant: str, machine: Machine) -> None:
        with self._lock:
            self._voices[machine.name] = Voice(tenant, machine)

    def remove(self, name: str) -> Machine:
        """A VM falls silent; what it heard is kept."""
        with self._lock:
            voice = self._voices.pop(name)
        voice.close()
        self._past += counted(voice)
        return voice.machine

    def heard(self) -> Counter[str]:
        """How often VMs heard their own tenant, and the other one."""
        with self._lock:
            return sum(map(counted, self._voices.values()), Counter(self._past))

    def _blow(self) -> None:
        while not self._stop.wait(PAUSE):
            with self._lock:
                macs = [voice.machine.mac for voice in self._voices.values()]
                for voice in self._voices.values():
                    voice.speak([mac for mac in (*macs, "ff:ff:ff:ff:ff:ff") if mac != voice.machine.mac])


def counted(voice: Voice) -> Counter[str]:
    """What a VM heard, of its own tenant and of the other."""
    return Counter({"own" if tenant == voice.tenant else "other": voice.heard(tenant) for tenant in TENANTS})


def test_neither_of_two_tenants_hears_the_other(cloud: Cloud, hosts: list[Hypervisor]) -> None:
    chance = random.Random(SEED)
    for tenant in TENANTS:
        cloud.network(tenant)
        for group in ("default", "extra"):
            cloud.group(f"{tenant}-{group}")
            cloud.rule(f"{tenant}-{group}-out", f"{tenant}-{group}", "egress")
            cloud.rule(f"{tenant}-{group}-in", f"{tenant}-{group}", "ingress", of=f"{tenant}-default")
    with Storm() as storm:

        def boot(tenant: str, number: int) -> None:
            name = f"{tenant}-{number}"
            groups = [uuid(f"{tenant}-{group}") for group in ("default", "extra") if chance.random() < 0.8]
            host = chance.choice(hosts[:2])
            storm.add(tenant, cloud.vm(name, tenant, host, f"10.0.0.{number}/24", security_groups=groups))

        for number in range(1, 4):
            for tenant in TENANTS:
                boot(tenant, number)
        for _ in range(STEPS):
            tenant, number = chance.choice(TENANTS), chance.randint(1, 3)
            match chance.choice(("groups", "groups", "rule", "replace", "open")):
                case "groups":
                    chosen = chance.sample(("default", "extra"), chance.randint(0, 2))
                    cloud.change_port(f"{tenant}-{number}", security_groups=[uuid(f"{tenant}-{g}") for g in chosen])
                case "rule":
                    cloud.drop("security_group_rule", f"{tenant}-extra-in")
                    cloud.rule(f"{tenant}-extra-in", f"{tenant}-extra", "ingress", of=f"{tenant}-extra")
                case "replace":
                    cloud.lab.delete_vm(storm.remove(f"{tenant}-{number}"))
                    cloud.delete("ports", f"{tenant}-{number}")
                    boot(tenant, number)
                case "open":
                    cloud.rule(f"{tenant}-open", f"{tenant}-default", "ingress")
            before = storm.heard()["own"]
            cloud.change_port("red-1", security_groups=[uuid("red-default")])
            cloud.change_port("red-2", security_groups=[uuid("red-default")])
            cloud.until("the storm to go on", lambda before=before: storm.heard()["own"] > before)  # type: ignore[misc]
        heard = storm.heard()
    assert heard["other"] == 0
    assert heard["own"] > 100
