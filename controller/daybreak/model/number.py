"""data: numbers that are given out once and held: keys of networks and ports, VNIs, conntrack zones, group ids.

A number depends on history, so it is a record and not something that a rule computes. The store's single writer gives
it out inside the very transaction that creates its owner, and takes it back when the owner goes or needs it no more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from daybreak.model.record import Record


class Number(Record, frozen=True, gc=False, omit_defaults=True):
    """A number held by `owner`. Each pool has its own subclass."""

    owner: str
    value: int

    @property
    def key(self) -> str:
        return self.owner


class Pool(NamedTuple):
    """A range of numbers and who needs one; declared by a feature.

    `number` is the kind of record that is given out, `owner` the kind of record that needs it. `needs` says whether
    an owner wants one; `given` returns a number of this range that the owner brings itself (a segmentation id that
    the cloud chose), so that it is not given to others. `prefers` returns one that the owner gets if it is free: made
    from what the owner is, it is the same again in a store that was lost, and not soon another's. `low` and `high` are
    both included. The search for a free number begins at `low`.

    A freed number rests until every switch has applied what freed it: until then a flow somewhere may still carry it.
    """

    number: type[Number]
    owner: type[Record]
    low: int
    high: int
    needs: Callable[[Any], bool] = lambda owner: True
    given: Callable[[Any], int | None] = lambda owner: None
    prefers: Callable[[Any], int | None] = lambda owner: None
