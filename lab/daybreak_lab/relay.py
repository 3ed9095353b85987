"""io: a relay of Ethernet frames between two devices that is late and forgetful on purpose.

`python -m daybreak_lab.relay A B --delay=0.05 --loss=0.01 --seed=0`; it goes to the background once frames pass.
"""

import argparse
import heapq
import os
import random
import select
import socket
import time
from dataclasses import dataclass, field

ETH_P_ALL = 3  # packet(7)
LONGEST = 65536


@dataclass
class Relay:
    """Frames on their way: (when due, number, where to, frame), the earliest first."""

    delay: float
    loss: float
    chance: random.Random
    waiting: list[tuple[float, int, socket.socket, bytes]] = field(default_factory=list)
    count: int = 0

    def take(self, frame: bytes, to: socket.socket, now: float) -> None:
        """Accept a frame, or lose it."""
        self.count += 1
        if self.chance.random() >= self.loss:
            heapq.heappush(self.waiting, (now + self.delay, self.count, to, frame))

    def deliver(self, now: float) -> float | None:
        """Send what is due; the seconds until the next frame is, None if there is none."""
        while self.waiting and self.waiting[0][0] <= now:
            _, _, to, frame = heapq.heappop(self.waiting)
            try:
                to.send(frame)
            except OSError:
                continue  # device down or queue full: lost, as on a cable
        return max(0.0, self.waiting[0][0] - now) if self.waiting else None


def packet_socket(device: str) -> socket.socket:
    """A raw socket that sees every frame of a device."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((device, ETH_P_ALL))
    raw.setblocking(False)
    return raw


def go_to_background() -> None:
    """Let the caller go on, and lead a session of one's own (daemon(7))."""
    if os.fork():
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(prog="daybreak_lab.relay", description=__doc__)
    parser.add_argument("devices", nargs=2)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds, each way")
    parser.add_argument("--loss", type=float, default=0.0, help="share of the frames, 0 to 1, each way")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    left, right = (packet_socket(device) for device in options.devices)
    other = {left: right, right: left}
    relay = Relay(options.delay, options.loss, random.Random(options.seed))
    go_to_background()
    while True:
        pause = relay.deliver(time.monotonic())
        for source in select.select([left, right], [], [], pause)[0]:
            frame, sender = source.recvfrom(LONGEST)
            if sender[2] != socket.PACKET_OUTGOING:  # what the relay sent itself is seen here too
                relay.take(frame, other[source], time.monotonic())


if __name__ == "__main__":
    main()
