"""data: the tables of the journal.

Times are seconds since 1970. Claims and leases hang on a member's token: they hold as long as the member is not gone.
"""

import sqlalchemy as sa
from neutron_lib.db import model_base

from networking_daybreak import sizes

PENDING, WAITING, PARKED = "pending", "waiting", "parked"
"""States of a row: to be sent; held until another is done; refused, until the object changes or somebody retries."""

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Row(model_base.BASEV2):
    """An object of Neutron was created, changed or deleted: which one, not what happened.

    Rows of an object are one piece of work: that of the lowest `seq` is claimed for all. `revision` is the object's own
    where the writer knew it (a deletion leaves nobody to ask). `owner` with `token`: who sends it right now.
    """

    __tablename__ = "daybreak_journal"

    seq = sa.Column(SEQUENCE, primary_key=True, autoincrement=True)
    kind = sa.Column(sa.String(sizes.KIND), nullable=False)
    object_id = sa.Column(sa.String(sizes.ID), nullable=False)
    revision = sa.Column(sa.BigInteger())
    recorded_at = sa.Column(sa.Double(), nullable=False)
    state = sa.Column(sa.String(8), nullable=False, server_default=PENDING)
    owner = sa.Column(sa.String(sizes.MEMBER))
    token = sa.Column(sa.BigInteger())
    attempts = sa.Column(sa.Integer(), nullable=False, server_default="0")
    due_at = sa.Column(sa.Double(), nullable=False, server_default="0")
    waits_for = sa.Column(sa.BigInteger())
    reason = sa.Column(sa.String(sizes.REASON))

    __table_args__ = (
        sa.Index("ix_daybreak_journal_ready", state, owner, seq),
        sa.Index("ix_daybreak_journal_object", kind, object_id, seq),
        sa.Index("ix_daybreak_journal_kind", kind, state, seq),
        sa.Index("ix_daybreak_journal_waits_for", waits_for),
        model_base.BASEV2.__table_args__,
    )


class Member(model_base.BASEV2):
    """A process that shares work with others of its `role`.

    `token` counts up whenever the member starts or is replaced; what it claimed with a lower one is no longer its own.
    `beats` counts its signs of life: others watch it change by their own clocks, so that no clocks need to agree.
    """

    __tablename__ = "daybreak_member"

    role = sa.Column(sa.String(16), primary_key=True)
    name = sa.Column(sa.String(sizes.MEMBER), primary_key=True)
    state = sa.Column(sa.String(8), nullable=False)
    token = sa.Column(sa.BigInteger(), nullable=False)
    beats = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    streams = sa.Column(sa.Integer(), nullable=False, server_default="0")
    fenced = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    started_at = sa.Column(sa.Double(), nullable=False)
    seen_at = sa.Column(sa.Double(), nullable=False)
    report = sa.Column(sa.String(sizes.REPORT))


class Lease(model_base.BASEV2):
    """Work that one member at a time does, by its name."""

    __tablename__ = "daybreak_lease"

    name = sa.Column(sa.String(sizes.MEMBER), primary_key=True)
    owner = sa.Column(sa.String(sizes.MEMBER))
    token = sa.Column(sa.BigInteger())


class Comparison(model_base.BASEV2):
    """How the last comparison of a kind with the controller went, or goes."""

    __tablename__ = "daybreak_comparison"

    kind = sa.Column(sa.String(sizes.KIND), primary_key=True)
    started_at = sa.Column(sa.Double(), nullable=False)
    finished_at = sa.Column(sa.Double())
    ours = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    theirs = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    missing = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    extra = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    stale = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
    recorded = sa.Column(sa.BigInteger(), nullable=False, server_default="0")
