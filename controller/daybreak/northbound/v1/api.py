"""io: the modern API over HTTP."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from daybreak.model import Host, PortStatus, Record, SecurityGroupRule
from daybreak.northbound.http import refusal
from daybreak.northbound.routing import Handler, verbs
from daybreak.northbound.v1.answers import (
    CollectionDigest,
    DigestAnswer,
    DigestsAnswer,
    HostState,
    Outcome,
    PageAnswer,
    Plan,
    RuleCounters,
    TransactionAsked,
)
from daybreak.northbound.v1.deciding import Author, Fenced
from daybreak.northbound.v1.digests import Digest
from daybreak.northbound.v1.events import SHOWN, Events
from daybreak.northbound.v1.index import Index
from daybreak.northbound.v1.openapi import BASE, document, path_of
from daybreak.northbound.v1.progress import Switches
from daybreak.northbound.v1.reading import HIGH, ID, read_id, read_record
from daybreak.northbound.v1.writing import Step, Writer, encodable, understood
from daybreak.northbound.values import Invalid
from daybreak.store.contract import Store

LIMIT = 1000
"""Objects of a page at most."""

WAIT, LONGEST_WAIT = 30.0, 300.0
"""Seconds that `wait=applied` waits unless told otherwise, and at most."""

STREAMS = 200
"""Streams of events at the same time."""

PAGING = ("limit", "after")
WAITING = ("wait", "timeout")
AUTHOR = ("revision", "client", "token", "force")

R = TypeVar("R", bound=Record)
encode = msgspec.json.Encoder().encode
transaction_decoder = msgspec.json.Decoder(TransactionAsked)


Planner = Callable[[Mapping[tuple[type[Record], str], Record | None]], Awaitable[Plan]]
"""Tells what rows would do if they were put, or (None) deleted. ValueError where they can't be."""


def uncounted(rule: SecurityGroupRule) -> RuleCounters:
    """The counters of a rule where nobody counts."""
    return RuleCounters(rule.id, rule.security_group_id)


class Api:
    """The modern API. `kinds` are its collections; those of `acted_on` have an effect on switches.

    `counters` tells what a rule let through, `planner` what a transaction would do. `forget` takes out a host that is
    not coming back (false: it is connected).
    """

    def __init__(
        self,
        store: Store,
        kinds: Sequence[type[Record]],
        switches: Switches,
        acted_on: Collection[type[Record]] = (),
        counters: Callable[[SecurityGroupRule], RuleCounters] = uncounted,
        planner: Planner | None = None,
        forget: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self._store = store
        self._kinds: Mapping[str, type[Record]] = {kind.kind: kind for kind in kinds}
        self._index = Index(store, kinds, SHOWN)
        self._writer = Writer(store, self._index, switches)
        self._switches = switches
        self._counters = counters
        self._planner = planner
        self._events = Events(store, switches, epoch=secrets.token_hex(4))
        self._forget = forget
        self._streams = 0
        self._document = encode(document(kinds, acted_on))

    def close(self) -> None:
        """End the streams, so that the server need not wait for them."""
        self._events.close()

    def routes(self) -> list[BaseRoute]:
        """The routes, with their whole paths."""
        found: list[BaseRoute] = [
            verbs(f"{BASE}/transactions", POST=self.transact),
            verbs(f"{BASE}/plan", POST=self.plan),
            verbs(f"{BASE}/digests", GET=self.digests),
            verbs(f"{BASE}/digests/{{kind}}", GET=self.page),
            verbs(f"{BASE}/hosts", GET=self.hosts),
            verbs(f"{BASE}/hosts/{{id}}", GET=self.host, DELETE=self.forget_host),
            verbs(f"{BASE}/port-status", GET=self.port_status),
            verbs(f"{BASE}/rule-counters", GET=self.rule_counters),
            verbs(f"{BASE}/events", GET=self.events),
            verbs(f"{BASE}/openapi.json", GET=self.openapi),
        ]
        for kind in self._kinds.values():
            path = f"{BASE}/{path_of(kind)}"
            found.append(verbs(path, GET=self._index_of(kind)))
            found.append(verbs(f"{path}/{{id}}", **self._single(kind)))
        return found

    # -- collections --------------------------------------------------------------------------------------------------

    def _index_of(self, kind: type[Record]) -> Handler:
        async def index(request: Request) -> Response:
            return self._listed(kind, asked(request, *PAGING))

        return index

    def _single(self, kind: type[Record]) -> dict[str, Handler]:
        async def get(request: Request) -> Response:
            asked(request)
            record = self._store.get(kind, request.path_params["id"])
            if record is None:
                raise HTTPException(404, f"There is no {kind.kind} {request.path_params['id']}")
            return json(record)

        async def put(request: Request) -> Response:
            query, id, body = asked(request, *AUTHOR, *WAITING), path_id(request), await json_body(request)
            record = taken(read_record, kind, body, id)
            taken(encodable, record)
            return await self._write_one(request, query, kind, id, record)

        async def delete(request: Request) -> Response:
            return await self._write_one(request, asked(request, *AUTHOR, *WAITING), kind, path_id(request), None)

        return {"GET": get, "PUT": put, "DELETE": delete}

    async def _write_one(
        self, request: Request, query: Mapping[str, str], kind: type[Record], id: str, record: Record | None
    ) -> Response:
        step = Step(kind, id, record, number(query, "revision"))
        client, token = query.get("client"), number(query, "token")
        if client is not None and not ID.fullmatch(client):
            raise HTTPException(400, "client: expected up to 64 letters, digits and . _ : -")
        if token is not None and client is None:
            raise HTTPException(400, "token: whose? Say client, too")
        try:
            author = Author(client, token, truth(query, "force"))
            written = await self._writer.write([step], author, waiting(query))
        except Fenced as fenced:
            return refusal(request.url.path, str(fenced), HTTPStatus.CONFLICT, stands=fenced.stands)
        (outcome,) = written.outcomes
        return overtaken(request, outcome) if outcome.outcome == "stale" else json(written)

    def _listed(self, kind: type[R], query: Mapping[str, str], show: Any = None) -> Response:
        limit = number(query, "limit", 1, LIMIT) or LIMIT
        keys = self._index.keys[kind].page(query.get("after", ""), limit + 1)
        rows = self._store.rows(kind)
        items = [rows[key] if show is None else show(rows[key]) for key in keys[:limit]]
        return json({"items": items, "next": keys[limit - 1] if len(keys) > limit else None})

    # -- transactions -------------------------------------------------------------------------------------------------

    async def transact(self, request: Request) -> Response:
        query, body = asked(request, *WAITING), await json_body(request)
        transaction: TransactionAsked = taken(transaction_decoder.decode, body)
        try:
            steps = await understood(self._kinds, transaction.operations)
        except Invalid as invalid:
            raise HTTPException(400, str(invalid)) from None
        shown, force = transaction.fence, transaction.force
        author = Author(None, None, force) if shown is None else Author(shown.client, shown.token, force, shown.writer)
        try:
            written = await self._writer.write(steps, author, waiting(query))
        except Fenced as fenced:
            return refusal(request.url.path, str(fenced), HTTPStatus.CONFLICT, stands=fenced.stands)
        return json(written)

    async def plan(self, request: Request) -> Response:
        asked(request)
        transaction: TransactionAsked = taken(transaction_decoder.decode, await json_body(request))
        try:
            steps = await understood(self._kinds, transaction.operations)
        except Invalid as invalid:
            raise HTTPException(400, str(invalid)) from None
        if self._planner is None:
            raise HTTPException(404, "Nobody plans here")
        try:
            return json(await self._planner({(step.kind, step.id): step.record for step in steps}))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None

    # -- digests ------------------------------------------------------------------------------------------------------

    async def digests(self, request: Request) -> Response:
        asked(request)
        found = self._index.digests.collections()
        collections = tuple(
            CollectionDigest(kind, client, digest.objects, digest.text) for kind, client, digest in found
        )
        return json(DigestsAnswer(self._store.revision, collections))

    async def page(self, request: Request) -> Response:
        query, kind = asked(request, "client", "path"), request.path_params["kind"]
        path = query.get("path", "")
        if kind not in self._kinds:
            raise HTTPException(404, f"There is no kind {kind}; there is {', '.join(self._kinds)}")
        if len(path) not in (0, 2, 4) or set(path) - set("0123456789abcdef"):
            raise HTTPException(400, "path: expected none, two or four hexadecimal digits in lower case")
        digest, pages, objects = self._index.digests.page(kind, query.get("client"), path)
        shown = None if pages is None else {each: told(pages[each]) for each in pages}
        listed = None if objects is None else dict(objects)
        return json(PageAnswer(self._store.revision, kind, path, digest.objects, digest.text, shown, listed))

    # -- what is ------------------------------------------------------------------------------------------------------

    async def hosts(self, request: Request) -> Response:
        return self._listed(Host, asked(request, *PAGING), self._host)

    async def host(self, request: Request) -> Response:
        asked(request)
        return json(self._host(self._known_host(request)))

    async def forget_host(self, request: Request) -> Response:
        asked(request)
        host = self._known_host(request)
        if self._forget is None or not await self._forget(host.id):
            text = f"Host {host.id} is connected: end its Open vSwitch, or ovs-vsctl del-manager there, then try again"
            raise HTTPException(409, text)
        return Response(status_code=204)

    def _known_host(self, request: Request) -> Host:
        host = self._store.get(Host, request.path_params["id"])
        if host is None:
            raise HTTPException(404, f"There is no host {request.path_params['id']}")
        return host

    async def port_status(self, request: Request) -> Response:
        return self._listed(PortStatus, asked(request, *PAGING))

    async def rule_counters(self, request: Request) -> Response:
        return self._listed(SecurityGroupRule, asked(request, *PAGING), self._counters)

    async def events(self, request: Request) -> Response:
        asked(request)
        if self._streams >= STREAMS:
            raise HTTPException(503, f"There are {STREAMS} streams of events already")
        return StreamingResponse(
            self._counted(request.headers.get("last-event-id")),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def openapi(self, request: Request) -> Response:
        asked(request)
        return Response(self._document, media_type="application/json")

    async def _counted(self, last: str | None) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for piece in self._events.stream(last):
                yield piece
        finally:
            self._streams -= 1

    def _host(self, host: Host) -> HostState:
        progress = self._switches.progress(host.id)
        return HostState(msgspec.to_builtins(host), progress.connected, progress.revision)


def json(value: object) -> Response:
    return Response(encode(value), media_type="application/json")


def told(digest: Digest) -> DigestAnswer:
    return DigestAnswer(digest.objects, digest.text)


def overtaken(request: Request, outcome: Outcome) -> Response:
    """The answer to a single operation that came too late."""
    assert outcome.stands is not None
    how = "deleted it" if outcome.deleted else "stands"
    text = f"The revision is too low: {outcome.stands} {how}"
    return refusal(request.url.path, text, HTTPStatus.CONFLICT, stands=outcome.stands)


def taken(read: Any, *args: Any) -> Any:
    """What `read` makes of what a client sent; HTTPException 400 says why it can't be taken."""
    try:
        return read(*args)
    except Invalid as invalid:
        raise HTTPException(400, str(invalid)) from None
    except msgspec.ValidationError as error:
        raise HTTPException(400, f"The body can't be taken: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}") from None
    except RecursionError:
        raise HTTPException(400, "The body is nested too deeply") from None


async def json_body(request: Request) -> bytes:
    """The body of a request. Raises HTTPException 415."""
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json":
        raise HTTPException(415, "The body must be application/json")
    return await request.body()


def asked(request: Request, *names: str) -> Mapping[str, str]:
    """The parameters of a request. Those that are not among `names` are refused: misspelt, they would do nothing."""
    unknown = set(request.query_params) - set(names)
    if unknown:
        known = f"there is {', '.join(names)}" if names else "there are none"
        raise HTTPException(400, f"No parameter {min(unknown)} here; {known}")
    return cast(Mapping[str, str], request.query_params)


def path_id(request: Request) -> str:
    """The id in the path. Raises HTTPException 400 for one that no object can have."""
    return cast(str, taken(lambda: read_id(request.path_params["id"])))


def number(query: Mapping[str, str], name: str, low: int = 0, high: int = HIGH) -> int | None:
    """A parameter that is a whole number; None: it is not there. Raises HTTPException 400."""
    text = query.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 19 and low <= int(text) <= high:
        return int(text)
    raise HTTPException(400, f"{name}: expected a whole number from {low} to {high}")


def truth(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is a switch. Raises HTTPException 400 for anything but true and false."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise HTTPException(400, f"{name}: expected true or false")
    return text == "true"


def waiting(query: Mapping[str, str]) -> float | None:
    """How many seconds to wait for the switches; None: not at all. Raises HTTPException 400."""
    wait, text = query.get("wait"), query.get("timeout", str(WAIT))
    if wait not in (None, "applied"):
        raise HTTPException(400, "wait: expected applied")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise HTTPException(400, f"timeout: expected a number of seconds from 0 to {LONGEST_WAIT:.0f}")
    return seconds if wait else None
