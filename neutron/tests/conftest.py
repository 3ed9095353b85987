"""io: one cloud for the whole session, and what is needed to make others.

The schema is migrated once; another database takes half a second, another Neutron some seconds. So share `cloud`, make
names and projects of your own (`member("my-test")`), and take what you made away only where it would be in the way.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from daybreak_lab import Hypervisor, Lab
from daybreak_lab.openstack import ADMIN, Client, Database, Neutron

from .cloud import Cloud, Controller, Schema
from .status.ways import until_ports_can_be_bound

collect_ignore = ["upstream"]  # unless asked for: test_upstream.py runs them in a process of their own


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of the session's cloud. Others can be made beside it: `with Lab() as mine:`."""
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def schema(lab: Lab) -> Schema:
    """Makes databases: schema.database(lab), schema.database(lab, PostgreSQL, "mine")."""
    return Schema(lab)


@pytest.fixture
def empty_database(lab: Lab, schema: Schema) -> Iterator[Database]:
    """A MariaDB with Neutron's newest schema, and nothing in it, for one test; gone afterwards."""
    database = schema.database(lab, name="empty")
    yield database
    database.remove()


@pytest.fixture(scope="session")
def cloud(lab: Lab, schema: Schema) -> Iterator[Cloud]:
    """MariaDB, one Neutron server with our driver and its journal, and the controller; no hypervisors yet."""
    with Cloud(lab, schema.database(lab)) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def what_went_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    """Shown where a test of the session's cloud fails: what its programs complained of meanwhile."""
    if "cloud" not in request.fixturenames:
        yield
        return
    cloud: Cloud = request.getfixturevalue("cloud")
    before = len(cloud.complaints())
    yield
    print("\n".join(cloud.complaints()[before:]))


@pytest.fixture(scope="session")
def controller(cloud: Cloud) -> Controller:
    return cloud.controller


@pytest.fixture(scope="session")
def neutron(cloud: Cloud) -> Neutron:
    """The cloud's Neutron server: neutron.client(member("red")), neutron.openstack(ADMIN, "network", "list")."""
    return cloud.neutron


@pytest.fixture(scope="session")
def admin(cloud: Cloud) -> Client:
    """The administrator's way to the API."""
    return cloud.client(ADMIN)


@pytest.fixture(scope="session")
def hosts(cloud: Cloud) -> dict[str, Hypervisor]:
    """Three hypervisors of the session's cloud, which ports can be bound to: h1, h2, h3."""
    for name in ("h1", "h2", "h3"):
        cloud.host(name)
    for host in cloud.hosts.values():
        host.wait_for_bridge("br-int", timeout=30)
    until_ports_can_be_bound(cloud.client(ADMIN), *cloud.hosts)
    return cloud.hosts


@pytest.fixture
def new_cloud(schema: Schema) -> Iterator[Callable[..., Cloud]]:
    """Makes clouds for one test, each in a lab of its own; they're gone afterwards.

    new_cloud(kind=PostgreSQL, servers=2); further options are those of Cloud.
    """
    with ExitStack() as stack:

        def make(kind: type[Database] | None = None, **options: object) -> Cloud:
            lab = stack.enter_context(Lab())
            database = schema.database(lab, kind) if kind else schema.database(lab)
            return stack.enter_context(Cloud(lab, database, **options))

        yield make
