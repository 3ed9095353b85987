"""io: takes connections from switches, with TLS or without, a few in each round of the event loop.

They are accepted here and not by the event loop's server. That would take a thousand that come back at once in one
round, while nobody else is served, and drop those whose handshake fails without a word. The TLS context is asked for
anew for each connection, so certificates can be replaced while everybody stays connected.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Final

import structlog

from daybreak.southbound.quiet import Quiet
from daybreak.southbound.tls import explain

AT_ONCE: Final = 8
"""Connections that are taken between two rounds: a millisecond or less."""
BACKLOG: Final = 1024
"""Connections that the system keeps for us until we take them."""
SECONDS: Final = 10.0
"""How long a peer may take for its handshake."""
HALF_OPEN: Final = 1024
"""Connections that may be shaking hands at the same time, for each listener."""

log = structlog.get_logger(__name__)


class Server:
    """Listens; as asyncio.Server, as far as it's used here."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        factory: Callable[[], asyncio.BaseProtocol],
        current: Callable[[], SSLContext] | None,
    ) -> None:
        self.sockets = tuple(sockets)
        self._factory, self._current = factory, current
        self._handshakes: set[asyncio.Task[None]] = set()
        self._quiet = Quiet()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._accept(each), name="listener") for each in self.sockets]

    def close(self) -> None:
        """Take no more connections; those that stand are kept."""
        for task in (*self._tasks, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._tasks, *self._handshakes, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        taken = 0
        with listener:
            while True:
                try:
                    connection, address = await loop.sock_accept(listener)
                except OSError as error:  # out of file descriptors, say
                    log.error("can't accept a connection", reason=error.strerror)
                    await asyncio.sleep(1)
                    continue
                if len(self._handshakes) >= HALF_OPEN:
                    connection.close()
                    self._say(address, f"{HALF_OPEN} others are shaking hands already")
                    continue
                task = loop.create_task(self._shake(connection, address))
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
                taken += 1
                if taken % AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _shake(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """The handshake, if there is TLS; then the protocol has the connection."""
        context = None if self._current is None else self._current()
        patience = None if context is None else SECONDS
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory, connection, ssl=context, ssl_handshake_timeout=patience
            )
        except OSError as error:
            connection.close()
            self._say(address, explain(error))

    def _say(self, address: tuple[str, int], reason: str) -> None:
        """Log it, once a minute for each address."""
        if not self._quiet.is_news(address[0], asyncio.get_running_loop().time()):
            return
        port, peer = self.sockets[0].getsockname()[1], f"{address[0]}:{address[1]}"
        if self._current is None:
            log.warning("connection refused", listener=f"ptcp:{port}", peer=peer, reason=reason)
        else:
            log.warning("TLS peer refused", listener=f"pssl:{port}", peer=peer, reason=reason)


def listen(
    address: str | None,
    port: int,
    factory: Callable[[], asyncio.BaseProtocol],
    current: Callable[[], SSLContext] | None = None,
) -> Server:
    """Listen on an address (None or "": all of this machine); port 0 takes any free one.

    With TLS if `current` is given: it is asked for the context of each connection. Raises OSError when the address or
    the port can't be had.
    """
    sockets: list[socket.socket] = []
    for each in (address,) if address else ("0.0.0.0", "::"):
        family = socket.AF_INET6 if ":" in each else socket.AF_INET
        if each == "::" and not socket.has_ipv6:
            continue
        try:
            listener = socket.create_server((each, port), family=family, backlog=BACKLOG)
        except OSError:
            for other in sockets:
                other.close()
            raise
        listener.setblocking(False)
        sockets.append(listener)
    return Server(sockets, factory, current)
