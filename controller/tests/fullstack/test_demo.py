"""`make demo` works, and cleans up after itself even when it is interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ovs

DEMO = Path(__file__).parents[3] / "packaging" / "demo.py"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "KEEP"}


@pytest.fixture(autouse=True)
def in_order() -> None:
    """There is no `cloud` here to look over: the demo makes its own."""


def namespaces_of(pid: int) -> list[str]:
    """What a process's labs have left behind."""
    return [entry.name for entry in Path("/run/netns").glob(f"dbl-p{pid}-*")]


def start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(DEMO)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def test_it_works() -> None:
    with start() as demo:
        told, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, told
    assert "✗" not in told
    assert "All of it worked" in told
    assert not namespaces_of(demo.pid)


@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_interrupted(how: signal.Signals, code: int) -> None:
    with start() as demo:
        assert demo.stdout is not None
        while "Three hypervisors" not in demo.stdout.readline():
            assert demo.poll() is None
        assert namespaces_of(demo.pid)
        demo.send_signal(how)
        demo.communicate(timeout=60)
    assert demo.returncode == code
    assert not namespaces_of(demo.pid)
