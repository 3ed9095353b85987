"""Switches become what is wanted of them, and stay so: real ovsdb-server, real ovs-vswitchd."""

import asyncio
from random import Random

import msgspec
import pytest

from daybreak.southbound.ovsdb import Applier, InterfaceWant, Session, Wants
from daybreak.southbound.ovsdb.apply import pause
from daybreak.southbound.ovsdb.desired import plan
from daybreak.southbound.ovsdb.learn import bridge_named, root_of
from daybreak.southbound.ovsdb.names import patch_ports
from daybreak.wire.ovsdb import TransactionError
from daybreak.wire.ovsdb.operations import insert, mutate, update
from daybreak.wire.ovsdb.values import NamedUUID
from daybreak.wire.ovsdb.vswitch import TABLES

pytestmark = pytest.mark.ovs
TARGET = "tcp:127.0.0.1:6653"
WANTS = Wants(controller_targets=(TARGET,))
TUNNELS = ("vxlan", "geneve", "gre")
NETDEV = "datapath_type=netdev"


def unmade(applier: Applier) -> bool:
    """Whether ovs-vswitchd has the bridge still before it."""
    return any("hasn't made" in finding for finding in applier.findings)


class Cloud:
    """What the service does for the one switch h1: an Applier for each of its sessions."""

    def __init__(self, recorder, listener, until) -> None:
        self.recorder = recorder
        self.until = until
        self.port = listener.port
        self.appliers: list[Applier] = []

    @property
    def host(self):
        return self.recorder.hosts["h1"]

    @property
    def session(self):
        return self.recorder.sessions["h1"]

    async def connected(self):
        await self.until(lambda: "h1" in self.recorder.sessions)
        return self.session

    async def apply(self, wants: Wants = WANTS) -> Applier:
        applier = Applier(await self.connected(), wants)
        self.appliers.append(applier)
        await self.until(lambda: applier.is_settled)
        return applier

    async def running(self, wants: Wants = WANTS) -> Applier:
        """As `apply`, and ovs-vswitchd has made the bridge."""
        applier = await self.apply(wants)
        await self.until(lambda: self.host.dpid is not None and not unmade(applier))
        return applier

    async def settled(self, switch, applier: Applier) -> None:
        """All that was written to the switch's database came here, and was answered."""
        mark = switch.mark()
        await self.until(lambda: root_of(self.session.replica).external_ids.get("mark") == mark)
        await self.until(lambda: applier.is_settled)


@pytest.fixture
async def cloud(recorder, listener, until):
    cloud = Cloud(recorder, listener, until)
    yield cloud
    for applier in cloud.appliers:
        await applier.close()


async def test_a_switch_that_calls_gets_its_integration_bridge(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.apply()
    assert switch.vsctl("get-controller", "br-int") == TARGET
    assert switch.vsctl("get-fail-mode", "br-int") == "secure"
    assert switch.get("Bridge", "br-int", "protocols") == "[OpenFlow13]"
    assert switch.get("Bridge", "br-int", "other_config:disable-in-band") == "true"
    assert switch.get("Controller", "br-int", "max_backoff") == "1000"

    await cloud.until(lambda: cloud.host.tunnels == TUNNELS)
    assert [switch.get("Interface", f"daybreak-{name}", "ofport") for name in TUNNELS] == ["65001", "65002", "65003"]
    assert cloud.host.datapath_type == "netdev"
    await cloud.until(lambda: "nd_ext" in cloud.host.capabilities)
    assert cloud.host.dpid == int(switch.get("Bridge", "br-int", "datapath_id"), 16)
    assert "NORMAL" not in switch.appctl("bridge/dump-flows", "br-int")  # the hidden flows of in-band control
    await cloud.until(lambda: applier.findings == ())


async def test_a_second_connection_changes_nothing(switch, cloud):
    switch.call(cloud.port)
    first = await cloud.apply()
    await cloud.until(lambda: cloud.host.tunnels == TUNNELS)
    await first.close()
    cloud.session.close("for the test")
    await cloud.until(lambda: "h1" not in cloud.recorder.sessions)

    await cloud.connected()
    assert plan(cloud.session.replica, WANTS) == ((), ())


async def test_taking_over_a_bridge_keeps_its_flows(switch, cloud):
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", NETDEV, "protocols=OpenFlow10")
    switch.vsctl("set-controller", "br-int", "tcp:127.0.0.1:1")
    switch.run("ovs-ofctl", "-OOpenFlow10", "add-flow", "br-int", "priority=7,actions=drop")

    switch.call(cloud.port)
    await cloud.apply()
    await cloud.until(lambda: cloud.host.tunnels == TUNNELS)
    assert "priority=7 actions=drop" in switch.ofctl("dump-flows", "br-int")
    assert switch.vsctl("get-controller", "br-int") == TARGET
    assert switch.get("Bridge", "br-int", "protocols") == "[OpenFlow10, OpenFlow13]"


async def test_another_target_replaces_the_first_and_no_target_leaves_it(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.running()
    switch.ofctl("add-flow", "br-int", "priority=7,actions=drop")

    applier.want(Wants(controller_targets=("tcp:127.0.0.1:6654", "tcp:127.0.0.1:6655")))
    await cloud.until(lambda: applier.is_settled)
    assert sorted(switch.vsctl("get-controller", "br-int").split()) == ["tcp:127.0.0.1:6654", "tcp:127.0.0.1:6655"]
    applier.want(Wants(controller_targets=("tcp:127.0.0.1:6654",)))
    await cloud.until(lambda: applier.is_settled)
    applier.want(Wants(controller_targets=()))
    await cloud.until(lambda: applier.is_settled)
    assert switch.vsctl("get-controller", "br-int") == "tcp:127.0.0.1:6654"
    assert "priority=7 actions=drop" in switch.ofctl("dump-flows", "br-int")


async def test_interfaces_are_followed(switch, cloud):
    switch.call(cloud.port)
    await cloud.apply()
    port = ("add-port", "br-int", "vm1", "--", "set", "Interface", "vm1", "type=internal")
    switch.vsctl(*port, "external_ids:iface-id=port-1", 'external_ids:attached-mac="fa:16:3e:00:00:01"')
    await cloud.until(lambda: "vm1" in cloud.recorder.interfaces["h1"])
    await cloud.until(lambda: cloud.recorder.interfaces["h1"]["vm1"].ofport is not None)
    claim = cloud.recorder.interfaces["h1"]["vm1"]
    assert (claim.iface_id, claim.attached_mac) == ("port-1", "fa:16:3e:00:00:01")
    assert str(claim.ofport) == switch.get("Interface", "vm1", "ofport")

    switch.vsctl("set", "Interface", "vm1", "external_ids:iface-id=port-2")
    await cloud.until(lambda: cloud.recorder.interfaces["h1"]["vm1"].iface_id == "port-2")
    switch.vsctl("del-port", "vm1")
    await cloud.until(lambda: cloud.recorder.interfaces["h1"] == {})


async def test_a_host_that_is_renamed_is_told_under_its_new_name(switch, cloud):
    switch.call(cloud.port)
    await cloud.connected()
    switch.vsctl("set", "Open_vSwitch", ".", "external_ids:odl_os_hostconfig_hostid=compute-1")
    await cloud.until(lambda: "compute-1" in cloud.recorder.hosts)


async def test_patches_follow_the_bridge_mappings(switch, cloud):
    switch.vsctl("add-br", "br-ex", "--", "set", "Bridge", "br-ex", NETDEV)
    switch.call(cloud.port)
    applier = await cloud.apply()
    near, far = patch_ports("physnet1", "br-ex")

    switch.vsctl("set", "Open_vSwitch", ".", 'other_config:provider_mappings="physnet1:br-ex,physnet2:br-none"')
    await cloud.until(lambda: cloud.host.patches)
    await cloud.settled(switch, applier)
    assert switch.vsctl("port-to-br", near) == "br-int"
    assert switch.vsctl("port-to-br", far) == "br-ex"
    assert cloud.host.patches == (("physnet1", int(switch.get("Interface", near, "ofport"))),)
    assert applier.findings == ("physical network physnet2 is mapped to br-none: there's no such bridge",)
    assert switch.vsctl("get-controller", "br-ex") == ""

    switch.vsctl("remove", "Open_vSwitch", ".", "other_config", "provider_mappings")
    await cloud.until(lambda: not cloud.host.patches)
    await cloud.settled(switch, applier)
    assert switch.vsctl("list-ports", "br-ex") == ""
    assert near not in switch.vsctl("list-ports", "br-int")
    assert applier.findings == ()


async def test_tables_have_names(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.running(Wants(controller_targets=(TARGET,), table_names={0: "classify", 9: "output"}))
    switch.ofctl("add-flow", "br-int", "table=9,priority=7,actions=drop")
    assert "table=output" in switch.ofctl("--names", "dump-flows", "br-int")

    applier.want(Wants(controller_targets=(TARGET,), table_names={9: "deliver"}))
    await cloud.until(lambda: applier.is_settled)
    assert "table=deliver" in switch.ofctl("--names", "dump-flows", "br-int")
    assert switch.vsctl("--columns=name", "--format=csv", "--no-headings", "list", "Flow_Table") == "deliver"


async def test_the_address_of_tunnels_is_the_one_that_the_host_gives(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.apply()
    assert "local_ip" not in switch.get("Interface", "daybreak-vxlan", "options")
    switch.vsctl("set", "Open_vSwitch", ".", "other_config:local_ip=192.0.2.1")
    await cloud.settled(switch, applier)
    assert switch.get("Interface", "daybreak-vxlan", "options:local_ip") == "192.0.2.1"
    assert cloud.host.vtep == "192.0.2.1"


async def test_a_restart_of_vswitchd_keeps_numbers(switch, cloud):
    switch.call(cloud.port)
    for name in ("vm1", "vm2"):
        port = ("--may-exist", "add-br", "br-int", "--", "set", "Bridge", "br-int", NETDEV, "--", "add-port", "br-int")
        switch.vsctl(*port, name, "--", "set", "Interface", name, "type=internal", f"external_ids:iface-id={name}")
    pinned = {"vm2": InterfaceWant(mtu_request=1400, pin_ofport=True)}
    applier = await cloud.apply(Wants(controller_targets=(TARGET,), interfaces=pinned))
    await cloud.settled(switch, applier)
    number, dpid = switch.get("Interface", "vm2", "ofport"), switch.get("Bridge", "br-int", "datapath_id")
    assert switch.get("Interface", "vm2", "ofport_request") == number
    assert switch.get("Interface", "vm2", "mtu_request") == "1400"
    assert switch.get("Interface", "vm1", "ofport_request") == "[]"
    switch.vsctl("del-port", "vm1")  # its number, the lower one, is free now

    switch.stop_vswitchd()
    switch.start_vswitchd()
    switch.vsctl("set", "Open_vSwitch", ".", "external_ids:restarted=true")  # returns when vswitchd has taken it in
    assert switch.get("Interface", "vm2", "ofport") == number
    assert switch.get("Bridge", "br-int", "datapath_id") == dpid
    await cloud.settled(switch, applier)
    assert cloud.host.tunnels == TUNNELS
    assert plan(cloud.session.replica, WANTS).operations == ()


@pytest.mark.parametrize("is_there_before", [False, True])
async def test_a_port_does_not_change_the_datapath_id(switch, cloud, is_there_before):
    """By itself Open vSwitch takes the lowest MAC address of all ports, and drops its connections when that changes."""
    if is_there_before:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", NETDEV)
    switch.call(cloud.port)
    applier = await cloud.running()
    await cloud.settled(switch, applier)
    dpid = cloud.host.dpid
    network = ("nsenter", "--net", f"--target={switch.vswitchd.pid}", "ip", "link")
    switch.run(*network, "add", "vm1", "address", "00:00:00:00:00:01", "type", "veth", "peer", "name", "vm1-peer")
    switch.vsctl("add-port", "br-int", "vm1")
    await cloud.settled(switch, applier)
    assert switch.get("Interface", "vm1", "mac_in_use") == "00:00:00:00:00:01"
    assert cloud.host.dpid == dpid == int(switch.get("Bridge", "br-int", "datapath_id"), 16)


async def test_a_restart_of_the_database_is_a_new_session_of_the_same_host(switch, cloud):
    switch.call(cloud.port)
    await cloud.apply()
    await cloud.until(lambda: cloud.host.tunnels == TUNNELS)
    before = cloud.host
    switch.stop_server()
    await cloud.until(lambda: cloud.recorder.losses)
    switch.start_server()
    await cloud.connected()
    await cloud.until(lambda: cloud.host == before)
    assert plan(cloud.session.replica, WANTS).operations == ()


async def test_what_the_server_refuses_is_tried_again(switch, cloud):
    """Names of ports are unique: somebody else's, on another bridge, is in the way."""
    switch.vsctl("add-br", "br-ex", "--", "set", "Bridge", "br-ex", NETDEV)
    switch.vsctl("add-port", "br-ex", "daybreak-gre", "--", "set", "Interface", "daybreak-gre", "type=internal")
    switch.call(cloud.port)
    applier = Applier(await cloud.connected(), WANTS)
    cloud.appliers.append(applier)
    await cloud.until(lambda: applier.findings)
    assert "constraint violation" in applier.findings[0]
    assert "br-int" not in switch.vsctl("list-br")  # all or nothing

    switch.vsctl("del-port", "br-ex", "daybreak-gre")
    await cloud.until(lambda: applier.is_settled)
    assert applier.findings == ()
    assert switch.vsctl("port-to-br", "daybreak-gre") == "br-int"


def test_what_is_refused_for_days_is_still_tried():
    """After some three hours the pause was a number too large for a float, and the host was read anew."""
    pauses = [pause(failures) for failures in (0, 1, 2, 7, 8, 9, 1023, 100_000)]
    assert pauses == [0.05, 0.1, 0.2, 6.4, 10, 10, 10, 10]


async def test_what_somebody_undoes_is_done_again_and_told(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.apply()
    for _ in range(4):
        switch.vsctl("--no-wait", "del-port", "daybreak-gre")
        await cloud.settled(switch, applier)
        assert switch.vsctl("port-to-br", "daybreak-gre") == "br-int"
    assert applier.findings == ("somebody else undoes again and again what Daybreak writes",)


async def test_an_error_of_a_tunnel_is_a_finding(switch, cloud):
    """There can be but one flow-based port for each encapsulation."""
    switch.vsctl("add-br", "br-tun", "--", "set", "Bridge", "br-tun", NETDEV)
    options = ("type=vxlan", "options:remote_ip=flow", "options:key=flow")
    switch.vsctl("add-port", "br-tun", "vx0", "--", "set", "Interface", "vx0", *options)
    switch.call(cloud.port)
    applier = await cloud.apply()
    await cloud.until(lambda: applier.findings)
    assert applier.findings[0].startswith("Open vSwitch can't make the port daybreak-vxlan: ")
    await cloud.until(lambda: cloud.host.tunnels == ("geneve", "gre"))


async def test_ports_of_ours_that_are_not_wanted_go_and_those_of_others_stay(switch, cloud):
    switch.call(cloud.port)
    applier = await cloud.apply()
    switch.vsctl("add-port", "br-int", "vm1", "--", "set", "Interface", "vm1", "type=internal")
    applier.want(Wants(controller_targets=(TARGET,), tunnels=("geneve",)))
    await cloud.until(lambda: applier.is_settled)
    assert switch.vsctl("list-ports", "br-int").split() == ["daybreak-geneve", "vm1"]


async def test_the_datapath_type_of_a_bridge_in_use_stays(database, cloud):
    """No ovs-vswitchd here: the type "system" needs a kernel module."""
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    database.vsctl("--no-wait", "add-br", "br-int", "--", "add-port", "br-int", "vm1")
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:daybreak-datapath-type=netdev")
    database.call(cloud.port)
    applier = await cloud.apply()
    assert "br-int should have the datapath_type netdev, but has ports: it stays as it is" in applier.findings

    database.vsctl("--no-wait", "del-port", "vm1")
    await cloud.settled(database, applier)
    hint = "Open vSwitch hasn't made br-int: is ovs-vswitchd running, and has it the datapath_type netdev?"
    assert applier.findings == (hint,)
    assert database.get("Bridge", "br-int", "datapath_type") == "netdev"


BEGINNINGS = {
    "nothing": (),
    "a bridge": ("add-br", "br-int"),
    "another controller": ("add-br", "br-int", "--", "set-controller", "br-int", "tcp:192.0.2.9:6653"),
    "the same target": ("add-br", "br-int", "--", "set-controller", "br-int", TARGET, "ptcp:6654"),
    "another protocol": ("add-br", "br-int", "--", "set", "Bridge", "br-int", "protocols=OpenFlow14"),
    "in-band control": ("add-br", "br-int", "--", "set", "Bridge", "br-int", "other_config:disable-in-band=false"),
    "a port of ours": ("add-br", "br-int", "--", "add-port", "br-int", "old", "external_ids:owner=daybreak"),
    "a tunnel port of somebody else": ("add-br", "br-int", "--", "add-port", "br-int", "daybreak-gre"),
    "our tunnel port, changed": (
        *("add-br", "br-int", "--", "add-port", "br-int", "daybreak-gre", "external_ids:owner=daybreak"),
        *("--", "set", "Interface", "daybreak-gre", "type=geneve", "options:remote_ip=192.0.2.9"),
    ),
    "a mapping": ("add-br", "br-ex", "--", "set", "Open_vSwitch", ".", "other_config:provider_mappings=a:br-ex"),
    "a mapping to itself": ("set", "Open_vSwitch", ".", "other_config:provider_mappings=a:br-int"),
    "a bridge to be changed": (
        *("add-br", "br-int", "--", "set", "Open_vSwitch", ".", "external_ids:daybreak-datapath-type=netdev"),
        *("--", "add-br", "br-ex", "--", "set", "Bridge", "br-ex", NETDEV),
        *("--", "set", "Open_vSwitch", ".", "other_config:provider_mappings=a:br-ex"),
    ),
    "a name of a table": (
        *("add-br", "br-int", "--", "--id=@t", "create", "Flow_Table", "name=mine", "flow_limit=9"),
        *("--", "set", "Bridge", "br-int", "flow_tables:9=@t"),
    ),
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
async def test_after_one_transaction_all_is_as_wanted(database, cloud, beginning):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1", "--", *(beginning or ("init",)))
    database.call(cloud.port)
    session = await cloud.connected()
    wants = Wants(controller_targets=(TARGET,), table_names={0: "classify", 9: "output"})
    operations = plan(session.replica, wants).operations
    assert operations
    await session.transact(operations)  # its reply comes after the updates that it causes
    assert plan(session.replica, wants).operations == ()


@pytest.mark.parametrize("seed", range(3))
async def test_a_replica_that_followed_is_as_one_that_is_read_anew(database, cloud, recorder, seed):
    random = Random(seed)
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1", "--", "add-br", "br-int")
    database.call(cloud.port)
    session = await cloud.connected()
    bridge = bridge_named(session.replica, "br-int").uuid
    for number in range(200):
        name = NamedUUID("new")
        pair = {random.choice("abc"): random.choice("xyz")}
        changes = [
            [update("Bridge", bridge, {"other_config": pair | {random.choice("abc"): random.choice("xyz")}})],
            [mutate("Bridge", bridge, "other_config", "insert", pair)],
            [mutate("Bridge", bridge, "other_config", "delete", tuple(pair))],
            [update("Bridge", bridge, {"fail_mode": random.choice([None, "secure", "standalone"])})],
            [mutate("Bridge", bridge, "protocols", random.choice(["insert", "delete"]), ("OpenFlow13", "OpenFlow10"))],
            [update("Bridge", bridge, {"protocols": tuple(random.sample(["OpenFlow13", "OpenFlow14"], number % 3))})],
            [insert("Flow_Table", {}, name), mutate("Bridge", bridge, "flow_tables", "insert", {number % 7: name})],
            [mutate("Bridge", bridge, "flow_tables", "delete", (number % 7,))],
            [insert("Controller", {"target": TARGET}, name), mutate("Bridge", bridge, "controller", "insert", (name,))],
            [update("Bridge", bridge, {"controller": bridge_named(session.replica, "br-int").controller[:1]})],
        ]
        await session.transact(random.choice(changes))

    path = str(database.folder / "db.sock")
    _, anew = await asyncio.get_running_loop().create_unix_connection(lambda: Session(type(recorder)()), path)
    await cloud.until(lambda: anew.is_synchronized)
    for kind in TABLES.values():
        assert {uuid: in_order(row) for uuid, row in session.replica.rows(kind).items()} == {
            uuid: in_order(row) for uuid, row in anew.replica.rows(kind).items()
        }
    anew.close("the test is over")


def in_order(row) -> dict:
    """A row's columns, sets sorted: they have no order."""
    columns = msgspec.structs.asdict(row)
    return {name: sorted(value) if isinstance(value, tuple) else value for name, value in columns.items()}


async def test_a_change_in_the_meantime_makes_a_plan_fail_and_is_kept(database, cloud):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1", "--", "add-br", "br-int")
    database.call(cloud.port)
    session = await cloud.connected()
    operations = plan(session.replica, WANTS).operations
    database.vsctl("--no-wait", "set", "Bridge", "br-int", "other_config:hwaddr=02:00:00:00:00:01")
    with pytest.raises(TransactionError, match="timed out"):
        await session.transact(operations)
    assert database.vsctl("get-controller", "br-int") == ""

    await cloud.apply()
    assert database.get("Bridge", "br-int", "other_config:hwaddr") == "02:00:00:00:00:01"
    assert database.vsctl("get-controller", "br-int") == TARGET


async def test_two_who_plan_at_once_make_one_bridge(database, cloud):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    database.call(cloud.port)
    session = await cloud.connected()
    operations = plan(session.replica, WANTS).operations
    outcomes = await asyncio.gather(*(session.transact(operations) for _ in range(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [list, TransactionError]
    assert database.vsctl("list-br") == "br-int"


async def test_a_refusal_has_the_words_of_the_server(database, cloud):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    database.call(cloud.port)
    session = await cloud.connected()
    with pytest.raises(TransactionError) as caught:
        await session.transact([insert("Bridge", {"nonsense": 1}, NamedUUID("a"))])
    assert caught.value.operation == 0
    assert "nonsense" in caught.value.details
