"""io: a cloud of two Neutron servers and a Nova that listens, whose status worker looks often."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Lab
from daybreak_lab.openstack import ADMIN, Client
from daybreak_lab.openstack.neutron import PERIODIC

from ..cloud import DRIVEN, JOURNAL, Cloud, Schema
from .nova import PORT, Nova
from .ways import DEADLINE, until_ports_can_be_bound

WATCHED = DRIVEN.adding(
    {
        "DEFAULT": {
            "agent_down_time": 6,
            "notify_nova_on_port_status_changes": True,
            "send_events_interval": 1,
        },
        "nova": {"auth_type": "none", "endpoint": f"http://127.0.0.1:{PORT}"},
        "daybreak": {
            **DRIVEN.sections["daybreak"],
            "status_interval": 2,
            "sync_interval": 3,
            "heartbeat_interval": 0.3,
            "gone_after": 3,
        },
    }
)


@pytest.fixture(scope="module")
def nova(pair: Cloud) -> Iterator[Nova]:
    with Nova(pair.lab.controller_namespace) as nova:
        yield nova


@pytest.fixture(scope="module")
def pair(schema: Schema) -> Iterator[Cloud]:
    """Two servers; h1 has a bridge for physnet1, h2 has none."""
    with Lab() as lab:
        cloud = Cloud(lab, schema.database(lab), WATCHED, servers=2, processes=1, programs=(PERIODIC, JOURNAL))
        with (lab.controller_namespace.home / "daybreak.toml").open("a") as configuration:
            configuration.write("disconnect_grace = 2\n")
        with cloud:
            cloud.host("h1", other_config={"provider_mappings": "physnet1:br-ex"})
            cloud.host("h2")
            for host in cloud.hosts.values():
                host.wait_for_bridge("br-int", timeout=DEADLINE)
            until_ports_can_be_bound(cloud.client(ADMIN), "h1", "h2")
            yield cloud


@pytest.fixture
def api(pair: Cloud) -> Client:
    return pair.client(ADMIN)
