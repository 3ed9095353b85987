"""The framer cuts any stream of bytes, in any pieces, and keeps less than one message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages_header import HEADER, MAX_LENGTH, ProtocolError, frame

messages = st.lists(st.builds(frame, st.integers(0, 29), st.binary(max_size=40), st.integers(0, 2**32 - 1)), max_size=8)


@given(messages, st.lists(st.integers(1, 30), min_size=1))
def test_messages_come_out_whole_however_they_went_in(sent: list[bytes], sizes: list[int]) -> None:
    stream, framer, received = b"".join(sent), Framer(), []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        received += framer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert received == sent
    assert framer.pending == 0


@given(st.lists(st.binary(max_size=70000), max_size=4))
def test_random_bytes_cost_an_error_and_less_than_a_message_of_memory(pieces: list[bytes]) -> None:
    framer = Framer()
    try:
        for piece in pieces:
            for message in framer.feed(piece):
                assert len(message) == int.from_bytes(message[2:4])
            assert framer.pending < MAX_LENGTH
    except ProtocolError:
        assert framer.pending <= MAX_LENGTH + max(map(len, pieces))


def test_many_messages_in_one_piece() -> None:
    assert Framer().feed(frame(21) * 1000) == [frame(21)] * 1000
    assert Framer().feed(memoryview(frame(21))) == [frame(21)]


def test_a_length_shorter_than_a_header_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="type 2 claims a length of 7 bytes, a header has 8"):
        Framer().feed(HEADER.pack(4, 2, 7, 0))


def test_another_version_is_an_error_once_hello_was_said() -> None:
    with pytest.raises(ProtocolError, match="type 6 has version 0x06, not 0x04"):
        Framer().feed(HEADER.pack(6, 6, 8, 0))
    hello, error = HEADER.pack(6, 0, 8, 0), HEADER.pack(1, 1, 8, 0)
    assert Framer().feed(hello + error) == [hello, error]


def test_an_endless_message_waits_without_growing_beyond_its_length() -> None:
    framer = Framer()
    assert framer.feed(HEADER.pack(4, 10, MAX_LENGTH, 0)) == []
    assert framer.feed(bytes(MAX_LENGTH - 9)) == []
    assert framer.pending == MAX_LENGTH - 1
    (message,) = framer.feed(b"\0")
    assert (len(message), framer.pending) == (MAX_LENGTH, 0)
