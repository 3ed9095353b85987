"""The golden requests, answers and frames of contract/restconf, replayed."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daybreak.model import Transaction

from .conftest import KINDS
from .networking_odl import events_of, listen, next_frame

CONTRACT = Path(__file__).parents[4] / "contract" / "restconf"
FRAMES = CONTRACT / "frames.json"
BY_NAME = {kind.__name__: kind for kind in KINDS}


def told(step: Any) -> Transaction:
    """What clouds and switches tell before a step."""
    rows = [(BY_NAME[name], row) for name, rows in step.get("meanwhile", {}).items() for row in rows]
    gone = tuple((BY_NAME[name], key) for name, key in step.get("gone", ()))
    return Transaction(tuple(msgspec.convert(row, kind) for kind, row in rows), gone)


@pytest.mark.parametrize("story", sorted({*CONTRACT.glob("*.json")} - {FRAMES}), ids=lambda path: path.stem)
async def test_answers_are_those_of_the_contract(story: Path, served: Any) -> None:
    for step in json.loads(story.read_text()):  # noqa: ASYNC240
        await served.store.commit(told(step))
        verb, path, *body = step["request"]
        answer = await served.client.request(verb, f"/restconf{path}", json=body[0] if body else None)
        got = {"status": answer.status_code, "body": answer.json()}
        got |= {name: answer.headers[name] for name in step.get("headers", {})}
        status, content = step["answer"]
        expected = json.dumps({"status": status, "body": content, **step.get("headers", {})}, ensure_ascii=False)
        expected = expected.replace("{host}", "127.0.0.1").replace("{websockets}", str(served.websockets))
        assert without_tickets(got) == json.loads(expected), step["why"]
        assert answer.headers["content-type"] == "application/json"


def without_tickets(answer: Any) -> Any:
    return json.loads(re.sub(r"(ws://[^\"]*/)[0-9a-g]{60,}\"", r'\1{ticket}"', json.dumps(answer)))


@pytest.mark.parametrize("story", json.loads(FRAMES.read_text()), ids=lambda story: story["subscribe"]["path"])
async def test_frames_are_those_of_the_contract(story: Any, served: Any) -> None:
    subscribe = story["subscribe"]
    connection = await listen(served.client, subscribe["path"], subscribe["leaves_only"])
    for step in story["steps"]:
        await served.store.commit(told(step))
        notification = (await next_frame(connection))["notification"]
        changed = notification.pop("data-changed-notification")
        assert datetime.fromisoformat(notification.pop("eventTime")).tzinfo, step["why"]
        assert notification == {"xmlns": "urn:ietf:params:xml:ns:netconf:notification:1.0"}
        assert changed == {
            "xmlns": "urn:opendaylight:params:xml:ns:yang:controller:md:sal:remote",
            "data-change-event": step["events"],
        }, step["why"]
    await connection.close()


async def test_networking_odl_understands_the_frames(served: Any) -> None:
    """It looks for the port's id in the path and for the status in the data, and takes data for an object."""
    connection = await listen(served.client)
    stories = json.loads(FRAMES.read_text())
    statuses = []
    for step in stories[0]["steps"]:
        await served.store.commit(told(step))
        for operation, path, data in events_of(await next_frame(connection)):
            status = data.get("status")
            assert path.startswith("/neutron:neutron/neutron:ports/neutron:port[neutron:uuid='60000000-")
            statuses.append((operation, status and status.get("content")))
    assert statuses == [
        ("created", None), ("created", "DOWN"), ("updated", "ACTIVE"), ("updated", "DOWN"),
        ("deleted", None), ("deleted", None),
    ]  # fmt: skip
    await connection.close()
