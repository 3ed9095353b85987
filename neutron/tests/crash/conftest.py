"""io: two Neutron servers on one database, in a lab of their own, for the tests of a module."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Lab
from daybreak_lab.openstack import Database, MariaDB

from ..cloud import DRIVEN, JOURNAL, Cloud, Schema

ALONE = DRIVEN.adding({"daybreak": {"sync_interval": 3600}})
"""Without the comparison that would repair what the journal lost: here the journal has to do it alone."""


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> type[Database]:
    """Of the database: parametrized by tests that run on more than one."""
    return getattr(request, "param", MariaDB)


@pytest.fixture(scope="module")
def pair(schema: Schema, kind: type[Database]) -> Iterator[Cloud]:
    """Two servers, each with an API of three threads and a journal, and one controller."""
    with Lab() as lab:
        database = schema.database(lab, kind)
        with Cloud(lab, database, ALONE, servers=2, processes=1, threads=3, programs=(JOURNAL,)) as cloud:
            yield cloud
