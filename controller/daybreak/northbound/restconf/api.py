"""io: RESTCONF over HTTP: reads of the data, and where the streams of changes are.

Answers and refusals have the form of draft-bierman-netconf-restconf-02, as OpenDaylight served it up to Neon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daybreak.northbound.restconf.configuration import configuration
from daybreak.northbound.restconf.events import SUBJECTS, Stream
from daybreak.northbound.restconf.operational import operational
from daybreak.northbound.restconf.streams import Streams, stream_name
from daybreak.northbound.restconf.tree import Entry, find, pieces
from daybreak.store.contract import Store

SUBSCRIBE = "sal-remote:create-data-change-event-subscription"

SLICE = 1000
"""Pieces of JSON that are written before others get their turn: a millisecond or two of the loop."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAMES = {stream_name(Stream(subject, False)): subject for subject in SUBJECTS}
PATHS = {subject.path: subject for subject in SUBJECTS}
encode = msgspec.json.Encoder().encode


class Refused(Exception):
    """A request that can't be answered: status, error-tag and a line of text."""

    def __init__(self, status: int, tag: str, message: str, type_: str = "protocol") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"error-type": type_, "error-tag": tag, "error-message": message}


def dialect(streams: Streams, port: int, bridge: str) -> Callable[[Store], list[BaseRoute]]:
    """The dialect, for `northbound.http.app`; the last of those below /restconf, for it answers what no other does.

    `port`: where `streams` listen. `bridge`: the integration bridge's name.
    """
    return lambda store: Api(store, streams, port, bridge).routes()


class Api:
    """Serves a store's data, and leads to its streams."""

    def __init__(self, store: Store, streams: Streams, port: int, bridge: str) -> None:
        self._streams = streams
        self._port = port
        self._data: dict[str, Entry] = {"operational": operational(store, bridge), "config": configuration(store)}

    def routes(self) -> list[BaseRoute]:
        return [Route("/restconf/{path:path}", self.answer, methods=METHODS)]

    async def answer(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except Refused as refused:
            return Response(encode({"errors": {"error": [refused.error]}}), refused.status, media_type=JSON)

    async def _answer(self, request: Request) -> Response:
        match request.method, segments(request):
            case "GET" | "HEAD", [("operational" | "config") as store, *path]:
                return await self._read(store, path)
            case "GET" | "HEAD", ["streams", "stream", *name]:
                return self._stream(request, "/".join(name))
            case "POST", ["operations", operation] if operation == SUBSCRIBE:
                return subscription(await request.body())
            case _, ["operational" | "config" | "streams", *_]:
                raise Refused(405, "operation-not-supported", "This can be read, and nothing else")
            case "POST", ["operations", operation]:
                raise Refused(404, "unknown-element", f"There is no operation {operation}")
        raise Refused(404, "data-missing", f"There is nothing at {request.url.path}")

    async def _read(self, store: str, path: list[str]) -> Response:
        found = find(self._data[store], path) if path else None
        if found is None:
            raise Refused(404, "data-missing", "Request could not be completed because the relevant data is missing")
        return Response(await whole(pieces({found.name: found.node})), media_type=JSON)

    def _stream(self, request: Request, name: str) -> Response:
        """Where a stream is, for the next minute."""
        subject = NAMES.get(name)
        if subject is None:
            raise Refused(404, "data-missing", f"There is no stream {name}")
        leaves_only = request.query_params.get("odl-leaf-nodes-only", "").lower() == "true"
        scheme = "wss" if request.url.scheme == "https" else "ws"
        path = quote(self._streams.path(Stream(subject, leaves_only)), safe="/:=")
        location = f"{scheme}://{addressed(request)}:{self._port}{path}"
        return Response(encode({"location": location}), headers={"Location": location}, media_type=JSON)


JSON = "application/json"


def segments(request: Request) -> list[str]:
    """The path below /restconf: decoded after it was divided, for keys may hold "/"; empty ones don't count."""
    raw = request.scope.get("raw_path", b"").decode("latin-1")
    return [unquote(each) for each in raw.split("/") if each][1:]


def addressed(request: Request) -> str:
    """This machine as the client knows it; IPv6 in brackets."""
    try:
        host = urlsplit(str(request.url)).hostname or ""
    except ValueError:  # no URL: a Host header of somebody's invention
        host = request.scope["server"][0]
    return f"[{host}]" if ":" in host else host


def subscription(body: bytes) -> Response:
    """The name of the stream that is asked for. Nothing is kept: a stream is there for all who ask."""
    asked = read_input(body)
    path = asked.get("path")
    subject = PATHS.get(path.rstrip("/")) if isinstance(path, str) else None
    if subject is None:
        raise Refused(400, "invalid-value", f"Changes are told of {' and '.join(PATHS)}, not of {path}")
    for name, only in (("datastore", "OPERATIONAL"), ("scope", "SUBTREE"), ("notification-output-type", "JSON")):
        given = asked.get(f"sal-remote-augment:{name}", asked.get(name))
        if given != only:
            raise Refused(400, "invalid-value", f"sal-remote-augment:{name} has to be {only}")
    return Response(encode({"output": {"stream-name": stream_name(Stream(subject, False))}}), media_type=JSON)


def read_input(body: bytes) -> dict[str, Any]:
    """The input of an operation. Raises `Refused`."""
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "malformed-message", "The body is not JSON") from None
    asked = read.get("input") if isinstance(read, dict) else None
    if not isinstance(asked, dict):
        raise Refused(400, "malformed-message", 'The body is not {"input": {…}}')
    return asked


async def whole(parts: Iterable[bytes]) -> bytes:
    """All parts together; between slices of them others get their turn."""
    rest, slices = iter(parts), []
    while part := b"".join(islice(rest, SLICE)):
        slices.append(part)
        await asyncio.sleep(0)
    return b"".join(slices)
