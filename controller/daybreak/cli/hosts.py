"""io: `daybreak hosts`: a table of all hosts."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import legible, print_json, screen


@click.command()
@asking
def hosts(client: Client, as_json: bool) -> None:
    """List the hosts: how they are reached, and how far their switches are.

    REVISION is the one up to which the switch has confirmed everything, and the present one. FLOWS are those that are
    wanted, QUARANTINED the rules' keys that the switch refuses. What `findings` say is in `daybreak check`.

    \b
    Example: hosts that are not in sync
      daybreak hosts --json | jq -r '.[] | select(.in_sync | not) | .name'

    Exit codes: 0, 2 wrong usage, 3 the controller can't be asked.
    """
    found = client.each("hosts")
    if as_json:
        print_json(found)
        return
    rows = [*map(legible, found)]
    if not rows:
        screen().print("No host has reported yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("HOST", "VTEP", "DPID", "OVS", "DATAPATH", "OVSDB", "OPENFLOW", "IN SYNC"):
        table.add_column(name, no_wrap=True)
    for name in ("PORTS", "FLOWS", "REVISION", "QUARANTINED", "FINDINGS"):
        table.add_column(name, no_wrap=True, justify="right")
    for host in rows:
        table.add_row(*row(host))
    screen().print(table)


def row(host: Any) -> list[str]:
    """A host as the table has it."""
    return [
        host["name"],
        host["vtep"] or "-",
        host["dpid"] or "-",
        host["ovs_version"] or "-",
        host["datapath"] or "-",
        yes(host["ovsdb"]),
        yes(host["openflow"]),
        yes(host["in_sync"]),
        str(host["ports"]),
        str(host["flows"]),
        f"{'-' if host['applied'] is None else host['applied']}/{host['revision']}",
        str(host["quarantined"]),
        str(len(host["findings"])),
    ]


def yes(is_so: bool) -> str:
    """Yes or no."""
    return "yes" if is_so else "no"
