"""What the controller tells of ports and hosts is what Neutron shows, whatever is killed in between."""

import shutil
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from networking_daybreak.status.sharing import owner

from daybreak_lab import Machine
from daybreak_lab.openstack import ADMIN, SERVICE, Client
from daybreak_lab.openstack.neutron import PERIODIC

from ..cloud import Cloud
from .nova import Nova
from .ways import DEADLINE, until

pytestmark = pytest.mark.ovs

CONTROLLER = "127.0.0.1:8181"


@pytest.fixture(scope="module")
def network(pair: Cloud) -> dict[str, Any]:
    """An overlay of the tenant `red`."""
    api = pair.client(ADMIN)
    network = api.create("networks", name="red", project_id="red")
    api.create("subnets", network_id=network["id"], project_id="red", ip_version=4, cidr="10.0.0.0/24")
    return network


@pytest.fixture
def port(api: Client, network: dict[str, Any]) -> Iterator[Any]:
    """Makes ports of VMs on a host; they are gone afterwards."""
    made = []

    def make(host: str, **fields: Any) -> dict[str, Any]:
        vm = {"device_id": str(uuid4()), "device_owner": "compute:nova", "binding:host_id": host}
        made.append(api.create("ports", network_id=network["id"], project_id="red", **{**vm, **fields}))
        return made[-1]

    yield make
    for each in made:
        api.delete("ports", each["id"])


@pytest.fixture(autouse=True)
def no_machine_stays(pair: Cloud) -> Iterator[None]:
    yield
    for machine in list(pair.lab.machines.values()):
        pair.lab.delete_vm(machine)


def agents(api: Client, **filters: str) -> dict[str, dict[str, Any]]:
    return {agent["host"]: agent for agent in api.list("agents", **filters)}


def test_hosts_are_agents(pair: Cloud, api: Client) -> None:
    """With what they can, sorted and in pages, as Neutron's own."""
    found = until("both are there", lambda: len(rows := agents(api, agent_type="Daybreak host")) == 2 and rows)
    assert {(row["binary"], row["alive"]) for row in found.values()} == {("ovs-vswitchd", True)}
    until("tunnels", lambda: agents(api)["h1"]["configurations"]["tunnel_types"] == ["vxlan", "geneve", "gre"])
    said = agents(api)["h1"]["configurations"]
    assert (said["bridge_mappings"], said["datapath_type"]) == ({"physnet1": "br-ex"}, "netdev")
    assert said["tunneling_ip"].startswith("198.19.")
    # Numbers, addresses and the controller itself.
    assert agents(api)["127.0.0.1:8181"]["agent_type"] == "Daybreak controller"
    pages = [api.call("GET", f"agents?sort_key=host&sort_dir=desc&limit=1{marker}")["agents"] for marker in ("",)]
    assert [row["host"] for row in pages[0]] == ["h2"]


def test_hosts_are_mapped_to_the_segments_of_their_physical_networks(pair: Cloud, api: Client) -> None:
    physical = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    network = api.create("networks", name="street", **physical)

    def hosts() -> list[list[str]]:
        join = "SELECT m.host FROM segmenthostmappings m JOIN networksegments s ON s.id = m.segment_id"
        return pair.database.query(f"{join} WHERE s.network_id = '{network['id']}'")

    assert hosts() == [["h1"]]
    # A host's mappings change: it has the segment from then on, or no longer.
    h1, h2 = pair.hosts["h1"], pair.hosts["h2"]
    h2.ovs.vsctl("set", "Open_vSwitch", ".", "other_config:provider_mappings=physnet1:br-ex")
    h1.ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
    until("it is the other way round", lambda: hosts() == [["h2"]])
    h1.ovs.vsctl("set", "Open_vSwitch", ".", "other_config:provider_mappings=physnet1:br-ex")
    h2.ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
    until("it is as it was", lambda: hosts() == [["h1"]])
    api.delete("networks", network["id"])


def test_a_refused_port_says_why_and_is_bound_when_it_can_be(pair: Cloud, api: Client) -> None:
    physical = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    network = api.create("networks", name="lane", **physical)
    port = api.create("ports", network_id=network["id"], **{"binding:host_id": "h2"})
    assert port["binding:vif_type"] == "binding_failed"
    assert "no bridge for physical network physnet1 (it has: none)" in port["binding:vif_details"]["refused"]
    assert f"Port {port['id']} is not bound to host h2: host h2 has no bridge" in pair.neutron.api.log
    h2 = pair.hosts["h2"].ovs
    h2.vsctl("set", "Open_vSwitch", ".", "other_config:provider_mappings=physnet1:br-ex")
    bound = api.wait_until("ports", port["id"], lambda now: now["binding:vif_type"] == "ovs", DEADLINE)
    assert "refused" not in bound["binding:vif_details"]
    h2.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
    api.delete("ports", port["id"])
    api.delete("networks", network["id"])


def test_nova_hears_of_its_vms(pair: Cloud, api: Client, nova: Nova, port: Any) -> None:
    """When the flows are there, and when the interface goes."""
    mine = port("h1")
    assert mine["status"] == "DOWN"
    machine = pair.boot("vm", mine, pair.hosts["h1"])
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    until("Nova heard of it", lambda: nova.heard(mine["id"]) == ["network-vif-plugged"])
    machine.unplug()
    api.wait_for_status("ports", mine["id"], "DOWN", DEADLINE)
    until("Nova heard of it", lambda: nova.heard(mine["id"])[-1] == "network-vif-unplugged")


def test_a_port_that_is_bound_again_where_it_is_plugged_in_becomes_active_again(
    pair: Cloud, api: Client, port: Any
) -> None:
    """The controller has nothing new to tell; Neutron made it DOWN by itself."""
    mine = port("h1")
    pair.boot("vm", mine, pair.hosts["h1"])
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    changed = pair.client(SERVICE).update("ports", mine["id"], **{"binding:profile": {"migrating_to": "h2"}})
    assert changed["status"] == "DOWN"
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)


def test_live_migration_with_two_bindings(pair: Cloud, api: Client, nova: Nova, port: Any) -> None:
    """As Nova does it: the second binding, the interface there, Neutron's word, and only then the VM moves."""
    h1, h2 = pair.hosts["h1"], pair.hosts["h2"]
    compute = pair.client(SERVICE)
    mine, other = port("h1"), port("h2")
    web, db = pair.boot("web", mine, h1), pair.boot("db", other, h2)
    for each in (mine, other):
        api.wait_for_status("ports", each["id"], "ACTIVE", DEADLINE)
    db.wait_until_reaches(web)

    path = f"ports/{mine['id']}/bindings"
    binding = compute.call("POST", path, {"binding": {"host": "h2"}})["binding"]
    assert (binding["status"], binding["vif_type"]) == ("INACTIVE", "ovs")
    plugged = ["network-vif-plugged"]
    until("Nova heard of the VM", lambda: nova.heard(mine["id"]) == plugged)
    with db.pinging(web) as ping:
        web.prepare(h2)
        until("Nova heard that h2 is prepared", lambda: nova.heard(mine["id"]) == 2 * plugged)
    # The userspace datapath may drop what is under way while a port is added to it; nothing else is lost.
    assert len(ping.result.lost) <= 5, ping.result
    assert api.get("ports", mine["id"])["status"] == "ACTIVE"  # it runs on h1 as before

    web.arrive(h2)
    db.wait_until_reaches(web)  # before Neutron knows
    compute.call("PUT", f"{path}/h2/activate")
    moved = api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    assert moved["binding:host_id"] == "h2"
    web.leave(h1)
    compute.call("DELETE", f"{path}/h1")
    until("the controller has one host", lambda: "bindings" not in pair.controller.objects("ports")[mine["id"]])
    db.wait_until_reaches(web)
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)


def test_extensions_are_those_that_can_be_carried_out(pair: Cloud, api: Client) -> None:
    shown = {each["alias"] for each in api.list("extensions")}
    assert {"binding", "binding-extended", "provider", "security-group", "agent", "port-security"} <= shown
    assert not shown & {"vlan-transparent", "qinq", "port-hints", "pvlan"}
    told = agents(api)["127.0.0.1:8181"]["configurations"]["capabilities"]
    assert "port.bindings" in told


def test_nothing_stays_stuck(pair: Cloud, api: Client, port: Any) -> None:
    """VMs come and go while workers and the controller are killed; in the end each port is as its VM is."""
    random = Random(14)
    ports = [port(random.choice(["h1", "h2"])) for _ in range(6)]
    machines: dict[int, Machine] = {}
    victims = [pair.controller, *(server.daemons[PERIODIC] for server in pair.servers)]
    for turn in range(9):
        victim = victims[turn % 3]
        victim.kill()
        for number in random.sample(range(len(ports)), 3):
            if number in machines:
                pair.lab.delete_vm(machines.pop(number))
            else:
                host = pair.hosts[ports[number]["binding:host_id"]]
                machines[number] = pair.boot(f"vm{number}-{turn}", ports[number], host)
        victim.start()
    for number, each in enumerate(ports):
        api.wait_for_status("ports", each["id"], "ACTIVE" if number in machines else "DOWN", 2 * DEADLINE)
    # And it stays so.
    until("all are told", lambda: len(pair.controller.request("GET", "/v1/port-status")[1]["items"]) >= len(ports))
    for number, each in enumerate(ports):
        assert api.get("ports", each["id"])["status"] == ("ACTIVE" if number in machines else "DOWN")


def test_a_controller_that_lost_its_store(pair: Cloud, api: Client, port: Any) -> None:
    """Its revisions begin anew, so nothing can be resumed; Neutron tells it everything, and it tells Neutron."""
    going, staying = port("h1"), port("h1")
    machines = [pair.boot(f"vm{n}", each, pair.hosts["h1"]) for n, each in enumerate((going, staying))]
    for each in (going, staying):
        api.wait_for_status("ports", each["id"], "ACTIVE", DEADLINE)
    pair.controller.kill()
    shutil.rmtree(pair.controller.namespace.home / "daybreak")
    machines[0].unplug()
    pair.controller.start()
    api.wait_for_status("ports", going["id"], "DOWN", 2 * DEADLINE)
    until("it has the port again", lambda: staying["id"] in pair.controller.objects("ports"))
    api.wait_for_status("ports", staying["id"], "ACTIVE", 2 * DEADLINE)


def test_a_host_goes_and_comes(pair: Cloud, api: Client, port: Any) -> None:
    """Its ports are DOWN, its row is not alive, a port is refused there; and then all is as it was."""
    mine = port("h2")
    pair.boot("vm", mine, pair.hosts["h2"])
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    switch = pair.hosts["h2"].ovs
    switch.stop_switch(kill=True)
    switch.stop_database(kill=True)
    until("its row is not alive", lambda: not agents(api)["h2"]["alive"])
    api.wait_for_status("ports", mine["id"], "DOWN", 2 * DEADLINE)
    late = port("h2")
    assert "host h2 is not connected to the controller" in late["binding:vif_details"]["refused"]
    switch.start_database()
    pair.hosts["h2"].start_switch()
    until("its row is alive", lambda: agents(api)["h2"]["alive"])
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    api.wait_until("ports", late["id"], lambda now: now["binding:vif_type"] == "ovs", DEADLINE)


def test_no_host_is_alive_while_no_controller_can_be_reached(pair: Cloud, api: Client, port: Any) -> None:
    """Nobody knows which are. Comparing everything used to make them alive again."""
    mine = port("h1")
    pair.boot("vm", mine, pair.hosts["h1"])
    api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    pair.controller.kill()
    until("no row is alive", lambda: not any(row["alive"] for row in agents(api).values()))
    for _ in range(2):  # everything is compared, and so this port
        pair.database.query(f"UPDATE ports SET status = 'DOWN' WHERE id = '{mine['id']}'")
        api.wait_for_status("ports", mine["id"], "ACTIVE", DEADLINE)
    assert {host: row["alive"] for host, row in agents(api).items()} == {"h1": False, "h2": False, CONTROLLER: False}
    bound = port("h1")
    assert bound["binding:vif_type"] == "ovs"  # what was known last goes on
    pair.controller.start()
    until("all are alive", lambda: all(row["alive"] for row in agents(api).values()))


def test_signs_of_life_go_on_while_much_is_done(pair: Cloud, api: Client) -> None:
    """A host gets a physical network that many ports waited for, and the worker binds one after the other."""
    physical = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    network = api.create("networks", name="crowd", **physical)["id"]
    wanted = {"network_id": network, "binding:host_id": "h2"}
    made = api.call("POST", "ports", {"ports": [wanted] * 8})["ports"]
    worker = owner("h2", [server.name for server in pair.servers])
    signs_of_life = f"SELECT beats FROM daybreak_member WHERE role = 'status' AND name = '{worker}'"
    bound = "SELECT COUNT(*) FROM ml2_port_bindings JOIN ports ON id = port_id WHERE vif_type = 'ovs' AND network_id ="
    meanwhile = set()

    def all_bound() -> bool:
        ((count, beats),) = pair.database.query(f"SELECT ({bound} '{network}'), ({signs_of_life})")
        if 0 < int(count) < len(made):
            meanwhile.add(beats)
        return int(count) == len(made)

    h2 = pair.hosts["h2"].ovs
    h2.vsctl("set", "Open_vSwitch", ".", "other_config:provider_mappings=physnet1:br-ex")
    until("all are bound", all_bound)
    assert len(meanwhile) > 1
    h2.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
    for each in made:
        api.delete("ports", each["id"])
    api.delete("networks", network)


def test_a_router_of_which_nobody_noted_whose_it_is(pair: Cloud, api: Client) -> None:
    """As those that networking-odl's `odl-router_v2` left. With its note its changes are recorded."""
    router = api.create("routers", name="old")["id"]
    notes = f"FROM providerresourceassociations WHERE resource_id = '{router}'"
    pair.database.query(f"DELETE {notes}")
    until("it is noted", lambda: pair.database.query(f"SELECT provider_name {notes}") == [["daybreak"]])
    api.delete("routers", router)


def test_a_routers_port_is_active_if_the_controller_acts_on_routers(
    pair: Cloud, api: Client, network: dict[str, Any]
) -> None:
    router = api.create("routers", project_id="red")["id"]
    subnet = {"subnet_id": api.get("networks", network["id"])["subnets"][0]}
    port = api.call("PUT", f"routers/{router}/add_router_interface", subnet)["port_id"]
    _, document = pair.controller.request("GET", "/v1/openapi.json")
    acts = document["x-daybreak-kinds"]["router"]["in_effect"]
    wrong, right = ("DOWN", "ACTIVE") if acts else ("ACTIVE", "DOWN")
    until("the controller has it", lambda: port in pair.controller.objects("ports"))
    pair.database.query(f"UPDATE ports SET status = '{wrong}' WHERE id = '{port}'")
    api.wait_for_status("ports", port, right, DEADLINE)
    api.call("PUT", f"routers/{router}/remove_router_interface", subnet)
    api.delete("routers", router)


def test_a_trunk_whose_ports_changed_while_nobody_saw_it(pair: Cloud, api: Client, port: Any) -> None:
    """Whoever had to settle it was killed, say: it is found when everything is compared."""
    trunk = api.create("trunks", port_id=port("h1")["id"])["id"]
    assert api.get("trunks", trunk)["status"] == "BUILD"
    pair.database.query(f"UPDATE trunks SET status = 'ACTIVE' WHERE id = '{trunk}'")
    api.wait_for_status("trunks", trunk, "BUILD", DEADLINE)
    api.delete("trunks", trunk)


def test_a_server_takes_over_from_another(pair: Cloud, api: Client, port: Any) -> None:
    """Hosts are shared out among two workers; one of them alone does all."""
    first, second = (server.daemons[PERIODIC] for server in pair.servers)
    until("they share", lambda: "Hosts are shared out among neutron, neutron1" in first.log)
    for daemon in (first, second):
        daemon.kill()
        ports = {host: port(host) for host in ("h1", "h2")}
        for host, each in ports.items():
            pair.boot(f"{host}-{daemon.name[:8].rstrip('-')}", each, pair.hosts[host])
        for each in ports.values():
            api.wait_for_status("ports", each["id"], "ACTIVE", DEADLINE)
        daemon.start()


def test_a_host_that_is_forgotten_is_no_agent_any_more(pair: Cloud, api: Client) -> None:
    """A hypervisor is taken out of service: first it is not alive, then the controller is told to forget it."""
    host = pair.host("h3")
    until("it is there", lambda: "h3" in agents(api) and agents(api)["h3"]["alive"])
    host.ovs.stop_switch(kill=True)
    host.ovs.stop_database(kill=True)
    until("it can be forgotten", lambda: pair.controller.request("DELETE", "/v1/hosts/h3")[0] == 204)
    until("its row is gone", lambda: "h3" not in agents(api))
    assert {*agents(api, agent_type="Daybreak host")} == {"h1", "h2"}
