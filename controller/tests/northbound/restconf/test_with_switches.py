"""networking-odl's view of a controller that runs, with a real Open vSwitch: the host, a VM's port, and a crash."""

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from daybreak_lab import Lab

from ...fullstack.cloud import DEADLINE, Cloud, uuid
from .networking_odl import HEADERS, PORTS, events_of, extract_field

pytestmark = pytest.mark.ovs

CONFIG = json.dumps({"allowed_network_types": ["vxlan"], "supported_vnic_types": [{"vnic_type": "normal"}]})
AUTHORIZATION = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}


class Neutron:
    """What networking-odl asks of the controller of a cloud, from the controller's own namespace."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
        with self.cloud.lab.controller_namespace.entered():
            connection = http.client.HTTPConnection("127.0.0.1", 8181, timeout=DEADLINE)
            connection.connect()
        sent = None if body is None else json.dumps(body)
        with closing(connection):
            connection.request(method, f"/restconf/{path}", sent, HEADERS | AUTHORIZATION)
            response = connection.getresponse()
            content = json.loads(response.read())
        return response.status, content, response.headers

    def get(self, path: str) -> Any:
        """The JSON that is there; None where nothing is."""
        status, content, _ = self.request("GET", f"operational/neutron:neutron/{path}")
        return content if status == 200 else None

    @contextmanager
    def listening(self) -> Iterator[ClientConnection]:
        """To the status of ports."""
        asked = {
            "path": PORTS,
            "sal-remote-augment:datastore": "OPERATIONAL",
            "sal-remote-augment:scope": "SUBTREE",
            "sal-remote-augment:notification-output-type": "JSON",
        }
        operation = "operations/sal-remote:create-data-change-event-subscription"
        name = self.request("POST", operation, {"input": asked})[1]["output"]["stream-name"]
        _, _, headers = self.request("GET", f"streams/stream/{name}?odl-leaf-nodes-only=true")
        assert headers["Location"].startswith("ws://127.0.0.1:8185/")
        with self.cloud.lab.controller_namespace.entered():
            context = connect(headers["Location"], compression=None)
            connection = context.__enter__()
        try:
            yield connection
        finally:
            context.__exit__(None, None, None)

    def status(self, port: str) -> str | None:
        found = self.get(f"ports/port/{uuid(port)}")
        return None if found is None else str(found["port"][0]["status"])


def wait_for_status(connection: ClientConnection, port: str, wanted: str) -> None:
    """Listen until this is told of a port."""
    while True:
        for _, path, data in events_of(json.loads(connection.recv(DEADLINE))):
            if extract_field(path, "neutron:uuid") == uuid(port) and data.get("status", {}).get("content") == wanted:
                return


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Lab() as lab, Cloud(lab, tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def test_from_a_new_host_to_a_crash(cloud: Cloud) -> None:
    neutron = Neutron(cloud)
    assert neutron.get("hostconfigs/") is None

    # A host comes, and is an agent for Neutron.
    host = cloud.host("h1")
    config = f"external_ids:odl_os_hostconfig_config_odl_l2={json.dumps(CONFIG)}"
    host.ovs_vsctl("set", "Open_vSwitch", ".", "external_ids:odl_os_hostconfig_hostid=cmp1", config)
    found = cloud.until("the host is known", lambda: neutron.get("hostconfigs/"))
    assert found == {"hostconfigs": {"hostconfig": [{"host-id": "cmp1", "host-type": "ODL L2", "config": CONFIG}]}}
    assert neutron.get("hostconfigs/hostconfig/cmp1/ODL%20L2") == found["hostconfigs"]
    assert neutron.request("GET", "operational/network-topology:network-topology/topology/netvirt:1")[0] == 200

    # A VM boots: Neutron waits for ACTIVE. Then the controller crashes, and meanwhile the VM is shut off.
    with neutron.listening() as connection:
        cloud.network("blue")
        vm = cloud.boot("web", "blue", host, "10.0.0.1/24", **{"binding:host_id": "cmp1"})
        wait_for_status(connection, "web", "ACTIVE")
        assert neutron.status("web") == "ACTIVE"
        cloud.kill()
        with pytest.raises(websockets.ConnectionClosed):
            connection.recv(DEADLINE)
    vm.unplug()
    cloud.start()

    # Whoever comes back learns it.
    with neutron.listening() as connection:
        if neutron.status("web") != "DOWN":
            wait_for_status(connection, "web", "DOWN")
        assert neutron.status("web") == "DOWN"
        cloud.tidy()
        cloud.until("the port is forgotten", lambda: neutron.status("web") is None)
