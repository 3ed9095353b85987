"""io: TLS with switches: what is asked of their certificates, and a line in the log for each that fails.

Connections are accepted here and not by the event loop's server, which would drop those who fail without a word. The
context is asked for anew for each connection, so certificates can be replaced while everybody stays connected.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, SSLCertVerificationError, SSLContext, SSLError
from typing import Final, NamedTuple

import structlog

SECONDS: Final = 10.0
"""How long a peer may take for its handshake."""
HALF_OPEN: Final = 1024
"""Connections that may be shaking hands at the same time, for each listener."""
QUIET_SECONDS: Final = 60.0
"""How long nothing more is logged about an address that failed: switches try again each second."""
REMEMBERED: Final = 1024
"""Addresses that are remembered for this."""
NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "UNSUPPORTED_PROTOCOL", "BAD_RECORD_TYPE"}
"""What OpenSSL calls the first bytes of something else."""

log = structlog.get_logger(__name__)


class Contexts(NamedTuple):
    """For connections that come to us, and for those that we make."""

    server: SSLContext
    client: SSLContext


def contexts(certificate: Path, private_key: Path, ca_certificate: Path) -> Contexts:
    """Both sides show a certificate; that of the switch must be signed by `ca_certificate`. All are PEM files.

    Raises OSError (ssl.SSLError is one) where a file is not what it should be. Names aren't compared: switches are
    known by their datapath id and host name, which say more than the address from which they come.
    """
    server, client = SSLContext(PROTOCOL_TLS_SERVER), SSLContext(PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    server.num_tickets = 0  # a resumed session would not show its certificate again
    for context in (server, client):
        context.verify_mode = CERT_REQUIRED
        context.load_verify_locations(ca_certificate)
        context.load_cert_chain(certificate, private_key)
    return Contexts(server, client)


def explain(error: OSError) -> str:
    """Why a handshake failed, for people."""
    if isinstance(error, SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if not isinstance(error, SSLError):
        return str(error) or type(error).__name__
    reason = error.reason or str(error)
    if reason in NO_TLS:
        return "it doesn't speak TLS"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it shows no certificate"
    words = reason.lower().replace("_", " ")
    return f"it refuses ours: {words}" if "alert" in words else words


class Server:
    """Listens with TLS; as asyncio.Server, as far as it's used here."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        factory: Callable[[], asyncio.BaseProtocol],
        current: Callable[[], SSLContext],
    ) -> None:
        self.sockets = tuple(sockets)
        self._factory, self._current = factory, current
        self._handshakes: set[asyncio.Task[None]] = set()
        self._failed: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._accept(each), name="TLS listener") for each in self.sockets]

    def close(self) -> None:
        """Take no more connections; those that stand are kept."""
        for task in (*self._tasks, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._tasks, *self._handshakes, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
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

    async def _shake(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """The handshake; then the protocol has the connection."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory, connection, ssl=self._current(), ssl_handshake_timeout=SECONDS
            )
        except OSError as error:
            connection.close()
            self._say(address, explain(error))

    def _say(self, address: tuple[str, int], reason: str) -> None:
        """Log it, once a minute for each address."""
        now = asyncio.get_running_loop().time()
        if self._failed.get(address[0], now) > now:
            return
        self._failed.pop(address[0], None)
        if len(self._failed) >= REMEMBERED:
            del self._failed[next(iter(self._failed))]  # the oldest: dictionaries keep their order
        self._failed[address[0]] = now + QUIET_SECONDS
        port = self.sockets[0].getsockname()[1]
        log.warning("TLS peer refused", listener=f"pssl:{port}", peer=f"{address[0]}:{address[1]}", reason=reason)


def listen(
    address: str | None,
    port: int,
    factory: Callable[[], asyncio.BaseProtocol],
    current: Callable[[], SSLContext],
    backlog: int,
) -> Server:
    """Listen on an address (None: all of this machine); `current` is asked for the context of each connection.

    Raises OSError when the address or the port can't be had.
    """
    sockets: list[socket.socket] = []
    for each in (address,) if address else ("0.0.0.0", "::"):
        family = socket.AF_INET6 if ":" in each else socket.AF_INET
        if each == "::" and not socket.has_ipv6:
            continue
        try:
            listener = socket.create_server((each, port), family=family, backlog=backlog)
        except OSError:
            for other in sockets:
                other.close()
            raise
        listener.setblocking(False)
        sockets.append(listener)
    return Server(sockets, factory, current)
