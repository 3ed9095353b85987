"""io: a cloud in the lab: hypervisors, the controller as a process of its own, and Neutron's side of the conversation.

Networks, ports and VMs go by names of the test's choice; their UUIDs are made from these names. A VM and its port have
the same name.
"""

import base64
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_DNS, uuid5

from daybreak_lab import Hypervisor, Lab, Machine, Namespace, wait_for

Answer = TypeVar("Answer")

DAYBREAK = str(Path(sys.executable).with_name("daybreak"))
NEUTRON = "/controller/nb/v2/neutron"
DEADLINE = 30.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""

REVALIDATED = 100
"""Milliseconds after which a datapath's cache is looked through though no flow changed: what `settle` may take."""

HEALING = 5.0
"""Seconds in which what somebody did to a switch has to be mended."""

CONFIGURATION = """
ovsdb = ["ptcp:6640"]
openflow = ["ptcp:6653"]
allow_plaintext = ["127.0.0.0/8", "198.18.0.0/15"]
"""


def uuid(name: str) -> str:
    """The id of what a test calls `name`."""
    return str(uuid5(NAMESPACE_DNS, name))


def serve(namespace: Namespace, log: Path, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a controller, add what it says to a log, and wait until it listens."""
    with log.open("ab") as file:
        read = log.stat().st_size
        process = namespace.popen(DAYBREAK, "serve", *arguments, stderr=file, cwd=cwd)
    wait_for(
        "the controller to listen",
        lambda: process.poll() is not None or b"event=ready" in log.read_bytes()[read:],
        DEADLINE,
    )
    assert process.poll() is None, log.read_text()
    return process


class Cloud:
    """A lab, a controller in it, and what the cloud asked of it."""

    def __init__(self, lab: Lab, directory: Path, settings: str = "") -> None:
        """`settings` are lines of the controller's configuration file."""
        self.lab = lab
        self.hosts: dict[str, Hypervisor] = {}
        self.directory = directory
        self._configuration = directory / "daybreak.toml"
        self._configuration.write_text(f'data = "{directory / "data"}"\n{CONFIGURATION}{settings}')
        self._log = directory / "controller.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._made: dict[str, list[str]] = {"ports": [], "subnets": [], "networks": []}
        self._put: dict[tuple[str, str], None] = {}
        self._numbers = 0

    def __enter__(self) -> "Cloud":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.stop()

    # the controller

    def start(self) -> None:
        """Start the controller and wait until it listens."""
        self._process = serve(self.lab.controller_namespace, self._log, "--config", str(self._configuration))

    def kill(self) -> None:
        """SIGKILL: it has no chance to say or write anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as systemd does it; it has to end without complaint."""
        assert self._end(signal.SIGTERM) == 0

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)  # ip-netns-exec(8) has become the controller by execve(2)
        code = self._process.wait(DEADLINE)
        self._process = None
        return code

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the controllers said so far."""
        return self._log.read_text() if self._log.exists() else ""

    def said(self, *words: str, since: int = 0) -> list[str]:
        """The log's lines with all of these words, from a length of the log on."""
        return [line for line in self.log[since:].splitlines() if all(word in line for word in words)]

    def check(self) -> str:
        """What `daybreak check --deep` finds; empty if all is well."""
        command = (DAYBREAK, "check", "--deep")
        done = self.lab.controller_namespace.exec(*command, check=False)
        return done.stdout + done.stderr if done.returncode else ""

    # hypervisors

    def host(self, name: str, **options: Any) -> Hypervisor:
        """A hypervisor whose database calls the controller; options are the lab's."""
        ids = {"hostname": name, "daybreak-datapath-type": "netdev", **options.pop("external_ids", {})}
        manager = f"tcp:{self.lab.controller_address}:6640"
        config = {"max-revalidator": str(REVALIDATED), **options.pop("other_config", {})}
        host = self.lab.hypervisor(name, external_ids=ids, other_config=config, manager=manager, **options)
        self.hosts[name] = host
        return host

    def flows(self, host: Hypervisor) -> list[str]:
        """The flows of br-int with their cookies, without what changes by itself."""
        dump = host.ovs_ofctl("--no-stats", "dump-flows", "br-int").splitlines()
        return sorted(line.strip() for line in dump)

    def all_flows(self, host: Hypervisor) -> list[str]:
        """The flows of br-int and those that Open vSwitch hides from OpenFlow."""
        return host.appctl("bridge/dump-flows", "br-int").splitlines()

    # Neutron

    def modern(self, method: str, path: str, body: object = None) -> Any:
        """One request to the modern API, which has to succeed; the answer's JSON."""
        status, answer = self.request(method, path, body, base="/v1")
        assert status == 200, answer
        return answer

    def told(self, port: str) -> Any:
        """What the modern API tells of a port."""
        items = self.modern("GET", "/port-status")["items"]
        return next((item for item in items if item["port_id"] == uuid(port)), None)

    def request(self, method: str, path: str, body: object = None, base: str = NEUTRON) -> tuple[int, Any]:
        """One request to a northbound, Neutron's unless said otherwise; the answer's status and JSON."""
        with self.lab.controller_namespace.entered():
            connection = http.client.HTTPConnection("127.0.0.1", 8181, timeout=DEADLINE)
            connection.connect()
        headers = {
            "Authorization": "Basic " + base64.b64encode(b"admin:admin").decode(),
            "Content-Type": "application/json",
        }
        with closing(connection):  # who kills the controller meanwhile gets an error
            connection.request(method, base + path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        return response.status, json.loads(content) if content else None

    def create(self, collection: str, name: str, **fields: Any) -> str:
        """POST an object; returns its id."""
        id = uuid(name)
        body = {collection.removesuffix("s"): {"id": id, "name": name, "tenant_id": uuid("tenant"), **fields}}
        status, answer = self.request("POST", f"/{collection}", body)
        assert status == 201, answer
        self._made[collection].append(name)
        return id

    def update(self, collection: str, name: str, **fields: Any) -> None:
        """PUT an object as it is, with these fields changed."""
        singular = collection.removesuffix("s")
        _, known = self.request("GET", f"/{collection}/{uuid(name)}")
        status, answer = self.request("PUT", f"/{collection}/{uuid(name)}", {singular: {**known[singular], **fields}})
        assert status == 200, answer

    def delete(self, collection: str, name: str) -> None:
        status, answer = self.request("DELETE", f"/{collection}/{uuid(name)}")
        assert status == 204, answer
        self._made[collection].remove(name)

    def network(self, name: str, type: str | None = "vxlan", **fields: Any) -> str:
        """POST a network; returns its name. `type` None: the cloud doesn't say."""
        if type is not None:
            fields["provider:network_type"] = type
            if type in ("vxlan", "geneve", "gre"):
                self._numbers += 1
                fields.setdefault("provider:segmentation_id", str(5000 + self._numbers))
        self.create("networks", name, **fields)
        return name

    def port(self, name: str, network: str, mac: str, ips: Sequence[str] = (), **fields: Any) -> str:
        """POST a port; returns its name. Addresses are without prefix length."""
        fixed = [{"ip_address": address} for address in ips]
        self.create("ports", name, network_id=uuid(network), mac_address=mac, fixed_ips=fixed, **fields)
        return name

    # the modern API, which also waits for the switches

    def transact(self, *operations: dict[str, Any]) -> None:
        """POST a transaction of /v1, and wait until every connected switch and its datapath have it."""
        self.modern("POST", "/transactions?wait=applied&timeout=30", {"operations": list(operations)})
        self.settle()

    def put(self, kind: str, name: str, /, **fields: Any) -> None:
        """PUT an object of /v1: `kind` as in transactions, all its fields."""
        self._put[kind, name] = None
        self.transact({"put": {"kind": kind, "body": {"id": uuid(name), **fields}}})

    def drop(self, kind: str, *names: str) -> None:
        """DELETE objects of /v1, in one transaction."""
        for name in names:
            del self._put[kind, name]
        self.transact(*({"delete": {"kind": kind, "id": uuid(name)}} for name in names))

    def change_port(self, name: str, **fields: Any) -> None:
        """Change some fields of a port."""
        port = self.modern("GET", f"/ports/{uuid(name)}")
        self.transact({"put": {"kind": "port", "body": {**port, **fields}}})

    def group(self, name: str, **fields: Any) -> None:
        """A security group."""
        self.put("security_group", name, **{"name": name, **fields})

    def rule(self, name: str, group: str, direction: str, protocol: str | None = None, **fields: Any) -> None:
        """A rule of a group. `ports` is one, or (lowest, highest); `of` is the remote group, `among` an address group,
        `prefix` a prefix; `family` 4 or 6."""
        ports = fields.pop("ports", None)
        low, high = ports if isinstance(ports, tuple) else (ports, ports)
        named = {"remote_group_id": fields.pop("of", None), "remote_address_group_id": fields.pop("among", None)}
        body = {
            "security_group_id": uuid(group),
            "direction": direction,
            "protocol": protocol,
            "ethertype": f"IPv{fields.pop('family', 4)}",
            "port_range_min": low,
            "port_range_max": high,
            "remote_ip_prefix": fields.pop("prefix", None),
            **{field: uuid(remote) for field, remote in named.items() if remote},
        }
        given = {field: value for field, value in {**body, **fields}.items() if value is not None}
        self.put("security_group_rule", name, **given)

    def status(self, port: str) -> str:
        """What Neutron is told of a port: ACTIVE or DOWN."""
        return str(self.request("GET", f"/ports/{uuid(port)}")[1]["port"]["status"])

    def wait_for_status(self, status: str, *ports: str, timeout: float = DEADLINE) -> None:
        """Wait until all of these ports are ACTIVE, or DOWN."""
        for port in ports:
            self.until(f"{port} is {status}", lambda port=port: self.status(port) == status, timeout)  # type: ignore[misc]

    def settle(self) -> None:
        """Wait until the datapaths do what their switches were told."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.ovs.settle(), self.hosts.values()))

    # virtual machines

    def machine(self, name: str, *ips: str, **options: Any) -> Machine:
        """A VM that is not plugged in yet; addresses are with prefix length, options are the lab's."""
        return self.lab.vm(name, ips=ips, **options)

    def boot(self, name: str, network: str, host: Hypervisor, *ips: str, mtu: int = 1400, **fields: Any) -> Machine:
        """What Neutron and Nova do together for a VM: a port, and a card plugged in that carries its id.

        Addresses are with prefix length; `fields` are the port's.
        """
        machine = self.machine(name, *ips, mtu=mtu)
        self.port(name, network, machine.mac, machine.addresses, **fields)
        machine.plug(host, uuid(name), timeout=DEADLINE)
        return machine

    def vm(self, name: str, network: str, host: Hypervisor, *ips: str, **options: Any) -> Machine:
        """A VM like that of `boot`, once Neutron is told that its port is ACTIVE."""
        machine = self.boot(name, network, host, *ips, **options)
        self.wait_for_status("ACTIVE", name)
        return machine

    def tidy(self) -> None:
        """Take away all VMs, ports, subnets, networks, and security groups."""
        for machine in list(self.lab.machines.values()):
            self.lab.delete_vm(machine)
        for collection, names in self._made.items():
            for name in list(names):
                self.delete(collection, name)
        if self._put:
            self.transact(*({"delete": {"kind": kind, "id": uuid(name)}} for kind, name in self._put))
            self._put.clear()

    # waiting

    @staticmethod
    def until(what: str, ask: Callable[[], Answer], timeout: float = DEADLINE) -> Answer:
        """Ask until the answer is true, and return it. Raises LabError that names `what` after `timeout` seconds."""
        return wait_for(what, ask, timeout)

    def seconds_until(self, what: str, ask: Callable[[], object], timeout: float = DEADLINE) -> float:
        """How long it took."""
        began = time.monotonic()
        self.until(what, ask, timeout)
        return time.monotonic() - began


def all_reach(machines: Iterable[Machine], timeout: float = DEADLINE) -> None:
    """Each reaches all addresses of each other. The first packets to a VTEP are lost to its ARP; hence the waiting."""
    known = list(machines)
    for one in known:
        for other in known:
            if one is not other:
                for address in other.addresses:
                    one.wait_until_reaches(address, timeout)


def assert_unreachable(one: Machine, other: Machine | str) -> None:
    """Not one of several pings is answered."""
    assert one.ping(other, count=4, interval=0.02, timeout=0.2).received == 0
