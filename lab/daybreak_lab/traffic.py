"""io: TCP and UDP between namespaces: a server that says who it saw, and a client that says what came of it."""

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Literal

from daybreak_lab.namespace import Namespace

Protocol = Literal["tcp", "udp"]
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@dataclass(frozen=True)
class Reply:
    """What came of one connection or datagram."""

    seen_as: str | None
    """The client's address as the server saw it, behind any translation; None if there was no reply."""
    port: int | None
    """The client's port likewise."""
    error: str | None
    """`timed out`, `Connection refused` … None if there was a reply."""

    def __bool__(self) -> bool:
        return self.error is None


class Server:
    """Answers each connection or datagram on a port, IPv4 and IPv6, with the address that it sees: `with` it."""

    def __init__(self, namespace: Namespace, protocol: Protocol, port: int) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_INET6, KINDS[protocol])
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("::", port))
        self.port: int = self._socket.getsockname()[1]
        self.seen: list[tuple[str, int]] = []
        """The clients' addresses and ports, in order."""
        serve = self._serve_tcp if protocol == "tcp" else self._serve_udp
        if protocol == "tcp":
            self._socket.listen(128)
        self._thread = threading.Thread(target=serve, name=f"{protocol}/{self.port}", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # UDP: not connected, says Linux, but the thread wakes up
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:  # shut down
                return
            with connection:
                connection.sendall(self._note(peer))

    def _serve_udp(self) -> None:
        while True:
            _, peer = self._socket.recvfrom(65536)
            if peer is None:  # what a shut-down socket yields
                return
            self._socket.sendto(self._note(peer), peer)

    def _note(self, peer: tuple[str, int, int, int]) -> bytes:
        address = peer[0].removeprefix("::ffff:")
        self.seen.append((address, peer[1]))
        return f"{address} {peer[1]}\n".encode()


def call(
    namespace: Namespace, protocol: Protocol, address: str, port: int, timeout: float = 2.0, payload: bytes = b"hello"
) -> Reply:
    """Connect to a Server, or send it one datagram, and wait `timeout` seconds at most for the reply."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.entered():
        client = socket.socket(family, KINDS[protocol])
    with client:
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            if protocol == "udp":
                client.send(payload)
            seen_as, _, seen_port = client.recv(4096).decode().strip().partition(" ")
        except TimeoutError:
            return Reply(None, None, "timed out")
        except OSError as error:
            return Reply(None, None, error.strerror or str(error))
    return Reply(seen_as, int(seen_port), None) if seen_as else Reply(None, None, "closed without a reply")
