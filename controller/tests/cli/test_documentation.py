"""What the documentation shows of the command line is what a transcript has, to the letter."""

import re
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).parent
DOCUMENTS = Path(__file__).parents[3] / "docs" / "operate"


@pytest.mark.parametrize(("document", "transcript"), [("trace", "guarded")])
def test_a_session_that_is_shown_was_played(document: str, transcript: str) -> None:
    played = (TRANSCRIPTS / f"{transcript}.txt").read_text()
    shown = re.findall(r"^```\n(\$ .*?)^```$", (DOCUMENTS / f"{document}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert [session for session in shown if session not in played] == []
