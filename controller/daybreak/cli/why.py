"""io: `daybreak why`: reasons."""

from __future__ import annotations

import json
import re
from typing import Any

import click
from rich.text import Text

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import called, counted, legible, screen, words

UNITS = {"s": 1, "m": 60, "h": 3600}


@click.group()
def why() -> None:
    """Tell why something is so.

    \b
    Example:
      daybreak why drop --port web --since 5m
    """


def duration(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """`90s`, `5m` or `1h` in seconds. Raises click.BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= UNITS["h"]:
        raise click.BadParameter(f"{text} is not like 90s, 5m or 1h, which is the longest")
    return seconds


@why.command()
@click.option("--port", required=True, help="Name, id or beginning of an id.")
@click.option("--since", default="5m", callback=duration, show_default=True, help="How far back: 90s, 5m, 1h.")
@asking
def drop(client: Client, as_json: bool, port: str, since: int) -> None:
    """Show what was dropped of a port lately, and why.

    First comes what the port sent or what was for it, then what its host dropped of any port, where the switch does
    not tell whose it was. The switch is asked anew; what lies further back was gathered every so often
    (`counters_interval`), so times are those of the looks. Single packets are shown where a network log of the cloud
    asks for them. An hour is remembered, until the controller restarts.

    \b
    Example:
      daybreak why drop --port web --since 5m

    Exit codes: 0 nothing was dropped, 1 something was, or there is no such port, 2 wrong usage, 3 the controller can't
    be asked.
    """
    answer = client.one("drops", port=port, seconds=str(since))
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        for line in lines(legible(answer)):
            screen().print(line, soft_wrap=True)
    if answer["drops"] or answer["logged"]:
        raise click.exceptions.Exit(1)


def lines(answer: Any) -> list[Text]:
    """The port, what was dropped of it, what of anybody, single packets."""
    where = f"on {', '.join(answer['hosts'])}" if answer["hosts"] else "on no host"
    shown = [words(Text.assemble("port ", called(answer["port"])), where, f"since {clock(answer['since'])} UTC")]
    if not answer["interval"]:
        shown.append(Text("Nobody looks at counters: counters_interval is 0.", "yellow"))
    lost = "The switch of {} is not connected: what it drops now nobody hears."
    shown += [Text(lost.format(host), "yellow") for host in answer["missing"]]
    own = [each for each in answer["drops"] if each["own"]]
    others = [each for each in answer["drops"] if not each["own"]]
    for title, drops in (("dropped", own), ("dropped on its host, of whichever port", others)):
        if drops:
            shown.append(Text(title, "bold"))
            shown += [line for each in drops for line in dropped(each)]
    if answer["logged"]:
        shown.append(Text("packets that were logged", "bold"))
        shown += [Text(f"  {packet(each)}") for each in answer["logged"]]
    if not answer["drops"] and not answer["logged"]:
        shown.append(Text("Nothing was dropped."))
    return shown


def dropped(drop: Any) -> list[Text]:
    """What one flow or table dropped, and which it is."""
    reason = drop["reason"] or "no reason is given"
    times = clock(drop["last"]) if drop["first"] == drop["last"] else f"{clock(drop['first'])} to {clock(drop['last'])}"
    match = "no flow matched" if drop["match"] is None else drop["match"] or "any packet"
    return [
        words(f"  {counted(drop['packets'], 'packets')}", (reason, "bold")),
        Text(f"    seen {times}, {drop['host']}: {drop['table']}, {match}", "dim"),
    ]


def packet(logged: Any) -> str:
    """One packet as the log has it."""
    ends = [end(logged, side) for side in ("source", "destination")]
    return f"{clock(logged['at'])}  {logged['direction']}  {logged['protocol']}  {ends[0]} → {ends[1]}"


def end(logged: Any, side: str) -> str:
    """Address, and port where there is one."""
    address, port = logged[side], logged.get(f"{side}_port")
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def clock(at: str) -> str:
    """The time of day."""
    return at[11:19]
