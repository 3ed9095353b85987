"""io: how answers look: colours and cut lines on a terminal, plain and whole lines everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.text import Text

WIDE = 100_000
"""Columns where nobody looks: a line is a line."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def screen() -> Console:
    """Standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def legible(answer: Any) -> Any:
    """An answer in which nothing moves the cursor, breaks a line or turns text around: names are what tenants like."""
    if isinstance(answer, str):
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in answer)
    if isinstance(answer, list):
        return [legible(each) for each in answer]
    if isinstance(answer, dict):
        return {name: legible(each) for name, each in answer.items()}
    return answer


def short(key: str) -> str:
    """The first eight characters of a UUID; every other id whole."""
    return key[:8] if UUID.fullmatch(key) else key


def called(thing: Any) -> Text:
    """Something with a name and an id: the name first, the id dim; without a name the id alone."""
    if not thing.get("name"):
        return Text(short(thing["id"]), "bold")
    return Text.assemble((thing["name"], "bold"), " ", (short(thing["id"]), "dim"))


def words(*parts: str | Text | tuple[str, str] | None) -> Text:
    """Parts (plain, or text and style) with two spaces between them; empty ones are left out."""
    shown = [
        Text(*part) if isinstance(part, tuple) else part if isinstance(part, Text) else Text(part or "")
        for part in parts
    ]
    return Text("  ").join([part for part in shown if part])


def print_json(things: Iterable[Any]) -> None:
    """A list, one thing a line; printed as they come."""
    before = "["
    for thing in things:
        click.echo(f"{before}{json.dumps(thing)}", nl=False)
        before = ",\n "
    click.echo("[]" if before == "[" else "]")


def counted(number: int, things: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {things.removesuffix('s') if number == 1 else things}"
