"""The golden requests and answers of contract/neutron, replayed."""

import json
from pathlib import Path
from typing import Any

import pytest

from daybreak.model import PortStatus, Transaction
from daybreak.northbound.neutron.catalogue import RESOURCES

CONTRACT = Path(__file__).parents[3] / "contract" / "neutron"
STORIES = sorted(CONTRACT.glob("*.json"))


def test_each_collection_has_a_story() -> None:
    steps = [step for story in STORIES for step in json.loads(story.read_text())]
    made = {step["request"][1] for step in steps if step["request"][0] == "POST" and step["answer"][0] == 201}
    assert {f"/{resource.path}" for resource in RESOURCES} <= made


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
async def test_answers_are_those_of_the_contract(story: Path, served: Any) -> None:
    for step in json.loads(story.read_text()):  # noqa: ASYNC240
        if told := step.get("meanwhile"):
            await served.store.commit(Transaction(put=(PortStatus(told["port"], told["active"]),)))
        verb, path, *body = step["request"]
        answer = await served.client.request(verb, path, json=body[0] if body else None)
        status, expected = step["answer"]
        is_json = answer.headers.get("content-type") == "application/json"
        got = answer.json() if is_json else answer.text
        wanted = json.loads(json.dumps(expected).replace("{base}", served.url))
        assert (answer.status_code, got) == (status, wanted), step["why"]
