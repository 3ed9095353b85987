"""data: the common root of the branches."""

revision = "5d1f0c6a21b7"
down_revision = None


def upgrade():
    """Nothing to do."""
