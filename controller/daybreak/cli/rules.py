"""io: `daybreak rules`: what each rule of security groups let through."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import legible, print_json, screen, short

LEFT = ("GROUP", "RULE", "DIRECTION", "ETHERTYPE", "PROTOCOL", "PORTS", "OTHER SIDE")
RIGHT = ("CONNECTIONS", "PACKETS", "BYTES")


@click.command()
@click.argument("group", required=False)
@click.option("--unused", is_flag=True, help="Only rules that never counted anything.")
@asking
def rules(client: Client, as_json: bool, group: str | None, unused: bool) -> None:
    """List the rules of security groups, or of GROUP, and what each let through on all hosts.

    CONNECTIONS are first packets that the rule allowed, of SCTP and of stateless groups all packets; PACKETS and BYTES
    are all of what it admitted. Of several rules of a group that allow the same, one counts it, always the same one: of
    those that name no group as the other side, and of those that name the same. Each group of a port counts for itself.
    They are gathered every so often (`counters_interval`), and kept when the controller or a switch restarts.

    \b
    Example: rules that no packet needed, or for which others count
      daybreak rules web --unused

    Exit codes: 0, 1 no such group or several of that name, 2 wrong usage, 3 the controller can't be asked.
    """
    found = (rule for rule in client.each("rules", group=group) if not (unused and rule["last"]))
    if as_json:
        print_json(found)
        return
    rows = [*map(legible, found)]
    if not rows:
        screen().print("There are no such rules.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in LEFT:
        table.add_column(name, no_wrap=True)
    for name in RIGHT:
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("LAST HIT", no_wrap=True)
    for rule in rows:
        table.add_row(*row(rule))
    screen().print(table)


def row(rule: Any) -> list[str]:
    """A rule as the table has it."""
    return [
        named(rule["group"]),
        short(rule["id"]),
        rule["direction"] or "?",
        rule["ethertype"] or "?",
        rule["protocol"] or "any",
        rule["ports"] or "any",
        other_side(rule),
        *(str(rule[field]) for field in ("connections", "packets", "bytes")),
        minute(rule["last"]) if rule["last"] else f"never since {minute(rule['since'])}",
    ]


def other_side(rule: Any) -> str:
    """Who may be at the other end."""
    return named(rule["remote_group"]) if rule["remote_group"] else rule["remote_prefix"] or "anybody"


def named(thing: Any) -> str:
    """A name, or the short id where there is none."""
    return str(thing["name"] or short(thing["id"]))


def minute(at: str) -> str:
    """A time without its seconds."""
    return at[:16].replace("T", " ")
