"""data: what a store promises, whatever keeps it: transactions, revisions, a watch without gaps, numbers.

A store keeps every record in memory and every accepted transaction where it survives a crash. Revisions count the
transactions that changed something: 1, 2, 3 … without holes. Readers see what is durable, and nothing else.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from daybreak.model import Change, Expect, Pool, Record, Transaction

R = TypeVar("R", bound=Record)


class Committed(NamedTuple):
    """A transaction as it took effect.

    `changes` are the real ones only, one for each row: the deletions, then the puts, both in the transaction's order,
    then the numbers that were given out, replaced or taken back. Empty: nothing changed, and `revision` is the one
    that the transaction found.
    """

    revision: int
    changes: tuple[Change, ...]


class StoreError(Exception):
    """The store can't be opened, read or written. The text is one line that names the place and says what is wrong."""


class Conflict(Exception):
    """A transaction's expectation does not hold; nothing was changed."""

    def __init__(self, expect: Expect) -> None:
        state = "absent" if expect.record is None else "as expected"
        super().__init__(f"{expect.kind.kind} {expect.key} is not {state}")
        self.expect = expect


class Exhausted(Exception):
    """A pool has no number left, or all that are left still rest; nothing was changed."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(f"no {pool.number.kind} left between {pool.low} and {pool.high}")
        self.pool = pool


class Compacted(Exception):
    """The log does not lead on from revision `after`: it was trimmed past it, or never got there.

    Whoever watches starts again from all rows.
    """

    def __init__(self, after: int) -> None:
        super().__init__(f"the log has nothing that follows revision {after}; read all rows and watch from there")
        self.after = after


class Store(Protocol):
    """Tables of records with one writer. Used from one event loop, the one that runs `commit`."""

    @property
    def revision(self) -> int:
        """The last durable revision; 0 for an empty store."""
        ...

    def get(self, kind: type[R], key: str) -> R | None:
        """The durable record of that key, or None."""
        ...

    def rows(self, kind: type[R]) -> Mapping[str, R]:
        """All durable records of a kind by key: a live view, not a copy. Copy it before you await."""
        ...

    async def commit(self, txn: Transaction) -> Committed:
        """Carry out a transaction as a whole, and return when it is durable.

        Transactions take effect in the order in which they were asked for. Deletions come before puts. Records of the
        pools' kinds are written by the store alone.

        Raises `Conflict` or `Exhausted`, having changed nothing; `StoreError` if it could not be written (after which
        it may be asked for again).
        """
        ...

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call back for each revision from now on, in order, when `rows` shows just that revision.

        The callback comes before `commit` returns to its caller. Returns a function that ends the subscription.
        """
        ...

    def watch(self, after: int) -> AsyncIterator[Committed]:
        """Every revision after `after`, once and in order: first from the log, then as they are committed.

        Ends when the store is closed. Raises `Compacted` where the log was trimmed too far, be it at the start or
        because the reader is too slow.
        """
        ...

    def release(self, applied: int) -> None:
        """Every switch has applied revision `applied`: numbers freed up to then may be given out again.

        To be said again after a restart.
        """
        ...

    async def close(self) -> None:
        """Finish what was asked for, then let go of everything. Idempotent."""
        ...
