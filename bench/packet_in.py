"""io: ARP requests that switches punt, answered by our sessions, beside the C controller of Open vSwitch.

    python bench/packet_in.py [--switches 16] [--in-flight 8] [--seconds 3] [--rounds 3]

Each switch of the load generator keeps some packet-ins under way. We decode each, look the address up and send an ARP
reply; ovs-testcontroller (Debian package openvswitch-testcontroller, or --peer PATH) is told to set up no flows, and
answers each with a packet-out of the same packet. Both are processes of their own; rounds are interleaved.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import click
import uvloop
from fleet import free_ports, line

from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.openflow.session import Switch
from daybreak.wire.openflow.actions import IN_PORT, Output, encode_actions
from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages import Message
from daybreak.wire.openflow.messages_connection import (
    BarrierReply,
    EchoReply,
    FeaturesReply,
    Hello,
    PacketInReason,
)
from daybreak.wire.openflow.messages_header import Type
from daybreak.wire.openflow.messages_packet import PacketIn, PacketOut
from daybreak.wire.packet import Arp, Ethernet, is_at, who_has

MAC = bytes.fromhex("fa163e000001")
ADDRESS = bytes((10, 0, 0, 1))
ASKER = bytes.fromhex("fa163e000002"), bytes((10, 0, 0, 2))
BACK = encode_actions((Output(IN_PORT),))
PORT_1 = bytes.fromhex("0001000c800000040000000100000000")
"""A match on in_port 1, padded."""
QUESTION = who_has(ADDRESS, *ASKER).encode()
PUNTED = PacketIn(QUESTION, PORT_1, reason=PacketInReason.NO_MATCH, total_length=len(QUESTION)).encode()
DEADLINE = 10.0


# -- our side: a process of its own -----------------------------------------------------------------------------------


class Responder:
    """Answers ARP from a dictionary."""

    def __init__(self) -> None:
        self.known = {ADDRESS: MAC}

    def connected(self, switch: Switch) -> None: ...

    def lost(self, switch: Switch, reason: str) -> None: ...

    def message(self, switch: Switch, message: Message) -> None:
        if isinstance(message, PacketIn):
            question = Arp.decode(Ethernet.decode(message.data).payload)
            mac = self.known.get(question.target_ip)
            if mac is not None:
                answer = is_at(question, mac).encode()
                switch.send(PacketOut(answer, BACK, in_port=message.in_port).encode())


async def serve(port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Listener(Responder()), "127.0.0.1", port)
    await server.serve_forever()


# -- the load ---------------------------------------------------------------------------------------------------------


class Load(asyncio.Protocol):
    """A switch with packet-ins under way: each packet-out brings the next."""

    def __init__(self, dpid: int) -> None:
        self.dpid, self.answers, self.is_ready = dpid, 0, False
        self._framer = Framer()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(Hello().encode())

    def data_received(self, data: bytes) -> None:
        outs = 0
        for message in self._framer.feed(data):
            kind, xid = message[1], int.from_bytes(message[4:8], "big")
            if kind == Type.PACKET_OUT:
                outs += 1
            elif kind == Type.FEATURES_REQUEST:
                self.transport.write(FeaturesReply(self.dpid).encode(xid))
                self.is_ready = True
            elif kind == Type.BARRIER_REQUEST:
                self.transport.write(BarrierReply().encode(xid))
            elif kind == Type.ECHO_REQUEST:
                self.transport.write(EchoReply(message[8:]).encode(xid))
        self.answers += outs
        if outs:
            self.transport.write(PUNTED * outs)


async def load(port: int, switches: int, in_flight: int, seconds: float) -> float:
    """Answers in a second."""
    loop = asyncio.get_running_loop()
    peers = []
    for number in range(switches):
        _, peer = await loop.create_connection(lambda dpid=number + 1: Load(dpid), "127.0.0.1", port)
        peers.append(peer)
    async with asyncio.timeout(DEADLINE):
        while not all(peer.is_ready for peer in peers):  # noqa: ASYNC110  # it happens in their sockets
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    for peer in peers:
        peer.transport.write(PUNTED * in_flight)
    await asyncio.sleep(0.5)
    before, began = sum(peer.answers for peer in peers), time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (sum(peer.answers for peer in peers) - before) / (time.perf_counter() - began)
    assert rate > 0, "nothing was answered"
    for peer in peers:
        peer.transport.abort()
    return rate


@contextlib.contextmanager
def controller(*argv: str, port: int) -> Iterator[None]:
    """A process that listens."""
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def measure(
    peer: str, folder: str, rates: dict[str, list[float]], switches: int, in_flight: int, seconds: float, rounds: int
) -> None:
    """Both, in turn."""
    for _ in range(rounds):
        for name, results in rates.items():
            (free,) = free_ports(1)
            theirs = (peer, "-n", "-O", "OpenFlow13", f"--unixctl={folder}/control", f"ptcp:{free}:127.0.0.1")
            ours = (sys.executable, __file__, "--serve", str(free))
            with controller(*(ours if name == "ours" else theirs), port=free):
                results.append(uvloop.run(load(free, switches, in_flight, seconds)))


@click.command()
@click.option("--switches", default=16, show_default=True, help="The peer takes no more than 16.")
@click.option("--in-flight", default=8, show_default=True, help="Packet-ins under way, of each switch.")
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--peer", default="ovs-testcontroller", show_default=True, help="The program to be measured against.")
@click.option("--serve", "port", type=int, hidden=True)
def main(switches: int, in_flight: int, seconds: float, rounds: int, peer: str, port: int | None) -> None:
    """Packet-ins that are answered in a second."""
    if port is not None:
        uvloop.run(serve(port))
        return
    if shutil.which(peer) is None:
        print(f"{peer} is not installed (Debian package openvswitch-testcontroller): nothing to measure against")
        return
    rates: dict[str, list[float]] = {"theirs": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        measure(peer, folder, rates, switches, in_flight, seconds, rounds)
    print(f"{'ovs-testcontroller: packet-outs':74} {median(rates['theirs']):>8,.0f} /s")
    print(f"{'our sessions: ARP replies':74} {median(rates['ours']):>8,.0f} /s")
    ratio = median(a / b for a, b in zip(rates["ours"], rates["theirs"], strict=True))
    line("  beside the peer", f"{ratio:.2f} ×", "≥ 1.5 ×", ratio >= 1.5)


if __name__ == "__main__":
    main()
