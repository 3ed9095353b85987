"""io: ICMP echo from inside a namespace, with an exact account of what was lost, and when.

Our own rather than ping(8): a continuous ping has to stop sending first and then wait for what is under way, else its
last packet always counts as lost. ICMP is RFC 792, ICMPv6 is RFC 4443.
"""

import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count as counter
from itertools import groupby
from typing import Any

from daybreak_lab.namespace import Namespace
from daybreak_lab.process import LabError

HEADER = struct.Struct("!BBHHHQ")  # type, code, checksum, identifier, sequence, the whole sequence number
Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Outage:
    """A run of echo requests without an answer. Times are time.monotonic() seconds."""

    first: int
    last: int
    began: float
    """When the first lost one was sent."""
    ended: float | None
    """When the next answered one was sent; None if there was none."""

    @property
    def seconds(self) -> float:
        """How long it lasted; infinite if it didn't end."""
        return float("inf") if self.ended is None else self.ended - self.began


@dataclass
class PingResult:
    """What became of each echo request; sequence numbers count from 1."""

    sent: dict[int, float] = field(default_factory=dict)
    """Sequence number to when it was sent, in time.monotonic() seconds."""
    rtts: dict[int, float] = field(default_factory=dict)
    """Sequence number to round trip in seconds, of the answered ones."""
    duplicates: int = 0
    """Answers beyond the first."""
    errors: set[str] = field(default_factory=set)
    """Why sending failed, if it did: `No route to host` …"""

    @property
    def received(self) -> int:
        return len(self.rtts)

    @property
    def lost(self) -> list[int]:
        """The sequence numbers without an answer, ascending."""
        return [number for number in self.sent if number not in self.rtts]

    @property
    def ok(self) -> bool:
        """All answered, and there were some."""
        return bool(self.sent) and not self.lost

    def outages(self) -> list[Outage]:
        """The runs of consecutive losses."""
        numbers = sorted(self.sent)
        found = []
        for lost, run in groupby(numbers, key=lambda number: number not in self.rtts):
            if lost:
                members = list(run)
                ended = self.sent.get(members[-1] + 1)
                found.append(Outage(members[0], members[-1], self.sent[members[0]], ended))
        return found

    def __str__(self) -> str:
        average = f", {1000 * sum(self.rtts.values()) / self.received:.2f} ms on average" if self.rtts else ""
        reasons = f" ({', '.join(sorted(self.errors))})" if self.errors else ""
        return f"{self.received} of {len(self.sent)} answered{average}{reasons}"


class Ping:
    """Echo requests to one address at an interval, in a thread of its own. A context manager: leaving it stops it."""

    def __init__(
        self,
        namespace: Namespace,
        address: str,
        interval: float = 0.1,
        count: int | None = None,
        size: int = 56,
        grace: float = 1.0,
    ) -> None:
        """Seconds between requests; how many (None: until stopped); bytes of payload; seconds to wait for the last.

        Raises LabError if the address isn't one.
        """
        self.result = PingResult()
        try:
            self._target = ip_address(address.partition("%")[0])
        except ValueError as error:
            raise LabError(f"{address} is neither a machine nor an address") from error
        self._interval, self._count, self._grace = interval, count, grace
        self._filler = bytes(max(0, size - 8))
        self._identifier = int.from_bytes(os.urandom(2))
        with namespace.entered():
            self._socket = echo_socket(self._target)
            self._destination = socket.getaddrinfo(address, None, self._socket.family)[0][4]
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._converse, name=f"ping {address}", daemon=True)

    def __enter__(self) -> "Ping":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Ping":
        self._thread.start()
        return self

    def stop(self) -> PingResult:
        """Stop sending, wait for answers that are under way, and return the account."""
        if self._socket.fileno() >= 0:
            os.write(self._wake, b"stop")
        return self.wait()

    def wait(self) -> PingResult:
        """Wait until `count` requests were sent and answered, or given up."""
        self._thread.join()
        if self._socket.fileno() >= 0:
            self._socket.close()
            os.close(self._stop)
            os.close(self._wake)
        return self.result

    def _converse(self) -> None:
        due = time.monotonic()
        for number in counter(1):
            if self._count is not None and number > self._count:
                break
            if self._listen(until=due):
                break
            self._send(number)
            # No burst after a pause of the whole machine: it might be lost for another reason than the network.
            due = max(due + self._interval, time.monotonic())
        self._listen(until=time.monotonic() + self._grace, stoppable=False, enough=True)

    def _send(self, number: int) -> None:
        kind = 8 if self._target.version == 4 else 128
        self.result.sent[number] = time.monotonic()
        try:
            self._socket.sendto(echo_request(kind, self._identifier, number, self._filler), self._destination)
        except OSError as error:
            self.result.errors.add(error.strerror or str(error))

    def _listen(self, until: float, stoppable: bool = True, enough: bool = False) -> bool:
        """Take answers until then; True if told to stop. With `enough`, only until nothing is missing."""
        while not (enough and not self.result.lost):
            pause = max(0.0, until - time.monotonic())
            sources: list[Any] = [self._socket, self._stop] if stoppable else [self._socket]
            ready = select.select(sources, [], [], pause)[0]
            if self._socket in ready:
                self._receive(self._socket.recv(65536), time.monotonic())
            elif self._stop in ready:
                return True
            elif time.monotonic() >= until:
                break
        return False

    def _receive(self, packet: bytes, now: float) -> None:
        number = answered(packet, self._target.version, self._identifier)
        if number is None or number not in self.result.sent:
            return
        if number in self.result.rtts:
            self.result.duplicates += 1
        else:
            self.result.rtts[number] = now - self.result.sent[number]


def echo_socket(target: Address) -> socket.socket:
    """A raw ICMP or ICMPv6 socket; the kernel computes ICMPv6's checksum (RFC 3542 section 3.1)."""
    if target.version == 4:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    else:
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return raw


def echo_request(kind: int, identifier: int, number: int, filler: bytes) -> bytes:
    """The bytes of an echo request (type 8, or 128 for ICMPv6)."""
    draft = HEADER.pack(kind, 0, 0, identifier, number & 0xFFFF, number) + filler
    return HEADER.pack(kind, 0, internet_checksum(draft), identifier, number & 0xFFFF, number) + filler


def answered(packet: bytes, version: int, identifier: int) -> int | None:
    """Which request of ours a received packet answers, if it does. Raw IPv4 sockets give the IP header too."""
    message = packet[(packet[0] & 15) * 4 :] if version == 4 else packet
    if len(message) < HEADER.size:
        return None
    kind, code, _, owner, _, number = HEADER.unpack_from(message)
    return number if (kind, code, owner) == ((0 if version == 4 else 129), 0, identifier) else None


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
