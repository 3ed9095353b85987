"""io: asks the running controller over HTTP, for all commands: how to reach it, and what failing means.

Exit codes: 0 fine, 1 something was found or is not there, 2 wrong usage, 3 the controller can't be asked.
"""

from __future__ import annotations

import functools
import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import click

from daybreak.cli.screen import legible

BASE = "/daybreak/admin/v1"
MODERN = "/v1"

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 300.0
"""A check of many switches takes its time before the first byte comes."""

NOT_THERE, CHOICES, OK = 404, 300, 200


class NotThere(click.ClickException):
    """What was asked for does not exist, or several things are called so."""

    exit_code = 1


class CannotAsk(click.ClickException):
    """The controller can't be reached, refuses us, or fails."""

    exit_code = 3


class Client:
    """The controller at `url`. `tls`: which certificates are believed; None: those that this system believes."""

    def __init__(self, url: SplitResult, user: str, password: str, tls: ssl.SSLContext | None) -> None:
        self._url = url
        self._tls = tls
        self._headers = {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}
        self._user = user

    def one(self, path: str, *, base: str = BASE, body: str | None = None, **query: str | bool | None) -> Any:
        """An answer that is one object. With a `body`, which is JSON, it is posted."""
        with self._asked(path, query, base, body) as response:
            return self._read(response.read())

    def each(self, path: str, **query: str | bool | None) -> Iterator[Any]:
        """The objects of a collection, as they come."""
        with self._asked(path, query) as response:
            for line in lines(response):
                yield self._read(line)

    def _read(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise CannotAsk(f"what answers at {self._url.geturl()} is not Daybreak") from None

    @contextmanager
    def _asked(
        self, path: str, query: dict[str, str | bool | None], base: str = BASE, body: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer. Parameters that are None or False are left out."""
        said = {name: "true" if value is True else value for name, value in query.items() if value}
        target = f"{self._url.path.rstrip('/')}{base}/{path}{'?' if said else ''}{urlencode(said)}"
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            if body is None:
                connection.request("GET", target, headers=self._headers)
            else:
                headers = self._headers | {"Content-Type": "application/json"}
                connection.request("POST", target, body.encode(), headers)
            response = connection.getresponse()
            if response.status != OK:
                raise self._refusal(response)
            yield response
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise CannotAsk(f"no answer from the controller at {self._url.geturl()}: {reason}") from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._url.port or 80, timeout=CONNECT_SECONDS)
        context = self._tls or ssl.create_default_context()
        return http.client.HTTPSConnection(host, self._url.port or 443, timeout=CONNECT_SECONDS, context=context)

    def _refusal(self, response: http.client.HTTPResponse) -> click.ClickException:
        text = response.read().decode(errors="replace")
        if response.status == CHOICES:
            answer = legible(json.loads(text))
            listed = [f"\n  {each['id']}  {each['name'] or ''}".rstrip() for each in answer["candidates"]]
            return NotThere(f"{answer['message']}:{''.join(listed)}")
        said = legible(_detail(text))
        if response.status == NOT_THERE:
            return NotThere(said)
        if response.status in (http.client.BAD_REQUEST, http.client.REQUEST_ENTITY_TOO_LARGE):
            return click.UsageError(said)
        return CannotAsk(f"the controller answers {response.status} to user {self._user}: {said}")


def _detail(text: str) -> str:
    """What a refusal says; the modern API's are JSON (RFC 9457)."""
    try:
        told = json.loads(text)
    except ValueError:
        return text
    return str(told.get("detail", text)) if isinstance(told, dict) else text


def lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of an answer. Raises http.client.IncompleteRead where it breaks off, which its own `readline` hides."""
    rest = b""
    while block := response.read1():
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        yield rest


def parsed(context: click.Context, parameter: click.Parameter, url: str) -> SplitResult:
    """The controller's address. Raises click.BadParameter."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            parts.hostname.encode("idna")
            parts.path.encode("ascii")
            return parts
    except ValueError:  # a port that is no number, or a name or path that can't be asked for
        pass
    raise click.BadParameter(f"{url} is not like http://127.0.0.1:8181")


def believing(context: click.Context, parameter: click.Parameter, cafile: Path | None) -> ssl.SSLContext | None:
    """A context that believes the certificates of a file alone. Raises click.BadParameter."""
    try:
        return None if cafile is None else ssl.create_default_context(cafile=cafile)
    except OSError:
        raise click.BadParameter(f"{cafile} has no certificate in PEM form") from None


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that asks the controller; the command gets a `client` and `as_json`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.option(
        "--url",
        envvar="DAYBREAK_URL",
        default="http://127.0.0.1:8181",
        callback=parsed,
        show_default=True,
        show_envvar=True,
        help="Where the controller is.",
    )
    @click.option("--user", envvar="DAYBREAK_USER", default="admin", show_default=True, show_envvar=True)
    @click.option(
        "--password",
        envvar="DAYBREAK_PASSWORD",
        default="admin",
        show_default=True,
        show_envvar=True,
        help="Better given by the variable: others see the arguments of your commands.",
    )
    @click.option(
        "--cafile",
        "tls",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=believing,
        help="PEM file with the certificate that signed the controller's, for https.",
    )
    @functools.wraps(command)
    def asks(
        *args: Any,
        url: SplitResult,
        user: str,
        password: str,
        tls: ssl.SSLContext | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        command(*args, client=Client(url, user, password, tls), as_json=as_json, **options)

    return asks
