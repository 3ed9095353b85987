"""io: Ethernet frames in and out of a network card, past the kernel's own protocols (packet(7))."""

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from daybreak_lab.namespace import Namespace
from daybreak_lab.process import LabError, wait_for

ETH_P_ALL, ETH_P_ARP, ETH_P_RARP = 0x0003, 0x0806, 0x8035
BROADCAST = b"\xff" * 6
ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")  # RFC 826 behind an Ethernet header


@dataclass(frozen=True)
class Frame:
    """One captured frame, without its checksum (FCS)."""

    at: float
    """time.monotonic() seconds."""
    outgoing: bool
    """Sent by this machine, rather than received."""
    data: bytes


class Capture:
    """Every frame that a card sends or receives, from entering this context manager until leaving it."""

    def __init__(self, namespace: Namespace, device: str) -> None:
        with namespace.entered():
            self._socket = packet_socket(device)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"capture {device}", daemon=True)
        self.frames: list[Frame] = []

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake, b"stop")
        self._thread.join()
        self._socket.close()
        os.close(self._stop)
        os.close(self._wake)

    @property
    def received(self) -> list[bytes]:
        """The bytes of the received frames, in order."""
        return [frame.data for frame in list(self.frames) if not frame.outgoing]

    def wait_for(self, wanted: Callable[[bytes], bool], timeout: float = 5.0) -> bytes:
        """The first received frame that is wanted, now or later. Raises LabError after `timeout` seconds."""
        return wait_for("a frame", lambda: next(filter(wanted, self.received), None), timeout) or b""

    def _run(self) -> None:
        sources: list[Any] = [self._socket, self._stop]
        while True:
            ready = select.select(sources, [], [])[0]
            if self._socket in ready:  # first what has come, then the end
                data, sender = self._socket.recvfrom(65536)
                self.frames.append(Frame(time.monotonic(), sender[2] == socket.PACKET_OUTGOING, data))
            elif self._stop in ready:
                return


def packet_socket(device: str) -> socket.socket:
    """A raw socket of a device of the calling thread's namespace; it sees all frames, both ways."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((device, ETH_P_ALL))
    return raw


def send(namespace: Namespace, device: str, frame: bytes) -> None:
    """Put one frame on the wire. Raises LabError if the card is down."""
    with namespace.entered(), packet_socket(device) as raw:
        try:
            raw.send(frame)
        except OSError as error:
            raise LabError(f"{namespace.name} can't send on {device}: {error.strerror}") from error


def arp_request(mac: bytes, sender: IPv4Address, target: IPv4Address) -> bytes:
    """Who has `target`? Tell `sender`."""
    return ARP.pack(BROADCAST, mac, ETH_P_ARP, 1, 0x0800, 6, 4, 1, mac, sender.packed, bytes(6), target.packed)


def rarp_announcement(mac: bytes) -> bytes:
    """What QEMU sends for each card when a migrated machine starts to run (RFC 903 "request reverse")."""
    return ARP.pack(BROADCAST, mac, ETH_P_RARP, 1, 0x0800, 6, 4, 3, mac, bytes(4), mac, bytes(4))


def arp_answer(frame: bytes, target: IPv4Address) -> str | None:
    """The MAC address in a reply about `target`, None if the frame is something else."""
    if len(frame) < ARP.size:
        return None
    _, _, ethertype, _, _, _, _, operation, mac, sender, _, _ = ARP.unpack_from(frame)
    matches = ethertype == ETH_P_ARP and operation == 2 and sender == target.packed
    return mac_text(mac) if matches else None


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data: bytes) -> str:
    return data.hex(":")
