"""The command, as one types it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak_lab import Lab

pytestmark = pytest.mark.ovs
PROGRAM = Path(sys.executable).with_name("daybreak-lab")


def daybreak_lab(*args: str, code: int = 0) -> str:
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr or done.stdout


@pytest.fixture
def name() -> Iterator[str]:
    name = f"cli{uuid.uuid4().hex[:8]}"
    yield name
    Lab(name).down()


def test_a_session(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_LAB_NAME", name)
    daybreak_lab("up", "--hypervisors", "1", "--external-id", "rack=7")
    assert "remove it with" in daybreak_lab("up", code=1)
    assert name in daybreak_lab("ls").split()

    daybreak_lab(
        "exec", "h1", "--", "ovs-vsctl", "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev"
    )
    assert daybreak_lab("exec", "h1", "ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids:rack") == '"7"\n'
    daybreak_lab("plug", "vm1", "h1", "--ip", "10.0.0.1/24")
    daybreak_lab("plug", "vm2", "h1", "--ip", "10.0.0.2/24")
    assert json.loads(daybreak_lab("ping", "vm1", "vm2", "--json"))["received"] == 5
    assert "0 of 1" in daybreak_lab("ping", "vm1", "10.0.0.9", "--count", "1", code=1)
    daybreak_lab("exec", "vm1", "--", "sh", "-c", "exit 7", code=7)

    daybreak_lab("cut", "h1", "--network", "management")
    [host] = json.loads(daybreak_lab("show", "--json"))["hosts"]
    assert (host["management_link"], host["underlay_link"]) == ("cut", "up")
    daybreak_lab("delay", "h1", "20")
    assert daybreak_lab("show").count("impaired") == 2
    daybreak_lab("loss", "h1", "3")
    daybreak_lab("heal", "h1")
    assert "impaired" not in daybreak_lab("show")
    daybreak_lab("restart", "h1", "--kill")
    daybreak_lab("unplug", "vm1")
    assert "unplugged" in daybreak_lab("show")

    daybreak_lab("down")
    assert name not in daybreak_lab("ls").split()
    assert "make it with" in daybreak_lab("show", code=1)


def test_every_command_explains_itself_by_example() -> None:
    commands = [
        line.split()[0] for line in daybreak_lab("--help").partition("Commands:")[2].splitlines() if line.strip()
    ]
    assert len(commands) == 14
    for command in commands:
        assert f"Example: daybreak-lab {command}" in daybreak_lab(command, "--help")


def test_wrong_usage_is_exit_2() -> None:
    daybreak_lab("loss", "h1", "101", code=2)
    daybreak_lab("up", "--external-id", "nonsense", code=2)
