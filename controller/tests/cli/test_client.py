"""How commands end when the controller can't be asked, and how it is found."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from daybreak.northbound import admin
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import BODY_LIMIT, app, serve_http
from daybreak.service.main import main
from daybreak.service.views import Views

from .conftest import Run, controller_with, serving
from .small_cloud import HEALTHY


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("command", ["show", "hosts", "flows --port web", "check"])
async def test_a_controller_that_does_not_run_is_exit_3(command: str, nobody: str, run: Run) -> None:
    assert await run(f"{command} --url {nobody}") == (
        3,
        f"Error: no answer from the controller at {nobody}: Connection refused\n",
    )


async def test_a_name_that_leads_nowhere_is_exit_3(run: Run) -> None:
    code, printed = await run("hosts --url http://nowhere.invalid:8181")
    assert code == 3
    assert printed.startswith("Error: no answer from the controller at http://nowhere.invalid:8181: ")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8181", "ftp://127.0.0.1", "http://", "http://h1:99999", "http://h1:x", "http://a..b", "http://h1/ä"],
)
async def test_a_url_that_is_none_is_exit_2(url: str, run: Run) -> None:
    code, printed = await run(f"hosts --url {url}")
    assert code == 2
    assert printed.endswith(f": {url} is not like http://127.0.0.1:8181\n")


async def test_a_wrong_password_is_exit_3_and_is_not_printed(credentials: Credentials, run: Run) -> None:
    async with serving(HEALTHY, credentials) as (url, _):
        code, printed = await run(f"hosts --url {url} --password secret")
    assert code == 3
    assert "the controller answers 401 to user admin: User name or password is missing or wrong\n" in printed
    assert "secret" not in printed


async def test_user_and_password_come_from_variables(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(HEALTHY, Credentials({"jane": hash_password("doe:x")})) as (url, _):
        monkeypatch.setenv("DAYBREAK_URL", url + "/")
        monkeypatch.setenv("DAYBREAK_USER", "jane")
        assert (await run("hosts"))[0] == 3
        monkeypatch.setenv("DAYBREAK_PASSWORD", "doe:x")
        assert (await run("hosts"))[0] == 0


async def test_another_server_is_exit_3(run: Run) -> None:
    async def hello(request: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    other = Starlette(routes=[Route("/{path:path}", hello)])
    async with serve_http(other, "127.0.0.1", 0) as (host, port):
        assert await run(f"hosts --url http://{host}:{port}") == (
            3,
            f"Error: what answers at http://{host}:{port} is not Daybreak\n",
        )


async def test_an_answer_that_breaks_off_is_exit_3(run: Run) -> None:
    async def half(request: object) -> StreamingResponse:
        async def body() -> object:
            yield b'{"name": "h1"}\\n'
            raise ConnectionResetError

        return StreamingResponse(body())  # type: ignore[arg-type]

    async def broken(scope: object, receive: object, send: object) -> None:
        try:
            await Starlette(routes=[Route("/{path:path}", half)])(scope, receive, send)  # type: ignore[arg-type]
        except ConnectionResetError:
            return

    async with serve_http(broken, "127.0.0.1", 0) as (host, port):
        code, printed = await run(f"hosts --json --url http://{host}:{port}")
    assert code == 3
    assert f"Error: no answer from the controller at http://{host}:{port}: IncompleteRead" in printed


async def test_https_believes_the_certificate_that_is_named(credentials: Credentials, run: Run, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=daybreak", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run([*new, *files, *subject], check=True, capture_output=True)  # noqa: ASYNC221
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    controller = await controller_with(HEALTHY)
    served = app(controller.store, credentials, [admin.dialect(Views(controller))])
    async with serve_http(served, "127.0.0.1", 0, tls) as (host, port):
        code, printed = await run(f"hosts --url https://{host}:{port}")
        assert code == 3
        assert "certificate verify failed" in printed
        assert (await run(f"hosts --url https://{host}:{port} --cafile {certificate}"))[0] == 0


async def test_a_file_without_a_certificate_is_exit_2(run: Run, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    code, printed = await run(f"hosts --url https://127.0.0.1:1 --cafile {junk}")
    assert code == 2
    assert printed.endswith(f"{junk} has no certificate in PEM form\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "is nested too deeply"),
        ("[" * 900 + "]" * 900, "The body can't be taken"),
        (json.dumps({"operations": [], "fence": "x" * BODY_LIMIT}), "The body is larger than 16 MiB"),
    ],
    ids=["nested too deeply", "nested deeply", "too large"],
)
async def test_a_plan_that_cannot_be_taken_is_exit_2(
    content: str, reason: str, credentials: Credentials, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text(content)
    async with serving((), credentials) as (url, _):
        code, printed = await run(f"plan {tmp_path}/plan.json --url {url}")
    assert code == 2
    assert reason in printed


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands by how they are called, groups too."""
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("path", COMMANDS)
async def test_help_has_an_example_and_the_exit_codes(path: str, run: Run) -> None:
    code, printed = await run(f"{path} --help")
    assert code == 0
    assert "Example" in printed
    assert f"\n    daybreak {path}" in printed
    assert isinstance(COMMANDS[path], click.Group) or "Exit codes: 0" in printed
