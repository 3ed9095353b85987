"""io: two Neutron servers on one database, in a lab of their own, for the tests of a module."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Lab
from daybreak_lab.openstack import Database, MariaDB

from ..cloud import JOURNAL, Cloud, Schema


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> type[Database]:
    """Of the database: parametrized by tests that run on more than one."""
    return getattr(request, "param", MariaDB)


@pytest.fixture(scope="module")
def pair(schema: Schema, kind: type[Database]) -> Iterator[Cloud]:
    """Two servers, each with an API of three threads and a journal, and one controller."""
    with Lab() as lab:
        database = schema.database(lab, kind)
        with Cloud(lab, database, servers=2, processes=1, threads=3, programs=(JOURNAL,)) as cloud:
            yield cloud
