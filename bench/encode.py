"""How fast flow-mods are made of values: compiled shapes and the generic encoder beside os-ken, equal bytes checked.

    python bench/encode.py [--rounds 7]

Five flows as the pipeline has them (5 to 7 match fields, 3 to 6 actions). Each engine is given its own notation of the
same values, prepared beforehand, and returns the whole message. os-ken lists the fields of a match in an order of its
own, so matches are compared as sets of fields and everything else byte for byte. Rounds of all engines are interleaved,
and ratios are taken within a round: neighbours on the machine then slow all of them alike.
"""

import argparse
import gc
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from statistics import median
from typing import Any

from os_ken.ofproto import ofproto_protocol  # type: ignore[import-untyped]
from os_ken.ofproto import ofproto_v1_3_parser as osken

from daybreak.wire.openflow import flow
from daybreak.wire.openflow.actions import (
    Ct,
    DecTtl,
    Goto,
    Load,
    Move,
    Nat,
    Output,
    Resubmit,
    SetField,
    instructions,
)
from daybreak.wire.openflow.fields import (
    CT_LABEL,
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    IN_PORT,
    IP_PROTO,
    IPV4_DST,
    IPV4_SRC,
    IPV6_SRC,
    METADATA,
    REG,
    TCP_DST,
    TUN_DST,
    TUN_ID,
)
from daybreak.wire.openflow.flow import Condition
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.shape import Shape

DATAPATH = ofproto_protocol.ProtocolDesc(version=4)
ANY = 0xFFFFFFFF
COOKIE = 0xDA00000000000001
FLOWS = 100  # of each case; a round encodes them all, shapes several times
TARGET = 200  # times os-ken, for shapes


@dataclass
class Case:
    """One flow: how it is declared, said value by value, and built with os-ken; values of `kinds` are made up."""

    names: tuple[str, ...]
    kinds: str  # one letter for each name: m a MAC, 4 and 6 an IP address, n a number of 16 bits
    table: int
    priority: int
    declare: Callable[..., tuple[Any, Any]]
    osken: Callable[..., tuple[Any, list[Any]]]

    def numbers(self) -> Iterator[tuple[int, ...]]:
        for n in range(1, FLOWS + 1):
            yield tuple(
                n * {"m": 0x020000_000101, "4": 0x0A0101, "6": 0xFD << 112, "n": 3}[kind] for kind in self.kinds
            )

    def shape(self) -> Shape:
        match, actions = self.declare(*map(Var, self.names))
        return Shape(self.names, self.table, self.priority, match, actions)


def _in_bytes(kind: str, value: int) -> Any:
    return value.to_bytes({"m": 6, "6": 16}[kind], "big") if kind in "m6" else value


def _in_osken(kind: str, value: int) -> Any:
    if kind == "m":
        return value.to_bytes(6, "big").hex(":")
    return str({"4": IPv4Address, "6": IPv6Address}[kind](value)) if kind in "46" else value


NETWORK, ZONE = REG[11].bits(0, 16), REG[13].bits(0, 16)


def _load(first: int, width: int, field: str, value: int) -> Any:
    return osken.NXActionRegLoad(first << 6 | width - 1, field, value)


def _steps(actions: list[Any], table: int | None = None) -> list[Any]:
    steps = [osken.OFPInstructionActions(4, actions)]
    return steps if table is None else [*steps, osken.OFPInstructionGotoTable(table)]


CASES = {
    "classify": Case(
        ("port", "mac", "ip", "network", "zone", "key"),
        "nm4nnn",
        0,
        100,
        lambda port, mac, ip, network, zone, key: (
            (
                Condition(IN_PORT, port),
                Condition(ETH_SRC, mac),
                Condition(ETH_TYPE, 0x0800),
                Condition(IPV4_SRC, ip),
                Condition(METADATA, 0),
            ),
            (Load(NETWORK, network), Load(ZONE, zone), Load(REG[14], key), Goto(10)),
        ),
        lambda port, mac, ip, network, zone, key: (
            osken.OFPMatch(in_port=port, eth_src=mac, eth_type=0x0800, ipv4_src=ip, metadata=0),
            _steps([_load(0, 16, "reg11", network), _load(0, 16, "reg13", zone), _load(0, 32, "reg14", key)], 10),
        ),
    ),
    "security group": Case(
        ("key", "net", "port", "label"),
        "n4nn",
        40,
        2000,
        lambda key, net, port, label: (
            (
                Condition(ETH_TYPE, 0x0800),
                Condition(IPV4_SRC, net),
                Condition(IP_PROTO, 6),
                Condition(TCP_DST, port),
                Condition(REG[15], key),
                Condition(CT_STATE, 0x21, 0x3F),
            ),
            (Ct(commit=True, zone=ZONE, actions=(Load(CT_LABEL.bits(0, 32), label),)), Resubmit(41), Goto(50)),
        ),
        lambda key, net, port, label: (
            osken.OFPMatch(eth_type=0x0800, ipv4_src=net, ip_proto=6, tcp_dst=port, reg15=key, ct_state=(0x21, 0x3F)),
            _steps(
                [
                    osken.NXActionCT(1, "reg13", 15, 255, 0, [_load(0, 32, "ct_label", label)]),
                    osken.NXActionResubmitTable(0xFFF8, 41),
                ],
                50,
            ),
        ),
    ),
    "floating IP": Case(
        ("router", "outside", "inside", "mac", "zone"),
        "n44mn",
        30,
        300,
        lambda router, outside, inside, mac, zone: (
            (
                Condition(ETH_DST, mac),
                Condition(ETH_TYPE, 0x0800),
                Condition(IPV4_DST, outside),
                Condition(METADATA, router),
                Condition(CT_STATE, 0x21, 0x3F),
            ),
            (
                Move(ETH_DST, ETH_SRC),
                DecTtl(),
                Ct(commit=True, zone=zone, table=31, actions=(Nat("dst", inside),)),
            ),
        ),
        lambda router, outside, inside, mac, zone: (
            osken.OFPMatch(eth_dst=mac, eth_type=0x0800, ipv4_dst=outside, metadata=router, ct_state=(0x21, 0x3F)),
            _steps(
                [
                    osken.NXActionRegMove("eth_dst_nxm", "eth_src_nxm", 48),
                    osken.OFPActionDecNwTtl(),
                    osken.NXActionCT(1, "", zone, 31, 0, [osken.NXActionNAT(2, inside)]),
                ]
            ),
        ),
    ),
    "remote unicast": Case(
        ("network", "mac", "vni", "vtep", "router"),
        "nmn4n",
        60,
        100,
        lambda network, mac, vni, vtep, router: (
            (
                Condition(ETH_DST, mac),
                Condition(ETH_TYPE, 0x0800),
                Condition(REG[11], network),
                Condition(REG[10], 0, 1),
                Condition(METADATA, router),
            ),
            (SetField(TUN_ID, vni), SetField(TUN_DST, vtep), Load(REG[15], router), Output(7)),
        ),
        lambda network, mac, vni, vtep, router: (
            osken.OFPMatch(eth_dst=mac, eth_type=0x0800, reg11=network, reg10=(0, 1), metadata=router),
            _steps(
                [
                    osken.OFPActionSetField(tunnel_id=vni),
                    osken.OFPActionSetField(tun_ipv4_dst=vtep),
                    _load(0, 32, "reg15", router),
                    osken.OFPActionOutput(7, 0),
                ]
            ),
        ),
    ),
    "IPv6 spoofing": Case(
        ("port", "mac", "ip", "network", "key"),
        "nm6nn",
        10,
        90,
        lambda port, mac, ip, network, key: (
            (
                Condition(IN_PORT, port),
                Condition(ETH_SRC, mac),
                Condition(ETH_TYPE, 0x86DD),
                Condition(IPV6_SRC, ip),
                Condition(REG[11], network),
                Condition(REG[14], key),
                Condition(IP_PROTO, 58),
            ),
            (Load(REG[10].bits(0, 1), 1), Move(ETH_SRC, ETH_DST), Load(REG[12], key), SetField(ETH_SRC, mac), Goto(20)),
        ),
        lambda port, mac, ip, network, key: (
            osken.OFPMatch(
                in_port=port, eth_src=mac, eth_type=0x86DD, ipv6_src=ip, reg11=network, reg14=key, ip_proto=58
            ),
            _steps(
                [
                    _load(0, 1, "reg10", 1),
                    osken.NXActionRegMove("eth_src_nxm", "eth_dst_nxm", 48),
                    _load(0, 32, "reg12", key),
                    osken.OFPActionSetField(eth_src=mac),
                ],
                20,
            ),
        ),
    ),
}


def osken_message(case: Case, values: Sequence[Any]) -> bytes:
    match, steps = case.osken(*values)
    message = osken.OFPFlowMod(DATAPATH, COOKIE, 0, case.table, 0, 0, 0, case.priority, ANY, ANY, ANY, 0, match, steps)
    message.set_xid(0)
    message.serialize()
    return bytes(message.buf)


def generic_message(case: Case, values: Sequence[int]) -> bytes:
    match, actions = case.declare(*values)
    key = flow.flow_key(case.table, case.priority, match)
    return flow.flow_mod(key, COOKIE.to_bytes(8, "big") + instructions(actions))


def parts(message: bytes) -> tuple[bytes, list[Any], bytes]:
    """What stands before the match, its fields in one order, and what stands behind."""
    (length,) = struct.unpack_from("!H", message, 50)
    end = 48 + (length + 7) // 8 * 8
    conditions = sorted(flow.decode_match(message[48:end]), key=lambda condition: condition.field.header)  # type: ignore[union-attr]
    return message[:48], conditions, message[end:]


def check(case: Case) -> int:
    """All engines say the same; the mean size of a message."""
    message, size = case.shape().message, 0
    for numbers in case.numbers():
        ours = message(COOKIE, *map(_in_bytes, case.kinds, numbers))
        theirs = osken_message(case, tuple(map(_in_osken, case.kinds, numbers)))
        assert ours == generic_message(case, numbers), case.names
        assert parts(ours) == parts(theirs), case.names
        size += len(ours)
    return size // FLOWS


Work = list[tuple[Callable[..., object], list[tuple[Any, ...]]]]


def work(notation: Callable[[str, int], Any], encoder: Callable[[Case], Callable[..., object]], *first: Any) -> Work:
    """For each case its encoder and the arguments of all of its flows."""
    return [
        (encoder(case), [(*first, *map(notation, case.kinds, numbers)) for numbers in case.numbers()])
        for case in CASES.values()
    ]


def engines() -> dict[str, Work]:
    return {
        "shape, whole message": work(_in_bytes, lambda case: case.shape().message, COOKIE),
        "shape, key and instructions": work(_in_bytes, lambda case: case.shape().encode),
        "generic encoder": work(lambda _, value: value, lambda case: lambda *values: generic_message(case, values)),
        "os-ken": work(_in_osken, lambda case: lambda *values: osken_message(case, values)),
    }


def seconds_each(work: Work, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        for encode, flows in work:
            for arguments in flows:
                encode(*arguments)
    return (time.perf_counter() - start) / repeats / sum(len(flows) for _, flows in work)


def main() -> None:
    arguments = argparse.ArgumentParser(description="flow-mods per second, beside os-ken")
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    sizes = [check(case) for case in CASES.values()]
    print(f"{len(CASES)} flows, {FLOWS} of each, equal bytes checked; {sum(sizes) // len(sizes)} bytes each on average")
    seconds: dict[str, list[float]] = {}
    contenders = engines()
    gc.disable()
    for _ in range(rounds):
        for name, work in contenders.items():
            seconds.setdefault(name, []).append(seconds_each(work, 20 if name.startswith("shape") else 1))
        gc.collect()
    print(f"{'engine':<28}{'flow-mods/s':>14}{'us each':>10}{'x os-ken':>10}")
    for name, each in seconds.items():
        ratio = median(peer / ours for peer, ours in zip(seconds["os-ken"], each, strict=True))
        print(f"{name:<28}{1 / median(each):>14,.0f}{median(each) * 1e6:>10.2f}{ratio:>10.0f}")
    ratio = median(p / s for p, s in zip(seconds["os-ken"], seconds["shape, whole message"], strict=True))
    print(f"target: shapes at {TARGET} x os-ken or more: {ratio:.0f} x, {'met' if ratio >= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
