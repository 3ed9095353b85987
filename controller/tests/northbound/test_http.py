"""Who is let in, how much is read, and what is said when something goes wrong."""

import asyncio
import http.client
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from daybreak.model import IpsecSiteConnection, Network, Transaction
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import BODY_LIMIT, Authentication, CannotListen, app, serve_http
from daybreak.store.contract import StoreError
from daybreak.store.memory import MemoryStore

NETWORK = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic YWRtaW46d3Jvbmc=",  # admin:wrong
        "Basic bm9ib2R5OmFkbWlu",  # nobody:admin
        "Basic YWRtaW4=",  # admin
        "Basic !!!",
        "Basic //79",  # not UTF-8
        "Bearer YWRtaW46YWRtaW4=",
        "Basic",
    ],
)
async def test_strangers_are_challenged_and_learn_nothing(authorization: str | None, served: Any) -> None:
    await served.store.commit(Transaction(put=(Network(NETWORK),)))
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx2.AsyncClient() as stranger:
        for path in ("/networks", f"/networks/{NETWORK}", "/nothing"):
            answer = await stranger.get(served.url + path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="daybreak"'
            assert answer.text == "User name or password is missing or wrong"


async def test_a_password_is_right_again_after_a_wrong_one(served: Any) -> None:
    for password, status in (("admin", 200), ("wrong", 401), ("admin", 200), ("admin", 200)):
        answer = await served.client.get("/networks", auth=("admin", password))
        assert answer.status_code == status


async def test_nobody_waits_for_the_wrong_passwords_of_others() -> None:
    """One peer guesses twenty times at once, and another logs in after him."""
    answered = []

    async def log_in(peer: str, password: str) -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered.append((peer, message["status"]))

        async def receive() -> Any:
            return {"type": "http.request"}

        authorization = b"Basic " + b64encode(f"ann:{password}".encode())
        scope = {"type": "http", "method": "GET", "path": "/", "client": (peer, 4711), "query_string": b""}
        await door({**scope, "headers": [(b"authorization", authorization)]}, receive, send)

    door = Authentication(PlainTextResponse("hello"), Credentials({"ann": hash_password("right")}))
    attempts = [log_in("192.0.2.1", f"guess {number}") for number in range(20)]
    await asyncio.gather(*attempts, log_in("192.0.2.2", "right"))
    assert answered.index(("192.0.2.2", 200)) == 1
    assert answered.count(("192.0.2.1", 401)) == 20


async def test_neither_passwords_nor_bodies_are_logged(served: Any) -> None:
    with capture_logs() as logs:
        await served.client.post("/networks", auth=("admin", "hunter2"), json={"network": {"name": "secret"}})
        await served.client.post("/networks", json={"network": {"name": "secret"}})
    assert [entry["event"] for entry in logs] == ["login_refused"]
    assert not {"hunter2", "secret"} & set(str(logs).replace("'", " ").split())


async def test_a_preshared_key_is_neither_logged_nor_printed(served: Any) -> None:
    key, path = "60000000-0000-4000-8000-000000000001", "/vpn/ipsecsiteconnections"
    with capture_logs() as logs:
        for body in ({"id": key, "psk": "hunter2"}, {"id": "wrong", "psk": "hunter2"}, {"id": key, "psk": ["hunter2"]}):
            answer = await served.client.post(path, json={"ipsec_site_connection": body})
            assert answer.status_code == 201 or "hunter2" not in answer.text
    assert logs == []
    stored = served.store.get(IpsecSiteConnection, key)
    assert stored.psk == "hunter2"
    assert "hunter2" not in f"{stored} {stored!r}"


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_a_body_has_a_limit(chunked: bool, served: Any) -> None:
    piece = b" " * (1 << 20)

    async def body() -> AsyncIterator[bytes]:
        for _ in range((BODY_LIMIT >> 20) + 1):
            yield piece

    content = body() if chunked else piece * ((BODY_LIMIT >> 20) + 1)
    headers = {"Content-Type": "application/json"}
    answer = await served.client.post("/networks", content=content, headers=headers)
    assert (answer.status_code, answer.text) == (413, "The body is larger than 16 MiB")
    assert served.store.revision == 0


async def test_a_body_just_below_the_limit_is_read(served: Any) -> None:
    body = b'{"network": {"id": "%s", "name": "' % NETWORK.encode()
    body += b"x" * (BODY_LIMIT - len(body) - 3) + b'"}}'
    answer = await served.client.post("/networks", content=body, headers={"Content-Type": "application/json"})
    assert (len(body), answer.status_code) == (BODY_LIMIT, 201)


@pytest.mark.parametrize(
    ("body", "media", "status", "reason"),
    [
        (b"{", "application/json", 400, "The body is not JSON: Input data was truncated"),
        (b"", "application/json", 400, "The body is not JSON: Input data was truncated"),
        (b'{"network": "\xff"}', "application/json; charset=utf-8", 400, "The body is not JSON: "),
        (b"[" * 100_000, "application/json", 400, "The body is nested too deeply"),
        (b"{}", "text/xml", 415, "The body must be application/json"),
        (b'"networks"', "application/json", 400, "Invalid requests"),
    ],
)
async def test_bodies_that_are_none(body: bytes, media: str, status: int, reason: str, served: Any) -> None:
    answer = await served.client.post("/networks", content=body, headers={"Content-Type": media})
    assert answer.status_code == status
    assert answer.text.startswith(reason)


async def test_a_profile_that_is_nested_deeply_is_refused(served: Any) -> None:
    body = b'{"port": {"id": "%s", "network_id": "%s", "binding:profile": %s1%s}}'
    body %= (NETWORK.encode(), NETWORK.encode(), b'{"a":' * 5000, b"}" * 5000)
    answer = await served.client.post("/ports", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.text) == (400, "The body is nested too deeply")


async def test_verbs_that_a_path_has_are_told(served: Any) -> None:
    answer = await served.client.post(f"/networks/{NETWORK}", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")


async def test_a_connection_outlives_many_requests(served: Any) -> None:
    host, port = served.url.split("/")[2].split(":")

    def talk() -> list[int]:
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.connect()
        first = connection.sock
        statuses = []
        for _ in range(3):
            connection.request("GET", "/nowhere", headers={"Authorization": "Basic YWRtaW46YWRtaW4="})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            assert connection.sock is first
        connection.close()
        return statuses

    assert await asyncio.to_thread(talk) == [404, 404, 404]


async def test_what_nobody_expected_names_a_request_that_the_log_explains(credentials: Credentials) -> None:
    async def bug(request: Request) -> Response:
        raise KeyError((await request.body()).decode())

    async def full(request: Request) -> Response:
        raise StoreError("/srv/daybreak: no space left on device")

    def broken(store: object) -> list[Route]:
        return [Route("/bug", bug, methods=["POST"]), Route("/full", full)]

    application = app(MemoryStore((Network,)), credentials, [broken])
    async with (
        serve_http(application, "127.0.0.1", 0) as (host, port),
        httpx2.AsyncClient(base_url=f"http://{host}:{port}", auth=("admin", "admin")) as client,
    ):
        with capture_logs() as logs:
            failed = await client.post("/bug", content="secret")
            refused = await client.get("/full")
    assert failed.status_code == 500
    assert failed.text == f"Daybreak failed; its log says why under request {logs[0]['request']}"
    assert (logs[0]["error"], logs[0]["path"]) == ("KeyError", "/bug")
    assert "in bug" in logs[0]["place"][-1]
    assert "secret" not in str(logs)
    assert (refused.status_code, refused.text) == (503, "/srv/daybreak: no space left on device")


async def test_peers_outside_the_allowed_networks_need_tls(credentials: Credentials) -> None:
    application = app(MemoryStore((Network,)), credentials, [], plaintext=(ip_network("10.0.0.0/8"),))
    async with serve_http(application, "127.0.0.1", 0) as (host, port), httpx2.AsyncClient() as client:
        answer = await client.get(f"http://{host}:{port}/", auth=("admin", "admin"))
    assert (answer.status_code, answer.text) == (
        403,
        "HTTP without TLS is not allowed from 127.0.0.1; see allow_plaintext",
    )


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, signed by itself, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make.split(), *files], check=True, capture_output=True)
    return certificate, key


async def test_https_with_the_same_networks(credentials: Credentials, identity: tuple[Path, Path]) -> None:
    certificate, key = identity
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    believed = ssl.create_default_context(cafile=str(certificate))
    application = app(MemoryStore((Network,)), credentials, [], plaintext=(ip_network("10.0.0.0/8"),))
    async with (
        serve_http(application, "127.0.0.1", 0, server) as (host, port),
        httpx2.AsyncClient(verify=believed) as client,
    ):
        answer = await client.get(f"https://{host}:{port}/", auth=("admin", "admin"))
    assert answer.status_code == 404


async def test_a_port_that_is_taken_is_one_line(served: Any) -> None:
    port = int(served.url.split("/")[2].split(":")[1])
    with pytest.raises(CannotListen) as refused:
        async with serve_http(app(served.store, Credentials({}), []), "127.0.0.1", port):
            pass
    assert str(refused.value) == f"can't listen on 127.0.0.1:{port}: Address already in use"


async def test_a_stopped_server_leaves_its_port(credentials: Credentials) -> None:
    application = app(MemoryStore((Network,)), credentials, [])
    async with serve_http(application, "127.0.0.1", 0) as (host, port):
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
    async with serve_http(application, "127.0.0.1", port):
        pass


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "@", "", "x:y", "%", "é", "http://"])
async def test_any_host_header_will_do(host: str, served: Any) -> None:
    await served.store.commit(Transaction(put=(Network(NETWORK), Network(NETWORK.replace("4", "5")))))
    name, port = served.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    for path in ("/controller/nb/v2/neutron/networks?limit=1", "/controller/nb/v2/neutron/networks/", "/"):
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n"
        writer.write(head.encode())
        status = int((await reader.readline()).split()[1])
        assert status < 500
        headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        await reader.readexactly(int(headers.partition("content-length: ")[2].split()[0]))
    writer.close()


async def test_headers_without_end_are_cut_off(served: Any) -> None:
    host, port = served.url.split("/")[2].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nX-Long: ")
    with pytest.raises(ConnectionError):
        for _ in range(4096):  # 64 MiB in all
            writer.write(b"x" * (1 << 14))
            await writer.drain()
    writer.close()
    assert (await served.client.get("/networks")).status_code == 200
