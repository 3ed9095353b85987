"""io: what lies within other objects: members of pools, flows of tap services, interfaces of routers."""

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daybreak.model import Expect, LoadBalancerMember, LoadBalancerPool, Transaction
from daybreak.northbound.neutron.catalogue.balancing import MEMBERS, POOLS
from daybreak.northbound.neutron.catalogue.routing import ROUTER_INTERFACE, ROUTERS
from daybreak.northbound.neutron.catalogue.tap import TAP_FLOWS
from daybreak.northbound.neutron.collection import BASE, Collection, absent, encode, json, read_body, refusing
from daybreak.northbound.routing import verbs
from daybreak.store.contract import Store


class Members(Collection):
    """Members are part of their pool's record: they go with it, and a PUT of the pool leaves them alone."""

    def __init__(self, store: Store) -> None:
        super().__init__(MEMBERS, store)

    def pool(self, request: Request) -> LoadBalancerPool:
        pool = self.store.get(LoadBalancerPool, request.path_params["pool"])
        if pool is None:
            raise absent(POOLS)
        return pool

    def rows(self, request: Request) -> tuple[LoadBalancerMember, ...]:
        return self.pool(request).members

    def find(self, request: Request) -> LoadBalancerMember | None:
        return next((each for each in self.rows(request) if each.id == request.path_params["id"]), None)

    async def add(self, request: Request, records: list[Any]) -> bool:
        new = {each.id for each in records}
        while True:
            pool = self.pool(request)
            if any(each.id in new for each in pool.members):
                return False
            if await self.change(pool, (*pool.members, *records)):
                return True

    async def swap(self, request: Request, old: Any, new: Any) -> bool:
        pool = self.pool(request)
        if old not in pool.members:
            return False
        kept = tuple(new if each == old else each for each in pool.members)
        return await self.change(pool, tuple(each for each in kept if each is not None))

    async def change(self, pool: LoadBalancerPool, members: tuple[LoadBalancerMember, ...]) -> bool:
        """Store the pool with other members. False: it is not what is stored any more."""
        changed = msgspec.structs.replace(pool, members=members)
        return await self.commit(Transaction((changed,), expect=(Expect(LoadBalancerPool, pool.key, pool),)))

    async def delete(self, request: Request) -> Response:
        if self.find(request) is None:
            raise HTTPException(400, absent(MEMBERS).detail)
        return await super().delete(request)


class TapFlows(Collection):
    """Flows of tap services: listed all together, and made and found below their service, which the path names."""

    def __init__(self, store: Store) -> None:
        super().__init__(TAP_FLOWS, store)

    def routes(self) -> list[Route]:
        everything = f"{BASE}/{self.resource.path}"
        within = f"{everything}/{{service}}/flows"
        return [
            verbs(everything, GET=self.index),
            verbs(within, POST=self.create),
            self.route_of_one(f"{within}/{{id}}"),
        ]

    def find(self, request: Request) -> Any:
        flow = super().find(request)
        return flow if flow is not None and flow.tap_service_id == request.path_params["service"] else None

    def given(self, request: Request, asked: Any) -> Any:
        service = {"tap_service_id": request.path_params["service"]}
        return asked | service if isinstance(asked, dict) else asked

    def absent(self) -> HTTPException:
        return HTTPException(404, "Specified UUID does not Exist")


def router_interfaces() -> list[Route]:
    """PUT of add_router_interface and remove_router_interface: an echo. A router's interfaces are learnt from ports."""

    async def echo(request: Request) -> Response:
        interface = refusing(ROUTER_INTERFACE.read, await read_body(request))
        return json(200, encode(ROUTER_INTERFACE.write(interface)))

    path = f"{BASE}/{ROUTERS.path}/{{id}}"
    return [verbs(f"{path}/{verb}_router_interface", PUT=echo) for verb in ("add", "remove")]
