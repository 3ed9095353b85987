"""Programs that are killed at any moment and started again."""

from pathlib import Path

import pytest

from daybreak_lab import Lab, LabError
from daybreak_lab.daemon import Daemon, members
from daybreak_lab.process import belongs

pytestmark = pytest.mark.ovs

FAMILY = "sleep 60 & sleep 60 & echo here; wait"
"""A shell with two children."""


def test_kill_takes_all_of_its_processes(lab: Lab) -> None:
    daemon = Daemon(lab.controller_namespace, "family", "sh", "-c", FAMILY, ready=lambda it: "here" in it.said)
    daemon.start()
    group = daemon.pid
    assert len(daemon.processes()) == 3
    daemon.kill()
    assert not daemon.is_running
    assert list(members(group)) == []


def test_it_is_started_again_and_goes_on_with_its_log(lab: Lab) -> None:
    daemon = Daemon(lab.controller_namespace, "talker", "sh", "-c", "echo $WORD $$; sleep 60", env={"WORD": "hello"})
    seen = []
    for _ in range(2):
        daemon.start(wait=False)
        daemon.wait_until_ready()
        while not daemon.said:
            pass
        seen.append(daemon.said)
        daemon.kill()
    assert seen[0] != seen[1]
    assert daemon.log == "".join(seen)
    assert [line.split()[0] for line in daemon.log.splitlines()] == ["hello", "hello"]


def test_stop_leaves_no_child_behind(lab: Lab) -> None:
    daemon = Daemon(lab.controller_namespace, "parent", "sh", "-c", f"trap 'exit 3' TERM; {FAMILY}")
    daemon.start()
    group = daemon.pid
    while "here" not in daemon.said:
        pass
    assert daemon.stop() == 3
    assert list(members(group)) == []


def test_what_ends_at_once_is_shown(lab: Lab) -> None:
    daemon = Daemon(
        lab.controller_namespace, "broken", "sh", "-c", "echo no such database; exit 1", ready=lambda it: False
    )
    with pytest.raises(LabError, match="broken ended; it said:\nno such database"):
        daemon.start()


def test_it_ends_with_the_lab() -> None:
    with Lab() as lab:
        daemon = Daemon(lab.controller_namespace, "family", "sh", "-c", FAMILY)
        daemon.start()
        group = daemon.pid
    assert list(members(group)) == []
    daemon.end()


def test_a_program_that_becomes_another_one_is_the_labs_all_the_time(lab: Lab, tmp_path: Path) -> None:
    """While it does (execve(2)) it has no environment, by which the lab would know it."""
    again = tmp_path / "again"
    again.write_text('exec sh "$0"\n')
    namespace = lab.controller_namespace
    with namespace.popen("sh", str(again)) as program:
        found = [belongs(program.pid, lab.directory, {namespace.inode}) for _ in range(10_000)]
        program.kill()
    assert found == [True] * len(found)
