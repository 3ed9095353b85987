"""io: `make demo CLOUD=neutron`: a tenant's day on a real Neutron that Daybreak drives; KEEP=1 leaves it running.

There is no Keystone: a token says in plain words who somebody is. All else is real: Neutron with its policies, MariaDB,
the driver, its journal, the controller, Open vSwitch. Nova's part is played by this program.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from statistics import median

from rich.table import Table
from story import BIN, NAME, Controller, add_hosts, console, main, show, step

from daybreak_lab import Hypervisor, Lab, LabError, Machine, wait_for
from daybreak_lab.openstack import ADMIN, SERVICE, Client, Identity, MariaDB, Neutron, Settings, member
from daybreak_lab.openstack.client import Object
from daybreak_lab.openstack.neutron import PERIODIC

NEUTRON = Path(__file__).parents[1] / ".venv-neutron/bin"
JOURNAL = "neutron-daybreak-journal"
ALICE, BOB = member("red", "alice"), member("blue", "bob")
SETTINGS = Settings(
    mechanism_drivers=("daybreak",),
    service_plugins=("daybreak-router", "qos", "trunk"),
    sections={"daybreak": {"url": "http://127.0.0.1:8181", "username": "admin", "password": "admin"}},
)
MORE = 10
"""VMs that are booted with a stopwatch."""
PATIENCE = 60.0
"""Seconds until something that should happen counts as failed."""


class Cloud:
    """The cloud of the story."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.controller = Controller(lab)
        self.database = MariaDB(lab.controller_namespace, "mariadb")
        self.neutron = Neutron(lab.controller_namespace, NEUTRON, self.database, SETTINGS, programs=(PERIODIC, JOURNAL))
        self.hosts: dict[str, Hypervisor] = {}
        self.vms: dict[str, Machine] = {}

    @property
    def nova(self) -> Client:
        return self.neutron.client(SERVICE)

    def type(self, who: Identity, line: str) -> Object:
        """Somebody types a command that makes or shows something; what it says of it."""
        found: Object = json.loads(self.neutron.openstack(who, *line.split(), "-f", "json"))
        return found

    def boot(self, port: Object, host: str) -> Machine:
        """What Nova does for a port: it says where the VM is, and plugs in a card that carries the port's id."""
        bound = self.nova.update("ports", port["id"], **{"binding:host_id": host})
        if bound["binding:vif_type"] != "ovs":
            raise LabError(f"port {port['id']} is not bound to {host}: {bound['binding:vif_details']}")
        ips = [f"{each['ip_address']}/24" for each in bound["fixed_ips"]]
        vm = self.lab.vm(bound["name"], mac=bound["mac_address"], ips=ips)
        vm.plug(self.hosts[host], bound["id"])
        self.vms[vm.name] = vm
        return vm

    def wait_until_active(self, *ports: Object) -> None:
        for port in ports:
            self.neutron.client(ALICE).wait_for_status("ports", port["id"], "ACTIVE", PATIENCE)


def tell(cloud: Cloud) -> None:
    """The story, one step after the other."""
    with step("A MariaDB of its own, with the tables of Neutron and of Daybreak's driver"):
        cloud.database.create()
        cloud.neutron.migrate()
    with step("Daybreak's controller runs"):
        cloud.controller.start()
    with step(
        "Neutron 29 runs: its API in two processes, its workers, the driver's journal; no message bus, no agents"
    ):
        cloud.neutron.start()
    with step("Three hypervisors with stock Open vSwitch call the controller; Neutron knows them: h1, h2, h3"):
        cloud.hosts = add_hosts(cloud.lab, "h1", "h2", "h3")
        wait_for("Neutron to know the hosts", lambda: known_hosts(cloud) >= set(cloud.hosts), PATIENCE)
    tell_of_alice(cloud)
    tell_of_security_groups(cloud)
    tell_of_trouble(cloud)


def known_hosts(cloud: Cloud) -> set[str]:
    return {agent["host"] for agent in cloud.neutron.client(ADMIN).list("agents") if agent["alive"]}


def tell_of_alice(cloud: Cloud) -> None:
    """A tenant makes a network and boots three VMs."""
    with step("Alice, a member of project red, types `openstack network create red`, and a subnet to it"):
        cloud.type(ALICE, "network create red")
        cloud.type(
            ALICE,
            "subnet create --network red --subnet-range 10.0.0.0/24 --allocation-pool start=10.0.0.2,end=10.0.0.99 red",
        )
    with step("… and a security group web, that lets in ping and TCP port 80"):
        cloud.type(ALICE, "security group create web")
        cloud.type(ALICE, "security group rule create --protocol icmp web")
        cloud.type(ALICE, "security group rule create --protocol tcp --dst-port 80 web")
    with step("… and ports red-1, red-2, red-3; Nova boots a VM for each, on h1, h2, h3") as added:
        names = ("red-1", "red-2", "red-3")
        ports = [cloud.type(ALICE, f"port create --network red --security-group web {name}") for name in names]
        ports = [cloud.nova.get("ports", port["id"]) for port in ports]
        for port, host in zip(ports, cloud.hosts, strict=True):
            cloud.boot(port, host)
        added.append(": " + ", ".join(vm.address for vm in cloud.vms.values()))
    with step("The switches have confirmed the flows of all three: the ports are ACTIVE"):
        cloud.wait_until_active(*ports)
    with step("The VMs ping each other across hosts") as added:
        pairs = list(permutations(cloud.vms.values(), 2))
        for one, other in pairs:
            one.wait_until_reaches(other, PATIENCE)  # the first packet to another host waits for ARP, and is dropped
        added.append(f": {len(pairs)} pings answered")
    with step("Bob, of project blue, sees nothing of all that: `openstack network list`") as added:
        if seen := cloud.neutron.openstack(BOB, "network", "list", "-f", "value").strip():
            raise LabError(f"Bob sees {seen}")
        added.append(" is empty")


def tell_of_security_groups(cloud: Cloud) -> None:
    """What Alice allows is what gets through, and takes effect on what runs."""
    one, two = cloud.vms["red-1"], cloud.vms["red-2"]
    with two.listen("tcp", 80), two.listen("tcp", 8080):
        with step("From red-1 to red-2, TCP port 80 is open, and 8080 is not"):
            if not one.call(two, "tcp", 80):
                raise LabError("port 80 should be open")
            if one.call(two, "tcp", 8080, timeout=0.5):
                raise LabError("port 8080 should not be open")
        with step("`openstack security group rule create --protocol tcp --dst-port 8080 web`: it is open") as added:
            rule = cloud.type(ALICE, "security group rule create --protocol tcp --dst-port 8080 web")
            added.append(f", {seconds_until(lambda: one.call(two, 'tcp', 8080, timeout=0.2)):.2f} s later")
        with step("`openstack security group rule delete …`: it is closed again") as added:
            cloud.neutron.openstack(ALICE, "security", "group", "rule", "delete", rule["id"])
            added.append(f", {seconds_until(lambda: not one.call(two, 'tcp', 8080, timeout=0.2)):.2f} s later")


def tell_of_trouble(cloud: Cloud) -> None:
    """Everything that isn't a switch is killed, and what was accepted is done all the same."""
    one, two = cloud.vms["red-1"], cloud.vms["red-2"]
    red = cloud.neutron.client(ALICE)
    network = red.list("networks", name="red")[0]
    with ExitStack() as stack:
        with step("kill -9: the controller, all of Neutron, its journal, MariaDB, during 100 pings a second"):
            ping = stack.enter_context(one.pinging(two, interval=0.01))
            cloud.controller.kill()
            cloud.neutron.kill()
            cloud.database.kill()
        with step("MariaDB and Neutron are back, the controller is not: Alice creates a port, and it's accepted"):
            cloud.database.start()
            cloud.neutron.start()
            port = red.create("ports", network_id=network["id"], name="red-4")
        with step(
            "The controller is back: it has read its switches and changed nothing; it has learnt of red-4"
        ) as added:
            cloud.controller.start()
            took = seconds_until(lambda: is_known(cloud, port["id"]))
            cloud.controller.wait_for_switches(len(cloud.hosts))
            added.append(f" {took:.2f} s after it served")
    lost, sent = len(ping.result.lost), len(ping.result.sent)
    if lost:
        raise LabError(f"{lost} of {sent} pings were lost")
    console.print(f"              {lost} of {sent} pings were lost: the switches go on by themselves")
    with step("Nova boots a VM for red-4, on h3: it is ACTIVE"):
        cloud.boot(port, "h3")
        cloud.wait_until_active(port)


def is_known(cloud: Cloud, port: str) -> bool:
    """Whether the controller has a port."""
    shown = cloud.lab.controller_namespace.exec(str(BIN / "daybreak"), "show", "--json", check=False).stdout
    return port in shown


def seconds_until(so: Callable[[], object]) -> float:
    began = time.monotonic()
    wait_for("it", so, PATIENCE)
    return time.monotonic() - began


def measure(cloud: Cloud) -> Table:
    """Boot more VMs with a stopwatch, one after the other, as Nova does it: the port is created with its host."""
    network = cloud.neutron.client(ALICE).list("networks", name="red")[0]
    group = cloud.neutron.client(ALICE).list("security-groups", name="web")[0]
    peer, times = cloud.vms["red-1"], []
    with step(f"{MORE} more VMs, one after the other, with a stopwatch"), ThreadPoolExecutor() as pool:
        for number in range(MORE):
            vm = cloud.lab.vm(f"more-{number}", ips=[f"10.0.0.{100 + number}/24"])
            host = ("h2", "h3")[number % 2]
            began = time.monotonic()
            port = cloud.nova.create(
                "ports",
                name=vm.name,
                network_id=network["id"],
                project_id=ALICE.project,
                security_groups=[group["id"]],
                mac_address=vm.mac,
                fixed_ips=[{"ip_address": vm.address}],
                **{"binding:host_id": host},
            )
            answered = time.monotonic()
            vm.plug(cloud.hosts[host], port["id"])
            active = pool.submit(lambda port=port: (cloud.wait_until_active(port), time.monotonic())[1])
            peer.wait_until_reaches(vm, PATIENCE)
            reached = time.monotonic()
            times.append((answered - began, active.result() - began, reached - began))
    table = Table("from port create to …", "p50", "max")
    for what, values in zip(("the answer", "ACTIVE", "the first ping"), zip(*times, strict=True), strict=True):
        table.add_row(what, f"{median(values):.2f} s", f"{max(values):.2f} s")
    return table


def explain_how_to_look(cloud: Cloud) -> None:
    """KEEP=1: where to go from here."""
    namespace = cloud.lab.controller_namespace
    inside = f"sudo ip netns exec {namespace.name}"
    for who, identity in {"alice": ALICE, "bob": BOB, "admin": ADMIN}.items():
        script = namespace.home / who
        command = " ".join(cloud.neutron.openstack_argv(identity))
        script.write_text(f'#!/bin/sh\nexec ip netns exec {namespace.name} {command} "$@"\n')
        script.chmod(0o755)
    console.print(
        f"""
It is still running. Be Alice, Bob or the administrator:

  sudo {namespace.home}/alice network list       # `openstack` as Alice
  sudo {namespace.home}/admin network agent list

Look at it from below:

  {inside} {BIN / "daybreak"} show          # what the controller knows
  {inside} {BIN / "daybreak"} check         # is everything as it should be?
  ls {namespace.home}/*.log                # what everybody says
  sudo ip netns exec {cloud.vms["red-1"].namespace.name} ping {cloud.vms["red-2"].address}

End it:

  sudo {BIN / "daybreak-lab"} down --name {NAME}
""",
        markup=False,
    )


def run(lab: Lab, keep: bool) -> None:
    """The story, figures, and what people see who look."""
    console.print("[bold]Daybreak and Neutron[/bold]: a tenant, three hypervisors, a real Neutron and the controller\n")
    began = time.monotonic()
    cloud = Cloud(lab)
    tell(cloud)
    table = measure(cloud)
    show(lab, *cloud.neutron.openstack_argv(ADMIN), "network", "agent", "list", title="openstack network agent list")
    show(lab, BIN / "daybreak", "hosts", title="daybreak hosts")
    console.print()
    console.print(table)
    console.print(
        f"\n[bold green]All of it worked[/bold green], in {time.monotonic() - began:.0f} seconds. What you saw: what "
        "a tenant asks of Neutron is noted in the very\ntransaction that keeps it; the journal brings it to the "
        "controller, the controller to stock Open vSwitch, and the\nport is ACTIVE when the switch has confirmed its "
        "flows. Each of them can be killed: what was accepted isn't lost."
    )
    if keep:
        explain_how_to_look(cloud)
    else:
        console.print("\nAll of it is gone again. `make demo CLOUD=neutron KEEP=1` leaves it running, to look around.")


if __name__ == "__main__":
    sys.exit(main(run))
