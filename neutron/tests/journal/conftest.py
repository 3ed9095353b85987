"""io: a database and a controller, each for all tests of a session, empty for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from daybreak_lab import Lab
from daybreak_lab.openstack import Database, MariaDB, PostgreSQL

from ..cloud import Schema
from .ground import Controller, Ground


@pytest.fixture(scope="session")
def journal_databases(lab: Lab, schema: Schema) -> Iterator[Callable[[type[Database]], Database]]:
    made: dict[type[Database], Database] = {}

    def get(kind: type[Database]) -> Database:
        if kind not in made:
            made[kind] = schema.database(lab, kind, f"journal-{kind.__name__}")
        return made[kind]

    yield get
    for database in made.values():
        database.remove()


@pytest.fixture(params=[MariaDB])
def ground(
    request: pytest.FixtureRequest, journal_databases: Callable[[type[Database]], Database], tmp_path: Path
) -> Iterator[Ground]:
    """On MariaDB, unless a test asks for others: @pytest.mark.parametrize("ground", BOTH, indirect=True)."""
    cfg.CONF([], project="neutron", default_config_files=[])  # tests that set it up in their own way leave it without
    ground = Ground(journal_databases(request.param).url, tmp_path)
    ground.empty()
    with ground.in_use():
        yield ground
    ground.engine.dispose()


BOTH = pytest.mark.parametrize("ground", [MariaDB, PostgreSQL], indirect=True, ids=["MariaDB", "PostgreSQL"])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    controller = Controller(tmp_path_factory.mktemp("controller") / "one")
    controller.start()
    yield controller
    controller.kill()


@pytest.fixture
def controller(running: Controller) -> Controller:
    """A controller that has nothing of the cloud `neutron`."""
    running.empty()
    return running


@pytest.fixture
def new_controller(tmp_path: Path) -> Iterator[Callable[[], Controller]]:
    """Makes controllers for one test."""
    made: list[Controller] = []

    def make() -> Controller:
        made.append(Controller(tmp_path / f"controller{len(made)}"))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill()
