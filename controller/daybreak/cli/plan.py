"""io: `daybreak plan`: what a set of changes would do."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click
from rich.text import Text

from daybreak.cli.client import MODERN, Client, asking
from daybreak.cli.flows import cut
from daybreak.cli.screen import counted, legible, screen, short

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command()
@click.argument("file", type=click.File())
@click.option("--brief", is_flag=True, help="Leave out the flows themselves.")
@asking
def plan(client: Client, as_json: bool, file: TextIO, brief: bool) -> None:
    """Show what a set of changes would do, and do nothing.

    FILE has what POST /v1/transactions takes: {"operations": [{"put": …}, {"delete": …}]}; - is standard input. Shown
    are the flows that would come (+), go (-) and change (~) on each host, the ports that are touched, and the rules of
    security groups that would hold connections no longer, some or all: what they let begin is judged anew, and cut
    where nothing else allows it.

    \b
    Example:
      daybreak plan changes.json

    Exit codes: 0; 2 wrong usage, or a file that the controller can't take; 3 the controller can't be asked.
    """
    try:
        asked = file.read()
        json.loads(asked)
    except ValueError as error:
        raise click.UsageError(f"{file.name} is not JSON: {error}") from None
    except RecursionError:
        raise click.UsageError(f"{file.name} is nested too deeply") from None
    answer = client.one("plan", base=MODERN, body=asked)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    for line in lines(legible(answer), brief):
        screen().print(line, soft_wrap=True)


def lines(answer: Any, brief: bool) -> list[Text]:
    """Flows, hosts, ports, connections, and what would go wrong."""
    shown = [] if brief else [flow_line(flow) for flow in answer["flows"]]
    if answer["omitted"] and not brief:
        shown.append(Text(f"… and {counted(answer['omitted'], 'more flows')}"))
    for host in answer["hosts"]:
        numbers = ", ".join(f"{host[key]} {key}" for key in ("added", "removed", "changed") if host[key])
        shown.append(Text.assemble("host ", (host["name"], "bold"), f"  flows: {numbers}"))
    for port in answer["ports"]:
        name = f"{port['name']} ({short(port['id'])})" if port["name"] else short(port["id"])
        shown.append(Text.assemble("port ", (name, "bold")))
    for each in answer["cuts"]:
        began = f"{counted(each['connections'], 'connections')}, {counted(each['packets'], 'packets')} so far"
        group = f" of {each['group']}" if each["group"] else ""
        shown.append(Text(f"cut  security_group_rule {short(each['rule_id'])}{group}: {began}", "red"))
    shown += [Text(f"fails  {failure}", "red") for failure in answer["failures"]]
    what = counted(answer["objects"], "rows") if answer["objects"] else "nothing"
    return [*shown, Text(f"Would change {what} at revision {answer['revision']}; nothing was done.")]


def flow_line(flow: Any) -> Text:
    """A flow with its sign, and behind it where it comes from."""
    sign, style = SIGNS[flow["change"]]
    where = ", ".join(flow["hosts"]) or "no host"
    return Text.assemble((f"{sign} {cut(flow['flow'])}\n", style), (f"    {flow['rule']}, on {where}", "dim"))
