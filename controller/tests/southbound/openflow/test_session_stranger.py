"""A session with peers that are no switches, or bad ones: each of them ends its own session, and no other."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.southbound.accept import listen
from daybreak.southbound.openflow.listener import Listener
from daybreak.southbound.openflow.session import Lost, Refused, Switch
from daybreak.wire.openflow.flow import flow_delete, flow_key
from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages import decode
from daybreak.wire.openflow.messages_connection import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    Hello,
    SetConfig,
)
from daybreak.wire.openflow.messages_error import NAMES, Error
from daybreak.wire.openflow.messages_experimenter import BundleControl
from daybreak.wire.openflow.messages_header import frame, xid_of
from daybreak.wire.openflow.messages_multipart import Kind, Multipart
from daybreak.wire.openflow.messages_packet import PacketIn

DEADLINE = 20.0


class Stranger:
    """The other end of a connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.framer = reader, writer, Framer()
        self.received: list[bytes] = []

    @classmethod
    async def at(cls, meeting) -> Stranger:
        return cls(*await meeting.stranger())

    def say(self, *messages: bytes) -> None:
        self.writer.write(b"".join(messages))

    async def hear(self) -> bytes:
        """The next message; b"" at the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            while not self.received:
                data = await self.reader.read(65536)
                if not data:
                    return b""
                self.received += self.framer.feed(data)
        return self.received.pop(0)

    async def shake_hands(self, dpid: int = 7) -> None:
        self.say(Hello().encode())
        assert decode(await self.hear()) == Hello()
        assert decode(await self.hear()) == FeaturesRequest()
        assert decode(await self.hear()) == SetConfig(3, 0xFFFF)
        barrier = await self.hear()
        assert decode(barrier) == BarrierRequest()
        self.say(FeaturesReply(dpid).encode(), BarrierReply().encode(xid_of(barrier)))

    async def leave(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def pair(meeting):
    """A stranger that plays a switch, and our end of it."""
    stranger = await Stranger.at(meeting)
    await stranger.shake_hands()
    yield stranger, await meeting.owner.switch()
    await stranger.leave()


async def test_a_peer_without_openflow_13_hears_why_it_is_turned_away(meeting, capsys) -> None:
    stranger = await Stranger.at(meeting)
    stranger.say(struct.pack(">BBHI", 1, 0, 8, 0x99))
    assert decode(await stranger.hear()) == Hello()
    error = decode(await stranger.hear())
    assert isinstance(error, Error)
    assert (error.name, error.data, error.xid) == ("OFPHFC_INCOMPATIBLE", b"Daybreak speaks OpenFlow 1.3 only", 0x99)
    assert await stranger.hear() == b""
    assert "the switch doesn't speak OpenFlow 1.3: version 0x01" in capsys.readouterr().out
    await stranger.leave()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: controller\r\n\r\n", "has version 0x47"),
        (EchoRequest().encode(), "the first message is of type 2, not a hello"),
        (Error(0, 0).encode(), "the switch refused our hello: OFPHFC_INCOMPATIBLE"),
        (struct.pack(">BBHI", 4, 0, 3, 0), "claims a length of 3 bytes"),
        (Hello().encode() + Error(10, 0).encode(), "refused its configuration: OFPSCFC_BAD_FLAGS"),
    ],
)
async def test_a_stranger_is_turned_away_with_one_line_in_the_log(meeting, capsys, said: bytes, reason: str) -> None:
    for _ in range(3):
        stranger = await Stranger.at(meeting)
        stranger.say(said)
        while await stranger.hear():
            pass
        await stranger.leave()
    lines = [line for line in capsys.readouterr().out.splitlines() if "openflow peer refused" in line]
    assert len(lines) == 1
    assert reason in lines[0]
    assert meeting.owner.switches == []
    assert meeting.owner.reasons == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(min_size=1, max_size=300), kind=st.integers(0, 40))
def test_random_bytes_end_no_session_but_their_own(tmp_path_factory, noise: bytes, kind: int) -> None:
    async def story() -> None:
        from .conftest import Meeting

        async with Meeting(tmp_path_factory.mktemp("noise") / "controller") as meeting:
            good, bad = await Stranger.at(meeting), await Stranger.at(meeting)
            await good.shake_hands(1)
            await bad.shake_hands(2)
            await meeting.owner.until(lambda: len(meeting.owner.switches) == 2)
            bad.say(frame(kind, noise), noise)
            await bad.leave()
            await meeting.owner.until(lambda: len(meeting.owner.switches) == 1)
            (switch,) = meeting.owner.switches
            assert switch.dpid == 1
            good.say(EchoRequest(b"still here").encode(5))
            assert await good.hear() == EchoReply(b"still here").encode(5)
            await good.leave()

    asyncio.run(story())


async def test_requests_are_answered_whatever_comes_between(meeting, pair) -> None:
    stranger, switch = pair
    request = asyncio.create_task(switch.request(BarrierRequest().encode()))
    asked = await stranger.hear()
    stranger.say(PacketIn(b"frame").encode(), EchoRequest(b"x").encode(9), BarrierReply().encode(xid_of(asked)))
    assert await request == BarrierReply()
    assert await stranger.hear() == EchoReply(b"x").encode(9)
    assert meeting.owner.messages == [PacketIn(b"frame")]


async def test_an_error_for_a_request_is_raised_where_it_was_made(meeting, pair) -> None:
    stranger, switch = pair
    request = asyncio.create_task(switch.barrier())
    asked = await stranger.hear()
    stranger.say(Error(1, 5, asked, xid=xid_of(asked)).encode())
    with pytest.raises(Refused, match="OFPBRC_EPERM"):
        await request
    stray = Error(1, 5, b"", xid=0x7777)
    stranger.say(stray.encode())
    await meeting.owner.until(lambda: meeting.owner.messages == [stray])


@pytest.mark.parametrize(("step", "name"), [(0, "OFPBFC_OUT_OF_BUNDLES"), (4, "OFPBFC_BAD_ID")])
async def test_a_switch_that_refuses_a_bundle_itself_is_let_go(meeting, pair, step: int, name: str) -> None:
    """None of the messages in it is to blame. BAD_ID: the switch has given up a bundle that was open for too long."""
    stranger, switch = pair
    bundle = asyncio.create_task(switch.bundle([flow_delete(flow_key(0, 1, ()))]))
    while heard := await stranger.hear():
        said = decode(heard)
        if isinstance(said, BundleControl) and said.step == step:
            stranger.say(refusal(name, heard))
        elif isinstance(said, BarrierRequest):
            stranger.say(BarrierReply().encode(xid_of(heard)))
    with pytest.raises(Lost, match=f"refused a bundle: {name}"):
        await bundle
    await meeting.owner.until(lambda: meeting.owner.reasons == [f"it refused a bundle: {name}"])


def refusal(name: str, message: bytes) -> bytes:
    """The error by which a switch refuses a message."""
    ((experimenter, kind, code),) = (number for number, known in NAMES.items() if known == name)
    return Error(kind, code, message, experimenter, xid=xid_of(message)).encode()


async def test_parts_of_a_dump_are_gathered_until_the_last(pair) -> None:
    stranger, switch = pair
    dump = asyncio.create_task(switch.dump_flows_raw())
    xid = xid_of(await stranger.hear())
    for body, more in ((b"one", True), (b"two", True), (b"three", False)):
        stranger.say(Multipart(Kind.FLOW, body, more, xid).encode())
    assert await dump == [b"one", b"two", b"three"]


async def test_answers_to_one_read_leave_in_one_write(meeting, pair) -> None:
    """What the owner sends while it is told of a message waits for all the other messages of that read."""
    stranger, switch = pair
    transport, writes, answer = switch._transport, [], meeting.owner.message
    write = transport.write
    transport.write = lambda data: (writes.append(data), write(data))

    def reply(switch: Switch, message) -> None:
        answer(switch, message)
        switch.send(EchoRequest(message.data).encode())

    meeting.owner.message = reply
    stranger.say(*(PacketIn(b"%d" % n).encode() for n in range(100)))
    received = [await stranger.hear() for _ in range(100)]
    assert [decode(message) for message in received] == [EchoRequest(b"%d" % n) for n in range(100)]
    assert len(writes) < 10  # as many as reads were needed


async def test_an_owner_that_fails_does_not_cost_the_connection(meeting, pair, capsys) -> None:
    stranger, _ = pair

    def fail(switch: Switch, message) -> None:
        raise RuntimeError("a mistake of ours")

    meeting.owner.message = fail
    stranger.say(PacketIn(b"frame").encode(), EchoRequest(b"x").encode(9))
    assert await stranger.hear() == EchoReply(b"x").encode(9)
    assert "a mistake of ours" in capsys.readouterr().out


class ManualClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[ManualTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> ManualTimer:
        timer = ManualTimer(self, self.now + delay, callback)
        self.due.append(timer)
        return timer

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.due if timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            self.due.remove(timer)
            self.now = timer.when
            timer.callback()
        self.now = end


class ManualTimer:
    def __init__(self, clock: ManualClock, when: float, callback: Callable[[], object]) -> None:
        self.clock, self.when, self.callback = clock, when, callback

    def cancel(self) -> None:
        if self in self.clock.due:
            self.clock.due.remove(self)


@pytest.fixture
async def slow(meeting):
    """A meeting whose time is ours."""
    clock = ManualClock()
    meeting.listener = Listener(meeting.owner, clock=clock, half_open=3)
    meeting._server.close()
    meeting.path = meeting.path.with_name("slow")
    meeting._server = await asyncio.get_running_loop().create_unix_server(meeting.listener, str(meeting.path))
    return meeting, clock


async def test_a_silent_switch_is_asked_three_times_and_then_lost(slow) -> None:
    meeting, clock = slow
    stranger = await Stranger.at(meeting)
    await stranger.shake_hands()
    await meeting.owner.switch()
    clock.pass_by(5)
    stranger.say(EchoReply().encode(xid_of(await stranger.hear())), PacketIn(b"alive").encode())
    await meeting.owner.until(lambda: bool(meeting.owner.messages))
    for _ in range(3):
        clock.pass_by(5)
        assert decode(await stranger.hear()) == EchoRequest()
    assert meeting.owner.reasons == []
    clock.pass_by(5)
    await meeting.owner.until(lambda: meeting.owner.reasons == ["silent: no answer to 3 echo requests"])
    assert clock.due == []
    await stranger.leave()


async def test_a_request_without_answer_ends_the_connection(slow) -> None:
    meeting, clock = slow
    stranger = await Stranger.at(meeting)
    await stranger.shake_hands()
    switch = await meeting.owner.switch()
    barrier, dump = asyncio.create_task(switch.barrier()), asyncio.create_task(switch.dump_flows_raw())
    await stranger.hear()
    await stranger.hear()
    while not meeting.owner.reasons:
        clock.pass_by(4)
        meeting.owner.messages.clear()
        stranger.say(PacketIn(b"alive").encode())
        await meeting.owner.until(lambda: bool(meeting.owner.messages or meeting.owner.reasons))
    for request in (barrier, dump):
        with pytest.raises(Lost, match="no answer in 60 s"):
            await request
    assert meeting.owner.reasons == ["no answer in 60 s"]
    await stranger.leave()


async def test_connections_without_hello_are_dropped_and_are_few(slow, capsys) -> None:
    meeting, clock = slow
    idle = [await Stranger.at(meeting) for _ in range(3)]
    for stranger in idle:
        assert decode(await stranger.hear()) == Hello()
    assert meeting.listener.half_open == 3
    late = await Stranger.at(meeting)
    assert await late.hear() == b""
    clock.pass_by(10)
    for stranger in idle:
        assert await stranger.hear() == b""
    assert "3 others are shaking hands already" in capsys.readouterr().out
    welcome = await Stranger.at(meeting)
    await welcome.shake_hands()
    await meeting.owner.switch()
    assert meeting.listener.half_open == 0
    for stranger in (*idle, late, welcome):
        await stranger.leave()


async def test_only_allowed_addresses_come_in(meeting, capsys) -> None:
    for networks, welcome in (([ip_network("192.0.2.0/24")], False), ([ip_network("127.0.0.0/8")], True)):
        server = listen("127.0.0.1", 0, Listener(meeting.owner, allowed=networks))
        host, port = server.sockets[0].getsockname()
        for _ in range(3):
            stranger = Stranger(*await asyncio.open_connection(host, port))
            assert bool(await stranger.hear()) == welcome
            await stranger.leave()
        server.close()
    lines = [line for line in capsys.readouterr().out.splitlines() if "its address is not allowed" in line]
    assert len(lines) == 1


async def test_a_switch_that_does_not_read_makes_us_wait_and_is_lost_when_too_much_waits(
    pair, meeting, monkeypatch, tmp_path: Path
) -> None:
    stranger, switch = pair
    monkeypatch.setattr("daybreak.southbound.openflow.session.UNSENT_LIMIT", 4 << 20)
    message = EchoRequest(bytes(60000)).encode()
    while switch.writable:
        switch.send(message)
    waiting = asyncio.create_task(switch.drain())
    while not waiting.done():
        await stranger.hear()
    assert switch.writable
    with pytest.raises(Lost, match="bytes wait for the switch to read them"):
        for _ in range(1000):
            switch.send(message)
        await switch.barrier()
    await meeting.owner.until(lambda: not meeting.owner.switches)
