"""The guide for those who come from OpenDaylight: each of its commands does what the page says."""

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak_lab import Hypervisor, Lab

from .cloud import DAYBREAK, DEADLINE, serve

pytestmark = pytest.mark.ovs

GUIDE = Path(__file__).parents[3] / "docs" / "guide-opendaylight.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@pytest.fixture(scope="module")
def node() -> Iterator[Hypervisor]:
    """A machine with Open vSwitch that knows nothing of a controller."""
    with Lab() as lab:
        yield lab.hypervisor("node", external_ids={"daybreak-datapath-type": "netdev"})


@pytest.fixture(autouse=True)
def in_order() -> None:
    """There is no `cloud` here to look over: the page starts its own controller."""


def blocks(language: str) -> list[str]:
    """What stands in the page's code blocks of a language."""
    return [text for name, text in BLOCK.findall(GUIDE.read_text()) if name == language]


def commands() -> Iterator[tuple[str, str]]:
    """Each command of the page, and what it prints according to the page."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield command, expected


def matches(expected: str, printed: str) -> bool:
    """Equal but for `…`: in a line it's any text, as a line of its own any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*"
        if line.strip() == ANYTHING
        else ".*".join(map(re.escape, line.rstrip("\n").split(ANYTHING))) + "\n"
        for line in expected.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, printed.rstrip() + "\n" if printed.strip() else "") is not None


class Shell:
    """A terminal in which the page's commands are typed; variables stay from one to the next."""

    def __init__(self, node: Hypervisor, folder: Path) -> None:
        self._node = node
        path = f"PATH={shlex.quote(str(Path(DAYBREAK).parent))}:$PATH"
        self._said = [path, 'sudo() { "$@"; }', f"cd {shlex.quote(str(folder))}"]

    def type(self, command: str) -> str:
        """Run one command; returns what it printed. Assignments hold for those that follow."""
        output = self._node.exec("bash", "-c", "\n".join([*self._said, command]), check=False)
        if re.fullmatch(r"(\w+=\S+ ?)+", command):
            self._said.append(command)
        return output


def changes_something(command: str) -> bool:
    """Whether it must not be typed twice."""
    return any(word in command for word in (" -d ", "add-", "set"))


def test_each_command_does_what_the_page_says(node: Hypervisor, tmp_path: Path) -> None:
    (start,) = blocks("sh")
    _daybreak, _serve, *arguments = shlex.split(start)
    log = tmp_path / "log"
    controller = serve(node.namespace, log, *arguments, cwd=tmp_path)
    try:
        shell = Shell(node, tmp_path)
        for command, expected in commands():
            printed = shell.type(command)
            if not changes_something(command):
                deadline = time.monotonic() + DEADLINE
                while not matches(expected, printed) and time.monotonic() < deadline:
                    time.sleep(0.1)
                    printed = shell.type(command)  # what follows from earlier commands takes a moment
            assert matches(expected, printed), f"{command}\nprints\n{printed}\ninstead of\n{expected}"
        assert "event=drift" in log.read_text()
    finally:
        controller.terminate()
        assert controller.wait(30) == 0


def test_what_counts_as_equal() -> None:
    """The comparison itself can fail."""
    assert matches("a …\n…\nz\n", "a b\nc\nd\nz\n")
    assert matches("…\nz\n", "z\n")
    assert not matches("a …\nz\n", "a b\nc\nz\n")
    assert not matches("yes\n", "no\n")


def test_each_difference_is_explained() -> None:
    """What is marked in the text is in the list, and the other way round."""
    text, _, differences = GUIDE.read_text().partition("## What differs")
    marked = set(re.findall(r"\*\*\((D\d+)\)\*\*", text))
    assert marked == set(re.findall(r"^\| (D\d+) \|", differences, re.MULTILINE))
