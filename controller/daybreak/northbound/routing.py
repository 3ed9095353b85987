"""io: how a dialect says what it does at a path."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


def verbs(path: str, **handlers: Handler) -> Route:
    """One route for all verbs of a path, so that any other verb is answered with the list of these.

    HEAD is GET without its body, which is not even begun: it may be a stream that has no end.
    """

    async def dispatch(request: Request) -> Response:
        if request.method != "HEAD":
            return await handlers[request.method](request)
        shown = await handlers["GET"](request)
        headers_alone = Response(status_code=shown.status_code)
        headers_alone.raw_headers = shown.raw_headers
        return headers_alone

    return Route(path, dispatch, methods=[*handlers])
