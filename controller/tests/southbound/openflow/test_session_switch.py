"""A session with a real switch: connect, modify, dump, refused bundles, and what third parties do to the tables."""

from __future__ import annotations

import asyncio
import struct

import pytest

from daybreak.southbound.openflow.session import Lost, Refused
from daybreak.wire.openflow.flow import flow_delete, flow_mod
from daybreak.wire.openflow.messages_connection import (
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    Role,
    SetAsync,
)
from daybreak.wire.openflow.messages_experimenter import (
    CtFlush,
    CtFlushZone,
    CtTuple,
    TlvCommand,
    TlvMap,
    TlvTableMod,
    TlvTableReply,
    TlvTableRequest,
)
from daybreak.wire.openflow.messages_group import (
    Band,
    Bucket,
    Command,
    GroupMod,
    GroupType,
    MeterFlags,
    MeterMod,
    decode_meter_stats,
)
from daybreak.wire.openflow.messages_monitor import Abbreviated, Event, FlowUpdate, FlowUpdates
from daybreak.wire.openflow.messages_multipart import (
    DESCRIPTION_REQUEST,
    TABLE_REQUEST,
    Aggregate,
    Description,
    FlowQuery,
    MultipartRequest,
    decode_tables,
    meter_stats_request,
)
from daybreak.wire.openflow.messages_packet import MATCH_ALL, PacketIn, PacketOut, PortReason, PortStatus, RemovedReason

pytestmark = pytest.mark.ovs

OUTPUT_1 = bytes.fromhex("0000001000000001ffe5000000000000")
CONTROLLER = bytes.fromhex("00000010fffffffdffff000000000000")
TABLE = bytes.fromhex("00000010fffffff9ffe5000000000000")


def key(table: int, priority: int) -> bytes:
    """A flow's key without conditions."""
    return struct.pack(">BBHHHIIIHH", table, 0, 0, 0, priority, *(3 * [0xFFFFFFFF]), 0, 0) + MATCH_ALL


def body(instructions: bytes = b"", cookie: int = 0xDA) -> bytes:
    return struct.pack(">Q", cookie) + instructions


def goto(table: int) -> bytes:
    return struct.pack(">HHB3x", 1, 8, table)


def apply(actions: bytes) -> bytes:
    return struct.pack(">HH4x", 4, 8 + len(actions)) + actions


def group(number: int) -> bytes:
    return struct.pack(">HHI", 22, 8, number)


async def test_a_switch_connects_and_says_who_it_is(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    assert (switch.dpid, switch.peer) == (openvswitch.bridges, "unix")
    assert switch_meeting.listener.half_open == 0
    assert await switch.request(GetConfigRequest().encode()) == GetConfigReply(3, 0xFFFF)
    assert [port.name for port in await switch.dump_ports()] == [f"br{openvswitch.bridges}"]
    switch.close()
    with pytest.raises(Lost, match="closed by us"):
        await switch.barrier()
    await switch_meeting.owner.until(lambda: switch_meeting.owner.reasons == ["closed by us"])


async def test_flows_groups_and_meters_come_back_as_they_were_sent(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    flows = {key(table, priority): body(goto(table + 1)) for table in range(5) for priority in range(400)}
    await switch.bundle([flow_mod(*flow) for flow in flows.items()])
    assert await switch.dump_flows() == flows
    bucket = Bucket(OUTPUT_1, watch_port=0xFFFFFFFF)
    band = Band(1000, 100)
    refused = await switch.plain(
        [
            GroupMod(Command.ADD, 7, GroupType.ALL, (bucket, bucket)).encode(),
            MeterMod(Command.ADD, 5, MeterFlags.KBPS | MeterFlags.BURST, (band,)).encode(),
        ]
    )
    assert refused == ()
    (stored,) = await switch.dump_groups()
    assert (stored.group_id, stored.type, [b.actions for b in stored.buckets]) == (7, GroupType.ALL, [OUTPUT_1] * 2)
    (meter,) = await switch.dump_meters()
    assert (meter.meter_id, meter.bands) == (5, (band,))


async def test_plain_messages_are_all_tried_and_the_refused_are_named(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    messages = [
        flow_mod(key(0, 1), body(goto(1))),
        flow_mod(key(1, 1), body(goto(0))),
        flow_mod(key(2, 1), body(apply(group(99)))),
        flow_mod(key(3, 1), body(goto(4))),
    ]
    refused = await switch.plain(messages)
    assert [(r.place, r.error.name, r.message) for r in refused] == [
        (1, "OFPBIC_BAD_TABLE_ID", messages[1]),
        (2, "OFPBAC_BAD_OUT_GROUP", messages[2]),
    ]
    assert openvswitch.flows(bridge) == [
        "cookie=0xda, priority=1 actions=goto_table:1",
        "cookie=0xda, table=3, priority=1 actions=goto_table:4",
    ]


async def test_a_bundle_of_additions_and_deletions_is_applied_at_once(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    old, new = ([key(0, n) for n in range(base, base + 10)] for base in (100, 200))
    await switch.bundle([flow_mod(k, body()) for k in old])
    await switch.bundle([flow_mod(k, body()) for k in new] + [flow_delete(k) for k in old], ordered=True)
    assert openvswitch.flows(bridge) == [f"cookie=0xda, priority={n} actions=drop" for n in range(200, 210)]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (flow_mod(key(5, 2), body(goto(3), cookie=0xBAD)), "OFPBIC_BAD_TABLE_ID"),  # can't be read
        (flow_mod(key(5, 2), body(apply(group(99)), cookie=0xBAD)), "OFPBAC_BAD_OUT_GROUP"),  # can't be applied
        (GroupMod(Command.MODIFY, 98).encode(), "OFPGMFC_UNKNOWN_GROUP"),
    ],
    ids=["unreadable", "no such group to use", "no such group to modify"],
)
async def test_a_refused_bundle_names_the_message_and_changes_nothing(
    openvswitch, switch_meeting, wrong, error
) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    await switch.bundle([flow_mod(key(0, 1), body())])
    messages = [flow_mod(key(0, 2), body()), wrong, flow_delete(key(0, 1)), flow_mod(key(0, 3), body())]
    with pytest.raises(Refused, match=f"message 1: {error}") as refused:
        await switch.bundle(messages)
    assert (refused.value.offending, refused.value.error.name) == (wrong, error)
    assert openvswitch.flows(bridge) == ["cookie=0xda, priority=1 actions=drop"]
    await switch.bundle(messages[2:])
    assert openvswitch.flows(bridge) == ["cookie=0xda, priority=3 actions=drop"]
    assert switch_meeting.owner.messages == []


async def test_every_message_that_cannot_be_read_is_named(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    backwards = [flow_mod(key(5, n), body(goto(3))) for n in range(3)]
    with pytest.raises(Refused) as refused:
        await switch.bundle([flow_mod(key(0, 1), body()), *backwards])
    assert [r.message for r in refused.value.refusals] == backwards
    assert openvswitch.flows(bridge) == []


async def test_a_bundle_of_many_slices_is_refused_for_its_last_message(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    messages = [flow_mod(key(1, n), body()) for n in range(3500)] + [flow_mod(key(5, 1), body(apply(group(99))))]
    with pytest.raises(Refused, match="message 3500: OFPBAC_BAD_OUT_GROUP") as refused:
        await switch.bundle(messages)
    assert refused.value.offending == messages[-1]
    assert openvswitch.flows(bridge) == []
    (refusal,) = await switch.plain(messages)
    assert (refusal.message, refusal.place) == (messages[-1], 3500)
    assert len(await switch.dump_flows()) == 3500


async def test_a_bundle_that_is_cancelled_changes_nothing(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    bundle = asyncio.create_task(switch.bundle([flow_mod(key(0, 1), body())]))
    await asyncio.sleep(0)  # it has written its messages and waits for the barrier
    bundle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bundle
    await switch.barrier()
    assert openvswitch.flows(bridge) == []


async def test_the_flow_monitor_reports_a_third_party_in_full_and_ourselves_in_brief(
    openvswitch, switch_meeting
) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    await switch.bundle([flow_mod(key(0, 1), body()), flow_mod(key(0, 2), body())])
    await switch.monitor_flows()
    assert switch_meeting.owner.messages == []

    openvswitch.ofctl("add-flow", bridge, "cookie=0xf,table=3,priority=9,actions=drop")
    openvswitch.ofctl("mod-flows", bridge, "table=3,actions=goto_table:4")
    openvswitch.ofctl("--strict", "del-flows", bridge, "table=0,priority=2")
    await switch_meeting.owner.until(lambda: len(switch_meeting.owner.messages) == 3)
    assert [message.updates for message in switch_meeting.owner.messages if isinstance(message, FlowUpdates)] == [
        (FlowUpdate(Event.ADDED, 3, 9, 0xF, MATCH_ALL),),
        (FlowUpdate(Event.MODIFIED, 3, 9, 0xF, MATCH_ALL),),
        (FlowUpdate(Event.DELETED, 0, 2, 0xDA, MATCH_ALL, reason=RemovedReason.DELETE),),
    ]
    assert switch_meeting.owner.messages[2].updates[0].key == key(0, 2)

    switch_meeting.owner.messages.clear()
    await switch.bundle([flow_mod(key(0, n), body()) for n in range(10, 20)])
    await switch.plain([flow_mod(key(0, n), body()) for n in range(20, 23)])
    updates = [update for message in switch_meeting.owner.messages for update in message.updates]
    assert len(updates) == 1 + 3
    assert all(isinstance(update, Abbreviated) for update in updates)


async def test_deleting_a_group_deletes_its_flows_and_the_monitor_says_so(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    await switch.bundle(
        [
            GroupMod(Command.ADD, 7, GroupType.ALL, (Bucket(OUTPUT_1),)).encode(),
            flow_mod(key(0, 1), body(apply(group(7)))),
        ],
        ordered=True,
    )
    assert len(openvswitch.flows(bridge)) == 1
    await switch.monitor_flows()
    await switch.plain([GroupMod(Command.DELETE, 7).encode()])
    assert openvswitch.flows(bridge) == []
    assert [update for message in switch_meeting.owner.messages for update in message.updates] == [
        FlowUpdate(Event.DELETED, 0, 1, 0xDA, MATCH_ALL, reason=RemovedReason.GROUP_DELETE)
    ]


async def test_a_packet_is_punted_with_its_cookie_and_registers_and_the_answer_goes_out(
    openvswitch, switch_meeting
) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    load_register_3 = bytes.fromhex("ffff001800002320 0007 001f 00010604 00000000000000ab")
    metadata = struct.pack(">HH4xQQ", 2, 24, 0x1234, 0xFFFFFFFFFFFFFFFF)
    await switch.bundle(
        [
            flow_mod(key(0, 1), body(apply(load_register_3) + metadata + goto(5))),
            flow_mod(key(5, 1), body(apply(CONTROLLER), cookie=0xFEED)),
        ]
    )
    frame = bytes.fromhex("ffffffffffff fa163e000001 0806") + bytes(46)
    switch.send(PacketOut(frame, TABLE, in_port=0xFFFFFFFE).encode())
    await switch_meeting.owner.until(lambda: bool(switch_meeting.owner.messages))
    (packet,) = switch_meeting.owner.messages
    assert isinstance(packet, PacketIn)
    assert (packet.data, packet.table, packet.cookie) == (frame, 5, 0xFEED)
    assert (packet.in_port, packet.metadata, packet.registers) == (0xFFFFFFFE, 0x1234, {3: 0xAB})


async def test_ports_that_come_and_go_are_told(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    await switch_meeting.owner.switch()
    openvswitch.vsctl("add-port", bridge, "dummy0", "--", "set", "interface", "dummy0", "type=internal")
    openvswitch.vsctl("del-port", bridge, "dummy0")

    def seen() -> set[tuple[int, str]]:
        return {(m.reason, m.port.name) for m in switch_meeting.owner.messages if isinstance(m, PortStatus)}

    await switch_meeting.owner.until(lambda: {(PortReason.ADD, "dummy0"), (PortReason.DELETE, "dummy0")} <= seen())


async def test_an_older_generation_cannot_become_master(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    assert (await switch.take_role(Role.MASTER, 5)).role == Role.MASTER
    with pytest.raises(Refused, match="OFPRRFC_STALE"):
        await switch.take_role(Role.MASTER, 4)


async def test_a_switch_that_goes_away_fails_what_waits_for_it(openvswitch, switch_meeting) -> None:
    bridge = openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    barriers = [asyncio.create_task(switch.barrier()) for _ in range(3)]
    openvswitch.vsctl("del-br", bridge)
    await switch_meeting.owner.until(lambda: not switch_meeting.owner.switches)
    results = await asyncio.gather(*barriers, return_exceptions=True)
    assert all(result is None or isinstance(result, Lost) for result in results)
    with pytest.raises(Lost):
        await switch.bundle([flow_mod(key(0, 1), body())])


async def test_the_tunnel_tlv_table_is_filled_and_read_back(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    option = TlvMap(0x0102, 0x80, 4, 0)
    assert await switch.plain([TlvTableMod(TlvCommand.ADD, (option,)).encode()]) == ()
    reply = await switch.request(TlvTableRequest().encode())
    assert isinstance(reply, TlvTableReply)
    assert reply.maps == (option,)
    (refusal,) = await switch.plain([TlvTableMod(TlvCommand.ADD, (option,)).encode()])
    assert refusal.error.name == "NXTTMFC_ALREADY_MAPPED"


async def test_conntrack_is_flushed_and_reports_are_chosen_without_complaint(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    one, other = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    wanted = SetAsync(packet_in=2, port_status=7, flow_removed=0)
    messages = (CtFlushZone(7), CtFlush(6, CtTuple(one, other, 1, 2), zone=7), wanted)
    assert await switch.plain([message.encode() for message in messages]) == ()
    assert await switch.request(GetAsyncRequest().encode()) == GetAsyncReply(2, 0, 7, 7, 0, 0)


async def test_what_a_switch_says_of_itself(openvswitch, switch_meeting) -> None:
    openvswitch.bridge()
    switch = await switch_meeting.owner.switch()
    await switch.bundle([flow_mod(key(3, n), body()) for n in range(5)])

    async def whole(request: MultipartRequest) -> bytes:
        return b"".join(await switch.multipart(request.encode()))

    assert Description.decode(await whole(DESCRIPTION_REQUEST)).hardware == "Open vSwitch"
    assert Aggregate.decode(await whole(FlowQuery(table=3).aggregate())) == Aggregate(0, 0, 5)
    tables = decode_tables(await whole(TABLE_REQUEST))
    assert [table.active for table in tables[:5]] == [0, 0, 0, 5, 0]
    await switch.plain([MeterMod(Command.ADD, 5, MeterFlags.PKTPS | MeterFlags.STATS, (Band(20),)).encode()])
    (meter,) = decode_meter_stats(await whole(meter_stats_request(5)))
    assert (meter.meter_id, meter.packet_count, meter.bands) == (5, 0, ((0, 0),))
