"""Messages are found in a stream however it's cut; the oracle is the parser of Open vSwitch's own library."""

import json
from itertools import pairwise

import msgspec
import ovs.json
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daybreak.wire.ovsdb import Framer, Message, ProtocolError

TEXT = st.text(alphabet='ab{}[]"\\é', max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
MESSAGES = st.lists(st.builds(Message, st.none() | TEXT, st.none() | st.lists(JSON, max_size=3), JSON, JSON, JSON))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def feed(parts: list[bytes]) -> list[Message]:
    framer = Framer()
    messages = [message for part in parts for message in framer.feed(part)]
    assert framer.pending == 0
    return messages


@given(MESSAGES, st.lists(st.integers(0), max_size=20), st.sampled_from([b"", b" ", b"\r\n\t"]))
def test_messages_come_out_as_they_went_in(messages, places, space):
    data = space.join(map(msgspec.json.encode, messages))
    assert feed(cut(data, places)) == messages


@given(MESSAGES)
def test_byte_by_byte(messages):
    data = b"".join(map(msgspec.json.encode, messages))
    assert feed([data[at : at + 1] for at in range(len(data))]) == messages


@given(st.dictionaries(TEXT, JSON, max_size=3), st.integers(0))
def test_the_end_is_where_open_vswitch_finds_it(params, place):
    text = json.dumps({"method": "update", "params": [params], "id": None})
    parser = ovs.json.Parser()
    assert parser.feed(text + "{") == len(text)  # it stops at the end of the first value
    assert feed(cut(text.encode(), [place])) == [Message(method="update", params=parser.finish()["params"])]


def test_a_string_with_many_escapes_is_one_string():
    message = Message(result='"{\\' * 1000)
    data = msgspec.json.encode(message)
    assert feed([data[:3000], data[3000:]]) == [message]
    assert feed([data + data]) == [message, message]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b'{"a":', b"{", b"}", b'"', b"\\", b"[", b" "]), max_size=20))
@example([b"{", b"}", b"{", b"}"])
@example([b'{"result":"\xff"}'])
@example([b'{"id":1}' + b"]"])
def test_garbage_is_a_protocol_error_and_nothing_else(parts):
    framer = Framer(limit=200)
    for part in parts:
        try:
            framer.feed(part)
        except ProtocolError:
            break
        assert framer.pending <= 200


@pytest.mark.parametrize(
    "beginning", [b"GET / HTTP/1.1\r\n", b"[1]", b'"text"', b"  7", b"}", b"\x00", b"\x16\x03\x01"]
)
def test_what_does_not_begin_with_an_object_is_refused_at_once(beginning):
    with pytest.raises(ProtocolError):
        Framer().feed(beginning)


@pytest.mark.parametrize(
    "message",
    [b'{"params": {}}', b'{"method": 1}', b"{'id': 1}", b'{"id": 1,}', b'{"result": ' + b"[" * 90000 + b"}"],
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ProtocolError):
        Framer().feed(message)


def test_a_message_beyond_the_limit_is_refused_before_it_is_complete():
    framer = Framer(limit=1000)
    framer.feed(b'{"result": "')
    framer.feed(b"x" * 900)
    with pytest.raises(ProtocolError, match="more than 1000 bytes"):
        framer.feed(b"x" * 200)
