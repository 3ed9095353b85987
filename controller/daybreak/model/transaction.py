"""data: a change of the model as a whole: all of it or nothing."""

from typing import NamedTuple

from daybreak.model.record import Record


class Change(NamedTuple):
    """One row's change. `old` is None for a creation, `new` for a deletion."""

    kind: type[Record]
    key: str
    old: Record | None
    new: Record | None


class Expect(NamedTuple):
    """A condition of a transaction: the row is this very record (by value), or absent (None)."""

    kind: type[Record]
    key: str
    record: Record | None


class Transaction(NamedTuple):
    """What a writer asks for. Rows in `put` are created or replaced; deleting what is absent is no error."""

    put: tuple[Record, ...] = ()
    delete: tuple[tuple[type[Record], str], ...] = ()
    expect: tuple[Expect, ...] = ()
