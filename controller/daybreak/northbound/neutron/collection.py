"""io: one collection of the Neutron northbound over HTTP: GET, POST, PUT, DELETE."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
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
from daybreak.northbound.routing import verbs
from daybreak.northbound.values import Invalid
from daybreak.store.contract import Conflict, Store

BASE = "/controller/nb/v2/neutron"

SLICE = 100
"""Objects that are translated before others get their turn: a millisecond or two of the loop."""

T = TypeVar("T")
encode = msgspec.json.Encoder().encode


class Collection:
    """Serves one `Resource` from a store. Every write is durable before it is answered."""

    def __init__(self, resource: Resource, store: Store) -> None:
        self.resource = resource
        self.store = store
        self.kind = resource.record

    def routes(self) -> list[Route]:
        path = f"{BASE}/{self.resource.path}"
        return [verbs(path, GET=self.index, POST=self.create), self.route_of_one(f"{path}/{{id}}")]

    def route_of_one(self, path: str) -> Route:
        edit = {"PUT": self.update} if self.resource.editable else {}
        return verbs(path, GET=self.show, DELETE=self.delete, **edit)

    # -- what a request is about --------------------------------------------------------------------------------------

    def rows(self, request: Request) -> Iterable[Any]:
        """The records of the collection."""
        return self.store.rows(self.kind).values()

    def find(self, request: Request) -> Any:
        """The record that the path names, or None."""
        return self.store.get(self.kind, request.path_params["id"])

    async def add(self, request: Request, records: list[Any]) -> bool:
        """Store new records, all or none. False: one of them exists."""
        absent = tuple(Expect(self.kind, each.key, None) for each in records)
        return await self.commit(Transaction(tuple(records), expect=absent))

    async def swap(self, request: Request, old: Any, new: Any) -> bool:
        """Store `new` (None: nothing) instead of `old`. False: that is not what is stored any more."""
        expect = (Expect(self.kind, old.key, old),)
        if new is None:
            return await self.commit(Transaction(delete=((self.kind, old.key),), expect=expect))
        return await self.commit(Transaction((new,), expect=expect))

    async def commit(self, txn: Transaction) -> bool:
        """Carry out a transaction if what it expects holds."""
        try:
            await self.store.commit(txn)
        except Conflict:
            return False
        return True

    def given(self, request: Request, asked: Any) -> Any:
        """The JSON of a new object, with what the path says of it."""
        return asked

    # -- verbs --------------------------------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        query = request.query_params.multi_items()
        stored = [*self.rows(request)]
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
        record = self.find(request)
        if record is None:
            raise self.absent()
        return self.one(200, record, writer(self.resource, request.query_params.multi_items()))

    async def create(self, request: Request) -> Response:
        body = await read_body(request)
        single = body.get(self.resource.singular) is not None
        if not single and self.resource.no_bulk:
            raise HTTPException(400, self.resource.no_bulk)
        asked = [body[self.resource.singular]] if single else body.get(self.resource.plural)
        if not isinstance(asked, list):
            raise HTTPException(400, "Invalid requests")
        records = await self.read_all([self.given(request, each) for each in asked])
        write = writer(self.resource)
        if single:
            echo = json(201, b'{"%s":%s}' % (self.resource.singular.encode(), encode(write(records[0]))))
        else:
            echo = json(201, await self.many(write(each) for each in records))
        if not await self.add(request, records):
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
            old = self.find(request)
            if old is None:
                raise self.absent()
            new = refusing(updated, self.resource, old, asked)
            if overtaken(old, new):
                return Response(status_code=200)
            if await self.swap(request, old, new):
                return self.one(200, new, writer(self.resource))

    async def delete(self, request: Request) -> Response:
        while (old := self.find(request)) is not None:
            if await self.swap(request, old, None):
                return Response(status_code=204)
        raise self.absent()

    # -- answers ------------------------------------------------------------------------------------------------------

    def absent(self) -> HTTPException:
        return absent(self.resource)

    def one(self, status: int, record: Any, write: Callable[[Any], dict[str, Any]]) -> Response:
        shown = self.resource.present(record, self.store.get)
        return json(status, b'{"%s":%s}' % (self.resource.singular.encode(), encode(write(shown))))

    async def many(self, objects: Iterable[dict[str, Any]], tail: bytes = b"") -> bytes:
        """The wrapper of many objects, and what else stands in it."""
        parts = [encode(each) async for each in in_slices(objects)]
        return b'{"%s":[%s]%s}' % (self.resource.plural.encode(), b",".join(parts), tail)


def absent(resource: Resource) -> HTTPException:
    """What is said of an id that nothing has."""
    return HTTPException(404, f"{resource.title} UUID does not exist.")


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Each item; between slices of them others get their turn, so that a long list holds up nobody."""
    for index, each in enumerate(items, 1):
        yield each
        if index % SLICE == 0:
            await asyncio.sleep(0)


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
