"""io: `daybreak show`: networks, their ports and where these are; hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import called, legible, screen, words


@click.command()
@click.argument("network", required=False)
@asking
def show(client: Client, as_json: bool, network: str | None) -> None:
    """Show networks, their ports and where these are; and the hosts.

    With NETWORK (a name, an id or the beginning of one): that network alone.

    \b
    Example:
      daybreak show blue

    Exit codes: 0, 1 no such network or several, 2 wrong usage, 3 the controller can't be asked.
    """
    networks = client.each("networks", network=network)
    hosts: Iterator[Any] = iter(()) if network else client.each("hosts")
    if as_json:
        click.echo(json.dumps({"networks": [*networks], "hosts": [*hosts]}, indent=2))
        return
    console, is_empty = screen(), True
    for tree in chain(map(network_tree, map(legible, networks)), map(host_tree, map(legible, hosts))):
        console.print(tree)
        is_empty = False
    if is_empty:
        console.print("There are no networks and no hosts yet.")


def network_tree(network: Any) -> Tree:
    """A network with its ports."""
    kind = (network["type"] or "") + ("" if network["exists"] else "does not exist")
    number = network["vni"] or network["vlan"] or ""
    tree = Tree(
        words(
            Text.assemble("network ", called(network)),
            (f"{kind} {number}".strip(), "" if network["exists"] else "red"),
            network["physical_network"] and f"on {network['physical_network']}",
            network["mtu"] and f"mtu {network['mtu']}",
            "" if network["up"] else ("switched off", "yellow"),
            (network["failure"] or "", "red"),
        )
    )
    for subnet in network["subnets"]:
        tree.add(
            words(
                Text.assemble("subnet ", called(subnet)),
                subnet["cidr"],
                subnet["gateway"] and f"gateway {subnet['gateway']}",
            )
        )
    for port in network["ports"]:
        tree.add(port_line(port))
    return tree


def port_line(port: Any) -> Text:
    """A port: what it is, where it is, how it is."""
    if port["host"]:
        ofport = "no OpenFlow port" if port["ofport"] is None else f"port {port['ofport']}"
        vtep = f", VTEP {port['vtep']}" if port["vtep"] else ""
        where = f"on {port['host']} ({port['interface']}, {ofport}{vtep})"
    else:
        where = f"bound to {port['bound_to']}" if port["bound_to"] else ""
    return words(
        Text.assemble("port ", called(port)),
        port["mac"],
        " ".join(port["ips"]),
        (port["device_owner"] or "", "dim"),
        where,
        ("active", "green") if port["active"] else (f"down: {port['reason']}", "yellow"),
    )


def host_tree(host: Any) -> Tree:
    """A host with its tunnels and the bridges of physical networks."""
    ways = [way for way, key in (("OVSDB", "ovsdb"), ("OpenFlow", "openflow")) if not host[key]]
    tree = Tree(
        words(
            Text.assemble("host ", (host["name"], "bold")),
            f"VTEP {host['vtep']}" if host["vtep"] else ("no VTEP", "yellow"),
            f"Open vSwitch {host['ovs_version'] or '?'}",
            host["datapath"] and f"datapath {host['datapath']}",
            (f"not connected: {', '.join(ways)}", "red") if ways else ("connected", "green"),
        )
    )
    tree.add(words("tunnels", " ".join(host["tunnels"]) or ("none", "yellow")))
    for mapping in host["mappings"]:
        there = f"port {mapping['ofport']}" if mapping["ofport"] else ("no patch port yet", "yellow")
        tree.add(words(f"physical network {mapping['physical_network']}", f"bridge {mapping['bridge']}", there))
    for finding in host["findings"]:
        tree.add(Text(finding, "red"))
    return tree
