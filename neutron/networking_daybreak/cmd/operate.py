"""io: neutron-daybreak: what operators ask of the journal, its members and what differs from the controller.

Everything is read from Neutron's database, so each command works on every server, and whether the dispatchers run or
not. Only `sync` asks the controller.
"""

from __future__ import annotations

import functools
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import sqlalchemy as sa
from neutron.common import config as neutron_config
from neutron_lib import context as neutron_context
from neutron_lib.db import api as db_api
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options as db_options
from oslo_log import log
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from networking_daybreak import config
from networking_daybreak.journal import legacy, members, overview, states
from networking_daybreak.journal.models import PARKED, PENDING, WAITING
from networking_daybreak.journal.overview import Entry
from networking_daybreak.journal.record import wake
from networking_daybreak.northbound.answers import Unavailable
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.resources import KINDS
from networking_daybreak.sync.reconcile import Found, Reconciler, comparisons, write

WIDE = 100_000
"""Columns where nobody looks: a line is a line."""

OLD = 60.0
"""Seconds after which a row that has not been sent is a sign that something is wrong."""

ROLES = ("journal", "status")
COLOURS = {"active": "green", "joining": "yellow", "suspect": "yellow", "gone": "red", PARKED: "red", WAITING: "yellow"}
SHOWN = 20
"""Differences of a kind that are shown one by one."""


class Operating(click.Group):
    """Commands that need the database: where it can't be asked, the exit code is 3."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (db_exc.DBConnectionError, db_exc.DBNonExistentTable, db_exc.CantStartEngineError) as error:
            fail(3, f"Neutron's database can't be asked: {type(error).__name__}")
        except Unavailable as unavailable:
            fail(3, f"No controller can be asked: {unavailable}")
        except cfg.Error as error:
            fail(3, str(error))


def fail(code: int, reason: str) -> None:
    click.echo(reason, err=True)
    sys.exit(code)


@click.group(cls=Operating)
@click.option(
    "--config-file", multiple=True, metavar="FILE", help="Neutron's configuration; where Neutron looks unless given."
)
def main(config_file: Sequence[str]) -> None:
    """See and help along what goes from Neutron to the controller.

    \b
    Example:
      neutron-daybreak status
      neutron-daybreak journal why 4e8e5957

    Exit codes: 0, 1 something is not well or not there, 2 wrong usage, 3 the database or the controller can't be asked.
    """
    neutron_config.register_common_config_options()
    config.register()
    db_options.set_defaults(cfg.CONF)  # registers them; else the first use of the database would, too late for ours
    log.set_defaults(default_log_levels=["neutron=ERROR", "oslo=ERROR", "sqlalchemy=ERROR"])
    cfg.CONF(args=[f"--config-file={file}" for file in config_file], project="neutron", prog="neutron-daybreak")
    # People don't wait for a database as patiently as servers do: what follows retries for a minute.
    cfg.CONF.set_override("max_retries", 1, "database")


def reach_database(context: Any) -> None:
    """Raises DBConnectionError at once where there is no database."""
    with db_api.CONTEXT_READER.using(context):
        context.session.execute(sa.text("SELECT 1"))


def command(group: click.Group, **options: Any) -> Callable[[Callable[..., None]], click.Command]:
    """A command that also answers in JSON."""

    def declare(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(*args: Any, **values: Any) -> None:
            context = neutron_context.get_admin_context()
            reach_database(context)
            function(context, *args, **values)

        as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
        return group.command(**options)(as_json(run))

    return declare


def console() -> Console:
    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = WIDE
    return found


def table(columns: str, rows: Iterable[Sequence[Any]]) -> Table:
    """Without lines; values that mean something have a colour."""
    shown = Table(*columns.split(), box=None, pad_edge=False, header_style="dim")
    for row in rows:
        texts = ["–" if value is None else str(value) for value in row]
        shown.add_row(*(Text(text, COLOURS.get(text, "")) for text in texts))
    return shown


def ago(moment: float | None) -> str | None:
    """How long a time of seconds since 1970 is past."""
    if moment is None:
        return None
    seconds = max(0.0, time.time() - moment)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


# -- the journal ------------------------------------------------------------------------------------------------------


@main.group()
def journal() -> None:
    """What is to be sent to the controller.

    \b
    Example:
      neutron-daybreak journal list --state parked
    """


@command(journal, name="list")
@click.option("--state", type=click.Choice([PENDING, WAITING, PARKED]), help="Rows in this state alone.")
@click.option("--kind", type=click.Choice(sorted(KINDS)), help="Rows of this kind alone.")
@click.option("--limit", default=100, show_default=True, help="Rows at most, the oldest first.")
def list_(context: Any, as_json: bool, state: str | None, kind: str | None, limit: int) -> None:
    """List rows of the journal, the oldest first.

    \b
    Example:
      neutron-daybreak journal list --state parked --kind port
    """
    rows = overview.entries(context, state=state, kind=kind, limit=limit)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
        return
    if not rows:
        click.echo("There is nothing to send." if state is None and kind is None else "There are no such rows.")
        return
    console().print(table("row kind object age state attempts by reason", map(line, rows)))


def line(row: Entry) -> tuple[Any, ...]:
    held = f"waits for row {row.waits_for}" if row.state == WAITING else row.reason
    return row.seq, row.kind, row.object_id, ago(row.recorded_at), row.state, row.attempts, row.owner, held


OBJECT = click.argument("name", metavar="ROW_OR_ID")


def found(context: Any, name: str) -> list[Entry]:
    """The rows of a number, or of the objects whose ids begin like this. Ends the command if there are none."""
    rows = []
    if name.isdecimal():
        rows = [row for row in overview.entries(context, after=int(name) - 1, limit=1) if row.seq == int(name)]
    rows = rows or overview.entries(context, object_id=name)
    if not rows:
        fail(1, f"The journal has no row of {name}: what was recorded of it has been sent.")
    return rows


def found_one(context: Any, name: str) -> list[Entry]:
    """The same, to act on: ends the command also where several ids begin like this."""
    rows = found(context, name)
    if len(ids := {row.object_id for row in rows}) > 1:
        fail(2, f"{name} is the beginning of {len(ids)} ids: name one of them.")
    return rows


@command(journal, name="show")
@OBJECT
def show(context: Any, as_json: bool, name: str) -> None:
    """Show all that the journal has of an object: of a row's number, an object's id, or the beginning of one.

    \b
    Example:
      neutron-daybreak journal show 4e8e5957
    """
    rows = found(context, name)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
        return
    for row in rows:
        for field, value in row._asdict().items():
            shown = ago(value) if field == "recorded_at" else value
            if value not in (None, 0, 0.0):
                click.echo(f"{'row' if field == 'seq' else field.removesuffix('_at'):12} {shown}")
        click.echo()


@command(journal, name="why")
@OBJECT
def why(context: Any, as_json: bool, name: str) -> None:
    """Say why something has not been sent yet, and why what it waits for has not.

    \b
    Example:
      neutron-daybreak journal why 4e8e5957
    """
    reasons = {row.seq: overview.why(context, row, time.time()) for row in found(context, name)}
    if as_json:
        click.echo(json.dumps(reasons, indent=2))
        return
    for sentences in reasons.values():
        for depth, sentence in enumerate(sentences):
            click.echo(f"{'  ' * depth}{'└ ' if depth else ''}{sentence}")


@command(journal, name="retry")
@click.argument("names", metavar="ROW_OR_ID", nargs=-1)
@click.option("--parked", is_flag=True, help="All rows that are parked.")
def retry(context: Any, as_json: bool, names: Sequence[str], parked: bool) -> None:
    """Send parked rows, and those that wait for their next try, at once.

    \b
    Example:
      neutron-daybreak journal retry --parked
    """
    changed = nudged(context, names, parked, overview.retry)
    wake()
    click.echo(json.dumps({"retried": changed}) if as_json else f"{changed} rows are sent again.")


@command(journal, name="skip")
@click.argument("names", metavar="ROW_OR_ID", nargs=-1)
@click.option("--parked", is_flag=True, help="All rows that are parked.")
def skip(context: Any, as_json: bool, names: Sequence[str], parked: bool) -> None:
    """Take rows out of the journal without sending them; what waited for them goes on.

    Nothing is lost by it for good: the next comparison with the controller finds what differs, and records it again.

    \b
    Example:
      neutron-daybreak journal skip 4e8e5957
    """
    changed = nudged(context, names, parked, overview.skip)
    wake()
    click.echo(json.dumps({"skipped": changed}) if as_json else f"{changed} rows were taken out.")


def nudged(context: Any, names: Sequence[str], parked: bool, act: Callable[[Any, Sequence[int]], int]) -> int:
    """Act on the rows that were named. Ends the command where none was, or nothing could be done with any."""
    if not names and not parked:
        raise click.UsageError("Name rows or ids, or say --parked")
    rows = [row for name in names for row in found_one(context, name)]
    after = 0
    while parked and (page := overview.entries(context, state=PARKED, after=after)):
        rows += page
        after = page[-1].seq
    changed = act(context, sorted({row.seq for row in rows})) if rows else 0
    if not changed and names:
        fail(1, "Nothing was changed: these rows are being sent right now, or wait for others.")
    return changed


# -- members ----------------------------------------------------------------------------------------------------------


@command(main, name="members")
def members_(context: Any, as_json: bool) -> None:
    """List the processes that share the work: dispatchers (journal) and status workers (status).

    \b
    Example:
      neutron-daybreak members
    """
    seen = [each for role in ROLES for each in members.members_of(context, role)]
    if as_json:
        names = ("role", "name", "state", "token", "started_at", "seen_at", "report")
        click.echo(json.dumps([{name: getattr(each, name) for name in names} for each in seen], indent=2))
        return
    if not seen:
        click.echo("No member ever joined: neutron-daybreak-journal has not run with this database.")
        return
    rows = ((e.role, e.name, e.state, ago(e.seen_at), ago(e.started_at), controller_of(e)) for e in seen)
    console().print(table("role name state seen started controller", rows))


def controller_of(member: members.Seen) -> str | None:
    """Which controller a member speaks to, or why it speaks to none."""
    told = member.report.get("controller") or {}
    return told.get("reason") or told.get("url")


# -- comparing with the controller ------------------------------------------------------------------------------------


@command(main, name="sync")
@click.option("--check/--repair", "only_check", default=True, help="Only look (the default), or have it put right.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(sorted(KINDS)), help="This kind alone; repeatable.")
@click.option("--id", "object_id", help="One object alone; needs --kind.")
@click.option("--extra/--keep-extra", default=None, help="Whether to delete what Neutron does not know.")
def sync(
    context: Any, as_json: bool, only_check: bool, kinds: Sequence[str], object_id: str | None, extra: bool | None
) -> None:
    """Compare Neutron with the controller, object by object where digests differ; with --repair put right what differs.

    A repair records rows in the journal; the dispatchers send them. What Neutron does not know is deleted where the
    controller knows that this cloud put it there, and otherwise only with --extra.

    \b
    Example:
      neutron-daybreak sync --check
      neutron-daybreak sync --repair --kind port

    Exit codes: 0 all is equal (--repair: all is recorded), 1 something differs, 2 wrong usage, 3 can't be asked.
    """
    if object_id is not None and len(kinds) != 1:
        raise click.UsageError("--id needs one --kind")
    if object_id is not None and not only_check:
        write(context, kinds[0], [object_id])
        wake()
        click.echo(json.dumps({"recorded": 1}) if as_json else f"{kinds[0]} {object_id} is sent again.")
        return
    conf = cfg.CONF[config.GROUP]
    north = Controllers.of(conf, random.random).connect()
    reconciler = Reconciler(context, north, conf.client, conf.sync_depth, paused)
    todo = list(kinds) or list(reconciler.kinds())
    results = compare(reconciler, todo, only_check, extra)
    if object_id is not None:
        for each in results:
            narrow(each, object_id)
    show_results(results, as_json, only_check)
    if only_check and not all(each.is_equal for each in results):
        sys.exit(1)


def paused(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def compare(reconciler: Reconciler, kinds: Sequence[str], only_check: bool, extra: bool | None) -> list[Found]:
    """With a bar that goes from kind to kind, on standard error."""
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} kinds"),
    )
    results: list[Found] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(kinds))

        def told(each: Found) -> None:
            counts = f"{each.missing + each.extra + each.stale} differ" if not each.is_equal else ""
            bar.update(task, description=f"{each.kind} {counts}")

        for kind in kinds:
            bar.update(task, description=kind)
            if only_check:
                results += reconciler.check([kind], progress=told)
            else:
                results += reconciler.repair([kind], extra=extra, progress=told)
                wake()
            bar.advance(task)
    return results


def narrow(each: Found, object_id: str) -> None:
    """Keep of a comparison what concerns one object."""
    each.differences = [one for one in each.differences if one.id == object_id]
    each.missing, each.extra, each.stale = (
        sum(one.what == what for one in each.differences) for what in ("missing", "extra", "stale")
    )


def show_results(results: Sequence[Found], as_json: bool, only_check: bool) -> None:
    if as_json:
        names = ("kind", "ours", "theirs", "foreign", "missing", "extra", "stale", "recorded")
        values = [{name: getattr(each, name) for name in names} for each in results]
        for value, each in zip(values, results, strict=True):
            value["differences"] = [one._asdict() for one in each.differences]
        click.echo(json.dumps(values, indent=2))
        return
    rows = [(e.kind, e.ours, e.theirs, e.missing, e.extra, e.stale, e.recorded) for e in results]
    console().print(table("kind neutron controller missing extra stale recorded", rows))
    for each in results:
        for one in each.differences[:SHOWN]:
            click.echo(f"  {one.what}: {one.kind} {one.id}{revisions(one.ours, one.theirs)}")
        if len(each.differences) > SHOWN:
            click.echo(f"  … and {len(each.differences) - SHOWN} more of kind {each.kind}")
    if only_check and all(each.is_equal for each in results):
        click.echo("Neutron and the controller are equal.")


def revisions(ours: int | None, theirs: int | None) -> str:
    if ours is None or ours == theirs:
        return ""
    return f" (revision {ours}, there {'changed by somebody else' if theirs is None else theirs})"


@command(main, name="import-odl")
@click.option("--dry-run", is_flag=True, help="Only say what there is.")
def import_odl(context: Any, as_json: bool, dry_run: bool) -> None:
    """Bring over what networking-odl had not sent: pending, processing and failed rows of its journal.

    Stop all servers that still run networking-odl's driver first. It may be repeated.

    \b
    Example:
      neutron-daybreak import-odl --dry-run

    Exit codes: 0 nothing is left behind, 1 rows of kinds that this driver does not have are, 3 can't be asked.
    """
    before = legacy.left(context)
    brought = 0 if dry_run else legacy.bring_over(context)
    if brought:
        wake()
    behind = {kind: number for kind, number in before.items() if kind not in legacy.KINDS}
    if as_json:
        click.echo(json.dumps({"found": before, "brought": brought, "left": behind}))
    else:
        click.echo(f"{before.total()} rows of networking-odl found, {brought} brought over.")
        for kind, number in behind.items():
            click.echo(f"  left: {number} rows of kind {kind}, which Daybreak's driver does not have")
    if behind:
        sys.exit(1)


# -- health -----------------------------------------------------------------------------------------------------------


@command(main, name="status")
@click.option("--max-age", default=OLD, show_default=True, help="Seconds after which an unsent row is a finding.")
def status(context: Any, as_json: bool, max_age: float) -> None:
    """Say whether all is well: rows that wait, dispatchers at work, controllers that answer. Made for monitoring.

    \b
    Example:
      neutron-daybreak status || echo "something is wrong"

    Exit codes: 0 all is well, 1 something is not, 3 the database can't be asked.
    """
    depth = overview.depth(context)
    seen = members.members_of(context, "journal")
    findings = list(unwell(depth, seen, max_age, time.time()))
    if as_json:
        compared = [{**each, "started_at": each["started_at"]} for each in comparisons(context)]
        answer = {"depth": depth._asdict(), "findings": findings, "comparisons": compared}
        click.echo(json.dumps(answer, indent=2, default=str))
    else:
        click.echo(f"journal   {depth.pending} to send, {depth.waiting} waiting, {depth.parked} parked", nl=False)
        click.echo(f"; the oldest since {ago(depth.oldest)}" if depth.oldest else "")
        for each in seen:
            click.echo(f"member    {each.name} {each.state}, {controller_of(each) or 'no controller yet'}")
        last = [each["finished_at"] for each in comparisons(context) if each["finished_at"]]
        click.echo(f"compared  {ago(min(last))} ago" if last else "compared  not yet")
        for finding in findings:
            click.echo(f"wrong     {finding}")
        if not findings:
            click.echo("All is well.")
    if findings:
        sys.exit(1)


def unwell(depth: overview.Depth, seen: Sequence[members.Seen], max_age: float, now: float) -> Iterable[str]:
    """What is not as it should be, in sentences."""
    active = [each for each in seen if each.state == states.ACTIVE]
    if not active:
        yield "No dispatcher is active: neutron-daybreak-journal runs nowhere"
    for each in seen:
        if each.state == states.SUSPECT:
            yield f"{each.name} has been silent for {now - each.seen_at:.0f} s"
    for each in active:
        if reason := (each.report.get("controller") or {}).get("reason"):
            yield f"{each.name} can't reach a controller: {reason}"
    if depth.parked:
        yield f"{depth.parked} rows are parked: see neutron-daybreak journal list --state parked"
    if depth.oldest is not None and now - depth.oldest > max_age:
        yield f"The oldest row has waited for {now - depth.oldest:.0f} s: see neutron-daybreak journal list"


if __name__ == "__main__":
    main()
