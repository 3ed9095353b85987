"""io: `make demo`: a small cloud on this machine, told as a story; KEEP=1 leaves it running.

It makes network namespaces with Open vSwitch daemons of their own, and touches nothing else of this machine.
"""

import base64
import http.client
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import permutations
from uuid import NAMESPACE_DNS, uuid5

from story import BIN, NAME, NORTHBOUND, Controller, add_hosts, console, main, show, step

from daybreak_lab import Hypervisor, Lab, LabError, Machine, wait_for

NEUTRON = "/controller/nb/v2/neutron"
VMS = (("red", 1, "h1"), ("red", 2, "h2"), ("red", 3, "h3"), ("blue", 1, "h1"), ("blue", 2, "h2"))
"""Network, number of the VM in it, host. Both networks have the same addresses, but only red has the third."""


class Demo:
    """The cloud of the story."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.controller = Controller(lab)
        self.hosts: dict[str, Hypervisor] = {}
        self.vms: dict[str, Machine] = {}

    def request(self, method: str, path: str, body: object = None) -> dict[str, dict[str, object]]:
        """What Neutron's driver does: one request to the northbound. Raises LabError if it's refused."""
        with self.lab.controller_namespace.entered():
            connection = http.client.HTTPConnection(NORTHBOUND, timeout=20)
            connection.connect()
        token = base64.b64encode(b"admin:admin").decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        connection.request(method, NEUTRON + path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status >= 300:
            raise LabError(f"{method} {path}: {response.status} {content.decode()}")
        answer: dict[str, dict[str, object]] = json.loads(content)
        return answer

    def create_network(self, name: str) -> None:
        network = {"id": uuid(name), "name": name, "tenant_id": uuid(f"tenant of {name}")}
        self.request("POST", "/networks", {"network": network})

    def boot(self, network: str, number: int, host: str) -> None:
        """What Neutron and Nova do for a VM: POST a port, and plug in a card that carries its id."""
        name = f"{network}-{number}"
        vm = self.lab.vm(name, ips=[f"10.0.0.{number}/24", f"fd00::{number}/64"])
        fixed = [{"ip_address": address} for address in vm.addresses]
        port = {"id": uuid(name), "name": name, "network_id": uuid(network), "mac_address": vm.mac, "fixed_ips": fixed}
        self.request("POST", "/ports", {"port": port})
        vm.plug(self.hosts[host], uuid(name))
        self.vms[name] = vm

    def is_active(self, vm: str) -> bool:
        return self.request("GET", f"/ports/{uuid(vm)}")["port"]["status"] == "ACTIVE"

    def of(self, network: str) -> list[Machine]:
        return [vm for name, vm in self.vms.items() if name.startswith(network)]


def uuid(name: str) -> str:
    """A cloud's objects have UUIDs; these are made from names, so that they're the same each time."""
    return str(uuid5(NAMESPACE_DNS, name))


def all_pairs_ping(vms: Sequence[Machine]) -> int:
    """Each pings each other, IPv4 and IPv6; returns how many pings that were. Raises LabError if one has no answer."""
    number = 0
    for one, other in permutations(vms, 2):
        for address in other.addresses:
            one.wait_until_reaches(address)  # the first packet to a tunnel's other end waits for ARP, and is dropped
            number += 1
    return number


def tell(demo: Demo) -> None:
    """The story, one step after the other."""
    with step("The controller runs: clouds ask it over HTTP, switches over OVSDB and OpenFlow"):
        demo.controller.start()
    with step("Three hypervisors with stock Open vSwitch call it; it makes a bridge br-int on each: h1, h2, h3"):
        demo.hosts = add_hosts(demo.lab, "h1", "h2", "h3")
    with step("Somebody POSTed two networks: red and blue"):
        for network in ("red", "blue"):
            demo.create_network(network)
    with step("Somebody booted red-1, red-2, red-3 and blue-1, blue-2, with the same addresses: 10.0.0.1, .2 (, .3)"):
        for vm in VMS:
            demo.boot(*vm)
    with step("The switches have confirmed the flows of all five ports: Neutron is told ACTIVE"):
        wait_for("all ports to be ACTIVE", lambda: all(map(demo.is_active, demo.vms)), timeout=20)
    for network in ("red", "blue"):
        with step(f"VMs of {network} ping each other across hosts, by IPv4 and IPv6") as added:
            added.append(f": {all_pairs_ping(demo.of(network))} pings answered")
    tell_apart(demo)
    tell_trouble(demo)


def tell_apart(demo: Demo) -> None:
    """Two networks with one address range."""
    red_1, red_2, blue_1, blue_2 = (demo.vms[name] for name in ("red-1", "red-2", "blue-1", "blue-2"))
    with step("10.0.0.1 is another machine in each network: ARP answers with") as added:
        seen = [vm.arping("10.0.0.1") or "nobody" for vm in (red_2, blue_2)]
        if seen != [red_1.mac, blue_1.mac]:
            raise LabError(f"expected {red_1.mac} in red and {blue_1.mac} in blue, got {seen}")
        added.append(f" …{seen[0][-8:]} in red, …{seen[1][-8:]} in blue")
    with step("10.0.0.3 is in red only, and nobody in blue can reach it") as added:
        if not red_1.ping("10.0.0.3").ok or blue_1.ping("10.0.0.3", timeout=0.5).received:
            raise LabError("10.0.0.3 should answer in red, and not in blue")
        added.append(": 0 of 3 pings answered")


def tell_trouble(demo: Demo) -> None:
    """What happens when things go wrong."""
    one, other = demo.vms["red-1"], demo.vms["red-2"]
    with step("The controller was killed and started again during 100 pings a second"), ExitStack() as stack:
        ping = stack.enter_context(one.pinging(other, interval=0.01))
        demo.controller.kill()
        demo.controller.start()
        demo.controller.wait_for_switches(len(demo.hosts))
    lost, sent = len(ping.result.lost), len(ping.result.sent)
    if lost:
        raise LabError(f"{lost} of {sent} pings were lost")
    console.print(f"              {lost} of {sent} were lost: the switches go on, and it changes nothing that is right")
    with step("Somebody deleted all flows of h1 (ovs-ofctl del-flows br-int): they are back") as added:
        began = time.monotonic()
        demo.hosts["h1"].ovs_ofctl("del-flows", "br-int")
        one.wait_until_reaches(other)
        added.append(f", and pings answered after {time.monotonic() - began:.2f} s")


def summary(seconds: float) -> None:
    console.print(
        f"\n[bold green]All of it worked[/bold green], in {seconds:.0f} seconds. "
        "What you saw: a cloud says what it wants over HTTP; Daybreak works out the\n"
        "flow tables and keeps stock Open vSwitch at them; on the hypervisors there is nothing else. Networks of one\n"
        "cloud don't see each other, whatever their addresses; and the controller can go away without anybody noticing."
    )


def explain_how_to_look(lab: Lab) -> None:
    """KEEP=1: where to go from here."""
    inside = f"sudo ip netns exec {lab.controller_namespace.name}"
    host = f"sudo {BIN / 'daybreak-lab'} exec --name {NAME} h1 --"
    console.print(
        f"""
It is still running. Look at it:

  {inside} {BIN / "daybreak"} show       # networks, ports, where they are
  {inside} {BIN / "daybreak"} check      # is everything as it should be?
  {inside} curl -u admin:admin http://{NORTHBOUND}{NEUTRON}/ports
  {host} ovs-vsctl show
  {host} ovs-ofctl -O OpenFlow13 --names dump-flows br-int
  sudo ip netns exec {lab.machines["red-1"].namespace.name} ping 10.0.0.3

End it:

  sudo {BIN / "daybreak-lab"} down --name {NAME}
""",
        markup=False,
    )


def run(lab: Lab, keep: bool) -> None:
    """The story, what an operator sees, and where to go from there."""
    console.print("[bold]Daybreak[/bold]: three hypervisors, two networks, five VMs and a controller\n")
    began = time.monotonic()
    tell(Demo(lab))
    # Everything is confirmed within a second; until then it would say so.
    show(lab, BIN / "daybreak", "hosts", title="daybreak hosts")
    summary(time.monotonic() - began)
    if keep:
        explain_how_to_look(lab)
    else:
        console.print("\nAll of it is gone again. `make demo KEEP=1` leaves it running, to look around.")


if __name__ == "__main__":
    sys.exit(main(run))
