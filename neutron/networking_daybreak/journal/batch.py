"""io: makes changes of claims, by reading Neutron's objects as they are now, and verdicts of what came of them."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neutron_lib.db import api as db_api
from oslo_db import exception as db_exc
from oslo_log import log

from networking_daybreak.journal import claims as journal
from networking_daybreak.journal.claims import Claim, Verdict
from networking_daybreak.journal.order import children, ranks, sending_order
from networking_daybreak.journal.record import record
from networking_daybreak.northbound.answers import Change, Done, Failed, Held, Key, Lacks, Outcome, Refused
from networking_daybreak.northbound.circuit import backoff
from networking_daybreak.resources import KINDS

LOG = log.getLogger(__name__)
RANKS = ranks(KINDS)
CHILDREN = children(KINDS)
OF_DATABASE = (db_exc.DBConnectionError, db_exc.DBDeadlock, db_exc.CantStartEngineError)
"""Errors that are not about an object."""


@dataclass
class Batch:
    """Claims on their way: the changes to be sent, in order, and what's already known to become of the others."""

    claims: Mapping[Key, Claim]
    changes: list[Change] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    skipped: int = 0


@dataclass(frozen=True)
class Manners:
    """How often to try what fails, and numbers from 0 to 1 that spread the tries."""

    retries: int
    random: Callable[[], float]

    def again(self, claim: Claim, reason: str, now: float, verdict: Verdict) -> None:
        """Note that a claim is to be tried again later, or that it was tried often enough."""
        if claim.attempts >= self.retries:
            park(claim, f"After {claim.attempts + 1} tries: {reason}", verdict)
        else:
            verdict.again.append((claim, now + backoff(claim.attempts, self.random), reason))


def prepare(
    context: Any, claims: Sequence[Claim], serves: Callable[[str], bool], manners: Manners, now: float
) -> Batch:
    """Read the bodies of claims, and find out which can be sent now."""
    batch = Batch({claim.key: claim for claim in claims})
    wanted = [claim for claim in claims if serves(claim.kind)]
    skipped = [claim for claim in claims if not serves(claim.kind)]
    batch.verdict.done += skipped
    batch.skipped = len(skipped)
    changes = sending_order(read(context, wanted, serves, manners, now, batch.verdict), RANKS)
    hold_back(context, batch, changes, now)
    return batch


def read(
    context: Any,
    claims: Sequence[Claim],
    serves: Callable[[str], bool],
    manners: Manners,
    now: float,
    verdict: Verdict,
) -> list[Change]:
    """The objects of claims as they are now. What can't be read is noted to be tried again."""
    by_kind: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_kind[claim.kind].append(claim)
    changes: list[Change] = []
    for kind, members in by_kind.items():
        try:
            changes += read_kind(context, kind, members, serves)
        except OF_DATABASE:
            raise
        except Exception as error:
            LOG.error("Reading %d objects of kind %s fails: %s", len(members), kind, place(error))
            for claim in members:
                try:
                    changes += read_kind(context, kind, [claim], serves)
                except OF_DATABASE:
                    raise
                except Exception as single:
                    manners.again(claim, f"It can't be read: {place(single)}", now, verdict)
    return changes


def read_kind(context: Any, kind: str, claims: Sequence[Claim], serves: Callable[[str], bool]) -> list[Change]:
    """The objects of claims of one kind."""
    known = KINDS[kind]
    with db_api.CONTEXT_READER.using(context):
        bodies = known.read(context, [claim.id for claim in claims])
    changes = []
    for claim in claims:
        body = bodies.get(claim.id)
        if body is None:
            changes.append(Change(kind, claim.id, None, claim.revision))
        else:
            record = known.record(body)  # what can't be said is found out here, before anything is sent
            parents = frozenset(each for each in known.parents(body) if each[0] in KINDS and serves(each[0]))
            changes.append(Change(kind, claim.id, body, body.get("revision_number") or 0, parents, record))
    return changes


def hold_back(context: Any, batch: Batch, changes: Sequence[Change], now: float) -> None:
    """Keep what can be sent, in order; the others wait for rows that were recorded before.

    A change waits for its parents, a deletion for everything that may have referred to it: of what's gone nobody knows
    any more what it referred to, so that's all of a kind.
    """
    mine = {seq for claim in batch.claims.values() for seq in claim.rows}
    elsewhere = {parent for change in changes for parent in change.parents if parent not in batch.claims}
    first = journal.firsts(context, elsewhere, mine) if elsewhere else {}
    spans = spans_before(context, batch, changes, mine, now)
    held = {claim.key: claim.head for claim in batch.verdict.failed}
    for change in changes:
        claim = batch.claims[change.key]
        blocker = blocked_by(change, claim, first, held) if change.body is not None else in_use(claim, spans)
        if blocker is None:
            batch.changes.append(change)
        else:
            held[change.key] = claim.head
            batch.verdict.waiting.append((claim, blocker))


def blocked_by(change: Change, claim: Claim, first: Mapping[Key, int], held: Mapping[Key, int]) -> int | None:
    """The row of a parent that has to go before a change; None: nothing stands in its way."""
    for parent in change.parents:
        if parent in held:
            return held[parent]
        if parent in first and first[parent] < claim.tail:
            return first[parent]
    return None


def spans_before(
    context: Any, batch: Batch, changes: Sequence[Change], mine: Collection[int], now: float
) -> Mapping[str, Sequence[tuple[int, int]]]:
    """For each kind of which something is gone: the first and last rows of each kind that may refer to it."""
    tails: dict[str, int] = defaultdict(int)
    for change in changes:
        if change.body is None:
            tails[change.kind] = max(tails[change.kind], batch.claims[change.key].tail)
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for kind, tail in tails.items():
        for child in CHILDREN[kind]:
            if (low_high := journal.span(context, child, tail, mine, now)) is not None:
                found[kind].append(low_high)
    return found


def in_use(claim: Claim, spans: Mapping[str, Sequence[tuple[int, int]]]) -> int | None:
    """The row that a deletion has to wait for."""
    for low, high in spans.get(claim.kind, ()):
        if low < claim.tail:
            return high if high < claim.tail else low
    return None


def conclude(context: Any, batch: Batch, outcomes: Sequence[Outcome], manners: Manners, now: float) -> Verdict:
    """What becomes of the claims, given what came of sending their changes."""
    verdict = batch.verdict
    for change, outcome in zip(batch.changes, outcomes, strict=True):
        claim = batch.claims[change.key]
        match outcome:
            case Done():
                verdict.done.append(claim)
            case Refused(status, reason):
                park(claim, f"The controller answers {status}: {reason}", verdict)
            case Held(parent):
                verdict.waiting.append((claim, batch.claims[parent].head))
            case Lacks(reason):
                # What Neutron has and the controller lacks is sent again; the change comes after it.
                send_again(context, change.parents)
                manners.again(claim, reason, now, verdict)
            case Failed(reason):
                manners.again(claim, reason, now, verdict)
    return verdict


@db_api.retry_if_session_inactive()
def send_again(context: Any, keys: Collection[Key]) -> None:
    """Record objects, as if they had changed."""
    with db_api.CONTEXT_WRITER.using(context):
        for kind, id in sorted(keys):
            record(context, kind, id)


def park(claim: Claim, reason: str, verdict: Verdict) -> None:
    """Note that a claim is given up until its object changes. The reason may quote it, so it's not for the log."""
    LOG.error("Parked: %s %s is refused; `neutron-daybreak journal show` says why", claim.kind, claim.id)
    verdict.parked.append((claim, reason))


def place(error: BaseException) -> str:
    """An error's type and where it was raised; not its text, which may quote an object."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
