"""More than is looked at in one turn: nothing is left out, and what is somebody else's keeps nothing waiting."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from networking_daybreak.l3 import ownership
from networking_daybreak.status import floating_ips, ports
from neutron.db.models.l3 import FloatingIP, Router
from neutron.db.models.servicetype import ProviderResourceAssociation
from neutron.db.models_v2 import Port
from neutron_lib import context as contexts
from neutron_lib.db.standard_attr import StandardAttribute
from oslo_config import cfg

from daybreak_lab.openstack import Database

from ..journal.ground import Ground


@pytest.fixture
def ground(empty_database: Database, tmp_path: Path) -> Iterator[Ground]:
    """Neutron's tables, where `daybreak-router` is configured."""
    cfg.CONF([], project="neutron", default_config_files=[])
    ownership.providers()  # registers the options
    ownership.providers.cache_clear()
    cfg.CONF.set_override("service_plugins", ["daybreak-router"])
    ground = Ground(empty_database.url, tmp_path)
    with ground.in_use():
        yield ground
    ground.engine.dispose()
    cfg.CONF.clear_override("service_plugins")
    ownership.providers.cache_clear()


def test_ports(ground: Ground) -> None:
    ids = ground.ports(ground.network("red"), *(f"p{n}" for n in range(ports.PAGE + 1)))
    with ground.engine.begin() as connection:
        connection.execute(sa.update(Port.__table__).values(device_owner="network:router_interface"))
    context = contexts.get_admin_context()
    assert {port.id for port in ports.seen(context, ids)} == {*ids}
    assert [len(page) for page in ports.everything(context)] == [ports.PAGE, 1]


def test_floating_ips(ground: Ground) -> None:
    """Another provider's are not looked at, however many they are."""
    outside = ground.network("outside")
    theirs, ours = router(ground, "theirs"), router(ground, "daybreak")
    *others, port = ground.ports(outside, *(f"f{n}" for n in range(floating_ips.BATCH + 1)))
    for number, each in enumerate(others):
        floating_ip(ground, f"{number:036}", outside, each, theirs)
    floating_ip(ground, "mine", outside, port, ours)
    assert floating_ips.due(contexts.get_admin_context()) == {"mine": "ACTIVE"}


def router(ground: Ground, provider: str) -> str:
    """A router of a provider's; its id."""
    id = str(uuid4())
    with ground.engine.begin() as connection:
        values = {"id": id, "standard_attr_id": attributes(connection, "routers")}
        connection.execute(sa.insert(Router.__table__).values(**values))
        note = {"resource_id": id, "provider_name": provider}
        connection.execute(sa.insert(ProviderResourceAssociation.__table__).values(**note))
    return id


def floating_ip(ground: Ground, id: str, network: str, port: str, router: str) -> None:
    """A floating IP behind a router, with a status that is not the right one."""
    with ground.engine.begin() as connection:
        values = {
            "id": id,
            "floating_ip_address": "203.0.113.7",
            "floating_network_id": network,
            "floating_port_id": port,
            "router_id": router,
            "status": "DOWN",
            "standard_attr_id": attributes(connection, "floatingips"),
        }
        connection.execute(sa.insert(FloatingIP.__table__).values(**values))


def attributes(connection: sa.Connection, table: str) -> int:
    inserted = connection.execute(sa.insert(StandardAttribute.__table__).values(resource_type=table))
    return int(inserted.inserted_primary_key[0])
