"""io: `make demo`: a small cloud on this machine, told as a story; KEEP=1 leaves it running.

It makes network namespaces with Open vSwitch daemons of their own, and touches nothing else of this machine.
"""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from rich.console import Console
from rich.text import Text

from daybreak_lab import Hypervisor, Lab, LabError, Machine, wait_for

BIN = Path(sys.executable).parent
NAME = "demo"
"""Of a lab that is kept; there is only one."""
NORTHBOUND = "127.0.0.1:8181"
NEUTRON = "/controller/nb/v2/neutron"
VMS = (("red", 1, "h1"), ("red", 2, "h2"), ("red", 3, "h3"), ("blue", 1, "h1"), ("blue", 2, "h2"))
"""Network, number of the VM in it, host. Both networks have the same addresses, but only red has the third."""

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(text: str) -> Iterator[list[str]]:
    """One step of the story: ✓, how long it took, what happened. What is put into the list is added to the text."""
    added: list[str] = []
    began = time.monotonic()
    try:
        with console.status(text):
            yield added
    except BaseException:
        console.print(Text.assemble(("  ✗ ", "bold red"), text))
        raise
    took = f"{time.monotonic() - began:5.2f} s  "
    console.print(Text.assemble(("  ✓ ", "bold green"), (took, "dim"), text, *added))


class Demo:
    """The cloud of the story."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.home = lab.controller_namespace.home
        self.log = self.home / "controller.log"
        self.hosts: dict[str, Hypervisor] = {}
        self.vms: dict[str, Machine] = {}
        self.controller: subprocess.Popen[bytes] | None = None

    def start_controller(self) -> None:
        """`daybreak serve`, in a session of its own, so that it doesn't end with this terminal where it's kept."""
        self.home.mkdir(exist_ok=True)
        listeners = ("--northbound", NORTHBOUND, "--ovsdb", "ptcp:6640", "--openflow", "ptcp:6653")
        known = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.controller = self.lab.controller_namespace.popen(
                str(BIN / "daybreak"),
                "serve",
                *("--data", str(self.home / "data"), *listeners, "--allow-plaintext", "198.18.0.0/16"),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for_log(b"event=ready", 1, known)

    def wait_for_log(self, words: bytes, times: int, since: int) -> None:
        """Wait until the controller has said so, after so many bytes of its log. Raises LabError if it ended."""

        def has_said() -> bool:
            if self.controller is None or self.controller.poll() is not None:
                raise LabError("the controller ended")
            return self.log.read_bytes()[since:].count(words) >= times

        wait_for(f"the controller to say {words.decode()}", has_said, timeout=20)

    def kill_controller(self) -> None:
        assert self.controller is not None
        self.controller.kill()
        self.controller.wait()

    def add_hosts(self, *names: str) -> None:
        """Hypervisors as an operator prepares them: a name, a tunnel address, and where the controller is."""
        for name in names:
            ids = {"hostname": name, "daybreak-datapath-type": "netdev"}
            manager = f"tcp:{self.lab.controller_address}:6640"
            self.hosts[name] = self.lab.hypervisor(name, external_ids=ids, manager=manager)
        for host in self.hosts.values():
            host.wait_for_bridge("br-int", timeout=20)

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
        demo.start_controller()
    with step("Three hypervisors with stock Open vSwitch call it; it makes a bridge br-int on each: h1, h2, h3"):
        demo.add_hosts("h1", "h2", "h3")
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
        known = len(demo.log.read_bytes())
        ping = stack.enter_context(one.pinging(other, interval=0.01))
        demo.kill_controller()
        demo.start_controller()
        demo.wait_for_log(b'event="in sync"', len(demo.hosts), known)
    lost, sent = len(ping.result.lost), len(ping.result.sent)
    if lost:
        raise LabError(f"{lost} of {sent} pings were lost")
    console.print(f"              {lost} of {sent} were lost: the switches go on, and it changes nothing that is right")
    with step("Somebody deleted all flows of h1 (ovs-ofctl del-flows br-int): they are back") as added:
        began = time.monotonic()
        demo.hosts["h1"].ovs_ofctl("del-flows", "br-int")
        one.wait_until_reaches(other)
        added.append(f", and pings answered after {time.monotonic() - began:.2f} s")


def show_hosts(demo: Demo) -> None:
    """What an operator sees."""
    console.print("\n[bold]daybreak hosts[/bold] says:")
    # Everything is confirmed within a second; until then it would say so.
    done = demo.lab.controller_namespace.exec(str(BIN / "daybreak"), "hosts", check=False)
    console.print(Text((done.stdout or done.stderr).rstrip()), no_wrap=True, overflow="ignore", crop=False)


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


def run(keep: bool) -> None:
    """Tell it; tear everything down whatever happens, unless it went well and is to be kept."""
    console.print("[bold]Daybreak[/bold]: three hypervisors, two networks, five VMs and a controller\n")
    began = time.monotonic()
    with Lab(NAME if keep else None) as lab:
        demo = Demo(lab)
        try:
            tell(demo)
        except LabError:
            if demo.log.exists():
                console.print(Text("\nThe controller's last words:\n" + demo.log.read_text()[-3000:], "dim"))
            raise
        show_hosts(demo)
        summary(time.monotonic() - began)
        if keep:
            lab.keep()
            explain_how_to_look(lab)
        else:
            console.print("\nAll of it is gone again. `make demo KEEP=1` leaves it running, to look around.")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(os.environ.get("KEEP", "") not in ("", "0"))
    except LabError as error:
        console.print(Text.assemble(("\nIt did not work: ", "bold red"), str(error)))
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped; everything is cleaned up.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
