"""What a lab leaves behind: nothing of its own, and everything of others."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak_lab import Lab, LabError, wait_for
from daybreak_lab.lab import FOLDER, existing, remove_abandoned
from daybreak_lab.namespace import find

pytestmark = pytest.mark.ovs


@pytest.fixture
def name() -> str:
    return f"c{uuid.uuid4().hex[:8]}"


@pytest.fixture
def stranger(name: str) -> Iterator[str]:
    """A network namespace that somebody else made, though it's called as ours would be, with a process inside."""
    namespace = f"dbl-{name}-h1"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    process = subprocess.Popen(["ip", "netns", "exec", namespace, "sleep", "600"])
    yield namespace
    assert process.poll() is None
    process.kill()
    process.wait()
    subprocess.run(["ip", "netns", "delete", namespace], check=True)


def processes_of(name: str) -> list[str]:
    mark = f"DAYBREAK_LAB={FOLDER / name}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:
            continue
    return found


def wait_for_processes(count: int, name: str) -> None:
    """Until so many processes of a lab are seen: one that is just becoming another program has no environment."""
    wait_for(f"{count} processes", lambda: len(processes_of(name)) == count)


def test_down_leaves_nothing(name: str) -> None:
    with Lab(name) as lab:
        host = lab.hypervisor("h1")
        host.underlay.impair(delay=0.01)
        sleep = lab.controller_namespace.popen("sleep", "600")
        wait_for_processes(4, name)  # ovsdb-server, ovs-vswitchd, relay, sleep
    assert sleep.wait() == -signal.SIGKILL
    assert processes_of(name) == []
    assert find(FOLDER / name) == []
    assert not (FOLDER / name).exists()


def test_the_next_lab_removes_what_a_killed_process_left(name: str) -> None:
    program = (
        f"from daybreak_lab import Lab; lab = Lab({name!r}); lab.up(); lab.hypervisor('h1');"
        "print('up', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        assert name not in remove_abandoned()  # it lives
        with pytest.raises(LabError, match="there is a lab"):
            Lab(name).up()
        process.send_signal(signal.SIGKILL)
    wait_for_processes(2, name)
    with Lab():
        assert name not in existing()
    assert processes_of(name) == []
    assert find(FOLDER / name) == []


def test_a_lab_that_is_kept_is_found_again(name: str) -> None:
    with Lab(name) as lab:
        lab.hypervisor("h1")
        lab.vm("vm", ips=["10.0.0.1/24"])
        lab.keep()
    again = Lab.find(name)
    assert again.hypervisors["h1"].ovs_vsctl("get", "Open_vSwitch", ".", "external_ids:system-id") == "h1"
    assert again.machines["vm"].addresses == ["10.0.0.1"]
    again.down()
    with pytest.raises(LabError, match="there is no lab"):
        Lab.find(name)


def test_a_strangers_namespace_is_neither_used_nor_removed(name: str, stranger: str) -> None:
    with Lab(name) as lab, pytest.raises(LabError, match="exists already"):
        lab.hypervisor("h1")
    Lab(name).down()
    assert Path("/run/netns", stranger).exists()  # and its process lives: see the fixture


def test_leftovers_are_known_without_their_state_file(name: str) -> None:
    with Lab(name) as lab:
        lab.hypervisor("h1")
        (lab.directory / "state.json").unlink()
        Lab(name).down()
    assert find(FOLDER / name) == []
    assert processes_of(name) == []


def test_a_lab_leaves_the_namespace_that_it_is_made_from_alone(name: str) -> None:
    program = f"""
import subprocess
from daybreak_lab import Lab
with Lab({name!r}) as lab:
    lab.vm("vm")
    lab.hypervisor("h1")
    print(subprocess.check_output(["ip", "-o", "link"], text=True))
"""
    links = subprocess.check_output(["unshare", "--net", sys.executable, "-c", program], text=True).strip()
    assert len(links.splitlines()) == 1
    assert links.startswith("1: lo:")
