"""data: the branch that takes away. It stays empty, so that no upgrade needs the servers to stop."""

revision = "a3c94e10f8d2"
down_revision = "5d1f0c6a21b7"
branch_labels = ("contract",)


def upgrade():
    """Nothing to do."""
