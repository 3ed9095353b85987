"""io: compares kinds with the controller, and records in the journal what differs, so that it's sent or deleted.

Repairs are nothing but rows: order, fences and refusals are the dispatcher's business, and a comparison that's cut off
is simply begun anew, for what it repaired doesn't differ any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from networking_daybreak.journal import claims as journal
from networking_daybreak.journal.models import PENDING, Comparison, Row
from networking_daybreak.journal.order import ranks
from networking_daybreak.journal.record import record
from networking_daybreak.northbound.controllers import Northbound
from networking_daybreak.northbound.daybreak import Daybreak
from networking_daybreak.resources import KINDS
from networking_daybreak.sync.digests import (
    EXTRA,
    MISSING,
    STALE,
    Difference,
    Digest,
    chunks,
    compared,
    differences,
    digest,
)

C = Comparison.__table__
J = Row.__table__
PAGE = 5000
"""Ids that are read of Neutron's database at a time."""

CHUNK = 500
"""Differences that are recorded in one transaction."""

SETTLING = 1.0
"""Seconds after which a difference that is only being sent is none any more."""


@dataclass
class Found:
    """How the comparison of one kind goes.

    `theirs`: this cloud's on the controller, `foreign`: those of others; `digest`: of what Neutron has.
    """

    kind: str
    started_at: float
    ours: int = 0
    theirs: int = 0
    foreign: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0
    recorded: int = 0
    finished_at: float | None = None
    digest: Digest | None = None
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.stale)


Progress = Callable[[Found], None]


class Reconciler:
    """Compares one cloud with one controller. `pause(seconds)` waits; True: stop."""

    def __init__(
        self, context: Any, north: Northbound, client: str, depth: int, pause: Callable[[float], bool]
    ) -> None:
        self._context = context
        self._north = north
        self._client = client
        self._depth = depth
        self._pause = pause

    def kinds(self) -> Sequence[str]:
        """The kinds that can be compared, parents before what refers to them."""
        ranked = ranks(KINDS)
        return sorted((name for name in KINDS if self._north.serves(name)), key=lambda name: (ranked[name], name))

    def remote_digests(self) -> Mapping[str, Digest]:
        """The controller's digests by kind, where it has such."""
        if not isinstance(self._north, Daybreak):
            return {}
        told = self._north.digests()
        return {kind: Digest(*told.get((kind, self._client), (0, "0" * 32))) for kind in self.kinds()}

    def check(self, kinds: Iterable[str] | None = None, progress: Progress = lambda found: None) -> list[Found]:
        """Find what differs, and change nothing. What is on its way in the journal is no difference; parked is not."""
        found = []
        for kind in kinds or self.kinds():
            each = Found(kind, time.time())
            for chunk in chunks(self._differing(each), CHUNK):
                self._count(each, self._stuck(chunk))
                progress(each)
            if not each.is_equal:
                self._look_again(each)
            each.finished_at = time.time()
            progress(each)
            found.append(each)
        return found

    def repair(
        self, kinds: Iterable[str] | None = None, *, extra: bool | None = None, progress: Progress = lambda found: None
    ) -> list[Found]:
        """Record what differs. Waits while the journal is long. Raises `Unavailable`.

        `extra`: also delete what Neutron doesn't know; None: where the controller knows that it's this cloud's.
        """
        delete = self._north.is_fenced if extra is None else extra
        found = []
        for kind in kinds or self.kinds():
            each = Found(kind, time.time())
            note(self._context, each)
            for chunk in chunks(self._differing(each), CHUNK):
                differing = self._at_rest(chunk)
                self._count(each, differing)
                if not self._record(each, [one for one in differing if delete or one.what != EXTRA]):
                    return found
                each.differences.clear()
                note(self._context, each)
                progress(each)
            each.finished_at = time.time()
            note(self._context, each)
            progress(each)
            found.append(each)
        return found

    def _differing(self, found: Found) -> Iterator[Difference]:
        ours = local(self._context, found.kind)
        found.ours = len(ours)
        if isinstance(self._north, Daybreak):
            north = self._north
            found.digest = digest(ours)
            told = north.digests()
            found.theirs, value = told.get((found.kind, self._client), (0, "0" * 32))
            found.foreign = sum(told[each][0] for each in told if each[0] == found.kind and each[1] != self._client)
            if found.digest == (found.theirs, value):
                return iter(())
            if found.theirs == 0:
                return compared(found.kind, ours, {})
            return differences(found.kind, ours, lambda path: north.page(found.kind, self._client, path))
        theirs = dict(self._north.revisions(found.kind))
        found.theirs = len(theirs)
        # Not every OpenDaylight keeps revisions: one that has none can't be told from the right one.
        known = {id: ours.get(id) if revision is None else revision for id, revision in theirs.items()}
        return compared(found.kind, ours, known)

    def _count(self, found: Found, differing: Sequence[Difference]) -> None:
        for each in differing:
            setattr(found, each.what, getattr(found, each.what) + 1)
        found.differences += differing

    def _at_rest(self, chunk: Sequence[Difference]) -> list[Difference]:
        """Those of the objects that have no rows in the journal."""
        moving = journal.firsts(self._context, [(each.kind, each.id) for each in chunk], ())
        return [each for each in chunk if (each.kind, each.id) not in moving]

    def _stuck(self, chunk: Sequence[Difference]) -> list[Difference]:
        """Those of the objects that no row of the journal brings over: there is none, or the rows are parked."""
        moving = journal.moving(self._context, [(each.kind, each.id) for each in chunk])
        return [each for each in chunk if (each.kind, each.id) not in moving]

    def _look_again(self, found: Found) -> None:
        """Keep only what still differs in the same way a moment later: both sides were not read at once."""
        self._pause(SETTLING)
        second = Found(found.kind, found.started_at)
        again = set(self._differing(second))
        kept = [each for each in found.differences if each in again]
        found.missing = found.extra = found.stale = 0
        found.differences = []
        self._count(found, self._stuck(kept))

    def _record(self, found: Found, differing: Sequence[Difference]) -> bool:
        """Record objects once there's room in the journal. False: told to stop."""
        while depth(self._context, self._depth) >= self._depth:
            if self._pause(0.2):
                return False
        write(self._context, found.kind, [each.id for each in differing])
        found.recorded += len(differing)
        return not self._pause(0)


def local(context: Any, kind: str) -> dict[str, int]:
    """The ids and revisions of all of Neutron's objects of a kind."""
    found: dict[str, int] = {}
    after = ""
    while rows := KINDS[kind].ids(context, after, PAGE):
        found.update(rows)
        after = rows[-1][0]
        if len(rows) < PAGE:
            break
    return found


def depth(context: Any, limit: int) -> int:
    """How many rows are to be sent; no more than the limit are counted."""
    pending = sa.select(J.c.seq).where(J.c.state == PENDING).limit(limit).subquery()
    with db_api.CONTEXT_READER.using(context):
        return int(context.session.execute(sa.select(sa.func.count()).select_from(pending)).scalar() or 0)


@db_api.retry_if_session_inactive()
def write(context: Any, kind: str, ids: Sequence[str]) -> None:
    """Record objects."""
    with db_api.CONTEXT_WRITER.using(context):
        record(context, kind, *ids)


@db_api.retry_if_session_inactive()
def note(context: Any, found: Found) -> None:
    """Write down how a comparison goes, for people."""
    values = {name: getattr(found, name) for name in ("started_at", "finished_at", "ours", "theirs", "recorded")}
    values |= {MISSING: found.missing, EXTRA: found.extra, STALE: found.stale}
    with db_api.CONTEXT_WRITER.using(context):
        same = sa.update(C).where(C.c.kind == found.kind).values(**values)
        if not context.session.execute(same).rowcount:
            context.session.execute(sa.insert(C).values(kind=found.kind, **values))


def comparisons(context: Any) -> list[Mapping[str, Any]]:
    """How the last comparison of each kind went, or how it goes (finished_at is null then)."""
    with db_api.CONTEXT_READER.using(context):
        return [dict(row) for row in context.session.execute(sa.select(C).order_by(C.c.kind)).mappings()]
