"""io: the table of members: joining, signs of life, seeing who's silent, taking over from those who're gone."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from neutron_lib.db import api as db_api
from oslo_db import exception as db_exc
from oslo_log import log

from networking_daybreak.journal import states
from networking_daybreak.journal.models import Lease, Member
from networking_daybreak.sizes import CLIENT, MEMBER, REPORT

LOG = log.getLogger(__name__)
M = Member.__table__
L = Lease.__table__
EXPIRY = 7 * 86400.0
"""Seconds after which the row of a member that's gone is removed."""


class Displaced(Exception):
    """The member was declared gone, or somebody else joined under its name (`by_namesake`)."""

    def __init__(self, *, by_namesake: bool) -> None:
        super().__init__("joined anew elsewhere" if by_namesake else "declared gone")
        self.by_namesake = by_namesake


@dataclass(frozen=True)
class Seen:
    """A member as the table has it. `report`: what it says of itself; times are seconds since 1970."""

    role: str
    name: str
    state: str
    token: int
    beats: int
    streams: int
    fenced: int
    started_at: float
    seen_at: float
    report: Mapping[str, Any]

    @property
    def needs_settling(self) -> bool:
        """Whether claims of an earlier token may stand."""
        return self.streams > 0 and self.state in (states.GONE, states.JOINING) and self.fenced < self.token


def member_name(host: str) -> str:
    """The name of a host as a member, which the controller takes as that of a writer, too, with a stream's number."""
    room = MEMBER - 8
    name = re.sub(r"[^A-Za-z0-9._:-]", "-", host)
    name = name if re.match(CLIENT, name) else f"m{name}"
    return name if len(name) <= room else f"{name[: room - 9]}-{sha256(host.encode()).hexdigest()[:8]}"


class Membership:
    """One process among those of a role. Each call is a transaction of its own. Thread-safe."""

    def __init__(
        self,
        role: str,
        name: str,
        patience: states.Patience,
        streams: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.role = role
        self.name = name
        self.token = 0
        self.state = states.GONE
        self._streams = streams
        self._clock = clock
        self._watch = states.Watch(patience)
        self._lock = threading.RLock()
        self._me = sa.and_(M.c.role == role, M.c.name == name)

    def join(self, context: Any, above: int = 0) -> None:
        """Begin anew, with a token above all that were, and above one that somebody is known to have seen."""
        with self._lock:
            self._join(context, above)

    @db_api.retry_if_session_inactive()
    def _join(self, context: Any, above: int) -> None:
        with db_api.CONTEXT_WRITER.using(context):
            now = time.time()
            row = {"state": states.JOINING, "streams": self._streams, "started_at": now, "seen_at": now}
            known = context.session.execute(sa.select(M.c.token).where(self._me).with_for_update()).scalar()
            if known is None:
                row |= {"role": self.role, "name": self.name, "token": above + 1}
                context.session.execute(sa.insert(M).values(**row))
            else:
                row |= {"token": max(known, above) + 1, "beats": M.c.beats + 1}
                context.session.execute(sa.update(M).where(self._me).values(**row))
            self.token = max(known or 0, above) + 1
        self.state = states.JOINING

    def beat(self, context: Any, report: Mapping[str, Any] | None = None) -> None:
        """A sign of life. Raises `Displaced`."""
        with self._lock:
            values = {"beats": M.c.beats + 1, "seen_at": time.time(), "state": self.state}
            if report is not None:
                text = json.dumps(report)
                values["report"] = text if len(text) <= REPORT else json.dumps({"too_long": len(text)})
            if not self._update(context, **values):
                self.state = states.GONE
                raise Displaced(by_namesake=self._is_taken(context))

    def settled(self, context: Any, token: int) -> bool:
        """Nothing from before a token is left: get to work. Raises `Displaced`.

        False where that says nothing, for the member has joined again meanwhile.
        """
        with self._lock:
            if (self.state, self.token) != (states.JOINING, token):
                return False
            self.state = states.ACTIVE
            self.beat(context)
            return True

    def lapse(self, token: int) -> bool:
        """It isn't known what was claimed under a token: join anew, if it is the present one."""
        with self._lock:
            if self.token != token:
                return False
            self.state = states.GONE
            return True

    def leave(self, context: Any, *, is_settled: bool) -> None:
        """Stop. `is_settled`: no claims are left; otherwise somebody is to take them over."""
        with self._lock:
            values: dict[str, Any] = {"state": states.GONE, "token": self.token + 1, "seen_at": time.time()}
            if is_settled:
                values["fenced"] = self.token + 1
            self._update(context, **values)
            self.state = states.GONE

    def observe(self, context: Any) -> list[Seen]:
        """All members of the role; those that are silent are noted as suspect or gone."""
        members = members_of(context, self.role)
        self._watch.forget([each.name for each in members])
        now = self._clock()
        for each in members:
            if each.name == self.name:
                continue
            due = self._watch.state(each.name, each.state, each.token, each.beats, now)
            if due != each.state and due in (states.SUSPECT, states.GONE):
                self._note(context, each, due)
        return members

    def present(self, members: Sequence[Seen]) -> list[str]:
        """The names of those that work is shared out among."""
        return sorted(each.name for each in members if each.state in states.PRESENT)

    @db_api.retry_if_session_inactive()
    def _note(self, context: Any, seen: Seen, state: str) -> None:
        """Say of another what's seen of it, unless it gave a sign of life meanwhile."""
        same = sa.and_(M.c.role == seen.role, M.c.name == seen.name, M.c.token == seen.token, M.c.beats == seen.beats)
        values: dict[str, Any] = {"state": state}
        if state == states.GONE:
            values["token"] = seen.token + 1
        with db_api.CONTEXT_WRITER.using(context):
            if context.session.execute(sa.update(M).where(same).values(**values)).rowcount:
                LOG.warning("Member %s is %s", seen.name, state)

    @db_api.retry_if_session_inactive()
    def _update(self, context: Any, **values: Any) -> bool:
        with db_api.CONTEXT_WRITER.using(context):
            mine = sa.update(M).where(self._me, M.c.token == self.token)
            return bool(context.session.execute(mine.values(**values)).rowcount)

    def _is_taken(self, context: Any) -> bool:
        found = next((each for each in members_of(context, self.role) if each.name == self.name), None)
        return found is not None and found.state != states.GONE


@db_api.retry_if_session_inactive()
def members_of(context: Any, role: str) -> list[Seen]:
    """All members of a role, by name."""
    with db_api.CONTEXT_READER.using(context):
        rows = context.session.execute(sa.select(M).where(M.c.role == role).order_by(M.c.name)).mappings()
        return [Seen(**{**row, "report": json.loads(row["report"] or "{}")}) for row in rows]


@db_api.retry_if_session_inactive()
def note_settled(context: Any, seen: Seen) -> None:
    """The fences of a member stand at its token, and nothing that it claimed before is left."""
    with db_api.CONTEXT_WRITER.using(context):
        same = sa.and_(M.c.role == seen.role, M.c.name == seen.name, M.c.token == seen.token)
        context.session.execute(sa.update(M).where(same).values(fenced=seen.token))


@db_api.retry_if_session_inactive()
def remove_expired(context: Any, role: str, now: float) -> None:
    """Forget members that are gone for long, once nothing is left that they had claimed."""
    with db_api.CONTEXT_WRITER.using(context):
        gone = sa.and_(M.c.role == role, M.c.state == states.GONE, M.c.seen_at < now - EXPIRY)
        is_settled = sa.or_(M.c.streams == 0, M.c.fenced >= M.c.token)
        context.session.execute(sa.delete(M).where(gone, is_settled))


@db_api.retry_if_session_inactive()
def elect(context: Any, lease: str, me: Membership, present: Sequence[str]) -> bool:
    """Whether a lease is the member's own. One that's free, or whose holder isn't there any more, becomes so."""
    with db_api.CONTEXT_WRITER.using(context):
        context.session.execute(sa.select(L.c.name).where(L.c.name == lease)).first() or add_lease(context, lease)
        vacant = sa.or_(L.c.owner.is_(None), L.c.owner.not_in(list(present)), L.c.owner == me.name)
        update = sa.update(L).where(L.c.name == lease, vacant).values(owner=me.name, token=me.token)
        context.session.execute(update)
        held = context.session.execute(sa.select(L.c.owner, L.c.token).where(L.c.name == lease)).one()
        return (held.owner, held.token) == (me.name, me.token)


def add_lease(context: Any, lease: str) -> None:
    """Make the row of a lease. Raises RetryRequest where somebody else just did."""
    try:
        context.session.execute(sa.insert(L).values(name=lease))
    except db_exc.DBDuplicateEntry as error:
        raise db_exc.RetryRequest(error) from None
