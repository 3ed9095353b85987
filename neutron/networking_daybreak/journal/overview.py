"""io: the journal as people look at it: what is in it, why something has not been sent, and how to help it along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from networking_daybreak.journal.members import members_of
from networking_daybreak.journal.models import PARKED, PENDING, WAITING, Member, Row

J = Row.__table__
M = Member.__table__

LONGEST_CHAIN = 50
"""Steps that an explanation follows at most."""


class Entry(NamedTuple):
    """A row. Times are seconds since 1970."""

    seq: int
    kind: str
    object_id: str
    revision: int | None
    recorded_at: float
    state: str
    owner: str | None
    attempts: int
    due_at: float
    waits_for: int | None
    reason: str | None


class Depth(NamedTuple):
    """How full the journal is: rows by state, and when the oldest of those that are to be sent was recorded."""

    pending: int
    waiting: int
    parked: int
    oldest: float | None


COLUMNS = [J.c[name] for name in Entry._fields]


@db_api.retry_if_session_inactive()
def depth(context: Any) -> Depth:
    """How full the journal is."""
    with db_api.CONTEXT_READER.using(context):
        counts = sa.select(J.c.state, sa.func.count(), sa.func.min(J.c.recorded_at)).group_by(J.c.state)
        found = {state: (count, oldest) for state, count, oldest in context.session.execute(counts)}
    oldest = [found[state][1] for state in (PENDING, WAITING) if state in found]
    return Depth(*(found.get(state, (0,))[0] for state in (PENDING, WAITING, PARKED)), min(oldest, default=None))


@db_api.retry_if_session_inactive()
def entries(
    context: Any,
    *,
    state: str | None = None,
    kind: str | None = None,
    object_id: str | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[Entry]:
    """Rows in order, those that all given conditions hold for. `object_id` may be the beginning of one."""
    query = sa.select(*COLUMNS).where(J.c.seq > after).order_by(J.c.seq).limit(limit)
    if state is not None:
        query = query.where(J.c.state == state)
    if kind is not None:
        query = query.where(J.c.kind == kind)
    if object_id is not None:
        query = query.where(J.c.object_id.startswith(object_id, autoescape=True))
    with db_api.CONTEXT_READER.using(context):
        return [Entry(*row) for row in context.session.execute(query)]


def why(context: Any, head: Entry, now: float) -> list[str]:
    """Why a row has not been sent, in sentences: each is the reason of the one before it. `now`: since 1970."""
    sentences: list[str] = []
    seen: set[int] = set()
    entry: Entry | None = head
    while entry is not None and entry.seq not in seen and len(sentences) < LONGEST_CHAIN:
        seen.add(entry.seq)
        sentences.append(_reason(context, entry, now))
        entry = _blocker(context, entry)
    if entry is not None and entry.seq in seen:
        sentences.append(f"That is row {entry.seq} again: they wait for each other, which a dispatcher resolves.")
    return sentences


def _reason(context: Any, entry: Entry, now: float) -> str:
    """A row's state in a sentence."""
    what = f"Row {entry.seq}, {entry.kind} {entry.object_id},"
    if entry.state == PARKED:
        return f"{what} is parked, for the controller refused it: {entry.reason}"
    if entry.state == WAITING:
        return f"{what} waits for row {entry.waits_for}."
    if entry.owner is not None:
        return f"{what} is being sent by {entry.owner}, which is {_state_of(context, entry.owner)}."
    if entry.due_at > now:
        again = f"is tried again in {entry.due_at - now:.0f} s, after {entry.attempts} attempts"
        return f"{what} {again}: {entry.reason}"
    earlier = _earlier(context, entry)
    if earlier is not None:
        return f"{what} goes with row {earlier.seq} of the same object."
    if not _dispatchers(context):
        return f"{what} is ready, but no dispatcher is active: neutron-daybreak-journal runs nowhere."
    away = _complaints(context)
    return f"{what} is ready to be sent" + (f", but {away}" if away else ".")


def _blocker(context: Any, entry: Entry) -> Entry | None:
    """The row that a row hangs on."""
    if entry.state == WAITING and entry.waits_for is not None:
        found = entries(context, after=entry.waits_for - 1, limit=1)
        return found[0] if found and found[0].seq == entry.waits_for else None
    if entry.state == PENDING and entry.owner is None:
        return _earlier(context, entry)
    return None


@db_api.retry_if_session_inactive()
def _earlier(context: Any, entry: Entry) -> Entry | None:
    """The first row of the same object, if it is another."""
    query = sa.select(*COLUMNS).where(J.c.kind == entry.kind, J.c.object_id == entry.object_id, J.c.seq < entry.seq)
    with db_api.CONTEXT_READER.using(context):
        row = context.session.execute(query.order_by(J.c.seq).limit(1)).first()
    return Entry(*row) if row else None


@db_api.retry_if_session_inactive()
def _state_of(context: Any, name: str) -> str:
    with db_api.CONTEXT_READER.using(context):
        found = context.session.execute(sa.select(M.c.state).where(M.c.role == "journal", M.c.name == name)).scalar()
    return str(found or "unknown")


@db_api.retry_if_session_inactive()
def _dispatchers(context: Any) -> int:
    with db_api.CONTEXT_READER.using(context):
        query = sa.select(sa.func.count()).where(M.c.role == "journal", M.c.state == "active")
        return int(context.session.execute(query).scalar() or 0)


def _complaints(context: Any) -> str | None:
    """What active dispatchers say of the controller."""
    active = [each for each in members_of(context, "journal") if each.state == "active"]
    reasons = {each.name: each.report.get("controller", {}).get("reason") for each in active}
    if not reasons or not all(reasons.values()):
        return None
    return "; ".join(f"{name} can't reach a controller: {reason}" for name, reason in reasons.items())


@db_api.retry_if_session_inactive()
def retry(context: Any, seqs: Sequence[int]) -> int:
    """Have rows sent anew, at once and as if for the first time: parked ones, and those that wait for their next try.

    Returns how many. Nothing happens to those that are being sent.
    """
    again = sa.update(J).where(J.c.seq.in_(seqs), J.c.owner.is_(None), J.c.state.in_((PARKED, PENDING)))
    with db_api.CONTEXT_WRITER.using(context):
        return int(context.session.execute(again.values(state=PENDING, due_at=0, attempts=0, reason=None)).rowcount)


@db_api.retry_if_session_inactive()
def skip(context: Any, seqs: Sequence[int]) -> int:
    """Take rows out of the journal unsent; what waits for them goes on. Returns how many.

    Nothing happens to those that are being sent. The next comparison with the controller finds the difference.
    """
    free = sa.and_(J.c.seq.in_(seqs), J.c.owner.is_(None))
    with db_api.CONTEXT_WRITER.using(context):
        gone = context.session.execute(sa.select(J.c.seq).where(free).with_for_update()).scalars().all()
        if gone:
            context.session.execute(sa.delete(J).where(J.c.seq.in_(gone)))
            freed = sa.update(J).where(J.c.state == WAITING, J.c.waits_for.in_(gone))
            context.session.execute(freed.values(state=PENDING, waits_for=None))
    return len(gone)


@db_api.retry_if_session_inactive()
def kinds(context: Any) -> set[str]:
    """The kinds that the journal has rows of."""
    with db_api.CONTEXT_READER.using(context):
        return set(context.session.execute(sa.select(J.c.kind).distinct()).scalars())
