"""io: ports created through the Neutron northbound, durably, beside a handler that does nothing but answer.

    python bench/northbound.py [--posts 2000] [--clients 16] [--rounds 3]

Both are served in this process by the same server set-up (uvicorn, httptools, uvloop, the same checks of peer, user
and size); the peer decodes the JSON and sends it back. The load comes from another process, which keeps some requests
under way, one on each of its connections. Rounds are interleaved.
"""

import asyncio
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import click
import msgspec
import uvloop
from end_to_end import HEADERS, port_body
from fleet import line
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daybreak.features import pipeline, pools
from daybreak.model import Transaction
from daybreak.model.intent import Network
from daybreak.northbound import neutron
from daybreak.northbound.credentials import Credentials, hash_password
from daybreak.northbound.http import app, serve_http
from daybreak.service.controller import KINDS, Controller
from daybreak.store.contract import Store
from daybreak.store.memory import MemoryStore
from daybreak.store.sqlite import SqliteStore

PATH = "/controller/nb/v2/neutron/ports"
NETWORKS = 100


# -- the load: a process of its own -----------------------------------------------------------------------------------


async def post(port: int, bodies: "itertools.islice[bytes]") -> None:
    """One connection, one request after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in bodies:
        head = [f"POST {PATH} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in HEADERS.items()]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201"), answer
        length = next(each for each in answer.lower().split(b"\r\n") if each.startswith(b"content-length"))
        await reader.readexactly(int(length.split()[1]))
    writer.close()


async def load(port: int, first: int, posts: int, clients: int) -> None:
    """All posts; prints how many were done in a second."""
    encode = msgspec.json.Encoder().encode
    numbers = range(first, first + posts)
    bodies = iter([encode({"port": port_body(number, number % NETWORKS)}) for number in numbers])
    await post(port, itertools.islice(bodies, 1))  # with this one the password is hashed
    began = time.perf_counter()
    await asyncio.gather(*(post(port, bodies) for _ in range(clients)))
    print(posts / (time.perf_counter() - began))


# -- the servers: this process ----------------------------------------------------------------------------------------


async def echo(request: Request) -> Response:
    """Decode what comes, and send it back."""
    body = msgspec.json.decode(await request.body())
    return Response(msgspec.json.encode(body), 201, media_type="application/json")


def nothing(store: Store) -> list[Route]:
    """The peer's dialect."""
    return [Route(PATH, echo, methods=["POST"])]


async def measure(directory: Path, posts: int, clients: int, rounds: int) -> tuple[list[float], list[float]]:
    credentials = Credentials({"admin": hash_password("admin")})
    store = SqliteStore.open(directory, KINDS, pools(pipeline(), (1 << 20, (1 << 24) - 1)))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        networks = [port_body(0, number)["network_id"] for number in range(NETWORKS)]
        await store.commit(Transaction(tuple(map(Network, networks))))
        controller = Controller(store)
        controller.start()
        stack.push_async_callback(controller.close)
        applications = (app(MemoryStore(()), credentials, [nothing]), app(store, credentials, [neutron.routes]))
        servers = [await stack.enter_async_context(serve_http(each, "127.0.0.1", 0)) for each in applications]
        results: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds):
            for (_, port), rates in zip(servers, results, strict=True):
                options = f"--load {port} --first {turn * posts} --posts {posts} --clients {clients}"
                command = [sys.executable, __file__, *options.split()]
                process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
                output, _ = await process.communicate()
                rates.append(float(output))
    return results


@click.command()
@click.option("--posts", default=2000, show_default=True, help="In each round.")
@click.option("--clients", default=16, show_default=True, help="Connections with a request under way.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--load", "target", type=int, hidden=True)
@click.option("--first", type=int, default=0, hidden=True)
def main(posts: int, clients: int, rounds: int, target: int | None, first: int) -> None:
    """Requests for each second."""
    if target is not None:
        uvloop.run(load(target, first, posts, clients))
        return
    with tempfile.TemporaryDirectory() as directory:
        peer, ours = uvloop.run(measure(Path(directory) / "store", posts, clients, rounds))
    print(f"{'the peer, which only answers':74} {statistics.median(peer):>8,.0f} /s")
    print(f"{'POST ports: checked, on disk, computed':74} {statistics.median(ours):>8,.0f} /s")
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    line("  beside the peer", f"{ratio:.2f} ×", "≥ 0.3 ×", ratio >= 0.3)


if __name__ == "__main__":
    main()
