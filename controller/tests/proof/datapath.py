"""io: real frames through a real Open vSwitch, with real connection tracking, but without a network: its userspace
datapath between dummy devices, which take frames over unixctl and write what leaves into files (pcap)."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ..scenarios.tracer import PORTS, DummySwitch
from .switch import Control, Traces

DEADLINE = 30.0
PCAP_HEADER, RECORD_HEADER = 24, 16
BELL_PORT, BELL_TYPE = 8, 0x88B7
BELL = bytes.fromhex("ffffffffffff 0200000000bb 88b7") + b"bell"


class Datapath:
    """The ports of a dummy switch. Port 8 and frames of Ethernet type 0x88b7 are the datapath's own."""

    def __init__(self, switch: DummySwitch) -> None:
        self._switch = switch
        self.control = Control(switch.directory / "br-int.mgmt")
        self.traces = Traces(switch.directory / "switch.ctl")
        self._read: dict[int, int] = dict.fromkeys(PORTS, PCAP_HEADER)
        for port in PORTS:
            settings = ("set", "interface", f"p{port}", f"options:tx_pcap={self._file(port)}")
            switch.run("ovs-vsctl", f"--db=unix:{switch.directory}/db.sock", *settings)

    def close(self) -> None:
        self.control.close()
        self.traces.close()

    def _file(self, port: int) -> Path:
        return self._switch.directory / f"p{port}.pcap"

    def forget(self) -> None:
        """Forget all connections."""
        self.traces.ask("dpctl/flush-conntrack")

    def replace(self, flows: Mapping[bytes, bytes]) -> None:
        """Make these the flows, for packets of connections that are under way too."""
        self.control.replace(flows)
        self.traces.ask("revalidator/purge")

    def send(self, frames: Iterable[tuple[int, bytes]]) -> dict[int, list[bytes]]:
        """Let frames come in at ports, in this order. Returns what left by which port; frames don't overtake.

        The flows have to send what has the bell's Ethernet type out of port 8.
        """
        for port, sent in groupby(frames, key=itemgetter(0)):  # those of one port stay in order, of several they do not
            for _, frame in sent:
                self._receive(port, frame)
            self._ring(port)
            self._ring(port)  # what came together with the first may have left a little later than that
        return {port: left for port in PORTS if port != BELL_PORT and (left := self._left(port))}

    def _receive(self, port: int, frame: bytes) -> None:
        self.traces.ask("netdev-dummy/receive", f"p{port}", frame.hex())

    def _ring(self, port: int) -> None:
        """Wait until the datapath got to what is received now."""
        self._receive(port, BELL)
        end = time.monotonic() + DEADLINE
        while BELL not in (left := self._left(BELL_PORT)):
            assert not left and time.monotonic() < end, "the bell does not ring"
            time.sleep(0.0005)

    def _left(self, port: int) -> list[bytes]:
        """What left by a port since it was last asked."""
        path = self._file(port)
        data = path.read_bytes() if path.exists() else b""
        at, found = self._read[port], []
        while at + RECORD_HEADER <= len(data):
            (size,) = struct.unpack_from("=8xI", data, at)
            if at + RECORD_HEADER + size > len(data):
                break
            found.append(data[at + RECORD_HEADER : at + RECORD_HEADER + size])
            at += RECORD_HEADER + size
        self._read[port] = at
        return found
