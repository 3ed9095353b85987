"""What the documentation shows of the command line is what a transcript has, to the letter; UPDATE=1 copies it."""

import os
import re
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).parent
DOCUMENTS = Path(__file__).parents[3] / "docs" / "operate"
SESSION = re.compile(r"^(\$ .*)\n(?:(?!\$ |```).*\n)*", re.MULTILINE)


@pytest.mark.parametrize(("document", "transcript"), [("trace", "guarded"), ("plan", "guarded")])
def test_a_session_that_is_shown_was_played(document: str, transcript: str) -> None:
    path = DOCUMENTS / f"{document}.md"
    text = path.read_text()
    played = {
        found[1]: found[0].rstrip() for found in SESSION.finditer((TRANSCRIPTS / f"{transcript}.txt").read_text())
    }
    shown = [found for found in SESSION.finditer(text) if found[1].startswith("$ daybreak")]
    assert shown
    expected = SESSION.sub(lambda found: f"{played[found[1]]}\n" if found[1] in played else found[0], text)
    if os.environ.get("UPDATE"):
        path.write_text(expected)
    assert [found[1] for found in shown if found[1] not in played] == []
    assert path.read_text() == expected
