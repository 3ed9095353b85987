"""io: `daybreak trace`: the way of one packet, drawn."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from daybreak.cli.client import Client, asking
from daybreak.cli.flows import cut
from daybreak.cli.screen import counted, legible, screen

STYLES = {
    "output": "green",
    "answer": "green",
    "controller": "yellow",
    "conntrack": "cyan",
    "miss": "red",
    "stop": "yellow",
}
WAYS = {"there": "the packet", "back": "its answer"}


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("packet", default="icmp")
@click.option("--actual", is_flag=True, help="By the flows that the switches have now, not by those that are wanted.")
@click.option("--host", help="Show only what happens on this host.")
@click.option("--brief", is_flag=True, help="Leave out rules, matches and actions.")
@click.option("--probe", is_flag=True, help="Send the packet through the switches too, and compare.")
@click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(0, 60, min_open=True),
    default=2.0,
    show_default=True,
    help="Seconds that a probe is given to arrive.",
)
@asking
def trace(
    client: Client,
    as_json: bool,
    source: str,
    target: str,
    packet: str,
    actual: bool,
    host: str | None,
    brief: bool,
    probe: bool,
    seconds: float,
) -> None:
    """Show the way of one packet through the logical network, host by host, and that of its answer.

    FROM is a port: its name, id, the beginning of an id, an address or a MAC. TO is the same, or any other address or
    MAC. PACKET is like tcp/443, udp/53, sctp/5000, icmp (an echo request, if you say nothing), icmp/3/1, arp, or ip/47.

    The packet is the first of its connection. It is taken through the very flows that the switches were sent; nothing
    is sent anywhere, unless you say --probe: then the same packet also goes through the switches, up to the port that
    it is for, whose VM is not shown it. Only the packet is sent, not its answer. Beside each flow stands what it comes
    from, and how many packets the switch has counted.

    \b
    Examples:
      daybreak trace web db tcp/5432
      daybreak trace web db tcp/5432 --probe

    Exit codes: 0 delivered, and so is its answer if there is one; 1 dropped, or the switches did something else with a
    probe, or it can't be sent, or no such port, or several; 2 wrong usage; 3 the controller can't be asked.
    """
    ends: dict[str, Any] = {"from": source, "to": target, "packet": packet, "actual": actual}
    answer = client.one("trace", body="{}", seconds=f"{seconds:g}", **ends) if probe else client.one("trace", **ends)
    legs = [leg for leg in answer["legs"] if host in (None, leg["host"])]
    if as_json:
        click.echo(json.dumps(answer | {"legs": legs}, indent=2))
    else:
        draw(legible(answer | {"legs": legs}), brief)
    disagrees = answer["probe"] is not None and not answer["probe"]["agrees"]
    if not answer["delivered"] or answer["answered"] is False or disagrees:
        raise click.exceptions.Exit(1)


def draw(answer: Any, brief: bool) -> None:
    """The ways as trees, and the verdict."""
    console = screen()
    console.print(Text(answer["packet"], "bold"))
    for way, legs in groupby(answer["legs"], key=lambda leg: leg["way"]):
        tree = Tree(Text(WAYS[way], "bold"))
        for leg in legs:
            branch = tree.add(Text.assemble("host ", (leg["host"], "bold"), f", in by {leg['entered']}"))
            grow(branch, leg["steps"], brief)
        console.print(tree)
    good = answer["delivered"] and answer["answered"] is not False
    console.print(Text(f"{answer['verdict'][:1].upper()}{answer['verdict'][1:]}.", "green" if good else "red"))
    if answer["probe"] is not None:
        agrees = answer["probe"]["agrees"]
        console.print(Text(f"probe: {answer['probe']['verdict']}.", "green" if agrees else "red"))


def grow(branch: Tree, steps: list[Any], brief: bool) -> None:
    """The steps below their host; what happens inside of another step hangs on that."""
    tips = {0: branch}
    for step in steps:
        parent = tips[max(depth for depth in tips if depth <= step["depth"])]
        tips = {depth: tip for depth, tip in tips.items() if depth <= step["depth"]}
        tips[step["depth"] + 1] = parent.add(line(step, brief))


def line(step: Any, brief: bool) -> Text:
    """One step."""
    if step["kind"] not in ("flow", "miss"):
        return Text(f"{'conntrack ' if step['kind'] == 'conntrack' else ''}{step['text']}", STYLES[step["kind"]])
    shown = Text.assemble((f"{step['table']:<9} ", "bold"), (step["text"], STYLES.get(step["kind"], "")))
    if step["kind"] == "miss":
        return shown
    packets = step.get("packets")
    shown.append("" if packets is None else f"  {counted(packets, 'packets')}", "cyan")
    if step.get("rivals"):
        shown.append(f"  {counted(step['rivals'], 'other flows')} of this priority", "yellow")
    if not brief:
        match = f" {step['match']}" if step["match"] else ""
        rule = f"{step['feature']}.{step['rule']}: " if step.get("rule") else ""
        shown.append(f"\n          {rule}{step['priority']}{match} → {cut(step['actions'])}", "dim")
    return shown
