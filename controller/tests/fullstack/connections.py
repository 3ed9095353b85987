"""io: connections between VMs that stay open, so that a test can see what a change does to them."""

import itertools
import socket
from typing import Self

from daybreak_lab import Machine

_numbers = itertools.count()
PIECE = 64
AGAIN = 0.1  # seconds


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Pair:
    """Two sockets that know each other: `with` it, or close it."""

    _client: socket.socket
    _server: socket.socket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()
        self._server.close()


class Tcp(Pair):
    """A TCP connection that stays open."""

    def __init__(self, client: Machine, server: Machine, port: int, address: str | None = None) -> None:
        target = address or server.address
        with server.namespace.entered():
            listener = socket.create_server((target, port), family=family_of(target))
        with client.namespace.entered():
            self._client = socket.socket(family_of(target), socket.SOCK_STREAM)
        with listener:
            self._client.settimeout(5.0)
            self._client.connect((target, port))
            self._server, _ = listener.accept()

    def talks(self, seconds: float = 3.0) -> bool:
        """Whether both sides hear what the other says now, within so many seconds each."""
        return all(self._hears(*pair, seconds) for pair in ((self._client, self._server), (self._server, self._client)))

    def _hears(self, speaker: socket.socket, hearer: socket.socket, seconds: float) -> bool:
        said = f"{next(_numbers)}".encode().rjust(PIECE)
        speaker.sendall(said)
        hearer.settimeout(seconds)
        heard = b""
        while not heard.endswith(said):
            try:
                piece = hearer.recv(4096)
            except TimeoutError:
                return False
            if not piece:
                return False
            heard = (heard + piece)[-PIECE:]
        return True


class Udp(Pair):
    """A UDP stream from a server to the client that asked for it once and says nothing more."""

    def __init__(self, client: Machine, server: Machine, port: int) -> None:
        with server.namespace.entered():
            self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client.namespace.entered():
            self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.bind((server.address, port))
        self._client.connect((server.address, port))
        self._server.settimeout(5.0)
        self._client.send(b"hello")
        _, self._peer = self._server.recvfrom(100)

    def talks(self, seconds: float = 1.0) -> bool:
        """Whether what the server sends now arrives; said again, for a datapath looks at its flows a moment later."""
        said = f"{next(_numbers)}".encode()
        self._client.settimeout(AGAIN)
        for _ in range(round(seconds / AGAIN)):
            self._server.sendto(said, self._peer)
            try:
                while self._client.recv(100) != said:
                    pass
            except TimeoutError:
                continue
            return True
        return False
