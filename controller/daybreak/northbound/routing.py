"""io: how a dialect says what it does at a path."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


def verbs(path: str, **handlers: Handler) -> Route:
    """One route for all verbs of a path, so that any other verb is answered with the list of these."""

    async def dispatch(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=[*handlers])
