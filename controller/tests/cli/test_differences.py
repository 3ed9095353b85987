"""`check` against a real switch that nobody mends: each kind of difference is found, and said in words."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from daybreak.model import Host
from daybreak.northbound.admin.answers import Finding
from daybreak.service.controller import Controller
from daybreak.service.views import Views
from daybreak.southbound.openflow.listener import Listener
from daybreak_lab import Hypervisor, Lab

from .conftest import controller_with

pytestmark = pytest.mark.ovs

DEADLINE = 20.0
PORT = 6653
DPID = 0x1D
SHOWN = 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def h1(lab: Lab) -> Hypervisor:
    """A switch without a controller."""
    h1 = lab.hypervisor("h1")
    h1.ovs_vsctl(
        *("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure"),
        *("protocols=OpenFlow13", f"other-config:datapath-id={DPID:016x}", "other-config:disable-in-band=true"),
    )
    return h1


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def unattended(lab: Lab, h1: Hypervisor) -> AsyncIterator[Controller]:
    """A controller that is in sync with its switch, and looks after it no more."""
    controller = await controller_with((Host("h1", "ovs-h1", vtep="192.0.2.1", dpid=DPID),))
    with lab.controller_namespace.entered():
        door = socket.create_server((str(lab.controller_address), PORT))
    server = await asyncio.get_running_loop().create_server(
        Listener(controller.switches, allowed=(ip_network("198.18.0.0/15"),)), sock=door
    )
    h1.ovs_vsctl("set-controller", "br-int", f"tcp:{lab.controller_address}:{PORT}")
    try:
        await until(lambda: any(applier.idle for applier in controller.switches.appliers.values()))
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "switch h1"]
        task.cancel()
        await asyncio.wait([task])
        (applier,) = controller.switches.appliers.values()
        applier.synced = True  # its table is as it was: only nobody looks after it
        yield controller
    finally:
        h1.ovs_vsctl("del-controller", "br-int")  # which empties its tables
        server.close()
        await controller.switches.close()


async def differences(controller: Controller) -> list[Finding]:
    answer = await Views(controller).check(deep=False)
    return [finding for finding in answer.findings if finding.kind.startswith("flow_")]


async def test_a_switch_that_has_what_is_wanted_differs_in_nothing(lab: Lab, h1: Hypervisor) -> None:
    async with unattended(lab, h1) as controller:
        assert await differences(controller) == []


async def test_each_kind_of_difference_is_said_in_words(lab: Lab, h1: Hypervisor) -> None:
    async with unattended(lab, h1) as controller:
        number = controller.engine.pipeline.numbers
        table = next(number[each] for each in number if each.name == "TUNNEL_OUT")
        own = f"table={table},priority=100,tun_dst=192.0.2.1"
        h1.ovs_ofctl("-O", "OpenFlow13", "--strict", "del-flows", "br-int", own)
        encap = next(flow for flow in h1.ovs_ofctl("dump-flows", "br-int").splitlines() if "output:65002" in flow)
        match = encap.split("priority=10,")[1].split(" actions")[0]
        h1.ovs_ofctl("-O", "OpenFlow13", "mod-flows", "br-int", f"table={table},{match},actions=drop")
        h1.ovs_ofctl("-O", "OpenFlow13", "add-flow", "br-int", "table=0,priority=7,tcp,tp_dst=23,actions=drop")
        found = {finding.kind: finding for finding in await differences(controller)}
    assert {kind: finding.host for kind, finding in found.items()} == {
        "flow_missing": "h1",
        "flow_altered": "h1",
        "flow_foreign": "h1",
    }
    assert found["flow_missing"].text == (
        "host h1 lacks a flow: table=TUNNEL_OUT, priority=100, tun_dst=192.0.2.1 actions=drop "
        "(l2.own_tunnel_address for host h1)"
    )
    assert [each.id for each in found["flow_missing"].objects] == ["h1"]
    assert found["flow_altered"].text == (
        "host h1 has a flow with other actions or another cookie than this: "
        "table=TUNNEL_OUT, priority=10, encap=0x2 actions=output:65002 (l2.fabric for every host)"
    )
    assert found["flow_foreign"].text == (
        "host h1 has a flow that nobody asked for: table=CLASSIFY, priority=7, tcp,tcp_dst=23 actions=drop"
    )


async def test_of_very_many_differences_some_are_shown_and_the_others_counted(lab: Lab, h1: Hypervisor) -> None:
    async with unattended(lab, h1) as controller:
        flows = "".join(f"table=0,priority=7,tcp,tp_dst={number},actions=drop\n" for number in range(1, SHOWN + 31))
        h1.ovs_ofctl("-O", "OpenFlow13", "add-flows", "br-int", "-", stdin=flows)
        found = await differences(controller)
    assert len(found) == SHOWN + 1
    assert found[-1].text == "host h1: 30 more flows like this"


async def test_what_is_gone_at_the_second_look_was_on_its_way(lab: Lab, h1: Hypervisor) -> None:
    async with unattended(lab, h1) as controller:
        h1.ovs_ofctl("-O", "OpenFlow13", "add-flow", "br-int", "table=0,priority=7,tcp,actions=drop")
        (applier,) = controller.switches.appliers.values()
        looks = 0
        look = applier.differences

        async def counted() -> object:
            nonlocal looks
            looks += 1
            if looks == 2:
                h1.ovs_ofctl("-O", "OpenFlow13", "--strict", "del-flows", "br-int", "table=0,priority=7,tcp")
            return await look()

        applier.differences = counted  # type: ignore[method-assign,assignment]
        assert await differences(controller) == []
        assert looks == 2
