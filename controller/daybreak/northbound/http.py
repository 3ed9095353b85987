"""io: the northbound's HTTP: one application of all dialects, and the server that runs it inside the controller's loop.

Before a dialect sees a request, the peer, the user and the size of the body have been checked. Errors are a line of
text that says what to do; what nobody expected is a 500 that names a request id, under which the log has the rest.
Neither bodies nor Authorization headers are ever logged.
"""

import asyncio
import binascii
import os
import secrets
import socket
import ssl
import traceback
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple, cast
from weakref import WeakValueDictionary

import msgspec
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from daybreak.northbound.credentials import Credentials
from daybreak.store.contract import Exhausted, Store, StoreError

PROBLEMS = "/v1/"
"""Below this path refusals are problem+json (RFC 9457); elsewhere text, as the clients of old dialects know it."""

BODY_LIMIT = 16 << 20
"""Bytes of the largest body that is read."""

HEADER_LIMIT = 64 << 10
"""Bytes of headers after which a connection is closed if they still have no end: anybody can send them."""

MESSAGE_LIMIT = 4 << 10
"""Bytes of the largest message that a websocket's client may send: none of ours has anything to say."""

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than clients keep theirs, or a write could meet a closing one."""

GONE_SECONDS = 60
"""Seconds after which a peer that acknowledges nothing counts as gone."""

STOP_WITHIN = 5
"""Seconds that requests under way have to finish when the server stops."""

Networks = Sequence[IPv4Network | IPv6Network]
log = structlog.get_logger(__name__)


class CannotListen(Exception):
    """The address can't be had. The text is one line that names it."""


def app(
    store: Store,
    credentials: Credentials,
    dialects: Iterable[Callable[[Store], Sequence[BaseRoute]]],
    plaintext: Networks | None = None,
) -> Starlette:
    """The application. A dialect gives its routes, with their whole paths, for a store.

    `plaintext`: the networks whose peers may use HTTP without TLS; None: all.
    """
    return Starlette(
        routes=[route for dialect in dialects for route in dialect(store)],
        middleware=[
            Middleware(Failures),
            Middleware(Plaintext, allowed=plaintext),
            Middleware(Authentication, credentials=credentials),
            Middleware(BodyLimit),
        ],
        exception_handlers={HTTPException: explain, Exhausted: unavailable, StoreError: unavailable},
    )


def refusal(path: str, text: str, status: int, headers: Mapping[str, str] | None = None, **members: int) -> Response:
    """Why a request for this path is refused: as text, or where the modern API is, as RFC 9457 has it."""
    if not path.startswith(PROBLEMS):
        return PlainTextResponse(text, status, headers)
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": text, **members}
    return Response(msgspec.json.encode(problem), status, headers, "application/problem+json")


async def explain(request: Request, error: Exception) -> Response:
    """A refusal as text. Those of the router itself say what was asked for and what is there."""
    assert isinstance(error, HTTPException)
    text, headers = error.detail, dict(error.headers or {})
    if error.status_code == 404 and text == "Not Found":
        text = f"There is nothing at {request.url.path}"
    elif error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        text = f"{request.method} is not possible here, but {headers['Allow']} is"
    return refusal(request.url.path, text, error.status_code, headers)


async def unavailable(request: Request, error: Exception) -> Response:
    """Nothing wrong with the request: a pool of numbers is used up, or the disk refuses."""
    log.error("write_refused", method=request.method, path=request.url.path, reason=str(error))
    return refusal(request.url.path, str(error), 503)


class Failures:
    """Answers what nobody expected: 500 with an id, and the same id in the log with the place where it happened."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            # The exception's text may quote the request, so its class and its place have to do.
            request = secrets.token_hex(8)
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            place = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
            log.error(
                "request_failed", request=request, path=scope.get("path"), error=type(error).__name__, place=place
            )
            if not started:
                text = f"Daybreak failed; its log says why under request {request}"
                await refusal(scope.get("path", ""), text, 500)(scope, receive, send)


class Plaintext:
    """Refuses peers outside the allowed networks that come without TLS."""

    def __init__(self, app: ASGIApp, allowed: Networks | None) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("scheme") in ("http", "ws") and not self.allows(scope["client"][0]):
            text = f"HTTP without TLS is not allowed from {scope['client'][0]}; see allow_plaintext"
            await refusal(scope["path"], text, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def allows(self, peer: str) -> bool:
        if self.allowed is None:
            return True
        address = ip_address(peer)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.allowed)


class Authentication:
    """HTTP Basic (RFC 7617) on every path."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials
        # One at a time: hashing is dear by intent, and strangers must not fill the processors with it. Nor must they
        # keep others waiting: of each peer's logins one waits here, and the rest behind it.
        self.hashing = asyncio.Lock()
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = (scope.get("client") or ("?",))[0]
        if scope["type"] != "http" or await self.knows(peer, Headers(scope=scope).get("authorization", "")):
            await self.app(scope, receive, send)
            return
        log.warning("login_refused", client=peer, path=scope["path"])
        challenge = {"WWW-Authenticate": 'Basic realm="daybreak"'}
        text = "User name or password is missing or wrong"
        await refusal(scope["path"], text, 401, challenge)(scope, receive, send)

    async def knows(self, peer: str, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        if not colon:
            return False
        if self.credentials.remembers(user, password):
            return True
        async with self.turns.setdefault(peer, asyncio.Lock()), self.hashing:
            return self.credentials.remembers(user, password) or await asyncio.to_thread(
                self.credentials.verify, user, password
            )


class BodyLimit:
    """Reads no more of a body than `BODY_LIMIT`, whether its length is announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_large = HTTPException(413, f"The body is larger than {BODY_LIMIT >> 20} MiB")
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > BODY_LIMIT:
            await refusal(scope["path"], too_large.detail, 413)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_LIMIT:
                raise too_large
            return message

        await self.app(scope, counted, send)


class Bounds(NamedTuple):
    """What strangers can hold of the server: connections, and seconds that a request may take to arrive."""

    connections: int = 4096
    seconds: float = 120.0


DEFAULT = Bounds()


class BoundedRequests(HttpToolsProtocol):
    """uvicorn's protocol, which itself would wait for requests, and gather headers, for as long as they come.

    A connection too many is closed at once, so that those who are there can go on. One that says nothing, or its
    request too slowly, is closed when its time is up.
    """

    pending = 0
    in_headers = False
    timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, bounds: Bounds, **others: Any) -> None:
        super().__init__(*args, **others)
        self.bounds = bounds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            transport.abort()
        else:
            self.expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self.request_arrived()
        super().connection_lost(exc)

    def expect_request(self) -> None:
        if self.timer is None:
            self.timer = self.loop.call_later(self.bounds.seconds, self.give_up)

    def request_arrived(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def give_up(self) -> None:
        if self in self.connections:  # else it has become a websocket
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_headers = True
        self.expect_request()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.request_arrived()

    def on_headers_complete(self) -> None:
        self.in_headers = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.pending = self.pending + len(data) if self.in_headers else 0
        if self.pending > HEADER_LIMIT:
            self.transport.close()
        if self.timeout_keep_alive_task is None and self.cycle is not None and self.cycle.response_complete:
            self.expect_request()  # a byte ended uvicorn's patience; it may be of a blank line, or of a late body


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0: any that is free. Raises `CannotListen`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"can't listen on {place}: {reason}") from None
    # Every connection inherits it. Else an answer, which is written in two parts, waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Peers that are gone without a word, or read nothing, are let go: else they would hold a connection for hours.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, GONE_SECONDS // 2)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, GONE_SECONDS // 6)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000)
    return listener


@asynccontextmanager
async def serve_http(
    app: ASGIApp,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    websocket: type[asyncio.Protocol] | None = None,
    bounds: Bounds = DEFAULT,
) -> AsyncIterator[tuple[str, int]]:
    """Serve `app` on an address (or a name of this machine) while the context lasts, inside the running loop.

    `websocket` is the protocol of connections that become websockets (one of uvicorn's); without, none does.
    Gives the address and port in use. Requests under way are finished before the context ends. Signals are left to
    the caller. Raises `CannotListen`.
    """
    listener = bind(host, port)
    config = uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], partial(BoundedRequests, bounds=bounds)),
        ws=websocket or "none",
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_WITHIN,
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )
    config.load()
    server = uvicorn.Server(config)
    # The steps of Server.serve, without its handlers for signals: those belong to the whole controller.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    clock = asyncio.create_task(server.main_loop())
    try:
        yield listener.getsockname()[:2]
    finally:
        server.should_exit = True
        await clock
        await server.shutdown(sockets=[listener])
