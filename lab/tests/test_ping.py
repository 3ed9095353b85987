"""The account that a ping gives."""

import math

from daybreak_lab import Outage, PingResult
from daybreak_lab.ping import answered, echo_request, internet_checksum


def result(pattern: str) -> PingResult:
    """One letter for each second: `.` answered, `x` lost."""
    numbers = dict(enumerate(pattern, 1))
    return PingResult({n: float(n) for n in numbers}, {n: 0.001 for n, what in numbers.items() if what == "."})


def test_outages_are_the_runs_of_losses() -> None:
    account = result("..xx.x...xxx")
    assert account.lost == [3, 4, 6, 10, 11, 12]
    assert account.outages() == [Outage(3, 4, 3.0, 5.0), Outage(6, 6, 6.0, 7.0), Outage(10, 12, 10.0, None)]
    assert [outage.seconds for outage in account.outages()] == [2.0, 1.0, math.inf]
    assert not account.ok


def test_nothing_sent_is_not_a_success() -> None:
    assert not PingResult().ok
    assert result("...").ok
    assert result("...").outages() == []


def test_the_checksum_of_rfc_1071() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert internet_checksum(echo_request(8, 0xBEEF, 70_000, b"odd")) == 0


def test_only_answers_to_our_own_requests_count() -> None:
    reply = echo_request(0, 0xBEEF, 70_000, b"")
    header = bytes([0x45]) + bytes(19)
    assert answered(header + reply, 4, 0xBEEF) == 70_000
    assert answered(header + reply, 4, 0xCAFE) is None
    assert answered(header + echo_request(8, 0xBEEF, 1, b""), 4, 0xBEEF) is None
    assert answered(echo_request(129, 0xBEEF, 5, b""), 6, 0xBEEF) == 5
    assert answered(b"\x45short", 4, 0xBEEF) is None
