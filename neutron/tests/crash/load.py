"""io: clients that change things all the time, what they were told, and what must be true of it afterwards."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from daybreak_lab import wait_for
from daybreak_lab.openstack import ApiError, Client, member

from ..cloud import JOURNAL, Cloud, by_id

GENEROUS = 120.0
"""Seconds until something that should happen counts as failed."""

PLAIN = (
    "name",
    "admin_state_up",
    "mac_address",
    "network_id",
    "cidr",
    "mtu",
    "direction",
    "protocol",
    "port_range_min",
)
"""Fields that have the same name and value in Neutron and in the controller, where an object has them."""
COLLECTIONS = ("networks", "subnets", "ports", "security-groups", "security-group-rules")


class Unknown(Exception):
    """A request had no answer, or that of a server which is in trouble or starts: it may have been done, or not."""


@dataclass
class Kept:
    """What is known of an object that a client created: its name counts its updates."""

    collection: str
    versions: set[int]
    """Those that it may have: one, or several if answers are missing."""
    deleted: bool | None = False
    """None: perhaps."""


@dataclass
class Ledger:
    """What one client was told."""

    objects: dict[str, Kept] = field(default_factory=dict)
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)
    """Answers that no client should ever get."""
    unknown: list[str] = field(default_factory=list)
    """Why an outcome isn't known, for each request of which it isn't."""


class Tenant:
    """One client in a project of its own, that talks to one server or the other, whichever comes."""

    def __init__(self, cloud: Cloud, number: int, seed: int) -> None:
        self.ledger = Ledger()
        self.stopping = threading.Event()
        self._random = random.Random(seed)
        self._clients = [server.client(member(f"crash-{seed}-{number}")) for server in cloud.servers]
        for client in self._clients:
            client.timeout = 30.0
        self._network = ""
        self._version = 0

    def run(self) -> None:
        steps: Sequence[Callable[[], None]] = (
            *(self._create_port,) * 4,
            *(self._update,) * 5,
            *(self._delete,) * 2,
            self._create_group,
        )
        while not self.stopping.is_set():
            try:
                if not self._network:
                    self._create_network()
                self._random.choice(steps)()
                self.ledger.acknowledged += 1
            except Unknown as unknown:
                self.ledger.unknown.append(str(unknown))
                self.stopping.wait(0.1)
            except ApiError as error:
                self.ledger.refused.append(str(error))

    def _ask(self, request: Callable[[Client], Any]) -> Any:
        try:
            return request(self._random.choice(self._clients))
        except ApiError as error:
            # A Neutron that has just started says 403 or 404 of anything, where several threads are asked at once
            # before it has read its policies and resources.
            if error.status >= 500 or error.status in (403, 404):
                raise Unknown(str(error)) from error
            raise
        except OSError as error:
            raise Unknown(repr(error)) from error

    def _create(self, collection: str, **fields: Any) -> str:
        made = self._ask(lambda client: client.create(collection, name=f"{self._version}", **fields))
        self.ledger.objects[made["id"]] = Kept(collection, {self._version})
        return str(made["id"])

    def _create_network(self) -> None:
        network = self._create("networks")
        self._create("subnets", network_id=network, ip_version=4, cidr="10.0.0.0/20")
        self._network = network

    def _create_port(self) -> None:
        self._create("ports", network_id=self._network)

    def _create_group(self) -> None:
        self._create("security-groups")

    def _mine(self, *collections: str) -> tuple[str, Kept] | None:
        """One of the objects that are certain to be there."""
        mine = [(id, kept) for id, kept in self.ledger.objects.items() if kept.deleted is False]
        mine = [(id, kept) for id, kept in mine if kept.collection in collections]
        return self._random.choice(mine) if mine else None

    def _update(self) -> None:
        if (chosen := self._mine("ports", "networks", "security-groups")) is None:
            return
        id, kept = chosen
        self._version += 1
        version = self._version
        kept.versions.add(version)
        self._ask(lambda client: client.update(kept.collection, id, name=f"{version}"))
        kept.versions = {version}

    def _delete(self) -> None:
        if (chosen := self._mine("ports", "security-groups")) is None:
            return
        id, kept = chosen
        kept.deleted = None
        self._ask(lambda client: client.delete(kept.collection, id))
        kept.deleted = True


class Watcher:
    """Looks at the controller all the time: what it has of an object must never be older than what it had before."""

    def __init__(self, cloud: Cloud) -> None:
        self.stopping = threading.Event()
        self.backwards: list[str] = []
        self.looks = 0
        self._cloud = cloud
        self._seen: dict[str, int] = {}

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                ports = self._cloud.controller.objects("ports")
            except Exception:  # it was killed
                self.stopping.wait(0.1)
                continue
            self.looks += 1
            for id, port in ports.items():
                version = int(port.get("name") or 0)
                if version < self._seen.get(id, 0):
                    self.backwards.append(f"{id}: {version} after {self._seen[id]}")
                self._seen[id] = version
            self.stopping.wait(0.2)


@contextmanager
def load(cloud: Cloud, clients: int, seed: int) -> Iterator[tuple[list[Ledger], Watcher]]:
    """Clients that work while the body runs, and somebody who watches the controller."""
    tenants = [Tenant(cloud, number, seed + number) for number in range(clients)]
    watcher = Watcher(cloud)
    everybody = [*tenants, watcher]
    threads = [threading.Thread(target=each.run, daemon=True) for each in everybody]
    for thread in threads:
        thread.start()
    try:
        yield [tenant.ledger for tenant in tenants], watcher
    finally:
        for each in everybody:
            each.stopping.set()
        for thread in threads:
            thread.join(GENEROUS)
            assert not thread.is_alive()


def differences(cloud: Cloud) -> list[str]:
    """Where the controller has something else than Neutron."""
    found = []
    for collection in COLLECTIONS:
        theirs, ours = by_id(cloud.client().list(collection)), cloud.controller.objects(collection)
        found += [f"{collection}/{id} is missing" for id in theirs.keys() - ours.keys()]
        found += [f"{collection}/{id} is too many" for id in ours.keys() - theirs.keys()]
        for id in theirs.keys() & ours.keys():
            there, here = essence(theirs[id]), essence(ours[id])
            found += [f"{collection}/{id} is {here}, not {there}"] * (there != here)
    return found


def essence(body: dict[str, Any]) -> dict[str, Any]:
    """What both say of an object. The controller leaves out what has no value."""
    plain = {name: body[name] for name in PLAIN if body.get(name) not in (None, "")}
    plain.pop("admin_state_up", None) if plain.get("admin_state_up") else None
    ips = sorted(each["ip_address"] for each in body.get("fixed_ips") or ())
    return {**plain, "fixed_ips": ips, "security_groups": sorted(body.get("security_groups") or ())}


def seconds_until_equal(cloud: Cloud) -> float:
    """Wait until Neutron and the controller have the same. Raises LabError, and prints what differs."""
    began = time.monotonic()
    last: list[str] = []

    def are_equal() -> bool:
        last[:] = differences(cloud)
        return not last

    try:
        wait_for("Neutron and the controller to be equal", are_equal, GENEROUS)
    except BaseException:
        print(f"{len(last)} differences:", *last[:20], sep="\n")
        for table in ("daybreak_journal", "daybreak_member"):
            print(f"{table}:", *cloud.database.query(f"SELECT * FROM {table}")[:20], sep="\n")
        for server in cloud.servers:
            print(f"{server.name}:", server.daemons[JOURNAL].said[-3000:], sep="\n")
        raise
    return time.monotonic() - began


def broken_promises(cloud: Cloud, ledgers: Sequence[Ledger]) -> list[str]:
    """What was acknowledged and isn't so."""
    objects = {collection: by_id(cloud.client().list(collection)) for collection in COLLECTIONS}
    found = []
    for ledger in ledgers:
        for id, kept in ledger.objects.items():
            there = objects[kept.collection].get(id)
            if kept.deleted is True and there:
                found.append(f"{kept.collection}/{id} was deleted and is there")
            if kept.deleted is False and not there:
                found.append(f"{kept.collection}/{id} was created and isn't there")
            if kept.deleted is False and there and int(there["name"]) not in kept.versions:
                found.append(f"{kept.collection}/{id} is {there['name']}, not {kept.versions}")
    return found
