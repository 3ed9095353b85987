"""io: what people ask the running controller, below /daybreak/admin/v1, and /metrics. It reads and changes nothing.

Collections are JSON lines (one object a line), so that neither side ever holds a large one as a whole; `check` is one
object. What is asked for by name or id and is not there is a 404; a name that several have is a 300 with all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from daybreak.northbound.admin.answers import (
    CheckAnswer,
    CountsAnswer,
    FlowAnswer,
    HostAnswer,
    NetworkAnswer,
    Object,
    RuleAnswer,
    TraceAnswer,
    WhyDropAnswer,
)
from daybreak.northbound.admin.metrics import MEDIA_TYPE, exposition
from daybreak.store.contract import Store

BASE = "/daybreak/admin/v1"

LONGEST = 3600.0
"""Seconds for which drops are remembered."""

PROBE_SECONDS, LONGEST_PROBE = 2.0, 60.0
"""How long a probe is waited for."""

encode = msgspec.json.Encoder().encode


class NotThere(Exception):
    """Nothing has that name or id. The text is one line."""


class Ambiguous(Exception):
    """Several things have that name, or an id that begins so."""

    def __init__(self, text: str, candidates: Sequence[Object]) -> None:
        super().__init__(text)
        self.candidates = tuple(candidates)


class Views(Protocol):
    """What the controller can tell. Names are names, ids, or the beginnings of ids; the collections come in order.

    All raise `NotThere` or `Ambiguous` before they answer anything.
    """

    async def networks(self, network: str | None) -> AsyncIterator[NetworkAnswer]:
        """One network, or all of them and those that only ports speak of."""

    async def hosts(self) -> AsyncIterator[HostAnswer]:
        """All hosts that ever reported."""

    async def flows(
        self, *, port: str | None, host: str | None, network: str | None, counters: bool
    ) -> AsyncIterator[FlowAnswer]:
        """The flows that follow from a port or a network, or those of a host; with several, what they share.

        `counters`: of `host`, else of the port's host. Raises ValueError where neither names one.
        """

    async def trace(self, source: str, target: str, packet: str, actual: bool) -> TraceAnswer:
        """The way of a packet from a port to another, or to any address or MAC, and of its answer.

        `actual`: by the flows that the switches have now. Raises ValueError where `packet` is none.
        """

    async def probe(self, source: str, target: str, packet: str, actual: bool, seconds: float) -> TraceAnswer:
        """The same of a packet that is then sent through the switches, which are given `seconds` to show it.

        Raises NotThere where it can't be sent.
        """

    async def rules(self, group: str | None) -> AsyncIterator[RuleAnswer]:
        """The rules of one security group or of all, and what they let through."""

    async def dropped(self, port: str, seconds: float) -> WhyDropAnswer:
        """What was dropped of a port in the last seconds, looked up anew."""

    async def check(self, deep: bool) -> CheckAnswer:
        """Look for everything that is not as it should be."""

    async def counts(self) -> CountsAnswer:
        """Figures of the whole."""


def dialect(views: Views) -> Callable[[Store], Sequence[BaseRoute]]:
    """The dialect, for `northbound.http.app`. The store is read through the views alone."""
    return lambda store: routes(views)


def routes(views: Views) -> list[BaseRoute]:
    """The routes, with their whole paths."""

    async def networks(request: Request) -> Response:
        (network,) = asked(request, "network")
        return await lines(views.networks(network))

    async def hosts(request: Request) -> Response:
        asked(request)
        return await lines(views.hosts())

    async def flows(request: Request) -> Response:
        port, host, network, counters = asked(request, "port", "host", "network", "counters")
        if not (port or host or network):
            raise HTTPException(400, "Say of which port, host or network")
        return await lines(views.flows(port=port, host=host, network=network, counters=is_true(counters)))

    async def rules(request: Request) -> Response:
        (group,) = asked(request, "group")
        return await lines(views.rules(group))

    async def drops(request: Request) -> Response:
        port, seconds = asked(request, "port", "seconds")
        if port is None:
            raise HTTPException(400, "Say of which port")
        return await one(views.dropped(port, duration(seconds)))

    async def check(request: Request) -> Response:
        (deep,) = asked(request, "deep")
        return Response(encode(await views.check(is_true(deep))), media_type="application/json")

    async def metrics(request: Request) -> Response:
        asked(request)
        found = [host async for host in await views.hosts()]
        return Response(exposition(await views.counts(), found), media_type=MEDIA_TYPE)

    handlers = {
        "networks": networks,
        "hosts": hosts,
        "flows": flows,
        "rules": rules,
        "drops": drops,
        "check": check,
    }
    shown = [Route(f"{BASE}/{name}", handler, methods=["GET"]) for name, handler in handlers.items()]
    return [*shown, *tracing(views), Route("/metrics", metrics, methods=["GET"])]


def tracing(views: Views) -> list[BaseRoute]:
    """GET shows the way of a packet; POST also sends it."""

    async def trace(request: Request) -> Response:
        is_probe = request.method == "POST"
        names = ("from", "to", "packet", "actual", *("seconds",) * is_probe)
        source, target, packet, actual, *seconds = asked(request, *names)
        if not (source and target):
            raise HTTPException(400, "Say from where and to where")
        question = source, target, packet or "icmp", is_true(actual)
        if is_probe:
            return await one(views.probe(*question, duration(seconds[0], PROBE_SECONDS, LONGEST_PROBE)))
        return await one(views.trace(*question))

    return [Route(f"{BASE}/trace", trace, methods=["GET", "POST"])]


def asked(request: Request, *names: str) -> list[str | None]:
    """The values of these parameters; others are refused, for a filter that is misspelt would show everything."""
    unknown = set(request.query_params) - set(names)
    if unknown:
        known = f"there is {', '.join(names)}" if names else "there are none"
        raise HTTPException(400, f"No parameter {min(unknown)} here; {known}")
    return [request.query_params.get(name) or None for name in names]


def is_true(text: str | None) -> bool:
    """A parameter that is a switch. HTTPException 400 for anything but true and false."""
    if text not in (None, "true", "false"):
        raise HTTPException(400, f"Expected true or false, not {text}")
    return text == "true"


def duration(text: str | None, default: float = 300.0, longest: float = LONGEST) -> float:
    """A parameter in seconds. HTTPException 400 for anything that is none above 0 and up to `longest`."""
    try:
        seconds = default if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= longest:
        raise HTTPException(400, f"seconds: expected a number up to {longest:.0f}")
    return seconds


async def answered(call: Awaitable[Any], show: Callable[[Any], Response]) -> Response:
    """What a call gives, as `show` has it, or its refusal."""
    try:
        return show(await call)
    except NotThere as error:
        raise HTTPException(404, str(error)) from None
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    except Ambiguous as error:
        choice = {"message": str(error), "candidates": error.candidates}
        return Response(encode(choice), 300, media_type="application/json")


async def one(call: Awaitable[msgspec.Struct]) -> Response:
    """An answer that is one object."""
    return await answered(call, lambda found: Response(encode(found), media_type="application/json"))


async def lines(opening: Awaitable[Any]) -> Response:
    """A collection as JSON lines. `opening` is a call that gives them; refusals come from it."""

    async def body(answers: AsyncIterator[msgspec.Struct]) -> AsyncIterator[bytes]:
        async for answer in answers:
            yield encode(answer) + b"\n"

    return await answered(opening, lambda found: StreamingResponse(body(found), media_type="application/x-ndjson"))
