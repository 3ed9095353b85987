"""Every request in docs/api.md is made, and answered as it says there."""

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[4] / "docs" / "api.md"
BLOCK = re.compile(r"^```http\n(\w+) (\S+)\n(.*?)\n?\n(\d+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def alike(told: Any, answered: Any) -> bool:
    """Whether an answer is the one that was told; "…" stands for anything."""
    if told == "…":
        return True
    if isinstance(told, dict) and isinstance(answered, dict):
        return told.keys() == answered.keys() and all(alike(told[name], answered[name]) for name in told)
    if isinstance(told, list) and isinstance(answered, list):
        return len(told) == len(answered) and all(map(alike, told, answered))
    return bool(told == answered)


async def test_the_page_tells_the_truth(served: Any) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == PAGE.read_text().count("```http") == 13
    for method, path, body, status, answer in blocks:
        asked = json.loads(body) if body else None
        answered = await served.client.request(method, path, json=asked)
        told = json.loads(answer)
        assert (answered.status_code, alike(told, answered.json())) == (int(status), True), answered.text
