"""I/O: one OpenFlow connection of one switch.

A `Switch` is an asyncio protocol: it reads and writes in batches, and never uses streams (these cost four times the
CPU). It keeps the connection (hello, features, echo), and gives its owner requests, bundles and dumps.

Source: OpenFlow 1.3.5, section 6.3; OpenFlow extensions for 1.3.x (bundles); measured on Open vSwitch 3.1 where said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, Protocol, TypeVarTuple, Unpack, cast

import structlog

from daybreak.wire.openflow.flow import stats_entries
from daybreak.wire.openflow.framing import Framer
from daybreak.wire.openflow.messages import Message, decode
from daybreak.wire.openflow.messages_connection import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    Hello,
    Role,
    RoleReply,
    RoleRequest,
    SetConfig,
)
from daybreak.wire.openflow.messages_error import HELLO_FAILED, INCOMPATIBLE, Error
from daybreak.wire.openflow.messages_experimenter import (
    BundleControl,
    BundleFlags,
    BundleStep,
    bundle_adds,
)
from daybreak.wire.openflow.messages_group import GroupDescription, MeterConfig, decode_groups, decode_meters
from daybreak.wire.openflow.messages_header import HEADER, VERSION, ProtocolError, Type, numbered, with_xid, xid_of
from daybreak.wire.openflow.messages_monitor import CHANGES, MonitorRequest
from daybreak.wire.openflow.messages_multipart import (
    GROUPS_REQUEST,
    PART,
    PORTS_REQUEST,
    FlowQuery,
    decode_ports,
    meter_config_request,
)
from daybreak.wire.openflow.messages_packet import PortDescription

Octets = bytes | bytearray

A = TypeVarTuple("A")

log = structlog.get_logger(__name__)

ECHO_SECONDS: Final = 5.0
MISSED_ECHOES: Final = 3
HANDSHAKE_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 60.0
UNSENT_LIMIT: Final = 256 << 20
"""Bytes that may wait for a switch that doesn't read; a bundle of 1,000,000 flows is about as large."""
PARTS_LIMIT: Final = 1 << 14
"""Parts of one multipart reply, of 64 KiB at most."""
FIRST_XID: Final = 1
LAST_XID: Final = 0xFFFFFFFF
"""Own transaction ids; 0 is left to what the switch sends unasked."""

SLICE: Final = 1000
"""Modifications that are encoded and written at once."""
ALL_FLOWS: Final = FlowQuery()

_BARRIER: Final = BarrierRequest().encode()
_HEADER_AND_PART: Final = HEADER.size + PART.size
_REPLIES: Final = frozenset(
    {
        Type.EXPERIMENTER,
        Type.FEATURES_REPLY,
        Type.GET_CONFIG_REPLY,
        Type.BARRIER_REPLY,
        Type.ROLE_REPLY,
        Type.GET_ASYNC_REPLY,
        Type.MULTIPART_REPLY,
    }
)
_KEPT: Final = frozenset({Type.ECHO_REQUEST, Type.ECHO_REPLY, Type.ERROR})


class Lost(ConnectionError):
    """The connection to the switch ended, or the switch didn't answer in time, which ends it as well."""


class Refusal(NamedTuple):
    """One message that the switch refused: its error, the message as the caller gave it, and its place in the call."""

    error: Error
    message: bytes
    place: int


class Refused(Exception):
    """The switch refused a request, or messages of a bundle; nothing of that bundle was applied then."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(", ".join(f"message {refusal.place}: {refusal.error.name}" for refusal in refusals[:5]))
        self.refusals = tuple(refusals)

    @property
    def error(self) -> Error:
        """The first error."""
        return self.refusals[0].error

    @property
    def offending(self) -> bytes:
        """The message that caused it."""
        return self.refusals[0].message


class SwitchOwner(Protocol):
    """Who is told about switches. Calls come from the event loop and must not block."""

    def connected(self, switch: Switch) -> None:
        """`switch` can be used; its `dpid` is known."""

    def message(self, switch: Switch, message: Message) -> None:
        """What nobody waits for: packet-in, port status, flow removed, reports of the flow monitor, stray errors."""

    def lost(self, switch: Switch, reason: str) -> None:
        """`switch` is gone. Comes once for each that was connected; all that waited for it raised `Lost` before."""


class Timer(Protocol):
    """A call that is due; as asyncio's TimerHandle."""

    def cancel(self) -> None:
        """Forget it."""


class Clock(Protocol):
    """The part of an event loop that knows the time."""

    def time(self) -> float:
        """Seconds, from any beginning."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` in `delay` seconds."""


class Door(Protocol):
    """Who lets connections in; see the listener."""

    def admit(self, switch: Switch) -> bool:
        """Tell whether the new connection may stay."""

    def leave(self, switch: Switch) -> None:
        """The connection has shaken hands, or is gone."""

    def turned_away(self, switch: Switch, reason: str) -> None:
        """The connection is ended before it has shaken hands."""


class _Waiting(NamedTuple):
    """A request that wasn't answered yet, and the parts of its answer so far."""

    answer: asyncio.Future[Any]
    message: bytes
    parts: list[bytes]


class _Batch(NamedTuple):
    """Messages whose errors somebody collects: the switch names a message by its xid."""

    xids: range
    messages: Sequence[bytes]
    refusals: list[Refusal]


class Switch(asyncio.Protocol):
    """One switch on one connection; usable from `SwitchOwner.connected` to `SwitchOwner.lost`.

    `request`, `plain`, `bundle` and the dumps raise `Lost` when the connection ends or the switch needs longer than
    `request_seconds`, and `Refused` when it answers with an error.
    """

    def __init__(
        self,
        owner: SwitchOwner,
        *,
        door: Door | None = None,
        clock: Clock | None = None,
        echo_seconds: float = ECHO_SECONDS,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.dpid = 0
        self.peer = "?"
        self.address = ""
        self.writable = True
        self._owner, self._door = owner, door
        self._clock: Clock = clock or asyncio.get_running_loop()
        self._echo_seconds, self._handshake_seconds = echo_seconds, handshake_seconds
        self._request_seconds = request_seconds
        self._framer = Framer()
        self._receive: Callable[[bytes], None] = self._expect_hello
        self._transport: asyncio.Transport | None = None
        self._joined: list[Octets] | None = None
        self._next_xid = FIRST_XID
        self._bundle_ids = count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._batches: list[_Batch] = []
        self._drained = asyncio.Event()
        self._drained.set()
        self._timer: Timer | None = None
        self._heard = 0.0
        self._unanswered = 0
        self._is_connected = False
        self._reason = ""

    # The connection, as asyncio tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, unless the door is shut."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are transports without saying so
        self.address, self.peer = _names(transport.get_extra_info("peername"))
        if self._door and not self._door.admit(self):
            self._reason = "not admitted"
            self._transport.abort()
            return
        self._timer = self._clock.call_later(self._handshake_seconds, self._handshake_expired)
        self.send(Hello().encode())

    def data_received(self, data: bytes) -> None:
        """Handle every message that is complete, and write all answers at once."""
        self._heard = self._clock.time()
        self._unanswered = 0
        joined: list[Octets] = []
        self._joined = joined
        try:
            for message in self._framer.feed(data):
                self._receive(message)
        except ProtocolError as reason:
            self._end(str(reason))
        finally:
            self._joined = None
        if joined:
            self._write(joined)

    def pause_writing(self) -> None:
        """Asyncio's sign that the switch reads slower than we write."""
        self.writable = False
        self._drained.clear()

    def resume_writing(self) -> None:
        """The switch caught up."""
        self.writable = True
        self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all that waits, then tell the owner."""
        reason = self._reason or (f"connection lost: {exc}" if exc else "closed by the switch")
        self._reason = reason
        self._receive = _ignore
        if self._timer:
            self._timer.cancel()
        self._drained.set()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(Lost(reason))
        self._waiting.clear()
        if self._door:
            self._door.leave(self)
        if self._is_connected:
            self._is_connected = False
            self._tell(self._owner.lost, self, reason)

    # What the owner uses.

    def send(self, *messages: Octets) -> None:
        """Send whole messages, in one write; while messages are being received, together with all other answers.

        On a connection that has ended this does nothing. Whoever sends without waiting looks at `writable`, or awaits
        `drain`; a switch that leaves `UNSENT_LIMIT` bytes unread is lost.
        """
        if self._joined is None:
            self._write(messages)
        else:
            self._joined += messages

    async def drain(self) -> None:
        """Wait until the switch has read most of what was sent, or is lost."""
        await self._drained.wait()

    async def request(self, message: bytes, *, after: Iterable[Octets] = ()) -> Message:
        """Send `after` and then `message`, with a new xid, in one write; return the answer to `message`."""
        reply: bytes = await self._ask(message, after)
        return decode(reply)

    async def multipart(self, message: bytes) -> list[bytes]:
        """Send a multipart request; return the bodies of all parts of the answer."""
        parts: list[bytes] = await self._ask(message)
        return parts

    async def barrier(self) -> None:
        """Return when the switch has done all that was sent before."""
        await self._ask(_BARRIER)

    async def plain(self, messages: Sequence[bytes]) -> tuple[Refusal, ...]:
        """Send modifications and a barrier; return those refused when all the others are done."""
        with self._collecting(messages) as batch:
            await self._pour(b"", messages, numbered, batch.xids.start)
        return tuple(batch.refusals)

    async def bundle(self, messages: Sequence[bytes], *, atomic: bool = True, ordered: bool = False) -> None:
        """Apply flow-mods, group-mods and packet-outs, all or none; return when the switch has committed them.

        Raises `Refused` with every message that can't be read, or with the first that can't be applied; the switch's
        tables are as before then. Where it refuses the bundle itself, no message is to blame: the connection is ended,
        and `Lost` raised. Two writes, not one: Open vSwitch 3.1 commits a bundle without the messages that it refused
        while they were added, so the commit goes out only when a barrier has shown that there were none.
        """
        flags = BundleFlags.ATOMIC * atomic | BundleFlags.ORDERED * ordered
        number = next(self._bundle_ids)
        opening = BundleControl(number, BundleStep.OPEN_REQUEST, flags).encode()
        with self._collecting([opening, *messages]) as batch:
            first = batch.xids.start
            try:
                add = partial(bundle_adds, number, flags)
                await self._pour(with_xid(opening, first), messages, add, first + 1)
                if batch.refusals:
                    raise self._refused(batch.refusals)
            except BaseException:
                self.send(BundleControl(number, BundleStep.DISCARD_REQUEST, flags).encode())
                raise
            try:
                await self._ask(BundleControl(number, BundleStep.COMMIT_REQUEST, flags).encode())
            except Refused as commit:
                # Where a message failed, the commit's own error says no more than that.
                raise self._refused(batch.refusals or commit.refusals) from None

    def _refused(self, refusals: Sequence[Refusal]) -> Refused | Lost:
        """What the refusals of a bundle come to. Message 0 opened it, or, without other refusals, commits it."""
        if refusals[0].place == 0:
            reason = f"it refused a bundle: {refusals[0].error.name}"
            self._end(reason)
            return Lost(reason)
        return Refused([refusal._replace(place=refusal.place - 1) for refusal in refusals])

    async def take_role(self, role: Role, generation: int = 0) -> RoleReply:
        """Ask for a role; `Refused` with OFPRRFC_STALE when another controller came with a newer generation."""
        reply = await self.request(RoleRequest(role, generation).encode())
        if not isinstance(reply, RoleReply):
            raise ProtocolError(f"{reply} is no answer to a role request")
        return reply

    async def monitor_flows(self, monitor_id: int = 1, flags: int = CHANGES) -> list[bytes]:
        """Have changes of flows reported to the owner as `FlowUpdates`, own ones abbreviated; see messages_monitor.

        Start it after a bulk of plain flow-mods, for each of these would be reported as well.
        """
        return await self.multipart(MonitorRequest(monitor_id, flags).encode())

    async def dump_flows_raw(self, query: FlowQuery = ALL_FLOWS) -> list[bytes]:
        """Return the entries of all flows that `query` means, as bodies of a flow-stats reply."""
        return await self.multipart(query.flows().encode())

    async def dump_flows(self, query: FlowQuery = ALL_FLOWS) -> dict[bytes, bytes]:
        """Return key to body (see wire.openflow.flow) of all flows that `query` means."""
        flows: dict[bytes, bytes] = {}
        for body in await self.dump_flows_raw(query):
            flows.update(stats_entries(body))
        return flows

    async def dump_groups(self) -> tuple[GroupDescription, ...]:
        """Return all groups."""
        return decode_groups(b"".join(await self.multipart(GROUPS_REQUEST.encode())))

    async def dump_meters(self) -> tuple[MeterConfig, ...]:
        """Return all meters."""
        return decode_meters(b"".join(await self.multipart(meter_config_request().encode())))

    async def dump_ports(self) -> tuple[PortDescription, ...]:
        """Return all ports."""
        return decode_ports(b"".join(await self.multipart(PORTS_REQUEST.encode())))

    def close(self, reason: str = "closed by us") -> None:
        """End the connection at once; `SwitchOwner.lost` comes from the event loop."""
        self._end(reason)

    # Requests and what comes for them.

    def _ask(self, message: bytes, after: Iterable[Octets] = ()) -> asyncio.Future[Any]:
        """Write `after` and `message`; the future is the reply's bytes, or the bodies of a multipart reply."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            answer.set_exception(Lost(self._reason or "not connected"))
            return answer
        xid = self._reserve(1).start
        self._waiting[xid] = _Waiting(answer, message, [])
        timer = self._clock.call_later(self._request_seconds, self._request_expired)

        def forget(_: object) -> None:
            timer.cancel()
            self._waiting.pop(xid, None)

        answer.add_done_callback(forget)
        self.send(*after, with_xid(message, xid))
        return answer

    def _reserve(self, number: int) -> range:
        """Return as many xids in a row that nobody has used for a long time."""
        if self._next_xid + number > LAST_XID:
            self._next_xid = FIRST_XID
        xids = range(self._next_xid, self._next_xid + number)
        self._next_xid = xids.stop
        return xids

    async def _pour(
        self, head: bytes, messages: Sequence[bytes], encode: Callable[[Sequence[bytes], int], bytearray], xid: int
    ) -> None:
        """Send `head`, encoded `messages` and a barrier; return when this is answered.

        A few messages leave in one write. Many leave in slices, no faster than the switch reads them: so it begins to
        work while we still encode, and a whole table is never in memory twice.
        """
        unsent: list[Octets] = [head]
        for at in range(0, len(messages), SLICE):
            if at:
                self.send(*unsent)
                unsent.clear()
                await self._drained.wait()
            unsent.append(encode(messages[at : at + SLICE], xid + at))
        await self._ask(_BARRIER, unsent)

    @contextmanager
    def _collecting(self, messages: Sequence[bytes]) -> Iterator[_Batch]:
        """Set xids aside for `messages`; errors that bear one of them are collected, up to the end of the block."""
        batch = _Batch(self._reserve(len(messages)), messages, [])
        self._batches.append(batch)
        try:
            yield batch
        finally:
            self._batches.remove(batch)

    def _expect_hello(self, message: bytes) -> None:
        said = decode(message)
        if isinstance(said, Error):
            raise ProtocolError(f"the switch refused our hello: {said.name}")
        if not isinstance(said, Hello):
            raise ProtocolError(f"the first message is of type {message[1]}, not a hello")
        if not said.speaks(VERSION):
            text = b"Daybreak speaks OpenFlow 1.3 only"
            self.send(Error(HELLO_FAILED, INCOMPATIBLE, text, xid=xid_of(message)).encode())
            raise ProtocolError(f"the switch doesn't speak OpenFlow 1.3: version {said.highest:#04x}, {said.versions}")
        self._receive = self._expect_features
        self.send(FeaturesRequest().encode(), SetConfig().encode(), _BARRIER)

    def _expect_features(self, message: bytes) -> None:
        match decode(message):
            case EchoRequest(data=data):
                self.send(EchoReply(data).encode(xid_of(message)))
            case FeaturesReply(datapath_id=dpid):
                self.dpid = dpid
            case Error() as error:
                raise ProtocolError(f"the switch refused its configuration: {error.name}")
            case BarrierReply() if self.dpid:
                self._ready()

    def _ready(self) -> None:
        self._receive = self._dispatch
        self._is_connected = True
        if self._timer:
            self._timer.cancel()
        self._timer = self._clock.call_later(self._echo_seconds, self._check_silence)
        if self._door:
            self._door.leave(self)
        self._tell(self._owner.connected, self)

    def _dispatch(self, message: bytes) -> None:
        kind, xid = message[1], xid_of(message)
        waiting = self._waiting.get(xid)
        if waiting and kind in _REPLIES:
            self._answered(waiting, kind, message)
        elif kind in _KEPT:
            self._keep(kind, message, xid)
        else:
            value = decode(message)
            if not isinstance(value, BundleControl):  # that a bundle was opened or discarded: nobody waits for it
                self._tell(self._owner.message, self, value)

    def _answered(self, waiting: _Waiting, kind: int, message: bytes) -> None:
        """What somebody asked for has come, or a part of it."""
        if kind == Type.MULTIPART_REPLY:
            self._gather(message, waiting)
        else:
            _resolve(waiting, message)

    def _keep(self, kind: int, message: bytes, xid: int) -> None:
        """What keeps up the connection, and what the switch refuses."""
        if kind == Type.ECHO_REQUEST:
            self.send(EchoReply(message[HEADER.size :]).encode(xid))
        elif kind == Type.ERROR:
            self._refuse(message, xid)

    def _gather(self, message: bytes, waiting: _Waiting) -> None:
        if len(message) < _HEADER_AND_PART:
            raise ProtocolError(f"multipart reply of {len(message)} bytes")
        waiting.parts.append(message[_HEADER_AND_PART:])
        if not message[11] & 1:
            _resolve(waiting, waiting.parts)
        elif len(waiting.parts) > PARTS_LIMIT:
            raise ProtocolError(f"multipart reply of more than {PARTS_LIMIT} parts")

    def _refuse(self, message: bytes, xid: int) -> None:
        error = decode(message)
        assert isinstance(error, Error)
        if waiting := self._waiting.get(xid):
            if not waiting.answer.done():
                waiting.answer.set_exception(Refused([Refusal(error, waiting.message, 0)]))
            return
        for batch in self._batches:
            if xid in batch.xids:
                place = xid - batch.xids.start
                batch.refusals.append(Refusal(error, batch.messages[place], place))
                return
        self._tell(self._owner.message, self, error)

    # Time, and the end.

    def _handshake_expired(self) -> None:
        self._end(f"no handshake in {self._handshake_seconds:g} s")

    def _request_expired(self) -> None:
        self._end(f"no answer in {self._request_seconds:g} s")

    def _check_silence(self) -> None:
        if self._clock.time() - self._heard >= self._echo_seconds:
            if self._unanswered >= MISSED_ECHOES:
                self._end(f"silent: no answer to {MISSED_ECHOES} echo requests")
                return
            self._unanswered += 1
            self.send(EchoRequest().encode())
        self._timer = self._clock.call_later(self._echo_seconds, self._check_silence)

    def _write(self, messages: Iterable[Octets]) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(b"".join(messages))
        if not self.writable and self._transport.get_write_buffer_size() > UNSENT_LIMIT:
            self._end(f"more than {UNSENT_LIMIT} bytes wait for the switch to read them")

    def _end(self, reason: str) -> None:
        """Stop reading; drop what wasn't sent, except for the answer that is just being put together."""
        if self._reason or self._transport is None:
            return
        self._reason = reason
        self._receive = _ignore
        if self._door and not self._is_connected:
            self._door.turned_away(self, reason)
        if self._joined:
            self._transport.write(b"".join(self._joined))
            self._joined.clear()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _tell(self, call: Callable[[Unpack[A]], None], *arguments: *A) -> None:
        """Call the owner; its mistakes are logged and don't cost the connection."""
        try:
            call(*arguments)
        except Exception:
            log.exception("openflow owner failed", peer=self.peer, dpid=f"{self.dpid:016x}")


def _resolve(waiting: _Waiting, answer: object) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


def _ignore(message: bytes) -> None:
    """What comes after the end."""


def _names(peer: Any) -> tuple[str, str]:
    """The IP address of a peer ("" on a UNIX socket), and its name for people."""
    if isinstance(peer, tuple):
        host, port = peer[:2]
        return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "", "unix"
