"""io: the command daybreak-lab."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import click

from daybreak_lab.lab import FOLDER, Lab, existing
from daybreak_lab.link import Link
from daybreak_lab.machine import Machine
from daybreak_lab.ping import PingResult
from daybreak_lab.process import LabError

Node = TypeVar("Node")
NETWORKS = ("management", "underlay")
name_option = click.option("--name", default="lab", show_default=True, envvar="DAYBREAK_LAB_NAME", help="Which lab.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
network_option = click.option(
    "--network",
    type=click.Choice([*NETWORKS, "both"]),
    default="both",
    show_default=True,
    help="Which cable of the host.",
)


class Failed(click.ClickException):
    """What the lab can't do: exit 1, with the reason on stderr."""

    exit_code = 1


class Commands(click.Group):
    """Turns LabError into a message and exit 1; wrong usage is exit 2, as click has it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise Failed(str(error)) from error


@click.group(cls=Commands)
def main() -> None:
    """Hypervisors, VMs and faults on this machine: network namespaces and real Open vSwitch. Needs root.

    \b
    Example:
      daybreak-lab up --hypervisors 3 --manager tcp:198.18.0.1:6640
      daybreak-lab plug vm1 h1 --ip 10.0.0.1/24 --port-id 0ccd8fa9-…
      daybreak-lab ping vm1 vm2
      daybreak-lab down

    Exit codes: 0 done; 1 it can't be done, or packets were lost; 2 wrong usage; of `exec`, the command's own.
    """


@main.command()
@name_option
@click.option("--hypervisors", default=3, show_default=True, type=click.IntRange(0, 200), help="How many: h1, h2 …")
@click.option("--manager", help="OVSDB manager of each, such as tcp:198.18.0.1:6640.")
@click.option("--external-id", "external_ids", multiple=True, metavar="KEY=VALUE", help="Of each Open_vSwitch row.")
@click.option("--other-config", multiple=True, metavar="KEY=VALUE", help="Of each Open_vSwitch row.")
def up(
    name: str, hypervisors: int, manager: str | None, external_ids: tuple[str, ...], other_config: tuple[str, ...]
) -> None:
    """Make a lab. It stays until `down`.

    Example: daybreak-lab up --name demo --hypervisors 2 --manager tcp:198.18.0.1:6640
    """
    ids, config = _pairs(external_ids), _pairs(other_config)
    with Lab(name) as lab:
        for number in range(1, hypervisors + 1):
            lab.hypervisor(f"h{number}", ids, config, manager=manager)
        lab.keep()
    click.echo(f"lab {name}: {hypervisors} hypervisors; start a controller by: daybreak-lab exec controller -- …")


@main.command()
@name_option
@click.option("--all", "everything", is_flag=True, help="All labs.")
def down(name: str, everything: bool) -> None:
    """Remove a lab and all that it made; there may be none.

    Example: daybreak-lab down --name demo
    """
    for each in list(existing()) if everything else [name]:
        Lab(each).down()


@main.command(name="ls")
@json_option
def list_labs(as_json: bool) -> None:
    """List the labs on this machine.

    Example: daybreak-lab ls --json
    """
    names = list(existing())
    click.echo(json.dumps(names) if as_json else "\n".join(names) or f"no labs in {FOLDER}")


@main.command()
@name_option
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a lab: its hypervisors, cables and machines.

    Example: daybreak-lab show --name demo
    """
    lab = Lab.find(name)
    hosts = [
        {
            "name": host.name,
            "management": str(host.management_address),
            "management_link": host.management.state(),
            "underlay": str(host.underlay_address),
            "underlay_link": host.underlay.state(),
            "switch": "runs" if host.ovs.pid("ovs-vswitchd") else "stopped",
        }
        for host in lab.hypervisors.values()
    ]
    machines = [
        {
            "name": vm.name,
            "at": vm.record.at or "unplugged",
            "mac": vm.mac,
            "ips": vm.record.ips,
            "port": vm.port_id,
            "tap": vm.tap if vm.port_id else None,
        }
        for vm in lab.machines.values()
    ]
    if as_json:
        click.echo(json.dumps({"name": name, "controller": lab.controller_address, "hosts": hosts, "vms": machines}))
        return
    click.echo(f"lab {name}; a controller's place: {lab.controller_namespace.name}, {lab.controller_address}")
    _table(hosts)
    _table(machines)


@main.command(name="exec", context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, node: str, command: tuple[str, ...]) -> None:
    """Run a command on a node: a hypervisor, a VM, `controller` or `fabric`.

    On a hypervisor ovs-vsctl, ovs-ofctl and ovs-appctl speak to its own Open vSwitch.

    Example: daybreak-lab exec h1 -- ovs-ofctl dump-flows br-int
    """
    with Lab.find(name).node(node).popen(*command) as process:
        code = process.wait()
    sys.exit(code if code >= 0 else 128 - code)  # killed by a signal: as shells have it


@main.command()
@name_option
@click.argument("vm")
@click.argument("host")
@click.option("--mac", help="By default one made from the name.")
@click.option("--ip", "ips", multiple=True, metavar="ADDRESS/PREFIX", help="May be given several times.")
@click.option("--gateway", "gateways", multiple=True, metavar="ADDRESS", help="One for each IP version.")
@click.option("--port-id", help="The cloud's id of the port (iface-id).")
@click.option("--bridge", default="br-int", show_default=True, help="Waited for, ten seconds.")
def plug(
    name: str,
    vm: str,
    host: str,
    mac: str | None,
    ips: tuple[str, ...],
    gateways: tuple[str, ...],
    port_id: str | None,
    bridge: str,
) -> None:
    """Plug a VM into a hypervisor, as Nova does; make it if there is none of that name.

    Example: daybreak-lab plug vm1 h1 --mac fa:16:3e:00:00:01 --ip 10.0.0.1/24 --port-id 0ccd8fa9-…
    """
    lab = Lab.find(name)
    machine = lab.machines.get(vm) or lab.vm(vm, mac, ips, gateways)
    machine.plug(_named(lab.hypervisors, host), port_id, bridge)
    click.echo(f"{vm} at {host}: {machine.tap}, {machine.mac}")


@main.command()
@name_option
@click.argument("vm")
def unplug(name: str, vm: str) -> None:
    """Unplug a VM; it keeps its name and addresses.

    Example: daybreak-lab unplug vm1
    """
    _named(Lab.find(name).machines, vm).unplug()


@main.command()
@name_option
@click.argument("vm")
@click.argument("host")
def move(name: str, vm: str, host: str) -> None:
    """Move a running VM to another hypervisor (live migration).

    Example: daybreak-lab move vm1 h2
    """
    lab = Lab.find(name)
    machine = _named(lab.machines, vm)
    machine.move(_named(lab.hypervisors, host))
    machine.announce()


@main.command()
@name_option
@click.argument("vm")
@click.argument("to")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--interval", default=0.2, show_default=True, help="Seconds.")
@click.option("--size", default=56, show_default=True, help="Bytes of payload.")
@json_option
def ping(name: str, vm: str, to: str, count: int, interval: float, size: int, as_json: bool) -> None:
    """Ping from a VM to another one or to an address. Exit 1 if any packet was lost.

    Example: daybreak-lab ping vm1 vm2 --count 100 --interval 0.01
    """
    machines = Lab.find(name).machines
    target: Machine | str = machines.get(to, to)
    result = _named(machines, vm).ping(target, count, interval, size)
    click.echo(json.dumps(_account(result)) if as_json else str(result))
    for outage in [] if as_json else result.outages():
        click.echo(f"lost {outage.first} to {outage.last}: {outage.seconds:.3f} s")
    sys.exit(0 if result.ok else 1)


@main.command()
@name_option
@click.argument("host")
@network_option
def cut(name: str, host: str, network: str) -> None:
    """Lose every frame of a hypervisor's cable, silently.

    Example: daybreak-lab cut h1 --network underlay
    """
    for link in _links(name, host, network):
        link.cut()


@main.command()
@name_option
@click.argument("host")
@network_option
def heal(name: str, host: str, network: str) -> None:
    """Make a hypervisor's cable as new: neither cut, nor slow, nor lossy.

    Example: daybreak-lab heal h1
    """
    for link in _links(name, host, network):
        link.heal()


@main.command()
@name_option
@click.argument("host")
@click.argument("milliseconds", type=click.FloatRange(0))
@network_option
def delay(name: str, host: str, milliseconds: float, network: str) -> None:
    """Delay every frame of a hypervisor's cable, each way. Replaces a loss.

    Example: daybreak-lab delay h1 50 --network management
    """
    for link in _links(name, host, network):
        link.impair(delay=milliseconds / 1000)


@main.command()
@name_option
@click.argument("host")
@click.argument("percent", type=click.FloatRange(0, 100))
@click.option("--seed", default=0, show_default=True, help="The same one loses the same frames.")
@network_option
def loss(name: str, host: str, percent: float, seed: int, network: str) -> None:
    """Lose a share of the frames of a hypervisor's cable, each way. Replaces a delay.

    Example: daybreak-lab loss h1 1.5 --network underlay
    """
    for link in _links(name, host, network):
        link.impair(loss=percent / 100, seed=seed)


@main.command()
@name_option
@click.argument("host")
@click.argument("daemon", type=click.Choice(["switch", "database"]), default="switch")
@click.option("--kill", is_flag=True, help="By SIGKILL, rather than in an orderly way.")
def restart(name: str, host: str, daemon: str, kill: bool) -> None:
    """Restart ovs-vswitchd (switch) or ovsdb-server (database) of a hypervisor.

    Example: daybreak-lab restart h1 switch --kill
    """
    target = _named(Lab.find(name).hypervisors, host)
    (target.restart_switch if daemon == "switch" else target.restart_database)(kill)


def _named(nodes: Mapping[str, Node], name: str) -> Node:
    if name not in nodes:
        raise LabError(f"there is no {name}; there is {', '.join(nodes) or 'none'}")
    return nodes[name]


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    if wrong := [text for text in texts if "=" not in text]:
        raise click.UsageError(f"{wrong[0]} isn't KEY=VALUE")
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _account(result: PingResult) -> dict[str, object]:
    return {
        "sent": len(result.sent),
        "received": result.received,
        "lost": result.lost,
        "duplicates": result.duplicates,
        "rtts_ms": {number: round(1000 * seconds, 3) for number, seconds in result.rtts.items()},
        "outages": [
            {"first": outage.first, "last": outage.last, "seconds": outage.seconds if outage.ended else None}
            for outage in result.outages()
        ],
        "errors": sorted(result.errors),
    }


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same keys, as aligned columns under a heading."""
    if not rows:
        return
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.echo()
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _links(name: str, host: str, network: str) -> list[Link]:
    target = _named(Lab.find(name).hypervisors, host)
    return [getattr(target, each) for each in (NETWORKS if network == "both" else (network,))]
