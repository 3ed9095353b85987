"""io: the only place that writes to a switch's database: plan, transact, and again whenever something changed."""

import asyncio
from hashlib import blake2b
from typing import Final

import msgspec
import structlog

from daybreak.southbound.ovsdb.desired import Plan, Wants, plan
from daybreak.southbound.ovsdb.session import Session
from daybreak.wire.ovsdb import TransactionError
from daybreak.wire.ovsdb.operations import Operation

GATHER: Final = 0.02
"""Seconds between a sign of change and the plan: flows go first, and what comes together is written together."""
PACE: Final = 0.05
"""Seconds between two transactions: what comes in the meantime goes into the second."""
SLOWEST: Final = 10.0
"""Seconds between two attempts when they fail again and again."""
DOUBLINGS: Final = 8
"""So often is PACE doubled until it is SLOWEST."""
FORGET: Final = 60.0
"""Seconds after which the same transaction is no longer taken as a sign that somebody undoes it."""
QUARREL: Final = 3
"""How often a transaction has to be done again in that time until it's a finding."""

log = structlog.get_logger()


class Applier:
    """Keeps one switch's database as it's wanted, until the session is lost or it's closed."""

    def __init__(self, session: Session, wants: Wants) -> None:
        self._session = session
        self._wants = wants
        self._plan = Plan((), ())
        self._refusal: str | None = None
        self._refusals = 0
        self._done = b""
        self._done_at = 0.0
        self._repeats = 0
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._wake.set()
        session.watchers.append(self._wake.set)
        self._task = self._loop.create_task(self._run())

    @property
    def findings(self) -> tuple[str, ...]:
        """What only people can mend, in words."""
        findings = self._plan.findings
        if self._refusal is not None:
            findings += (f"Open vSwitch refuses what is to be written: {self._refusal}",)
        if self._repeats >= QUARREL and self._loop.time() - self._done_at < FORGET:
            findings += ("somebody else undoes again and again what Daybreak writes",)
        return findings

    @property
    def is_settled(self) -> bool:
        """Whether the database is as wanted, less what `findings` say."""
        return not self._wake.is_set() and not self._plan.operations

    def want(self, wants: Wants) -> None:
        """From now on this."""
        if wants != self._wants:
            self._wants = wants
            self._wake.set()

    async def close(self) -> None:
        """Write nothing any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._wake.set in self._session.watchers:
            self._session.watchers.remove(self._wake.set)

    async def _run(self) -> None:
        try:
            while not self._session.is_lost:
                self._wake.clear()
                if self._session.is_synchronized:
                    await self._close_the_difference()
                await self._wake.wait()
                await asyncio.sleep(GATHER)
        except Exception:
            # A bug, then: the switch calls again, and is read and planned for from the beginning.
            log.exception("OVSDB planning failed", peer=self._session.remote_address)
            self._session.close("planning failed")

    async def _close_the_difference(self) -> None:
        before, self._plan = self._plan, plan(self._session.replica, self._wants)
        for finding in set(self._plan.findings) - set(before.findings):
            log.warning("OVSDB finding", peer=self._session.remote_address, finding=finding)
        if not self._plan.operations:
            self._refusal, self._refusals = None, 0
            return
        try:
            await self._session.transact(self._plan.operations)
        except ConnectionError:
            return
        except TransactionError as error:
            self._refused(str(error))
        else:
            self._succeeded()
        await asyncio.sleep(pause(max(self._refusals, self._repeats)))

    def _refused(self, words: str) -> None:
        """Log it once, however often it's tried."""
        if words != self._refusal:
            log.warning("OVSDB transaction refused", peer=self._session.remote_address, reason=words)
        self._refusal = words
        self._refusals += 1
        self._wake.set()

    def _succeeded(self) -> None:
        now, done = self._loop.time(), _digest(self._plan.operations)
        is_repeat = done == self._done and now - self._done_at < FORGET
        self._repeats = self._repeats + 1 if is_repeat else 0
        self._done, self._done_at = done, now
        self._refusal, self._refusals = None, 0


def pause(failures: int) -> float:
    """Seconds until the next transaction, after so many in a row that came to nothing."""
    return min(PACE * (1 << min(failures, DOUBLINGS)), SLOWEST)


def _digest(operations: tuple[Operation, ...]) -> bytes:
    """What is remembered of a transaction: the first one to a host, with all its interfaces, has 100 KB."""
    return blake2b(msgspec.json.encode(operations), digest_size=16).digest()
