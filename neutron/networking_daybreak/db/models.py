"""data: all tables of the driver, for alembic and for those who create them without it."""

from networking_daybreak.journal import models as journal

TABLES = frozenset(model.__tablename__ for model in (journal.Row, journal.Member, journal.Lease, journal.Comparison))
