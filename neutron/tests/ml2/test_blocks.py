"""A port that is bound waits for its flows by a row of its own, and nobody else has to wait for that."""

from pathlib import Path

import sqlalchemy as sa
from networking_daybreak.ml2 import driver
from neutron.db.models.provisioning_block import ProvisioningBlock
from sqlalchemy.orm import Session

from daybreak_lab.openstack import Database

from ..journal.ground import Ground


def test_ports_are_bound_at_the_same_time(empty_database: Database, tmp_path: Path) -> None:
    """Bindings used to wait for each other, and three of them to deadlock."""
    ground = Ground(empty_database.url, tmp_path)
    one, other = ground.ports(ground.network("red"), "one", "other")
    with Session(ground.engine) as first, Session(ground.engine) as second:
        second.execute(sa.text("SET SESSION innodb_lock_wait_timeout = 0"))  # what has to wait fails
        driver.block(first, one)
        driver.block(first, one)  # it stands already
        driver.block(second, other)
        second.commit()
        first.commit()
        assert second.scalar(sa.select(sa.func.count()).select_from(ProvisioningBlock)) == 2
    ground.engine.dispose()
