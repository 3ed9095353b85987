"""A small client that does what networking-odl does with RESTCONF and the websocket, no more and no less.

It subscribes, asks where the stream is, connects without a password, and reads whatever it may have missed.
"""

import asyncio
import json
import re
from typing import Any

import httpx2
import websockets
from websockets.asyncio.client import ClientConnection, connect

PORTS, HOSTCONFIGS = "/neutron:neutron/neutron:ports", "/neutron:neutron/neutron:hostconfigs"
HEADERS = {"Content-Type": "application/json"}
DEADLINE = 30
"""Seconds after which a test gives up."""

Event = tuple[str, str, dict[str, Any]]
"""Operation, path, data."""


async def locate(http: httpx2.AsyncClient, path: str, leaves_only: bool) -> str:
    """Subscribe, and ask where the stream is. Raises for every answer that networking-odl takes for a failure."""
    asked = {
        "path": path,
        "sal-remote-augment:datastore": "OPERATIONAL",
        "sal-remote-augment:scope": "SUBTREE",
        "sal-remote-augment:notification-output-type": "JSON",
    }
    operation = "/restconf/operations/sal-remote:create-data-change-event-subscription"
    answer = await http.post(operation, content=json.dumps({"input": asked}, indent=2), headers=HEADERS)
    name = answer.raise_for_status().json()["output"]["stream-name"]
    query = "?odl-leaf-nodes-only=true" if leaves_only else ""
    answer = await http.get(f"/restconf/streams/stream/{name}{query}", headers=HEADERS)
    return str(answer.raise_for_status().headers["location"])


async def listen(http: httpx2.AsyncClient, path: str = PORTS, leaves_only: bool = True) -> ClientConnection:
    """Subscribe and connect."""
    return await connect(await locate(http, path, leaves_only), compression=None, max_size=None)


async def next_frame(connection: ClientConnection) -> Any:
    async with asyncio.timeout(DEADLINE):  # wait_for of Python 3.11 may swallow that it was cancelled
        return json.loads(await connection.recv())


def events_of(frame: Any) -> list[Event]:
    """The events of a frame: a list, or one that stands alone."""
    told = frame["notification"]["data-changed-notification"]["data-change-event"]
    return [(each["operation"], each["path"], each["data"]) for each in (told if isinstance(told, list) else [told])]


def extract_field(path: str, key: str) -> str:
    """A key of a path, found with the expression that networking-odl has for it."""
    match = re.search(r"\[" + key + r"=(.*?)\]", path)
    assert match, path
    return match.group(1).strip("'")


class PortWatcher:
    """Follows the status of all ports, and is cut off whenever `cut` is set. `seen` is what it saw last."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self.cut = asyncio.Event()
        self.seen: dict[str, str] = {}

    async def follow(self) -> None:
        """Connect, read everything, listen until the connection is gone; and so on, for ever."""
        while True:
            connection = await listen(self.http)
            cutter = asyncio.create_task(self.cut_off(connection))
            try:
                await self.read()
                while True:
                    self.hear(events_of(await next_frame(connection)))
            except websockets.ConnectionClosed:
                continue
            finally:
                cutter.cancel()
                connection.transport.abort()

    async def cut_off(self, connection: ClientConnection) -> None:
        await self.cut.wait()
        self.cut.clear()
        connection.transport.abort()

    async def read(self) -> None:
        answer = await self.http.get("/restconf/operational/neutron:neutron/ports/")
        entries = answer.json()["ports"]["port"] if answer.status_code == 200 else []
        self.seen = {entry["uuid"]: entry["status"] for entry in entries}

    def hear(self, events: list[Event]) -> None:
        for operation, path, data in events:
            port = extract_field(path, "neutron:uuid")
            status = data.get("status")
            if operation == "deleted":
                self.seen.pop(port, None)
            elif status is not None:
                self.seen[port] = status.get("content")
