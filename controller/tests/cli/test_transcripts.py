"""Transcripts of the command line: what is typed, what is printed, how it ends.

    UPDATE=1 pytest controller/tests/cli

rewrites what they expect; read the difference before you believe it. `N` stands for the number of a host's flows, which
every feature changes, `YYYY-MM-DD hh:mm` and `hh:mm:ss` for times.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from daybreak.northbound.credentials import Credentials

from .conftest import Run, serving
from .small_cloud import GUARDED, HEALTHY, WRONG

CLOUDS = {"healthy": HEALTHY, "guarded": GUARDED, "wrong": WRONG, "empty": ()}
COMMAND = re.compile(r"^\$ daybreak (.*?)(?: \| grep (.*))?$", re.MULTILINE)


def grep(options: str, text: str) -> str:
    """What grep(1) leaves of a text."""
    argv = ["grep", "--no-group-separator", *options.split()]
    return subprocess.run(argv, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_session_reads_as_it_stands(
    cloud: str, credentials: Credentials, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parent / f"{cloud}.txt"
    expected = path.read_text()
    played = []
    async with serving(CLOUDS[cloud], credentials) as (url, controller):
        monkeypatch.setenv("DAYBREAK_URL", url)
        monkeypatch.chdir(path.parent)
        flows = {sum(len(topic.flows) for topic in controller.switches.topics(host)) for host in ("h1", "h2")}
        for line, kept in COMMAND.findall(expected):
            code, printed = await run(line)
            if kept:
                line, printed = f"{line} | grep {kept}", grep(kept, printed)
            played.append(f"$ daybreak {line}\n{printed}" + (f"exit {code}\n" if code else ""))
    text = "\n".join(played)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD hh:mm", text)
    text = re.sub(r"since \d\d:\d\d:\d\d", "since hh:mm:ss", text)
    for number in flows:
        text = text.replace(f" {number:>4} ", "    N ")
    if os.environ.get("UPDATE"):
        path.write_text(text)
    else:
        assert text == expected
