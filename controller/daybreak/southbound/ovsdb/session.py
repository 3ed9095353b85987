"""io: connections with ovsdb-server, one protocol object for each; they come to us (`listen`) or we go to them."""

import asyncio
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from ssl import SSLContext
from typing import Any, Final, Protocol, cast

import structlog

from daybreak.model import Host, Interface
from daybreak.southbound import accept
from daybreak.southbound.ovsdb.learn import Learned, learn
from daybreak.southbound.ovsdb.names import INTEGRATION
from daybreak.southbound.turns import Rounds
from daybreak.wire.ovsdb import Framer, Message, ProtocolError, Replica, messages
from daybreak.wire.ovsdb.operations import Operation
from daybreak.wire.ovsdb.vswitch import DATABASE, TABLES, Row

PROBE: Final = 5.0
"""Seconds without a word after which we ask whether the peer is there."""
TURNS: Final = 3
"""How often we ask until we take it for dead."""
GREETING: Final = 10.0
"""Seconds in which a new connection has to say its first word."""
MONITOR: Final = "daybreak"
INBOX: Final = 16
"""Pieces (of 64 or 256 KiB at most, by event loop) that may wait until it's our turn; then the peer has to."""

Networks = Sequence[IPv4Network | IPv6Network]
LOOPBACK: Final[Networks] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
EVERYWHERE: Final[Networks] = (ip_network("0.0.0.0/0"), ip_network("::/0"))

log = structlog.get_logger()


class Owner(Protocol):
    """Who is told what sessions learn. The calls come from the event loop and must not block it."""

    def learned(self, session: "Session", host: Host, interfaces: Mapping[str, Interface]) -> None:
        """First when the database was read, then whenever either is different. `interfaces` go by their names."""

    def lost(self, session: "Session", reason: str) -> None:
        """The connection is gone. Only for sessions from which something was learned."""


class Session(asyncio.Protocol):
    """One connection with ovsdb-server, and a replica of what Daybreak reads of its database.

    `probe` and `greeting` are in seconds. Sessions that share `rounds` take turns when much is to be read. `watchers`
    are called after each batch of updates, and when it's lost.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        allowed: Networks = EVERYWHERE,
        integration: str = INTEGRATION,
        probe: float = PROBE,
        greeting: float = GREETING,
        rounds: Rounds | None = None,
    ) -> None:
        self.replica = Replica()
        self.integration = integration
        self.remote_address: str | None = None
        self.local_port: int | None = None
        self.local_address: str | None = None
        """Our address as this switch reaches it; None where a connection has no addresses (a Unix socket)."""
        self.is_synchronized = False
        """Whether the replica has all rows."""
        self.watchers: list[Callable[[], None]] = []
        self._owner = owner
        self._allowed = allowed
        self._probe = probe
        self._greeting = greeting
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._rounds = rounds or Rounds()
        self._inbox: list[bytes] = []
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self._monitor_id = 0
        self._is_plain = False
        self._silent_turns = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._learned: Learned | None = None
        self._is_known = False
        self._reason: str | None = None

    # what others call

    @property
    def is_lost(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why it's lost; None as long as it isn't."""
        return self._reason

    async def transact(self, operations: Sequence[Operation]) -> list[dict[str, Any]]:
        """Do all of the operations or none; returns the result of each.

        Raises TransactionError with the server's words when it refuses, ConnectionError when the connection is gone.
        """
        if self._reason is not None:
            raise ConnectionResetError(self._reason)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        id = self._next_id()
        self._pending[id] = answer
        try:
            self._write(messages.transact(id, DATABASE, operations))
            return messages.results(operations, await answer)
        finally:
            self._pending.pop(id, None)

    def target(self, port: int, method: str = "tcp") -> str | None:
        """Our address as this switch reaches it, written as a Controller's target: "tcp:192.0.2.1:6653"."""
        place = self._place(port)
        return None if place is None else f"{method}:{place}"

    @property
    def called_at(self) -> str | None:
        """Our end of the connection as a Manager's target has it behind the method: "192.0.2.1:6640"."""
        return None if self.local_port is None else self._place(self.local_port)

    def _place(self, port: int) -> str | None:
        if self.local_address is None:
            return None
        host = f"[{self.local_address}]" if ":" in self.local_address else self.local_address
        return f"{host}:{port}"

    def close(self, reason: str) -> None:
        """End the connection; `reason` is what the owner is told."""
        if self._reason is None:
            self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are transports, but not of asyncio's class
        self.remote_address = _address(transport.get_extra_info("peername"))
        name = transport.get_extra_info("sockname")
        self.local_address = _address(name)
        self.local_port = name[1] if self.local_address is not None else None
        if not _is_within(self.remote_address, self._allowed):
            log.warning("OVSDB connection refused: its address is outside of what is allowed", peer=self.remote_address)
            self.close("refused")
            return
        self._later("probe", self._probe, self._ask)
        self._later("greeting", self._greeting, self._miss)
        self._monitor(messages.monitor_cond)

    def data_received(self, data: bytes) -> None:
        self._silent_turns = 0
        if not self._inbox:
            self._rounds.call(self._read)
        self._inbox.append(data)
        if len(self._inbox) == INBOX and self._transport is not None:
            self._transport.pause_reading()

    def _read(self) -> None:
        """Take what came, when it's our turn."""
        inbox, self._inbox = self._inbox, []
        if self._reason is not None or not inbox:
            return
        if len(inbox) >= INBOX and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        try:
            batch = self._framer.feed(b"".join(inbox))
            changes = [self._take(message) for message in batch]
        except ProtocolError as error:
            self._give_up(f"it breaks the protocol: {error}")
            return
        if batch and "greeting" in self._timers:
            self._timers.pop("greeting").cancel()
        if any(changes) and self.is_synchronized:
            self._learn()

    def pause_writing(self) -> None:
        """A peer that doesn't read isn't read either: it would have us gather answers without limit."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._read()
        self._reason = self._reason or (str(error) if error else "the switch closed the connection")
        for timer in self._timers.values():
            timer.cancel()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError(self._reason))
        if self._is_known:
            self._rounds.call(partial(self._owner.lost, self, self._reason))
        self._notify()

    # messages

    def _monitor(self, build: Callable[[int, str, str, Mapping[str, type[Row]]], bytes]) -> None:
        self._monitor_id = self._next_id()
        self._write(build(self._monitor_id, DATABASE, MONITOR, TABLES))

    def _take(self, message: Message) -> bool:
        """Do what a message asks for; says whether it changed the replica. Raises ProtocolError."""
        match message.method:
            case None:
                return self._take_answer(message)
            case "update2" | "update":
                return self._take_update(message)
            case "echo":
                self._write(messages.reply(message, message.params))
            case _ if message.id is not None:
                self._write(messages.refusal(message))
        return False

    def _take_answer(self, message: Message) -> bool:
        if type(message.id) is not int:
            return False
        if message.id == self._monitor_id:
            return self._take_snapshot(message)
        answer = self._pending.get(message.id)
        if answer is not None and not answer.done():
            answer.set_result(message)
        return False

    def _take_snapshot(self, message: Message) -> bool:
        if message.error is None:
            (self.replica.update if self._is_plain else self.replica.update2)(message.result)
            self.is_synchronized = True
        elif not self._is_plain:  # a server that doesn't know monitor_cond
            self._is_plain = True
            self._monitor(messages.monitor)
        else:
            self._give_up(f"it can't be monitored (Open vSwitch 2.13 or later is needed): {message.error}")
        return self.is_synchronized

    def _take_update(self, message: Message) -> bool:
        match message.params:
            case [_, updates]:
                (self.replica.update2 if message.method == "update2" else self.replica.update)(updates)
                return True
        raise ProtocolError(f"{message.method} has other parameters than two")

    def _learn(self) -> None:
        """Tell what is different; once for each batch, however many updates it had."""
        before, self._learned = self._learned, learn(self.replica, self.remote_address, self.integration)
        if self._learned != before:
            host, interfaces, reason = self._learned
            if host is None:
                log.warning("OVSDB connection is of no use yet", peer=self.remote_address, reason=reason)
            else:
                if not self._is_known:
                    log.info("OVSDB connected", peer=self.remote_address, host=host.id, ovs=host.ovs_version)
                self._is_known = True
                self._owner.learned(self, host, interfaces)
        self._notify()

    def _notify(self) -> None:
        for changed in tuple(self.watchers):
            changed()

    # timers and writing

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, call)

    def _ask(self) -> None:
        """Every `probe` seconds: a turn without a word costs a question, and too many of them the connection."""
        if self._silent_turns > TURNS:
            self._give_up(f"it hasn't answered for {self._probe * TURNS:g} seconds")
            return
        if self._silent_turns:
            self._write(messages.echo(self._next_id()))
        self._silent_turns += 1
        self._later("probe", self._probe, self._ask)

    def _miss(self) -> None:
        self._give_up(f"it hasn't said a word in {self._greeting:g} seconds")

    def _give_up(self, reason: str) -> None:
        log.warning("OVSDB connection closed", peer=self.remote_address, reason=reason)
        self.close(reason)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


class Listener:
    """A port on which ovsdb-servers call (their `ovs-vsctl set-manager tcp:…`)."""

    def __init__(self, server: accept.Server, sessions: "weakref.WeakSet[Session]") -> None:
        self._server = server
        self._sessions = sessions

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take no more connections and end those that are there."""
        self._server.close()
        for session in tuple(self._sessions):
            session.close("the controller stops")
        await self._server.wait_closed()


def listen(
    address: str | None,
    port: int,
    owner: Owner,
    *,
    ssl: Callable[[], SSLContext] | None = None,
    allowed: Networks = LOOPBACK,
    integration: str = INTEGRATION,
) -> Listener:
    """Take connections at an address (None: all) from peers in the `allowed` networks; port 0 is any free one.

    With TLS if `ssl` is given: it's asked for the context of each connection.

    Raises OSError when the address or the port can't be had.
    """
    sessions: weakref.WeakSet[Session] = weakref.WeakSet()
    rounds = Rounds()

    def make() -> Session:
        session = Session(owner, allowed=allowed, integration=integration, rounds=rounds)
        sessions.add(session)
        return session

    return Listener(accept.listen(address, port, make, ssl), sessions)


def _address(name: Any) -> str | None:
    """The IP address in what a socket calls its end; an IPv4 one in its own form, even if it came through IPv6."""
    if not isinstance(name, tuple):
        return None
    address = ip_address(name[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _is_within(address: str | None, networks: Networks) -> bool:
    """A connection without addresses is as local as it gets."""
    return address is None or any(ip_address(address) in network for network in networks)
