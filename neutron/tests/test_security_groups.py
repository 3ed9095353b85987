"""Security groups as tenants type them, and what packets make of them."""

import json
from typing import Any

import pytest

from daybreak_lab import Hypervisor, wait_for
from daybreak_lab.openstack import ADMIN, SERVICE, Identity, member

from .cloud import DEADLINE, Cloud, Controller

pytestmark = pytest.mark.ovs
ALICE = member("guarded", "alice")


def test_groups_remote_groups_and_logs(cloud: Cloud, controller: Controller, hosts: dict[str, Hypervisor]) -> None:
    def type(who: Identity, line: str) -> Any:
        """Somebody types `openstack …`."""
        said = cloud.neutron.openstack(who, *line.split(), "-f", "json")
        return json.loads(said) if said.strip() else None

    alice, nova = cloud.client(ALICE), cloud.client(SERVICE)
    network = alice.create("networks", name="guarded")
    alice.create("subnets", network_id=network["id"], ip_version=4, cidr="10.7.0.0/24")

    # Whoever is in web may talk to the database's port 5432; nobody else may.
    web, db = type(ALICE, "security group create web"), type(ALICE, "security group create db")
    rule = type(ALICE, "security group rule create --protocol tcp --dst-port 5432 --remote-group web db")
    ports = {
        name: alice.create("ports", network_id=network["id"], name=name, security_groups=[group["id"]])
        for name, group in (("front", web), ("other", db), ("data", db))
    }
    log = type(ADMIN, f"network log create --resource-type security_group --resource {db['id']} --event ALL audit")
    vms = {}
    for (name, port), host in zip(ports.items(), ("h1", "h2", "h3"), strict=True):
        bound = nova.update("ports", port["id"], **{"binding:host_id": host})
        vms[name] = cloud.boot(name, bound, hosts[host])
    for port in ports.values():
        alice.wait_for_status("ports", port["id"], "ACTIVE", DEADLINE)
    wait_for("the controller to know the log", lambda: log["ID"] in controller.objects("network-logs"), DEADLINE)

    front, other, data = vms["front"], vms["other"], vms["data"]
    with data.listen("tcp", 5432), data.listen("tcp", 22):
        wait_for("front to be let in", lambda: front.call(data, "tcp", 5432, timeout=0.5), DEADLINE)
        assert not front.call(data, "tcp", 22, timeout=0.5)
        assert not other.call(data, "tcp", 5432, timeout=0.5)

        # What was admitted and what was dropped is in the log, with names.
        def lines() -> list[Any]:
            found = (line[line.index("{") :] for line in controller.log.splitlines() if '"source_port"' in line)
            return [json.loads(line) for line in found]

        wait_for("both to be logged", lambda: {each["event"] for each in lines()} >= {"ACCEPT", "DROP"}, DEADLINE)
        admitted = next(each for each in lines() if each["event"] == "ACCEPT")
        assert rule["id"] in json.dumps(admitted)

        # Who joins web is let in; who leaves it isn't any more, and neither is anybody once the rule is gone.
        alice.update("ports", ports["other"]["id"], security_groups=[web["id"], db["id"]])
        wait_for("other to be let in", lambda: other.call(data, "tcp", 5432, timeout=0.5), DEADLINE)
        alice.update("ports", ports["other"]["id"], security_groups=[db["id"]])
        wait_for("other to be kept out", lambda: not other.call(data, "tcp", 5432, timeout=0.5), DEADLINE)
        cloud.neutron.openstack(ALICE, "security", "group", "rule", "delete", rule["id"])
        wait_for("front to be kept out", lambda: not front.call(data, "tcp", 5432, timeout=0.5), DEADLINE)

    for vm in vms.values():
        cloud.lab.delete_vm(vm)
    for port in ports.values():
        alice.delete("ports", port["id"])
    cloud.client(ADMIN).delete("log/logs", log["ID"])
