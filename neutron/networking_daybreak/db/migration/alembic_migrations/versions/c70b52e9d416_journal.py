"""data: the tables of the journal."""

import sqlalchemy as sa
from alembic import op

revision = "c70b52e9d416"
down_revision = "5d1f0c6a21b7"
branch_labels = ("expand",)


def upgrade():
    """Create them."""
    op.create_table(
        "daybreak_journal",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(36), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.BigInteger()),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False, server_default="pending"),
        sa.Column("owner", sa.String(64)),
        sa.Column("token", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_at", sa.Double(), nullable=False, server_default="0"),
        sa.Column("waits_for", sa.BigInteger()),
        sa.Column("reason", sa.String(1024)),
    )
    op.create_index("ix_daybreak_journal_ready", "daybreak_journal", ["state", "owner", "seq"])
    op.create_index("ix_daybreak_journal_object", "daybreak_journal", ["kind", "object_id", "seq"])
    op.create_index("ix_daybreak_journal_kind", "daybreak_journal", ["kind", "state", "seq"])
    op.create_index("ix_daybreak_journal_waits_for", "daybreak_journal", ["waits_for"])
    op.create_table(
        "daybreak_member",
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("streams", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fenced", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("report", sa.String(4096)),
    )
    op.create_table(
        "daybreak_lease",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64)),
        sa.Column("token", sa.BigInteger()),
    )
    op.create_table(
        "daybreak_comparison",
        sa.Column("kind", sa.String(36), primary_key=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            for name in ("ours", "theirs", "missing", "extra", "stale", "recorded")
        ),
    )
