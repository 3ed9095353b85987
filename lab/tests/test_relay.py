"""The relay behind a slow or lossy cable, without any device."""

import random
import socket

from daybreak_lab.relay import Relay


def passed(loss: float, seed: int) -> list[bytes]:
    """Which of a thousand frames come out."""
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with inside, outside:
        relay = Relay(0.0, loss, random.Random(seed))
        found = []
        for number in range(1000):
            relay.take(number.to_bytes(2), inside, now=0.0)
            relay.deliver(now=0.0)
            outside.setblocking(False)
            try:
                found.append(outside.recv(2))
            except BlockingIOError:
                continue
        return found


def test_the_same_seed_loses_the_same_frames() -> None:
    assert passed(0.2, seed=1) == passed(0.2, seed=1)
    assert passed(0.2, seed=1) != passed(0.2, seed=2)
    assert 700 < len(passed(0.2, seed=1)) < 900
    assert len(passed(0.0, seed=1)) == 1000
    assert passed(1.0, seed=1) == []


def test_frames_leave_when_they_are_due_and_in_order() -> None:
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with inside, outside:
        relay = Relay(0.5, 0.0, random.Random(0))
        assert relay.deliver(now=1.0) is None
        relay.take(b"a", inside, now=1.0)
        relay.take(b"b", inside, now=1.0)
        assert relay.deliver(now=1.25) == 0.25
        assert relay.deliver(now=1.5) is None
        assert [outside.recv(1), outside.recv(1)] == [b"a", b"b"]
