"""io: `daybreak check`: everything that is not as it should be."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.text import Text

from daybreak.cli.client import Client, asking
from daybreak.cli.screen import counted, legible, screen


@click.command()
@click.option("--deep", is_flag=True, help="Compute everything again from nothing as well, and compare.")
@asking
def check(client: Client, as_json: bool, deep: bool) -> None:
    """Look for all that is not as it should be.

    Compares every connected switch with what is wanted of it, and lists hosts that are not connected, flows that a
    switch refuses, rules that fail and flows that contradict each other, references that lead nowhere, ports that are
    claimed twice and interfaces that claim no port, and what only people can mend in a host's OVSDB. A note is
    something that somebody else changed and that was put right since the switch connected, or something that a cloud
    asked for and that has no effect, for Daybreak has no feature for it. Where that leaves open what the cloud
    believes to be closed, it is a warning. Neither changes the exit code.

    \b
    Example, for monitoring:
      daybreak check || echo "Daybreak has something to tell"

    Exit codes: 0 all is well, 1 something was found, 2 wrong usage, 3 the controller can't be asked.
    """
    answer = client.one("check", deep=deep)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        for line in lines(legible(answer)):
            screen().print(line, soft_wrap=True)
    if answer["findings"]:
        raise click.exceptions.Exit(1)


def lines(answer: Any) -> list[Text]:
    """Notes, warnings, findings, and a summary."""
    shown = [Text.assemble(("note", "yellow"), f"  {note['kind']}: {note['text']}") for note in answer["notes"]]
    shown += [Text.assemble(("open", "red"), f"  {each['kind']}: {each['text']}") for each in answer["warnings"]]
    shown += [Text.assemble(("wrong", "red"), f" {each['kind']}: {each['text']}") for each in answer["findings"]]
    number = len(answer["findings"])
    what = "All is well" if not number else "1 finding" if number == 1 else f"{number} findings"
    again = ", computed again from nothing" if answer["deep"] else ""
    seen = ", ".join(counted(answer[key], key) for key in ("hosts", "ports", "flows"))
    return [*shown, Text(f"{what}: {seen} at revision {answer['revision']}{again}.")]
