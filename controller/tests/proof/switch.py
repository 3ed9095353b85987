"""io: a real Open vSwitch, asked over two sockets that stay open: OpenFlow for its flows, unixctl for traces.

A thousand traces a second, where a process for each would make a hundred.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from daybreak.wire.openflow.flow import flow_mod, stats_entries
from daybreak.wire.openflow.messages_connection import BarrierRequest, Hello, SetConfig
from daybreak.wire.openflow.messages_header import HEADER, Type
from daybreak.wire.openflow.messages_multipart import FlowQuery

DELETE_ALL = bytes.fromhex(
    "0000000000000000 0000000000000000 ff 03 0000 0000 0000 ffffffff ffffffff ffffffff 0000 0000"
)
NO_MATCH = bytes.fromhex("0001 0004 00000000")
DEADLINE = 30.0
PAUSE = 20.0
"""Seconds after which a connection is made anew."""


class Control:
    """OpenFlow 1.3 over a bridge's own socket (`NAME.mgmt`): what is sent and dumped are a controller's very bytes.

    Connected anew after a pause: Open vSwitch hangs up on whoever was silent for a minute and doesn't say why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(str(self._path))
        self._rest = b""
        self._socket.sendall(Hello().encode() + SetConfig().encode())
        self._used = time.monotonic()

    def close(self) -> None:
        self._socket.close()

    def _begin(self) -> None:
        """Before anything is said."""
        if time.monotonic() - self._used > PAUSE:
            self._socket.close()
            self._connect()

    def replace(self, flows: Mapping[bytes, bytes]) -> None:
        """Make these the bridge's flows."""
        self._begin()
        body = DELETE_ALL + NO_MATCH
        self._socket.sendall(HEADER.pack(4, Type.FLOW_MOD, HEADER.size + len(body), 1) + body)
        self._socket.sendall(b"".join(flow_mod(key, value) for key, value in flows.items()))
        list(self._until_barrier())

    def flows(self) -> dict[bytes, bytes]:
        """The bridge's flows: key → body."""
        self._begin()
        self._socket.sendall(FlowQuery().flows().encode())
        found: dict[bytes, bytes] = {}
        for message in self._until_barrier():
            if message[1] == Type.MULTIPART_REPLY:
                found.update(stats_entries(message[16:]))
        return found

    def _until_barrier(self) -> Iterator[bytes]:
        self._socket.sendall(BarrierRequest().encode())
        while True:
            while len(self._rest) < HEADER.size or len(self._rest) < int.from_bytes(self._rest[2:4], "big"):
                block = self._socket.recv(1 << 20)
                assert block, "the switch hung up"
                self._rest += block
            size = int.from_bytes(self._rest[2:4], "big")
            message, self._rest = self._rest[:size], self._rest[size:]
            assert message[1] != Type.ERROR, f"the switch refuses: {message.hex()}"
            if message[1] == Type.BARRIER_REPLY:
                self._used = time.monotonic()
                return
            yield message


class Section(NamedTuple):
    """One pass through the tables, as Open vSwitch traces it: (table, priority, cookie) of each look-up, (table, None)
    where no flow matched; and the ports to which copies left, in their order."""

    visits: tuple[tuple[int, int | None, int], ...]
    ports: tuple[str, ...]
    text: str


class Traces:
    """ofproto/trace over one unixctl connection (ovs-vswitchd(8); JSON-RPC 1.0)."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(str(path))

    def close(self) -> None:
        self._socket.close()

    def ask(self, command: str, *arguments: str) -> str:
        """The answer to a unixctl command. AssertionError where it fails."""
        self._socket.sendall(json.dumps({"id": 0, "method": command, "params": arguments}).encode())
        text = ""
        while True:
            text += self._socket.recv(1 << 20).decode()
            try:
                answer = json.loads(text)
            except ValueError:
                continue
            assert answer["error"] is None, f"{command} {' '.join(arguments)}: {answer['error']}"
            return str(answer["result"])

    def trace(self, flow: str, frame: bytes) -> Section:
        """What becomes of a frame, until connection tracking has it. `flow` says where it comes in and its metadata."""
        return section(self.ask("ofproto/trace", "br-int", flow, frame.hex()))

    def resume(self, flow: str, table: int) -> Section:
        """What becomes of a packet from a table on, until connection tracking has it; `flow` says all that is known."""
        return section(self.ask("ofproto/trace-packet-out", "br-int", flow, f"resubmit(,{table})"))


RULE = re.compile(r"^\s*(\d+)\. (.*)$")
PRIORITY = re.compile(r"priority (\d+)")
FROM_REGISTER = re.compile(r"-> output port is (\d+)")
COOKIE = re.compile(r"cookie 0x([0-9a-f]+)")


def section(text: str) -> Section:
    """The first pass of a trace."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if line.startswith("Final flow:")), len(lines))
    visits: list[tuple[int, int | None, int]] = []
    ports: list[str] = []
    for number, line in enumerate(lines[:end]):
        step = line.strip()
        if found := RULE.match(line):
            priority, cookie = PRIORITY.search(found[2]), COOKIE.search(found[2])
            missed = found[2].startswith("No match")
            visits.append(
                (
                    int(found[1]),
                    None if missed or not priority else int(priority[1]),
                    int(cookie[1], 16) if cookie else 0,
                )
            )
        skipped = lines[number + 1].strip() == ">> skipping output to input port" if number + 1 < end else False
        if found := FROM_REGISTER.match(step):
            ports[-1] = found[1]
        elif step == "IN_PORT" or (step.startswith("output:") and not skipped):
            ports.append(step.removeprefix("output:"))
        elif step.startswith("CONTROLLER"):
            ports.append("CONTROLLER")
    return Section(tuple(visits), tuple(ports), text)
