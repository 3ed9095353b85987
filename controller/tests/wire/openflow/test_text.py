"""Flows as people read them."""

import subprocess

import pytest

from daybreak.wire.openflow.actions import (
    IN_PORT,
    Clone,
    Conjunction,
    Ct,
    DecTtl,
    Goto,
    Load,
    Meter,
    Move,
    Nat,
    Note,
    Output,
    Pop,
    Push,
    Raw,
    RawInstruction,
    Resubmit,
    SetField,
    Step,
    WriteMetadata,
    instructions,
    to_controller,
)
from daybreak.wire.openflow.fields import (
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    FIELDS,
    IP_FRAG,
    IP_PROTO,
    IPV4_DST,
    IPV6_SRC,
    METADATA,
    REG,
    TCP_DST,
    TCP_FLAGS,
    TUN_ID,
    VLAN_VID,
)
from daybreak.wire.openflow.flow import Condition, flow_delete, flow_key, flow_mod
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.text import Names, format_flow, format_match, format_steps

NETWORK, ZONE = REG[11].bits(0, 16, "network"), REG[11].bits(16, 16, "zone")
NAMES = Names({10: "SPOOF", 40: "SWITCH"}, (NETWORK, ZONE))
IP, TCP = Condition(ETH_TYPE, 0x0800), Condition(IP_PROTO, 6)


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ((), ""),
        ((IP,), "ip"),
        ((IP, TCP), "tcp"),
        ((Condition(ETH_TYPE, 0x86DD), TCP), "tcp6"),
        ((IP, Condition(IP_PROTO, 89)), "ip,nw_proto=89"),
        ((Condition(ETH_TYPE, 0x88CC),), "eth_type=0x88cc"),
        ((IP, TCP, Condition(TCP_DST, 80)), "tcp,tcp_dst=80"),
        ((IP, TCP, Condition(TCP_DST, 80, 0xFFF0)), "tcp,tcp_dst=80/0xfff0"),
        ((IP, TCP, Condition(TCP_FLAGS, 2, 0x12)), "tcp,tcp_flags=+syn-ack"),
        ((IP, TCP, Condition(TCP_FLAGS, 0x200, 0x200)), "tcp,tcp_flags=0x200/0x200"),
        ((Condition(FIELDS["in_port"], 5),), "in_port=5"),
        ((Condition(FIELDS["in_port"], 0xFFFFFFFE),), "in_port=LOCAL"),
        ((Condition(ETH_DST, 0xFA163E000001),), "eth_dst=fa:16:3e:00:00:01"),
        ((Condition(ETH_DST, 1 << 40, 1 << 40),), "eth_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
        ((IP, Condition(IPV4_DST, 0x0A000000, 0xFF000000)), "ip,nw_dst=10.0.0.0/8"),
        ((IP, Condition(IPV4_DST, 0x0A000001, 0xFF0000FF)), "ip,nw_dst=10.0.0.1/255.0.0.255"),
        ((Condition(ETH_TYPE, 0x86DD), Condition(IPV6_SRC, 0xFD << 120, 0xFF << 120)), "ipv6,ipv6_src=fd00::/8"),
        ((Condition(CT_STATE, 0x21, 0x23),), "ct_state=+new-est+trk"),
        ((Condition(VLAN_VID, 0x1000, 0x1000),), "vlan_vid=0x1000/0x1000"),
        ((IP, Condition(IP_FRAG, 1, 1)), "ip,ip_frag=yes"),
        ((Condition(REG[11], 0x30007),), "reg11=0x30007"),
        ((Condition(NETWORK, 7),), "reg11[0..15]=0x7"),
    ],
)
def test_matches(match: tuple[Condition, ...], text: str) -> None:
    assert format_match(match) == text


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ((Condition(REG[11], 0x30007),), "network=0x7,zone=0x3"),
        ((Condition(REG[11], 7, 0xFFFF),), "network=0x7"),
        ((Condition(REG[11], 0x10007, 0xFFFFF),), "network=0x7,reg11=0x10000/0xf0000"),
        ((Condition(REG[11], 7, 0xFF),), "reg11=0x7/0xff"),
        ((Condition(NETWORK, 7),), "network=0x7"),
        ((Condition(NETWORK, Var("key")), Condition(ETH_DST, Var("mac"))), "network=<key>,eth_dst=<mac>"),
        ((IP, Condition(IPV4_DST, Var("net"), Var("mask"))), "ip,nw_dst=<net>/<mask>"),
    ],
)
def test_matches_with_names_and_variables(match: tuple[Condition, ...], text: str) -> None:
    assert format_match(match, NAMES) == text


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((), "drop"),
        ((Output(5), Output(IN_PORT), to_controller(128)), "output:5,IN_PORT,CONTROLLER:128"),
        ((Load(NETWORK, 7), Load(REG[1], 9)), "load:0x7->reg11[0..15],load:0x9->reg1[]"),
        ((Load(REG[1].bits(3, 1), 1),), "load:0x1->reg1[3]"),
        ((Move(ETH_SRC, ETH_DST),), "move:eth_src[]->eth_dst[]"),
        ((Push(ETH_SRC), Pop(ETH_DST.bits(8, 8))), "push:eth_src[],pop:eth_dst[8..15]"),
        ((SetField(TUN_ID, 7), SetField(REG[1], 1, 3)), "set_field:0x7->tun_id,set_field:0x1/0x3->reg1"),
        ((Resubmit(10), Resubmit(10, 3), Resubmit(port=4)), "resubmit(,10),resubmit(3,10),resubmit(4,)"),
        ((Ct(),), "ct"),
        ((Ct(zone=5, commit=True, force=True, table=10),), "ct(commit,force,table=10,zone=5)"),
        ((Ct(zone=ZONE, alg=21, actions=(Nat(),)),), "ct(zone=reg11[16..31],alg=ftp,nat)"),
        (
            (Ct(actions=(Nat("src", 0x0A000001, 0x0A000002, 1, 2, random=True),)),),
            "ct(nat(src=10.0.0.1-10.0.0.2:1-2,random))",
        ),
        ((Ct(actions=(Nat("dst", 1, port=1, ipv6=True),)),), "ct(nat(dst=[::1]:1))"),
        ((Ct(actions=(Nat("dst"), SetField(FIELDS["ct_mark"], 1))),), "ct(nat(dst),exec(set_field:0x1->ct_mark))"),
        ((Clone((DecTtl(), Output(1))),), "clone(dec_ttl,output:1)"),
        ((Conjunction(7, 0, 2), Note(b"\x01\x02")), "conjunction(7,1/2),note:01.02"),
        ((Meter(3), WriteMetadata(5, 0xFF), Goto(40)), "meter:3,write_metadata:0x5/0xff,goto_table:40"),
        ((Raw(b"\x00\x99\x00\x08abcd"),), "raw:0099000861626364"),
        ((RawInstruction(b"\x00\x05\x00\x08abcd"),), "raw:0005000861626364"),
    ],
)
def test_actions(steps: tuple[Step, ...], text: str) -> None:
    assert format_steps(steps) == text


def test_actions_with_names_and_variables() -> None:
    steps = (
        Load(NETWORK, Var("key")),
        SetField(ETH_DST, Var("mac")),
        Ct(zone=ZONE, table=10, actions=(Nat("src", Var("ip"), port=Var("low"), last_port=Var("high")),)),
        Var("flood", kind="actions"),
        Output(Var("port")),
        Goto(40),
    )
    assert format_steps(steps, NAMES) == (
        "load:<key>->network,set_field:<mac>->eth_dst,ct(table=SPOOF,zone=zone,nat(src=<ip>:<low>-<high>)),"
        "<flood>,output:<port>,goto_table:SWITCH"
    )


KEY = flow_key(10, 100, (Condition(FIELDS["in_port"], 5), Condition(REG[11], 7, 0xFFFF), Condition(METADATA, 9)))
BODY = (0xDA00000000000007).to_bytes(8, "big") + instructions((Load(ZONE, 3), Goto(40)))


def test_a_flow_is_a_line() -> None:
    assert format_flow(KEY, BODY) == (
        "cookie=0xda00000000000007, table=10, priority=100, in_port=5,reg11=0x7/0xffff,metadata=0x9"
        " actions=load:0x3->reg11[16..31],goto_table:40"
    )
    assert format_flow(KEY, BODY, NAMES) == (
        "cookie=0xda00000000000007, table=SPOOF, priority=100, in_port=5,network=0x7,metadata=0x9"
        " actions=load:0x3->zone,goto_table:SWITCH"
    )


def test_a_flow_on_everything_is_a_line() -> None:
    assert format_flow(flow_key(0, 0, ()), bytes(8)) == "cookie=0x0, table=0, priority=0 actions=drop"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (flow_mod(KEY, BODY), "OFPT_FLOW_MOD (OF1.3) (xid=0x7): ADD table:10 priority=100,reg11=0x7/0xffff,"),
        (flow_delete(KEY), "OFPT_FLOW_MOD (OF1.3) (xid=0x7): DEL_STRICT table:10 priority=100,reg11=0x7/0xffff,"),
    ],
)
def test_ovs_ofctl_reads_the_message(message: bytes, text: str) -> None:
    with_xid = message[:4] + (7).to_bytes(4, "big") + message[8:]
    command = ("ovs-ofctl", "ofp-print", "-")
    done = subprocess.run(command, input=with_xid.hex(" "), capture_output=True, text=True, check=True)
    assert done.stdout.startswith(text)


def test_ovs_ofctl_reads_the_line() -> None:
    command = ("ovs-ofctl", "--protocols=OpenFlow13", "parse-flow", format_flow(KEY, BODY))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "table:10 priority=100,reg11=0x7/0xffff,metadata=0x9,in_port=5" in done.stdout
    assert "actions=load:0x3->NXM_NX_REG11[16..31],goto_table:40" in done.stdout
