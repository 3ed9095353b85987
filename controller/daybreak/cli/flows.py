"""io: `daybreak flows`: flows with what they come from."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import counted, legible, print_json, screen, short

LONG = 600
"""Characters of actions from which on a line is cut in its middle: a flood list has hundreds of entries."""

FEW = 4
"""Hosts that are named; of more only their number is said."""


@click.command()
@click.option("--port", help="Flows that follow from this port.")
@click.option("--host", help="Flows of this host's switch.")
@click.option("--network", help="Flows that follow from this network and its ports.")
@click.option("--counters", is_flag=True, help="Ask the host's switch how many packets each flow met.")
@asking
def flows(
    client: Client, as_json: bool, port: str | None, host: str | None, network: str | None, counters: bool
) -> None:
    """Show flows that are wanted, and why: the rule that each comes from, and what that rule saw.

    Ports, hosts and networks go by their name, id or the beginning of an id. Several options narrow it down: --port
    with --host shows what of the port's flows is on that host. Counters are those of --host, else of the port's host.

    \b
    Example:
      daybreak flows --port web --counters

    Exit codes: 0, 1 no such thing or several of that name, 2 wrong usage, 3 the controller can't be asked.
    """
    if not (port or host or network):
        raise click.UsageError("Say which: --port, --host or --network.")
    found = client.each("flows", port=port, host=host, network=network, counters=counters)
    if as_json:
        print_json(found)
        return
    console, is_empty = screen(), True
    for flow in map(legible, found):
        console.print(text(flow, counters), soft_wrap=True)
        is_empty = False
    if is_empty:
        console.print("There are no such flows.")


def text(flow: Any, counters: bool) -> Text:
    """A flow, and behind it its reasons."""
    match = f", {flow['match']}" if flow["match"] else ""
    shown = Text.assemble(
        (f"table={flow['table']}", "bold"), f", priority={flow['priority']}{match} actions={cut(flow['actions'])}\n"
    )
    things = ", ".join(f"{each['kind']} {titled(each)}" for each in flow["objects"]) or "every host"
    reasons = [f"{flow['feature']}.{flow['rule']} of {things}: {flow['says']}"]
    where = ", ".join(flow["hosts"]) if len(flow["hosts"]) <= FEW else f"{len(flow['hosts'])} hosts"
    reasons.append(f"topic {flow['topic']} on {where or 'no host'}, cookie {flow['cookie']}")
    if counters:
        reasons.append(met(flow))
    for reason in reasons:
        shown.append(f"    {reason}\n", "dim")
    shown.right_crop(1)
    return shown


def met(flow: Any) -> str:
    """What the switch counted."""
    if flow["packets"] is None:
        return "not on the switch"
    return f"{counted(flow['packets'], 'packets')}, {counted(flow['bytes'], 'bytes')}"


def titled(thing: Any) -> str:
    """A name with the short id behind it, or the short id."""
    if thing["name"] is None:
        return short(thing["id"])
    return f"{thing['name']} ({short(thing['id'])})"


def cut(actions: str) -> str:
    """Actions, without the middle where there are very many; --json has them all."""
    if len(actions) <= LONG:
        return actions
    half = LONG // 2
    return f"{actions[:half]} … {len(actions) - 2 * half} more characters … {actions[-half:]}"
