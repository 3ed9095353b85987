"""io: runs migrations under a version table of the driver's own."""

from alembic import context
from neutron.db.migration.connection import DBConnection
from neutron_lib.db import model_base

from networking_daybreak.db.models import TABLES

VERSION_TABLE = "alembic_version_daybreak"
config = context.config
connection_url = config.neutron_config.database.connection


def is_ours(_object, name, type_, _reflected, _compare_to):
    """Whether something of the database is a table of the driver: Neutron's own are none of our business."""
    return type_ != "table" or name in TABLES


options = {
    "target_metadata": model_base.BASEV2.metadata,
    "version_table": VERSION_TABLE,
    "include_object": is_ours,
}

if context.is_offline_mode():
    where = {"url": connection_url} if connection_url else {"dialect_name": config.neutron_config.database.engine}
    context.configure(**where, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with DBConnection(connection_url, config.attributes.get("connection")) as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
