"""What os-ken doesn't know, as Open vSwitch itself reads it: `ovs-ofctl ofp-print` uses the switch's own decoder."""

from __future__ import annotations

import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

from daybreak.wire.openflow.messages import decode
from daybreak.wire.openflow.messages_error import NAMES, Error
from daybreak.wire.openflow.messages_experimenter import (
    BundleAdd,
    BundleControl,
    BundleFlags,
    BundleStep,
    CtFlush,
    CtFlushZone,
    CtTuple,
    Icmp,
    TlvCommand,
    TlvMap,
    TlvTableMod,
    TlvTableReply,
    TlvTableRequest,
    bundle_adds,
)
from daybreak.wire.openflow.messages_group import Bucket, Command, GroupMod, GroupType
from daybreak.wire.openflow.messages_monitor import (
    CHANGES,
    Abbreviated,
    Event,
    FlowUpdate,
    FlowUpdates,
    MonitorCancel,
    MonitorFlags,
    MonitorRequest,
    Paused,
    Resumed,
)
from daybreak.wire.openflow.messages_packet import RemovedReason, padded_match

pytestmark = pytest.mark.ovs

IPV4 = padded_match(bytes.fromhex("80000a020800 800016040a000001"))
GOTO_7 = struct.pack(">HHB3x", 1, 8, 7)


def ofctl(*arguments: str) -> str:
    command = ["ovs-ofctl", "-vconsole:off", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def printed(*messages: bytes) -> list[str]:
    """Return what Open vSwitch reads in each of the messages."""
    return [ofctl("ofp-print", message.hex()).strip() for message in messages]


def test_every_error_has_the_name_that_open_vswitch_prints(tmp_path: Path) -> None:
    errors = [Error(kind, code, b"", experimenter) for experimenter, kind, code in NAMES]
    path = tmp_path / "errors"
    path.write_bytes(b"".join(error.encode() for error in errors))
    lines = [line for line in ofctl("ofp-parse", str(path)).splitlines() if line.startswith("OFPT_ERROR")]
    assert [line.removeprefix("OFPT_ERROR (OF1.3) (xid=0x0): ") for line in lines] == [error.name for error in errors]


def test_the_flow_monitor() -> None:
    update = FlowUpdate(Event.ADDED, 3, 5, 0xDA, IPV4, GOTO_7)
    gone = FlowUpdate(Event.DELETED, 3, 5, 0xDA, IPV4, reason=RemovedReason.IDLE_TIMEOUT, idle_timeout=9)
    updates = FlowUpdates((update, gone, Abbreviated(77)))
    messages = {
        MonitorRequest(7).encode(5): "ONFST_FLOW_MONITOR request (OF1.3) (xid=0x5):\n id=7 flags=add,delete,modify",
        MonitorRequest(8, CHANGES | MonitorFlags.OWN, 3, 4, IPV4).encode(6): (
            "ONFST_FLOW_MONITOR request (OF1.3) (xid=0x6):\n"
            " id=8 flags=add,delete,modify,own out_port=4 table=3 ip,nw_src=10.0.0.1"
        ),
        MonitorCancel(7).encode(5): "ONFT_FLOW_MONITOR_CANCEL (OF1.3) (xid=0x5): id=7",
        Paused().encode(): "ONFT_FLOW_MONITOR_PAUSED (OF1.3) (xid=0x0):",
        Resumed().encode(): "ONFT_FLOW_MONITOR_RESUMED (OF1.3) (xid=0x0):",
        updates.encode(): (
            "ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0):\n"
            " event=ADDED table=3 cookie=0xda ip,nw_src=10.0.0.1 actions=goto_table:7\n"
            " event=DELETED reason=idle table=3 idle_timeout=9 cookie=0xda ip,nw_src=10.0.0.1\n"
            " event=ABBREV xid=0x4d"
        ),
    }
    assert printed(*messages) == list(messages.values())
    for message in messages:
        assert decode(message).encode(*xids(message)) == message  # type: ignore[union-attr]


def xids(message: bytes) -> list[int]:
    """The xid, where a value doesn't hold it itself."""
    xid = int.from_bytes(message[4:8])
    return [xid] if xid else []


def test_bundles() -> None:
    flags = BundleFlags.ATOMIC | BundleFlags.ORDERED
    group = GroupMod(Command.ADD, 5, GroupType.ALL, (Bucket(bytes.fromhex("0000001000000001ffe5000000000000")),))
    (added,) = printed(add := bytes(bundle_adds(9, flags, [group.encode()], 0x55)))
    assert added.splitlines() == [
        "ONFT_BUNDLE_ADD_MESSAGE (OF1.3) (xid=0x55):",
        " bundle_id=0x9 flags=atomic ordered",
        "OFPT_GROUP_MOD (OF1.3) (xid=0x55):",
        " ADD group_id=5,type=all,bucket=actions=output:1",
    ]
    assert decode(add) == BundleAdd(9, group.encode(0x55), flags)
    for step in BundleStep:
        control = BundleControl(9, step, flags)
        (text,) = printed(control.encode(3))
        assert text == f"ONFT_BUNDLE_CONTROL (OF1.3) (xid=0x3):\n bundle_id=0x9 type={step.name} flags=atomic ordered"
        assert decode(control.encode(3)) == control


def test_the_tunnel_tlv_table() -> None:
    option = TlvMap(0xFFFF, 0x80, 4, 0)
    add, clear = TlvTableMod(TlvCommand.ADD, (option,)), TlvTableMod(TlvCommand.CLEAR)
    reply = TlvTableReply(256, 64, (option,))
    texts = printed(add.encode(), clear.encode(), TlvTableRequest().encode(), reply.encode())
    assert [" ".join(text.split()) for text in texts] == [
        "NXT_TLV_TABLE_MOD (OF1.3) (xid=0x0): ADD mapping table: class type length match field ------ ---- ------ "
        "-------------- 0xffff 0x80 4 tun_metadata0",
        "NXT_TLV_TABLE_MOD (OF1.3) (xid=0x0): CLEAR",
        "NXT_TLV_TABLE_REQUEST (OF1.3) (xid=0x0):",
        "NXT_TLV_TABLE_REPLY (OF1.3) (xid=0x0): max option space=256 max fields=64 allocated option space=4 "
        "mapping table: class type length match field ------ ---- ------ -------------- 0xffff 0x80 4 tun_metadata0",
    ]
    for message in (add, clear, TlvTableRequest(), reply):
        assert decode(message.encode()) == message


def test_conntrack_flush() -> None:
    a, b = ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed
    six = ip_address("2001:db8::1").packed
    texts = printed(
        CtFlushZone(7).encode(),
        CtFlush(6, CtTuple(a, b, 1, 2), zone=7).encode(),
        CtFlush(1, CtTuple(a, b, icmp=Icmp(5, 8, 0)), CtTuple(b)).encode(),
        CtFlush(0, CtTuple(six)).encode(),
    )
    assert texts[0] == "NXT_CT_FLUSH_ZONE (OF1.3) (xid=0x0): zone_id=7"
    assert texts[1].startswith(
        "NXT_CT_FLUSH (OF1.3) (xid=0x0): zone=7 'ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_tp_src=1,ct_tp"
    )
    assert "ct_nw_proto=6" in texts[1]
    assert "'ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,icmp_id=5,icmp_type=8,icmp_code=0,ct_nw_proto=1'" in texts[2]
    assert "'ct_nw_src=10.0.0.2" in texts[2]
    assert "ct_ipv6_src=2001:db8::1" in texts[3]
    assert decode(CtFlushZone(7).encode()) == CtFlushZone(7)


def test_the_key_of_an_update_is_that_of_the_flow_mod_that_made_it() -> None:
    """Bytes 24 to the end of the match of an OFPT_FLOW_MOD ADD, which the switch reads as that flow."""
    update = FlowUpdate(Event.ADDED, 3, 5, 0xDA, IPV4, GOTO_7)
    head = struct.pack(">BBHIQQ", 4, 14, 24 + len(update.key) + len(GOTO_7), 0, update.cookie, 0)
    (text,) = printed(head + update.key + GOTO_7)
    assert text.split("ADD ")[1] == "table:3 priority=5,ip,nw_src=10.0.0.1 cookie:0xda actions=goto_table:7"
