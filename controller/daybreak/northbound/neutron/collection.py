"""io: one collection of the Neutron northbound over HTTP: GET, POST, PUT, DELETE."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daybreak.model import Expect, Transaction
from daybreak.northbound.neutron.resource import Resource
from daybreak.northbound.neutron.translate import (
    OutOfBounds,
    UnknownMarker,
    created,
    matching,
    overtaken,
    paged,
    updated,
    writer,
)
from daybreak.northbound.values import Invalid
from daybreak.store.contract import Conflict, Store

BASE = "/controller/nb/v2/neutron"

SLICE = 100
"""Objects that are translated before others get their turn: a millisecond or two of the loop."""

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
encode = msgspec.json.Encoder().encode


class Collection:
    """Serves one `Resource` from a store. Every write is durable before it is answered."""

    def __init__(self, resource: Resource, store: Store) -> None:
        self.resource = resource
        self.store = store
        self.kind = resource.record

    def routes(self) -> list[Route]:
        path = f"{BASE}/{self.resource.path}"
        return [
            verbs(path, GET=self.index, POST=self.create),
            verbs(f"{path}/{{id}}", GET=self.show, PUT=self.update, DELETE=self.delete),
        ]

    async def index(self, request: Request) -> Response:
        query = request.query_params.multi_items()
        stored = [*self.store.rows(self.kind).values()]
        shown = [self.resource.present(each, self.store.get) async for each in in_slices(stored)]
        try:
            found, links = matching(self.resource, shown, query), None
            if self.resource.paged:
                found, links = paged(found, query, str(request.url.replace(query="", fragment="")))
        except UnknownMarker as unknown:
            raise HTTPException(404, str(unknown)) from None
        except (Invalid, OutOfBounds) as wrong:
            raise HTTPException(400, str(wrong)) from None
        write = writer(self.resource, query)
        tail = b"" if links is None else b',"%s_links":%s' % (self.resource.plural.encode(), encode(links))
        return json(200, await self.many((write(each) for each in found), tail))

    async def show(self, request: Request) -> Response:
        record = self.store.get(self.kind, request.path_params["id"])
        if record is None:
            raise self.absent()
        return self.one(200, record, writer(self.resource, request.query_params.multi_items()))

    async def create(self, request: Request) -> Response:
        body = await read_body(request)
        single = body.get(self.resource.singular) is not None
        asked = [body[self.resource.singular]] if single else body.get(self.resource.plural)
        if not isinstance(asked, list):
            raise HTTPException(400, "Invalid requests")
        records = await self.read_all(asked)
        write = writer(self.resource)
        if single:
            echo = json(201, b'{"%s":%s}' % (self.resource.singular.encode(), encode(write(records[0]))))
        else:
            echo = json(201, await self.many(write(each) for each in records))
        absent = tuple(Expect(self.kind, each.key, None) for each in records)
        try:
            await self.store.commit(Transaction(put=tuple(records), expect=absent))
        except Conflict:
            echo.status_code = 409
        return echo

    async def read_all(self, asked: list[Any]) -> list[Any]:
        """The records of a POST. The first that can't be taken refuses all."""
        records: dict[str, Any] = {}
        async for each in in_slices(asked):
            record = refusing(created, self.resource, each)
            if record.key in records:
                raise HTTPException(400, f"{self.resource.singular}.id: {record.key} is there twice")
            records[record.key] = record
        return [*records.values()]

    async def update(self, request: Request) -> Response:
        body = await read_body(request)
        asked = body.get(self.resource.singular)
        if asked is None:
            raise HTTPException(400, "Only singleton edit supported")
        while True:
            old = self.store.get(self.kind, request.path_params["id"])
            if old is None:
                raise self.absent()
            new = refusing(updated, self.resource, old, asked)
            if overtaken(old, new):
                return Response(status_code=200)
            if await self.replace(old, Transaction(put=(new,))):
                return self.one(200, new, writer(self.resource))

    async def delete(self, request: Request) -> Response:
        key = request.path_params["id"]
        while (old := self.store.get(self.kind, key)) is not None:
            if await self.replace(old, Transaction(delete=((self.kind, key),))):
                return Response(status_code=204)
        raise self.absent()

    async def replace(self, old: Any, txn: Transaction) -> bool:
        """Carry out `txn` if `old` is still what is stored; else somebody else was faster and it is to be made anew."""
        try:
            await self.store.commit(txn._replace(expect=(Expect(self.kind, old.key, old),)))
        except Conflict:
            return False
        return True

    def absent(self) -> HTTPException:
        return HTTPException(404, f"{self.resource.title} UUID does not exist.")

    def one(self, status: int, record: Any, write: Callable[[Any], dict[str, Any]]) -> Response:
        shown = self.resource.present(record, self.store.get)
        return json(status, b'{"%s":%s}' % (self.resource.singular.encode(), encode(write(shown))))

    async def many(self, objects: Iterable[dict[str, Any]], tail: bytes = b"") -> bytes:
        """The wrapper of many objects, and what else stands in it."""
        parts = [encode(each) async for each in in_slices(objects)]
        return b'{"%s":[%s]%s}' % (self.resource.plural.encode(), b",".join(parts), tail)


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Each item; between slices of them others get their turn, so that a long list holds up nobody."""
    for index, each in enumerate(items, 1):
        yield each
        if index % SLICE == 0:
            await asyncio.sleep(0)


def verbs(path: str, **handlers: Handler) -> Route:
    """One route for all verbs of a path, so that any other verb is answered with the list of these."""

    async def dispatch(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=[*handlers])


def refusing(make: Callable[..., Any], *args: Any) -> Any:
    """What `make` makes of JSON that a client sent; HTTPException 400 says why it can't be taken."""
    try:
        return make(*args)
    except Invalid as invalid:
        raise HTTPException(400, str(invalid)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}") from None
    except RecursionError:
        raise HTTPException(400, "The body is nested too deeply") from None


def json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises HTTPException 415 or 400."""
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json":
        raise HTTPException(415, "The body must be application/json")
    body = refusing(msgspec.json.decode, await request.body())
    if not isinstance(body, dict):
        raise HTTPException(400, "Invalid requests")
    return body
