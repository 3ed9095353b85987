"""What a real Open vSwitch is told is what it says: each field, mask and action comes back as the same bytes."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest

from daybreak.wire.openflow.actions import (
    ALL,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    LOCAL,
    NORMAL,
    CheckPktLarger,
    Clone,
    Conjunction,
    Ct,
    CtClear,
    DecTtl,
    Goto,
    Group,
    Load,
    Meter,
    Move,
    Nat,
    Note,
    Output,
    OutputFrom,
    Pop,
    PopVlan,
    Push,
    PushVlan,
    Resubmit,
    SetField,
    SetQueue,
    Step,
    WriteMetadata,
    decode_instructions,
    instructions,
    to_controller,
)
from daybreak.wire.openflow.fields import FIELDS, PREREQUISITES, REG, REGISTERS_OF, XREG, XXREG, Field
from daybreak.wire.openflow.flow import (
    Condition,
    decode_key,
    flow_delete,
    flow_key,
    flow_mod,
    from_stats_entry,
    stats_counters,
    stats_entries,
)
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.shape import Shape
from daybreak.wire.openflow.text import format_flow

pytestmark = pytest.mark.ovs

HELLO, ERROR, FLOW_MOD, MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 0, 1, 14, 18, 19, 20, 21
FLOW_STATS = struct.pack("!HH4xB3xII4xQQHH4x", 1, 0, 255, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 1, 4)
COOKIE = (0xDA << 56 | 1).to_bytes(8, "big")


class Switch:
    """Open vSwitch daemons of our own, and an OpenFlow 1.3 conversation with their only bridge."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="daybreak-ovs-"))
        self.environment = os.environ | dict.fromkeys(("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"), str(self.folder))
        database, self.bridge = f"unix:{self.folder}/db.sock", f"unix:{self.folder}/br0.mgmt"
        self.run("ovsdb-tool", "create", f"{self.folder}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        self.daemons = [self.start("ovsdb-server", f"{self.folder}/conf.db", f"--remote=p{database}")]
        deadline = time.monotonic() + 30
        while not (self.folder / "db.sock").exists():
            assert time.monotonic() < deadline, "ovsdb-server does not listen"
            time.sleep(0.01)
        self.daemons.append(self.start("unshare", "--net", "ovs-vswitchd", database))
        vsctl = ("ovs-vsctl", f"--db={database}", "--timeout=30")
        self.run(*vsctl, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        self.run("ovs-ofctl", "add-group", self.bridge, "group_id=7,type=all,bucket=actions=output:1")
        self.run("ovs-ofctl", "add-meter", self.bridge, "meter=3,pktps,bands=type=drop,rate=5")
        options = (f"{{class=0x102,type={n},len=4}}->tun_metadata{n}" for n in range(8))
        self.run("ovs-ofctl", "add-tlv-map", self.bridge, ",".join(options))
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.bridge.removeprefix("unix:"))
        self.stream = self.socket.makefile("rb")
        self.send(HELLO)
        assert self.receive()[0] == HELLO

    def run(self, *command: str) -> str:
        if command[0] == "ovs-ofctl":
            command = ("ovs-ofctl", "-O", "OpenFlow13", *command[1:])
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen([*command, "--no-chdir"], env=self.environment, stdout=log, stderr=log)

    def close(self) -> None:
        self.stream.close()
        self.socket.close()
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(30)
        shutil.rmtree(self.folder)

    def send(self, kind: int, body: bytes = b"") -> None:
        self.socket.sendall(struct.pack("!BBHI", 4, kind, 8 + len(body), 1) + body)

    def receive(self) -> tuple[int, bytes]:
        _, kind, length, _ = struct.unpack("!BBHI", self.stream.read(8))
        return kind, self.stream.read(length - 8)

    def apply(self, messages: Iterable[bytes]) -> list[tuple[int, int]]:
        """Send, wait for the barrier, return type and code of the errors between."""
        self.socket.sendall(b"".join(messages))
        self.send(BARRIER_REQUEST)
        errors = []
        while (answer := self.receive())[0] != BARRIER_REPLY:
            if answer[0] == ERROR:
                errors.append(struct.unpack_from("!HH", answer[1]))
        return errors

    def dump(self) -> bytes:
        """Body of a dump of all flows."""
        self.send(MULTIPART_REQUEST, FLOW_STATS)
        body, more = b"", True
        while more:
            kind, reply = self.receive()
            if kind == MULTIPART_REPLY:
                body += reply[8:]
                more = bool(struct.unpack_from("!HH", reply)[1] & 1)
        return body

    def replace(self, flows: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Make these the only flows; return what the switch then says it has."""
        assert self.apply([self.delete_all(), *(flow_mod(key, body) for key, body in flows.items())]) == []
        return stats_entries(self.dump())

    @staticmethod
    def delete_all() -> bytes:
        everything = b"\xff\x03" + flow_key(0, 0, ())[2:]
        return struct.pack("!BBHI16x", 4, FLOW_MOD, 24 + len(everything), 1) + everything


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    switch = Switch()
    yield switch
    switch.close()


PATTERN = 0xA5C3_96F1_5A3C_690F_A5C3_96F1_5A3C_690F

# Fields that cannot have just any value.
VALUES = {
    "in_port": (0xFFFFFFFE, 0xFEFF, 1),
    "actset_output": (0xFFFFFFFE, 1, 0xFEFF),
    "eth_type": (0x0800, 0x0806, 0x86DD, 0x88CC),
    "ip_proto": (6, 17, 132, 89),
    "vlan_vid": (0, 0x1000, 0x1005, 0x1FFF),
    "ip_frag": (0, 1, 3),
    "arp_op": (1, 2),
    "icmpv6_type": (135, 136, 1),
    "icmpv6_code": (0, 1),
    "ct_nw_proto": (6, 17, 132),
    "ct_state": (0x21, 0x2A, 0xFF),
}
MASKS = {
    "vlan_vid": (0x1000, 0x1001, 0x0FFF, 0x1FFE),
    "ip_frag": (1, 2),
    "ct_state": (0x20, 0x21, 0x3F),
    "tun_flags": (),
}


def values(field: Field) -> tuple[int, ...]:
    return VALUES.get(field.name, (PATTERN & field.full, field.full, 0, 1))


def masks(field: Field) -> tuple[int, ...]:
    if not field.maskable:
        return ()
    half = field.nbits // 2
    return MASKS.get(field.name, (field.full ^ field.full >> half, field.full >> half, PATTERN & field.full, 1))


def prerequisites(field: Field) -> tuple[Condition, ...]:
    return tuple(
        Condition(FIELDS[need.field], need.values[0])
        if need.values
        else Condition(FIELDS[need.field], *{"vlan_vid": (0x1000, 0x1000), "ct_state": (0x22, 0x22)}[need.field])
        for need in PREREQUISITES[field.needs]
    )


def common_prerequisites(match: list[Condition]) -> dict[Field, Condition]:
    """Conditions that satisfy the needs of everything in the match at once."""
    common: dict[Field, Condition] = {}
    allowed: dict[Field, set[int]] = {}
    for condition in match:
        assert isinstance(condition.field, Field)
        common |= {FIELDS[c.field.name]: c for c in prerequisites(condition.field)}
        for need in PREREQUISITES[condition.field.needs]:
            if need.values:
                allowed.setdefault(FIELDS[need.field], set(need.values)).intersection_update(need.values)
    return common | {field: Condition(field, min(found)) for field, found in allowed.items()}


def conditions(field: Field) -> Iterator[Condition]:
    for value in values(field):
        yield Condition(field, value)
    for mask in masks(field):
        for value in {value & mask for value in values(field)}:
            yield Condition(field, value, mask)


# Frames whose headers a match can name all at once; each is a list of field names in no special order.
ANYWHERE = [
    "metadata", "reg7", "reg0", "reg15", "ct_label", "ct_mark", "ct_zone", "pkt_mark", "tun_metadata3", "tun_metadata0",
    "tun_ipv6_dst", "tun_ipv6_src", "tun_dst", "tun_src", "tun_flags", "tun_id", "eth_src", "eth_dst", "in_port",
    "actset_output", "conj_id",
]  # fmt: skip
IPV4 = ["vlan_pcp", "nw_ttl", "ip_ecn", "ip_dscp", "ip_frag", "ipv4_dst", "ipv4_src"]
IPV6 = ["vlan_pcp", "nw_ttl", "ip_ecn", "ip_dscp", "ip_frag", "ipv6_flabel", "ipv6_dst", "ipv6_src"]
CT4 = ["ct_tp_dst", "ct_tp_src", "ct_nw_dst", "ct_nw_src"]
CT6 = ["ct_tp_dst", "ct_tp_src", "ct_ipv6_dst", "ct_ipv6_src"]
FRAMES = {
    "tcp over IPv4": [*IPV4, "tcp_flags", "tcp_dst", "tcp_src", *CT4],
    "udp over IPv4": [*IPV4, "udp_dst", "udp_src", *CT4],
    "icmp": [*IPV4, "icmpv4_code", "icmpv4_type", *CT4],
    "sctp over IPv6": [*IPV6, "sctp_dst", "sctp_src", *CT6],
    "solicitation": [*IPV6, "nd_options_type", "nd_reserved", "nd_sll", "nd_target", "icmpv6_code", *CT6],
    "advertisement": [*IPV6, "nd_options_type", "nd_reserved", "nd_tll", "nd_target", "icmpv6_code", *CT6],
    "arp": ["arp_tha", "arp_sha", "arp_tpa", "arp_spa", "arp_op"],
}


def test_a_flow_without_match_or_actions(switch: Switch) -> None:
    flows = {flow_key(0, 0, ()): COOKIE}
    assert switch.replace(flows) == flows


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_and_mask_is_dumped_as_it_was_sent(switch: Switch, name: str) -> None:
    field = FIELDS[name]
    matches = [(condition, *prerequisites(field)) for condition in conditions(field)]
    flows = {flow_key(n, 100, match): COOKIE for n, match in enumerate(matches)}
    assert switch.replace(flows) == flows
    assert [flow_key(*decode_key(key)) for key in flows] == list(flows)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_fields_are_listed_in_the_order_of_the_switch(switch: Switch, frame: str, masked: bool) -> None:
    def condition(name: str) -> Condition:
        field = FIELDS[name]
        mask = masks(field)[0] if masked and masks(field) else None
        return Condition(field, values(field)[0] & (field.full if mask is None else mask), mask)

    wanted = [condition(name) for name in FRAMES[frame] + ANYWHERE]
    match = common_prerequisites(wanted) | {condition.field: condition for condition in wanted}
    flows = {flow_key(5, 7, match.values()): COOKIE}
    dumped = switch.replace(flows)
    assert [names(key) for key in dumped] == [names(key) for key in flows]
    assert dumped == flows


def compatible(field: Field) -> list[Condition]:
    """Conditions that go with all others: a later fragment has no ports, and neighbour discovery has code 0."""
    bits = {"ip_frag": 2, "icmpv6_code": 0xFF}.get(field.name, 0)
    return [condition for condition in conditions(field) if not condition.value & bits]


@pytest.mark.parametrize("frame", FRAMES)
def test_random_flows_are_dumped_as_they_were_sent(switch: Switch, frame: str) -> None:
    random = Random(frame)
    flows = {}
    for n in range(200):
        fields = [FIELDS[name] for name in random.sample(FRAMES[frame] + ANYWHERE, random.randint(1, 12))]
        wanted = [random.choice(compatible(field)) for field in fields]
        needed = common_prerequisites(wanted)
        match = {FIELDS[c.field.name]: c for c in wanted if c.field not in needed} | needed
        match = common_prerequisites(list(match.values())) | match
        steps = random.choice([steps for conditions, steps in ACTIONS if not conditions])
        flows[flow_key(random.randrange(8), n, match.values())] = random.randbytes(8) + instructions(steps)
    assert switch.replace(flows) == flows


def names(key: bytes) -> list[str]:
    return [condition.field.name for condition in decode_key(key)[2]]


def test_every_declared_field_is_in_some_frame_or_is_a_sibling_of_one(switch: Switch) -> None:
    seen = {name for frame in FRAMES.values() for name in frame} | set(ANYWHERE)
    needed = {need.field for name in seen for need in PREREQUISITES[FIELDS[name].needs]}
    siblings = {name for name in FIELDS if name.startswith(("reg", "xreg", "xxreg", "tun_metadata"))}
    assert set(FIELDS) <= seen | needed | siblings


IP = (Condition(FIELDS["eth_type"], 0x0800),)
IPV6_MATCH = (Condition(FIELDS["eth_type"], 0x86DD),)
TCP = (*IP, Condition(FIELDS["ip_proto"], 6))
TAGGED = (Condition(FIELDS["vlan_vid"], 0x1000, 0x1000),)
LOW, HIGH = REG[4].bits(0, 16, "low"), REG[11].bits(16, 16, "high")

ACTIONS: list[tuple[tuple[Condition, ...], tuple[Step, ...]]] = [
    ((), (Output(5), Output(6, 0xFFE5))),
    ((), (Output(IN_PORT), Output(LOCAL), Output(ALL), Output(FLOOD), Output(NORMAL))),
    ((), (to_controller(),)),
    ((), (to_controller(128),)),
    ((), (Output(CONTROLLER, 0),)),
    ((), (OutputFrom(LOW), OutputFrom(REG[15], 64))),
    ((), (Group(7),)),
    ((), (SetQueue(3), Output(1))),
    ((), (Load(LOW, 0xFFFF), Load(HIGH, 0), Load(REG[3], 5))),
    ((), (Load(XREG[1].bits(3, 38), 9), Load(XXREG[1].bits(64, 64), 1))),
    ((), (Load(FIELDS["metadata"].bits(8, 8), 3), Load(FIELDS["eth_dst"], 0x02000000000F), Load(FIELDS["tun_id"], 7))),
    ((), (Move(FIELDS["eth_src"], FIELDS["eth_dst"]), Move(LOW, HIGH), Move(FIELDS["in_port"], REG[2]))),
    ((), (Push(REG[3]), Push(FIELDS["eth_src"]), Pop(FIELDS["eth_dst"]), Pop(REG[4]))),
    ((), (Move(XXREG[0], XXREG[1]), Move(FIELDS["ct_label"].bits(96, 32), REG[0]))),
    (IPV6_MATCH, (Move(FIELDS["ipv6_src"], FIELDS["ipv6_dst"]), SetField(FIELDS["ipv6_src"], 1))),
    ((), (Resubmit(9), Resubmit(9, port=3), Resubmit(port=4))),
    (IP, (CtClear(), Ct(zone=5, commit=True))),
    (IP, (Ct(zone=LOW, commit=True, force=True, table=40),)),
    (IP, (Ct(zone=REG[9].bits(0, 16), table=40, actions=(Nat(),)),)),
    (IP, (Ct(commit=True, actions=(SetField(FIELDS["ct_mark"], 1), Load(FIELDS["ct_label"].bits(32, 32), 6))),)),
    (IP, (Ct(commit=True, actions=(Nat("src", 0x0A000001), SetField(FIELDS["ct_label"], 1 << 100))),)),
    (IP, (Ct(commit=True, actions=(Nat("dst", 0x0A000001, 0x0A000009),)),)),
    (IP, (Ct(commit=True, actions=(Nat("src", 0x0A000001, port=1024, last_port=65535, random=True),)),)),
    (IP, (Ct(commit=True, actions=(Nat("src", 0x0A000001, port=80, hash=True, persistent=True),)),)),
    (IP, (Ct(commit=True, actions=(Nat("src"),)),)),
    (IPV6_MATCH, (Ct(commit=True, actions=(Nat("src", 1 << 120, (1 << 120) + 9, ipv6=True),)),)),
    (IPV6_MATCH, (Ct(commit=True, actions=(Nat("dst", 1 << 120, port=1, last_port=2, ipv6=True),)),)),
    (TCP, (Ct(commit=True, alg=21),)),
    ((), (PushVlan(), SetField(FIELDS["vlan_vid"], 0x1005), SetField(FIELDS["vlan_pcp"], 3))),
    ((), (PushVlan(0x88A8),)),
    (TAGGED, (PopVlan(), Output(2))),
    (IP, (DecTtl(), Output(1))),
    ((), (Note(b"who"), Note(b"what is longer than that"), Note(b"sixsix"))),
    ((), (Conjunction(7, 0, 2), Conjunction(8, 1, 3))),
    ((), (Clone((SetField(REG[1], 5), Output(5))), Output(6))),
    ((), (Clone((Clone((Output(5),)), Output(7))),)),
    ((), (CheckPktLarger(1500, REG[10].bits(3, 1)), CheckPktLarger(9000, XREG[2].bits(40, 1)))),
    ((), (Meter(3), Output(1), WriteMetadata(5, 0xFF), Goto(9))),
    ((), (Meter(3),)),
    ((), (WriteMetadata(1 << 63),)),
    ((), (Goto(9),)),
    ((), (SetField(REG[1], 0x50, 0xF0), SetField(FIELDS["eth_dst"], 1 << 40, 0xFF << 40), Output(1))),
    ((), (SetField(FIELDS["tun_id"], 0x5000, 0xF0F000),)),
]  # fmt: skip


@pytest.mark.parametrize(("match", "steps"), ACTIONS, ids=lambda x: "-".join(type(s).__name__ for s in x))
def test_every_action_is_dumped_as_it_was_sent(
    switch: Switch, match: tuple[Condition, ...], steps: tuple[Step, ...]
) -> None:
    flows = {flow_key(3, 10, match): COOKIE + instructions(steps)}
    dumped = switch.replace(flows)
    assert [decode_instructions(body[8:]) for body in dumped.values()] == [steps]
    assert dumped == flows


# ovs-ofctl's words say less than this, or come out as several loads.
UNSPEAKABLE = [
    Output(6, 0xFFE5),
    OutputFrom(REG[15], 64),
    SetField(REG[1], 0x50, 0xF0),
    SetField(FIELDS["tun_id"], 0x5000, 0xF0F000),
]

WRITABLE = [name for name, field in FIELDS.items() if field.writable and not name.startswith("ct_")]


@pytest.mark.parametrize("name", WRITABLE)
def test_every_writable_field_is_set_loaded_and_moved_as_it_was_said(switch: Switch, name: str) -> None:
    field = FIELDS[name]
    value = VALUES.get(name, (PATTERN & field.full,))[-1]
    scratch = XXREG[3].bits(0, field.nbits)
    steps: list[Step] = [Move(field, scratch), Move(scratch, field)]
    if not field.variable_length and name != "in_port":  # OpenFlow forbids to set in_port; it can be loaded
        steps.append(SetField(field, value))
    if field.nbits <= 64 and not field.variable_length:
        steps.append(Load(field, value & (1 << field.nbits) - 1))
    if field.maskable and not field.variable_length and name != "tun_flags":
        steps.append(SetField(field, 1, 1))
    prepared = (Condition(FIELDS["vlan_vid"], 0x1000, 0x1000),) if name == "vlan_vid" else prerequisites(field)
    flows = {flow_key(3, 10, prepared): COOKIE + instructions(steps)}
    assert switch.replace(flows) == flows


def test_parts_of_a_register_are_one_condition(switch: Switch) -> None:
    low, high, other = REG[4].bits(0, 8), REG[4].bits(16, 16), REG[5].bits(31, 1)
    flows = {flow_key(0, 1, (Condition(high, 9), Condition(other, 1), Condition(low, 3))): COOKIE}
    assert switch.replace(flows) == flows
    (key,) = flows
    assert decode_key(key)[2] == (
        Condition(REG[4], 9 << 16 | 3, 0xFFFF00FF),
        Condition(REG[5], 1 << 31, 1 << 31),
    )


def test_wide_registers_are_dumped_as_the_registers_that_they_are(switch: Switch) -> None:
    flows = {flow_key(0, 1, (Condition(XREG[1], 1 << 32 | 2), Condition(XXREG[2], 5, 0xFF))): COOKIE}
    assert switch.replace(flows) == flows
    (key,) = flows
    assert [c.field for c in decode_key(key)[2]] == [*REGISTERS_OF[XREG[1]], REG[11]]


def test_a_deleted_flow_is_gone_and_its_neighbours_stay(switch: Switch) -> None:
    keys = [flow_key(0, priority, IP) for priority in (1, 2, 3)]
    switch.replace(dict.fromkeys(keys, COOKIE))
    assert switch.apply([flow_delete(keys[1])]) == []
    assert set(stats_entries(switch.dump())) == {keys[0], keys[2]}


def test_adding_twice_leaves_the_later_cookie_and_actions(switch: Switch) -> None:
    key = flow_key(0, 1, IP)
    later = (9).to_bytes(8, "big") + instructions((Output(9),))
    switch.replace({key: COOKIE + instructions((Output(1),))})
    assert switch.apply([flow_mod(key, later)]) == []
    assert stats_entries(switch.dump()) == {key: later}


@pytest.mark.parametrize(
    "option",
    ["idle_timeout=60", "hard_timeout=60", "send_flow_rem", "no_packet_counts", "idle_timeout=3,send_flow_rem"],
)
def test_a_flow_with_timeouts_or_flags_is_seen_to_be_foreign_and_can_be_deleted(switch: Switch, option: str) -> None:
    switch.replace({})
    switch.run("ovs-ofctl", "add-flow", switch.bridge, f"table=1,priority=5,ip,{option},actions=drop")
    (foreign,) = stats_entries(switch.dump())
    ours = flow_key(1, 5, IP)
    assert foreign != ours
    assert decode_key(foreign) == decode_key(ours)
    assert switch.apply([flow_delete(foreign)]) == []
    assert stats_entries(switch.dump()) == {}


def test_ours_over_a_foreign_flow_makes_it_ours(switch: Switch) -> None:
    switch.replace({})
    switch.run("ovs-ofctl", "add-flow", switch.bridge, "table=1,priority=5,ip,idle_timeout=60,actions=drop")
    assert switch.apply([flow_mod(flow_key(1, 5, IP), COOKIE)]) == []
    assert stats_entries(switch.dump()) == {flow_key(1, 5, IP): COOKIE}


def test_a_dump_with_counters(switch: Switch) -> None:
    flows = {flow_key(t, 1, IP): COOKIE + instructions((Output(t + 1),)) for t in range(3)}
    switch.replace(flows)
    dump = switch.dump()
    assert stats_counters(dump) == {key: (body, 0, 0) for key, body in flows.items()}
    assert len(dump) == sum(int.from_bytes(dump[:2], "big") for _ in flows)
    assert from_stats_entry(dump[: int.from_bytes(dump[:2], "big")]) in flows.items()


def test_a_dump_of_many_replies(switch: Switch) -> None:
    match = (*IP, Condition(FIELDS["eth_dst"], 7))
    flows = {
        flow_key(n % 250, n, (*match, Condition(FIELDS["ipv4_dst"], n))): COOKIE
        + instructions((Load(LOW, n), Goto(251)))
        for n in range(3000)
    }
    assert switch.replace(flows) == flows


LPM = Shape(
    ("network", "prefix", "mask", "mac", "port"),
    table=20,
    priority=100,
    match=(
        Condition(LOW, Var("network")),
        Condition(FIELDS["eth_type"], 0x86DD),
        Condition(FIELDS["ipv6_dst"], Var("prefix"), Var("mask")),
    ),
    actions=(SetField(FIELDS["eth_dst"], Var("mac")), Load(HIGH, Var("port")), Goto(30)),
)


def test_a_shape_with_a_variable_mask_is_dumped_as_it_was_sent(switch: Switch) -> None:
    prefix = 0xFD00_0000_0000_0000_0000_0000_0000_0001
    masks = [((1 << length) - 1) << (128 - length) for length in (0, 1, 8, 64, 127, 128)]
    flows = dict(
        LPM.encode(n, (prefix & mask).to_bytes(16, "big"), mask.to_bytes(16, "big"), b"\x02\0\0\0\0\1", n)
        for n, mask in enumerate(masks)
    )
    flows = {key: COOKIE + steps for key, steps in flows.items()}
    assert switch.replace(flows) == flows


def test_the_switch_refuses_what_lacks_a_prerequisite_and_keeps_the_rest(switch: Switch) -> None:
    good, bad = flow_key(0, 1, IP), flow_key(0, 2, (Condition(FIELDS["ipv4_src"], 1),))
    switch.replace({})
    assert switch.apply([flow_mod(bad, COOKIE), flow_mod(good, COOKIE)]) == [(4, 9)]  # BAD_MATCH, BAD_PREREQ
    assert stats_entries(switch.dump()) == {good: COOKIE}


CHECKED = ("eth_type", "ip_proto", "icmpv6_type", "ct_state")
LACKING = [
    (field.name, needed.field)
    for field in FIELDS.values()
    for needed in PREREQUISITES[field.needs]
    if needed.field in CHECKED
]


@pytest.mark.parametrize(("name", "lacking"), LACKING)
def test_without_any_one_of_its_prerequisites_a_field_is_refused(switch: Switch, name: str, lacking: str) -> None:
    rest = [c for c in prerequisites(FIELDS[name]) if c.field.name != lacking]
    key = flow_key(0, 1, (Condition(FIELDS[name], values(FIELDS[name])[0]), *rest))
    assert switch.apply([flow_mod(key, COOKIE)])[0] in ((4, 9), (2, 10))  # BAD_PREREQ, MATCH_INCONSISTENT


def test_a_port_of_the_original_tuple_without_its_protocol_is_taken_but_not_shown(switch: Switch) -> None:
    match = (Condition(FIELDS["ct_state"], 0x22, 0x22), Condition(FIELDS["ct_tp_src"], 5))
    (shown,) = switch.replace({flow_key(0, 1, match): COOKIE})
    assert "ct_tp_src" not in names(shown)


def test_the_text_of_every_match_means_the_same_to_ovs_ofctl(switch: Switch) -> None:
    matches = [(condition, *prerequisites(field)) for field in FIELDS.values() for condition in conditions(field)]
    flows = {
        flow_key(n // 60000, n, match): COOKIE
        for n, match in enumerate(matches)
        # ovs-ofctl has no words for these two, but only for an exact "no" and "later"
        if match[0] not in (Condition(FIELDS["ip_frag"], 0, 1), Condition(FIELDS["ip_frag"], 2, 2))
    }
    assert told_by_text(switch, flows) == flows


def test_the_text_of_every_action_means_the_same_to_ovs_ofctl(switch: Switch) -> None:
    flows = {
        flow_key(0, n, match): COOKIE + instructions(steps)
        for n, (match, steps) in enumerate(ACTIONS)
        if not any(step in UNSPEAKABLE for step in steps)
    }
    assert told_by_text(switch, flows) == flows


def told_by_text(switch: Switch, flows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What the switch has after ovs-ofctl was given these flows as text."""
    switch.replace({})
    lines = switch.folder / "flows"
    lines.write_text("".join(format_flow(key, body) + "\n" for key, body in flows.items()))
    switch.run("ovs-ofctl", "add-flows", switch.bridge, str(lines))
    return stats_entries(switch.dump())
