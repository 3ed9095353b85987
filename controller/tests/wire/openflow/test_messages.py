"""Our bytes against os-ken's, for every message that os-ken knows, in both directions."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_parser, ofproto_protocol
from os_ken.ofproto import ofproto_v1_3_parser as osken

from daybreak.wire.openflow import messages_connection as connection
from daybreak.wire.openflow import messages_group as group
from daybreak.wire.openflow import messages_multipart as multipart
from daybreak.wire.openflow import messages_packet as packet
from daybreak.wire.openflow.messages import Message, Unknown, decode
from daybreak.wire.openflow.messages_error import Error
from daybreak.wire.openflow.messages_experimenter import BundleControl, BundleFlags, BundleStep, bundle_adds
from daybreak.wire.openflow.messages_header import ONF, Group, Port, ProtocolError, frame, with_xid, xid_of

XID = 0x01020304
DATAPATH = ofproto_protocol.ProtocolDesc(version=4)
MAC = bytes.fromhex("fa163e000001")


def theirs(message: Any) -> bytes:
    """What os-ken sends for its message."""
    message.set_xid(XID)
    message.serialize()
    return bytes(message.buf)


def read_by_osken(data: bytes) -> Any:
    version, kind, length, xid = ofproto_parser.header(data)
    return ofproto_parser.msg(DATAPATH, version, kind, length, xid, data)


OUTPUT = osken.OFPActionOutput(5, 0xFFE5)
OUTPUT_BYTES = bytes.fromhex("0000001000000005ffe5000000000000")
BUCKETS = [osken.OFPBucket(7, 5, 0xFFFFFFFF, [OUTPUT]), osken.OFPBucket(9, 0xFFFFFFFF, 3, [])]
OUR_BUCKETS = (group.Bucket(OUTPUT_BYTES, 7, 5), group.Bucket(b"", 9, Port.ANY, 3))

SENT = [
    (connection.FeaturesRequest(), osken.OFPFeaturesRequest(DATAPATH)),
    (connection.GetConfigRequest(), osken.OFPGetConfigRequest(DATAPATH)),
    (connection.SetConfig(3, 0xFFFF), osken.OFPSetConfig(DATAPATH, 3, 0xFFFF)),
    (connection.EchoRequest(b"still there?"), osken.OFPEchoRequest(DATAPATH, b"still there?")),
    (connection.BarrierRequest(), osken.OFPBarrierRequest(DATAPATH)),
    (connection.RoleRequest(connection.Role.MASTER, 1 << 63), osken.OFPRoleRequest(DATAPATH, 2, 1 << 63)),
    (connection.GetAsyncRequest(), osken.OFPGetAsyncRequest(DATAPATH)),
    (connection.SetAsync(3, 0, 7, 7, 15, 0), osken.OFPSetAsync(DATAPATH, [3, 0], [7, 7], [15, 0])),
    (
        packet.PacketOut(b"a packet", OUTPUT_BYTES, 9),
        osken.OFPPacketOut(DATAPATH, 0xFFFFFFFF, 9, [OUTPUT], b"a packet"),
    ),
    (group.GroupMod(group.Command.DELETE, Group.ALL), osken.OFPGroupMod(DATAPATH, 2, 0, 0xFFFFFFFC, [])),
    *(
        (group.GroupMod(command, 77, kind, OUR_BUCKETS), osken.OFPGroupMod(DATAPATH, command, kind, 77, BUCKETS))
        for command in group.Command
        for kind in group.GroupType
    ),
    (
        group.MeterMod(group.Command.ADD, 5, group.MeterFlags.KBPS | group.MeterFlags.BURST, (group.Band(1000, 100),)),
        osken.OFPMeterMod(DATAPATH, 0, 5, 5, [osken.OFPMeterBandDrop(1000, 100)]),
    ),
    (
        group.MeterMod(group.Command.MODIFY, group.Meter.CONTROLLER, group.MeterFlags.PKTPS, (group.Band(20),)),
        osken.OFPMeterMod(DATAPATH, 1, 2, 0xFFFFFFFD, [osken.OFPMeterBandDrop(20, 0)]),
    ),
    (multipart.DESCRIPTION_REQUEST, osken.OFPDescStatsRequest(DATAPATH, 0)),
    (multipart.TABLE_REQUEST, osken.OFPTableStatsRequest(DATAPATH, 0)),
    (multipart.PORTS_REQUEST, osken.OFPPortDescStatsRequest(DATAPATH, 0)),
    (multipart.GROUPS_REQUEST, osken.OFPGroupDescStatsRequest(DATAPATH, 0)),
    (multipart.meter_config_request(4), osken.OFPMeterConfigStatsRequest(DATAPATH, 0, 4)),
    (multipart.meter_stats_request(), osken.OFPMeterStatsRequest(DATAPATH, 0)),
    (multipart.FlowQuery().flows(), osken.OFPFlowStatsRequest(DATAPATH)),
    (
        multipart.FlowQuery(3, 4, 5, 6, 0xFF, packet.padded_match(bytes.fromhex("80000a020800"))).aggregate(),
        osken.OFPAggregateStatsRequest(DATAPATH, 0, 3, 4, 5, 6, 0xFF, osken.OFPMatch(eth_type=0x0800)),
    ),
    (
        BundleControl(7, BundleStep.OPEN_REQUEST, BundleFlags.ATOMIC | BundleFlags.ORDERED),
        osken.ONFBundleCtrlMsg(DATAPATH, 7, 0, 3, []),
    ),
]


@pytest.mark.parametrize(("ours", "osken_message"), SENT, ids=lambda value: type(value).__name__)
def test_what_we_send_is_what_osken_sends(ours: Any, osken_message: Any) -> None:
    assert ours.encode(XID) == theirs(osken_message)


@pytest.mark.parametrize("ours", [ours for ours, _ in SENT], ids=lambda value: type(value).__name__)
def test_what_we_send_reads_back_as_itself(ours: Any) -> None:
    assert decode(ours.encode(XID)) == ours


def test_a_message_added_to_a_bundle_is_as_osken_adds_it() -> None:
    inner = osken.OFPBarrierRequest(DATAPATH)  # not a sensible one, but it has no body to distract
    inner.set_xid(XID)
    ours = bundle_adds(7, 3, [connection.BarrierRequest().encode()], XID)
    assert ours == theirs(osken.ONFBundleAddMsg(DATAPATH, 7, 3, inner, []))


REPORTED: list[tuple[Any, dict[str, Any]]] = [
    (
        connection.FeaturesReply(0x0000FA163E000001, 0, 254, 0, 0x4F),
        {"datapath_id": 0x0000FA163E000001, "n_buffers": 0, "n_tables": 254, "auxiliary_id": 0, "capabilities": 0x4F},
    ),
    (connection.GetConfigReply(3, 128), {"flags": 3, "miss_send_len": 128}),
    (connection.RoleReply(2, 5), {"role": 2, "generation_id": 5}),
    (
        connection.GetAsyncReply(1, 2, 3, 4, 5, 6),
        {"packet_in_mask": [1, 2], "port_status_mask": [3, 4], "flow_removed_mask": [5, 6]},
    ),
    (connection.EchoReply(b"yes"), {"data": b"yes"}),
    (connection.BarrierReply(), {}),
    (
        packet.PacketIn(
            b"the packet",
            packet.padded_match(bytes.fromhex("8000000400000005")),
            cookie=0xDA,
            table=25,
            reason=1,
            total_length=99,
        ),
        {"buffer_id": 0xFFFFFFFF, "total_len": 99, "reason": 1, "table_id": 25, "cookie": 0xDA, "data": b"the packet"},
    ),
    (
        packet.FlowRemoved(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        {
            "cookie": 1,
            "priority": 2,
            "reason": 3,
            "table_id": 4,
            "duration_sec": 5,
            "duration_nsec": 6,
            "idle_timeout": 7,
            "hard_timeout": 8,
            "packet_count": 9,
            "byte_count": 10,
        },
    ),
    (
        packet.PortStatus(packet.PortReason.MODIFY, packet.PortDescription(3, MAC, "tap0", 1, 4, 5, 6, 7, 8, 9, 10)),
        {"reason": 2},
    ),
]


@pytest.mark.parametrize(("ours", "fields"), REPORTED, ids=lambda value: type(value).__name__)
def test_osken_reads_what_a_switch_reports_as_we_do(ours: Any, fields: dict[str, Any]) -> None:
    data = ours.encode(XID)
    assert decode(data) == ours
    read = read_by_osken(data)
    assert {name: getattr(read, name) for name in fields} == fields


def test_a_port_is_what_osken_reads() -> None:
    ours = packet.PortDescription(3, MAC, "tap0", 1, 4, 5, 6, 7, 8, 9, 10)
    read = osken.OFPPort.parser(ours.encode(), 0)
    assert (read.port_no, read.hw_addr, read.name) == (3, "fa:16:3e:00:00:01", b"tap0")
    assert tuple(read[3:]) == (1, 4, 5, 6, 7, 8, 9, 10)
    assert multipart.decode_ports(ours.encode() * 2) == (ours, ours)


def body_of_osken(parts: list[Any]) -> bytes:
    """What os-ken makes of parts of a multipart body."""
    data = bytearray()
    for part in parts:
        part.serialize(data, len(data))
    return bytes(data)


def test_multipart_bodies_are_what_osken_reads() -> None:
    """os-ken can't write these replies, so it reads ours."""
    groups = (group.GroupDescription(5, 1, OUR_BUCKETS), group.GroupDescription(6, 2, (group.Bucket(b""),)))
    meters = (group.MeterConfig(5, 2, (group.Band(20, 7),)), group.MeterConfig(0xFFFFFFFD, 1, ()))
    counters = (group.MeterStats(5, 1, 2, 3, 4, 5, ((6, 7),)),)
    tables = (multipart.TableStats(0, 1, 2, 3), multipart.TableStats(9, 4, 5, 6))
    description = multipart.Description("Nicira, Inc.", "Open vSwitch", "3.1.0", "None", "br-int")
    sums = multipart.Aggregate(1, 2, 3)

    def reply(kind: int, body: bytes) -> Any:
        return read_by_osken(multipart.Multipart(kind, body, xid=XID).encode()).body

    body = b"".join(g.encode() for g in groups)
    read = reply(multipart.Kind.GROUP_DESCRIPTION, body)
    assert [(g.group_id, g.type, len(g.buckets)) for g in read] == [(5, 1, 2), (6, 2, 1)]
    assert (read[0].buckets[0].weight, read[0].buckets[1].watch_group) == (7, 3)
    assert group.decode_groups(body) == groups

    body = b"".join(m.encode() for m in meters)
    read = reply(multipart.Kind.METER_CONFIG, body)
    assert [(m.meter_id, m.flags, [(b.rate, b.burst_size) for b in m.bands]) for m in read] == [
        (5, 2, [(20, 7)]),
        (0xFFFFFFFD, 1, []),
    ]
    assert group.decode_meters(body) == meters

    body = counters[0].encode()
    (read,) = reply(multipart.Kind.METER, body)
    assert (read.meter_id, read.flow_count, read.packet_in_count, read.byte_in_count) == (5, 1, 2, 3)
    assert (read.duration_sec, read.duration_nsec) == (4, 5)
    assert [(b.packet_band_count, b.byte_band_count) for b in read.band_stats] == [(6, 7)]
    assert group.decode_meter_stats(body) == counters

    body = b"".join(t.encode() for t in tables)
    read = reply(multipart.Kind.TABLE, body)
    assert [tuple(t) for t in read] == [(0, 1, 2, 3), (9, 4, 5, 6)]
    assert multipart.decode_tables(body) == tables

    read = reply(multipart.Kind.DESCRIPTION, description.encode())
    assert (read.mfr_desc, read.sw_desc, read.dp_desc) == (b"Nicira, Inc.", b"3.1.0", b"br-int")
    assert multipart.Description.decode(description.encode()) == description

    read = reply(multipart.Kind.AGGREGATE, sums.encode())
    assert tuple(read) == (1, 2, 3)
    assert multipart.Aggregate.decode(sums.encode()) == sums


def test_parts_of_a_reply_tell_whether_more_follows() -> None:
    first = multipart.Multipart(multipart.Kind.TABLE, b"", more=True, xid=XID)
    assert decode(first.encode()) == first
    assert read_by_osken(first.encode()).flags == 1


def test_hello_carries_a_bitmap_of_versions() -> None:
    """Open vSwitch 3.1 speaks 1.0, 1.3, 1.4 and 1.5, and says so in a hello of version 6."""
    said = decode(bytes.fromhex("06000010000000190001000800000072"))
    assert said == connection.Hello((1, 4, 5, 6), 6)
    assert said.speaks(4)
    assert not said.speaks(3)
    assert read_by_osken(connection.Hello().encode(XID)).elements[0].versions == [4]


def test_hello_without_a_bitmap_means_every_version_up_to_its_own() -> None:
    said = decode(bytes.fromhex("0500000800000001"))
    assert said == connection.Hello((), 5)
    assert said.speaks(4)
    assert not connection.Hello((), 1).speaks(4)


def test_errors_have_names() -> None:
    offending = connection.BarrierRequest().encode(XID)
    ours = Error(1, 5, offending, xid=XID)
    assert ours.encode() == theirs(osken.OFPErrorMsg(DATAPATH, 1, 5, offending))
    assert (ours.name, decode(ours.encode())) == ("OFPBRC_EPERM", ours)
    in_bundle = Error(0xFFFF, 2313, offending, ONF, XID)
    assert in_bundle.name == "OFPBFC_MSG_FAILED"
    assert decode(in_bundle.encode()) == in_bundle
    read = read_by_osken(in_bundle.encode())
    assert (read.exp_type, read.experimenter, read.data) == (2313, ONF, offending)
    assert Error(99, 1).name == "error type 99 code 1"


def test_packet_in_tells_port_metadata_and_registers() -> None:
    fields = osken.OFPMatch(in_port=5, metadata=0x1234, reg3=7, reg11=0xAB, tunnel_id=42)
    buffer = bytearray()
    fields.serialize(buffer, 0)
    message = packet.PacketIn(b"frame", bytes(buffer))
    assert (message.in_port, message.metadata, message.tunnel_id) == (5, 0x1234, 42)
    assert message.registers == {3: 7, 11: 0xAB}
    assert packet.PacketIn(b"").in_port == 0


def test_a_message_is_stamped_with_another_xid() -> None:
    message = connection.EchoRequest(b"x").encode(1)
    assert xid_of(with_xid(message, XID)) == XID
    assert decode(with_xid(message, XID)) == connection.EchoRequest(b"x")


def test_messages_longer_than_a_length_can_say_are_refused() -> None:
    with pytest.raises(ValueError, match="65544 bytes is longer"):
        connection.EchoRequest(bytes(65536)).encode()
    with pytest.raises(ValueError, match="does not fit into a bundle"):
        bundle_adds(1, 1, [frame(14, bytes(65520))], 1)


def test_what_we_do_not_know_stays_bytes() -> None:
    assert decode(bytes.fromhex("04550009000000070a")) == Unknown(0x55, 7, b"\x0a")
    assert decode(bytes.fromhex("04040010000000070000abcd00000001")) == Unknown(4, 7, bytes.fromhex("0000abcd00000001"))


def touch(message: Message) -> None:
    """Look at everything that is decoded late."""
    if isinstance(message, packet.PacketIn):
        _ = message.registers, message.metadata, message.in_port


WELL_FORMED = [ours.encode(XID) for ours, _ in SENT] + [ours.encode(XID) for ours, _ in REPORTED]


@given(st.sampled_from(WELL_FORMED), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255))), st.integers(0, 200))
def test_damaged_messages_raise_nothing_but_protocol_errors(
    message: bytes, edits: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(message)
    for at, value in edits:
        damaged[at % len(damaged)] = value
    try:
        touch(decode(bytes(damaged[: max(8, len(damaged) - cut)])))
    except ProtocolError as error:
        assert str(error).startswith("malformed message")
    except ValueError as error:
        assert "does not fit its match" in str(error)


@given(st.integers(0, 40), st.binary(max_size=300))
def test_random_bodies_raise_nothing_but_protocol_errors(kind: int, body: bytes) -> None:
    with suppress(ValueError):
        touch(decode(frame(kind, body)))


@given(st.binary(max_size=300))
def test_random_multipart_bodies_raise_nothing_but_value_errors(body: bytes) -> None:
    readers = (
        group.decode_groups,
        group.decode_meters,
        group.decode_meter_stats,
        multipart.decode_ports,
        multipart.decode_tables,
        multipart.Description.decode,
        multipart.Aggregate.decode,
        multipart.FlowQuery.decode,
    )
    for read in readers:
        with suppress(ValueError):
            read(body)
