"""`make demo CLOUD=neutron` works, and leaves nothing behind."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(400)]

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "KEEP"}


def test_it_works() -> None:
    # The lab and the controller are of the controller's environment; only Neutron is of this one.
    argv = [REPOSITORY / ".venv/bin/python", REPOSITORY / "packaging/demo_neutron.py"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as demo:
        told, _ = demo.communicate(timeout=380)
    assert demo.returncode == 0, told
    assert "✗" not in told
    assert "All of it worked" in told
    assert "the first ping" in told
    assert not list(Path("/run/netns").glob(f"dbl-p{demo.pid}-*"))
