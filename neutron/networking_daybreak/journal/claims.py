"""io: what dispatchers do with the rows of the journal, each in one transaction.

An object is claimed by its head, the first of its rows that can be sent. While a claim of an object stands, none of its
rows is claimed by anyone else, so bodies of one object never overtake each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron_lib.db import api as db_api
from oslo_db import api as oslo_db_api

from networking_daybreak.journal.models import PARKED, PENDING, WAITING, Row
from networking_daybreak.northbound.answers import Key
from networking_daybreak.sizes import REASON

J = Row.__table__
SERIAL = ("sqlite",)
"""Databases with one writer at a time: there nothing is to be skipped."""


class Owner(NamedTuple):
    """A member, and the token with which it joined."""

    name: str
    token: int


@dataclass
class Claim:
    """An object of a batch: its head, all rows that a send settles, and what they know of it."""

    kind: str
    id: str
    head: int
    rows: list[int] = field(default_factory=list)
    revision: int | None = None
    attempts: int = 0
    recorded_at: float = 0.0

    @property
    def key(self) -> Key:
        return self.kind, self.id

    @property
    def tail(self) -> int:
        """The last row: what was recorded after it is none of this claim's business."""
        return max(self.rows)


@dataclass
class Verdict:
    """What becomes of the rows of claims."""

    done: list[Claim] = field(default_factory=list)
    parked: list[tuple[Claim, str]] = field(default_factory=list)
    waiting: list[tuple[Claim, int]] = field(default_factory=list)
    again: list[tuple[Claim, float, str]] = field(default_factory=list)
    """Due at a time, for a reason, with one attempt more."""

    @property
    def failed(self) -> list[Claim]:
        """Those that went wrong by themselves."""
        return [each[0] for each in (*self.parked, *self.again)]


retry_on_deadlock = oslo_db_api.wrap_db_retry(
    max_retries=db_api.MAX_RETRIES, retry_interval=0.1, inc_retry_interval=True, retry_on_deadlock=True
)
"""Of a transaction that met a deadlock it is certain that it was rolled back."""


def claim(context: Any, owner: Owner, kinds: Collection[str], limit: int, now: float) -> list[Claim]:
    """Claim the heads of so many objects. Neither waits for other dispatchers, nor lets API calls wait."""
    taken = take(context, owner, kinds, limit, now)
    return cover(context, owner, taken) if taken else []


@retry_on_deadlock
def take(context: Any, owner: Owner, kinds: Collection[str], limit: int, now: float) -> dict[int, Key]:
    """Mark the heads of objects as the owner's.

    Raises DBConnectionError where the database went away. Then they may be marked or not: a second try would not find
    those that are, and nobody would know of them.
    """
    found: dict[int, Key] = {}
    after = 0
    with db_api.CONTEXT_WRITER.using(context):
        # Read committed locks what it finds, and no gaps, where those who record would have to wait.
        isolate(context)
        while len(found) < limit:
            query = ready(kinds, now).where(J.c.seq > after).limit(limit).with_for_update(skip_locked=True)
            rows = context.session.execute(query).all()
            found |= islice(heads(context, rows, now).items(), limit - len(found))
            if len(rows) < limit:
                break
            after = rows[-1].seq
        if found:
            mark = sa.update(J).where(J.c.seq.in_(list(found)))
            context.session.execute(mark.values(owner=owner.name, token=owner.token))
    return found


def ready(kinds: Collection[str], now: float) -> sa.Select[Any]:
    """Rows that can be sent and that nobody has claimed, in order."""
    return (
        sa.select(J.c.seq, J.c.kind, J.c.object_id)
        .where(J.c.state == PENDING, J.c.owner.is_(None), J.c.due_at <= now, J.c.kind.in_(list(kinds)))
        .order_by(J.c.seq)
    )


def heads(context: Any, rows: Sequence[Any], now: float) -> dict[int, Key]:
    """Those rows that are the first that can be sent of objects that nobody has claimed."""
    candidates: dict[Key, int] = {}
    for row in rows:
        candidates.setdefault((row.kind, row.object_id), row.seq)
    for row in of_objects(context, [*candidates]):
        key = (row.kind, row.object_id)
        seq = candidates.get(key)
        if seq is None or row.seq == seq:
            continue
        is_before = row.seq < seq and row.state == PENDING and row.due_at <= now
        if row.owner or is_before:
            del candidates[key]
    return {seq: key for key, seq in candidates.items()}


@db_api.retry_if_session_inactive()
def cover(context: Any, owner: Owner, taken: Mapping[int, Key]) -> list[Claim]:
    """All rows of the objects whose heads were taken.

    Two dispatchers that look at the same moment as a row comes late can take two rows of one object; each sees the
    other's here, and lets go.
    """
    claims = {key: Claim(*key, head) for head, key in taken.items()}
    contested: set[Key] = set()
    with db_api.CONTEXT_READER.using(context):
        for row in of_objects(context, claims):
            key = (row.kind, row.object_id)
            held = claims[key]
            held.rows.append(row.seq)
            held.attempts = row.attempts  # of the last row: what failed before it was another body
            held.recorded_at = min(held.recorded_at or row.recorded_at, row.recorded_at)
            if row.revision is not None:
                held.revision = max(held.revision or 0, row.revision)
            if row.owner is not None and row.seq != held.head:
                contested.add(key)
    if contested:
        release(context, owner, [claims[key].head for key in contested])
    return [held for key, held in claims.items() if key not in contested and held.head in held.rows]


def of_objects(context: Any, keys: Iterable[Key]) -> Iterable[Any]:
    """All rows of some objects."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, id in keys:
        by_kind[kind].append(id)
    for kind, ids in by_kind.items():
        query = sa.select(J).where(J.c.kind == kind, J.c.object_id.in_(ids)).order_by(J.c.seq)
        yield from context.session.execute(query)


def firsts(context: Any, keys: Collection[Key], mine: Collection[int]) -> dict[Key, int]:
    """The first row of each of the objects that have any, but for one's own."""
    with db_api.CONTEXT_READER.using(context):
        found: dict[Key, int] = {}
        for row in of_objects(context, keys):
            if row.seq not in mine:
                found.setdefault((row.kind, row.object_id), row.seq)
        return found


def moving(context: Any, keys: Collection[Key]) -> set[Key]:
    """Those of the objects that are on their way: one of their rows isn't parked, nor waits for one that is."""
    with db_api.CONTEXT_READER.using(context):
        rows = [*of_objects(context, keys)]
        known = {row.seq: row for row in rows}
        while awaited := {row.waits_for for row in known.values() if row and row.state == WAITING} - known.keys():
            found = context.session.execute(sa.select(J.c.seq, J.c.state, J.c.waits_for).where(J.c.seq.in_(awaited)))
            known |= dict.fromkeys(awaited) | {row.seq: row for row in found}
    return {(row.kind, row.object_id) for row in rows if not ends_parked(known, row.seq)}


def ends_parked(known: Mapping[int, Any], seq: int) -> bool:
    """Whether a row is parked, or waits for a row of which that is true. Those in a circle don't stay so."""
    passed: set[int] = set()
    while (row := known[seq]) is not None and row.state == WAITING and seq not in passed:
        passed.add(seq)
        seq = row.waits_for
    return row is not None and row.state == PARKED


def span(context: Any, kind: str, before: int, mine: Collection[int], now: float) -> tuple[int, int] | None:
    """The first and the last row of a kind that is to be sent now, recorded before another, and not one's own."""
    query = sa.select(sa.func.min(J.c.seq), sa.func.max(J.c.seq)).where(
        J.c.kind == kind, J.c.state == PENDING, J.c.seq < before, J.c.due_at <= now, J.c.seq.not_in(list(mine))
    )
    with db_api.CONTEXT_READER.using(context):
        low, high = context.session.execute(query).one()
        return None if low is None else (low, high)


@db_api.retry_if_session_inactive()
def finish(context: Any, owner: Owner, verdict: Verdict) -> bool:
    """Write down what became of a batch. False: the claims are no longer the owner's, and nothing was written."""
    claims = [*verdict.done, *(each[0] for each in (*verdict.parked, *verdict.waiting, *verdict.again))]
    heads = [each.head for each in claims]
    with db_api.CONTEXT_WRITER.using(context):
        isolate(context)
        mine = sa.select(J.c.seq).where(J.c.seq.in_(heads), J.c.owner == owner.name, J.c.token == owner.token)
        held = context.session.execute(mine.with_for_update()).scalars().all()
        if len(held) != len(heads):
            return False
        finished = [seq for each in verdict.done for seq in each.rows]
        if finished:
            context.session.execute(sa.delete(J).where(J.c.seq.in_(finished)))
            freed = sa.update(J).where(J.c.state == WAITING, J.c.waits_for.in_(finished))
            context.session.execute(freed.values(state=PENDING, waits_for=None))
        for claim, reason in verdict.parked:
            settle(context, claim, state=PARKED, reason=reason[:REASON], attempts=claim.attempts + 1)
        for claim, blocker in verdict.waiting:
            settle(context, claim, state=WAITING, waits_for=blocker)
        for claim, due, reason in verdict.again:
            settle(context, claim, due_at=due, reason=reason[:REASON], attempts=claim.attempts + 1)
    return True


def settle(context: Any, claim: Claim, **values: Any) -> None:
    """Change all rows of a claim, and give it up."""
    values.setdefault("state", PENDING)
    context.session.execute(sa.update(J).where(J.c.seq.in_(claim.rows)).values(owner=None, token=None, **values))


@db_api.retry_if_session_inactive()
def release(context: Any, owner: Owner, heads: Sequence[int]) -> None:
    """Give claims up, as if they had never been made."""
    with db_api.CONTEXT_WRITER.using(context):
        mine = sa.update(J).where(J.c.seq.in_(heads), J.c.owner == owner.name, J.c.token == owner.token)
        context.session.execute(mine.values(owner=None, token=None))


@db_api.retry_if_session_inactive()
def release_of(context: Any, name: str, below: int) -> int:
    """Free all that a member claimed with a token below the given one. How many objects that were."""
    with db_api.CONTEXT_WRITER.using(context):
        query = sa.update(J).where(J.c.state == PENDING, J.c.owner == name, J.c.token < below)
        return int(context.session.execute(query.values(owner=None, token=None)).rowcount)


@db_api.retry_if_session_inactive()
def free_orphans(context: Any) -> int:
    """Let those go on that wait for a row that is gone. Only a crash at a bad moment leaves such."""
    awaited = J.alias("awaited")
    stuck = sa.select(J.c.seq).where(J.c.state == WAITING, ~sa.exists().where(awaited.c.seq == J.c.waits_for))
    with db_api.CONTEXT_WRITER.using(context):
        seqs = context.session.execute(stuck.limit(1000)).scalars().all()
        if seqs:
            freed = sa.update(J).where(J.c.seq.in_(seqs), J.c.state == WAITING)
            context.session.execute(freed.values(state=PENDING, waits_for=None))
    return len(seqs)


def isolate(context: Any) -> None:
    """Read committed, for a transaction that has not begun yet."""
    if context.session.get_bind().dialect.name not in SERIAL:
        context.session.connection(execution_options={"isolation_level": "READ COMMITTED"})
