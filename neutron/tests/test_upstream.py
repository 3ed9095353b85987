"""Neutron's own tests hold with the driver. They set up Neutron in their process: so it is one of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

NEUTRON = Path(__file__).parents[1]
STESTR = Path(sys.executable).with_name("stestr")
CHOSEN = "tests/upstream/chosen"


@pytest.mark.timeout(600)
def test_neutrons_own_tests_hold_with_the_driver(tmp_path: Path) -> None:
    command = [STESTR, "--repo-url", tmp_path, "run", "--serial", "--include-list", CHOSEN]
    run = subprocess.run(command, cwd=NEUTRON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, run.stdout
