"""A controller that serves OpenDaylight's northbound only: ports and hosts by RESTCONF, and DOWN is told, too."""

import json
from collections.abc import Callable

import pytest

from daybreak_lab.openstack import ADMIN
from daybreak_lab.openstack.neutron import PERIODIC

from ..cloud import DRIVEN, JOURNAL, NORTHBOUND, Cloud
from .ways import DEADLINE, until

pytestmark = pytest.mark.ovs

PLAIN = DRIVEN.adding(
    {
        "daybreak": {
            **DRIVEN.sections["daybreak"],
            "url": f"http://127.0.0.1:{NORTHBOUND}/controller/nb/v2/neutron",
            "northbound": "opendaylight",
            "poll_status_interval": 0.3,
            "server": "rack-7",
        },
        "DEFAULT": {**DRIVEN.sections["DEFAULT"], "agent_down_time": 8},
    }
)
HOSTCONFIG = {
    "allowed_network_types": ["vxlan", "vlan"],
    "bridge_mappings": {"physnet1": "br-ex"},
    "supported_vnic_types": [
        {"vnic_type": "normal", "vif_type": "ovs", "vif_details": {"host_addresses": ["198.19.1.1"]}}
    ],
}


def test_ports_and_hosts(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud(settings=PLAIN, processes=1, programs=(PERIODIC, JOURNAL))
    told = {
        "odl_os_hostconfig_hostid": "h1",
        "odl_os_hostconfig_config_odl_l2": json.dumps(HOSTCONFIG, separators=(",", ":")).replace('"', '\\"'),
    }
    host = cloud.host("h1", external_ids=told)
    host.wait_for_bridge("br-int", timeout=DEADLINE)
    api = cloud.client(ADMIN)
    (agent,) = until("the host is there", lambda: api.list("agents", agent_type="Daybreak host"))
    assert (agent["host"], agent["alive"]) == ("h1", True)
    assert agent["configurations"]["tunnel_types"] == ["vxlan"]
    assert agent["configurations"]["bridge_mappings"] == {"physnet1": "br-ex"}
    signs_of_life = {agent["heartbeat_timestamp"]}

    def later_ones() -> bool:
        signs_of_life.add(api.get("agents", agent["id"])["heartbeat_timestamp"])
        return len(signs_of_life) > 2

    until("there are signs of life", later_ones)
    assert api.get("agents", agent["id"])["started_at"] == agent["started_at"]  # it was alive all the time
    # The worker is known by the name that [daybreak] gives its server.
    assert cloud.database.query("SELECT name FROM daybreak_member WHERE role = 'status'") == [["rack-7"]]

    network = api.create("networks", name="blue")
    api.create("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    port = api.create("ports", network_id=network["id"], **{"binding:host_id": "h1"})
    assert (port["binding:vif_type"], port["status"]) == ("ovs", "DOWN")
    machine = cloud.boot("vm", port, host)
    api.wait_for_status("ports", port["id"], "ACTIVE", DEADLINE)
    machine.unplug()
    api.wait_for_status("ports", port["id"], "DOWN", DEADLINE)
