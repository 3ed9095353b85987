"""One switch that traces, for all proofs."""

from collections.abc import Iterator

import pytest

from ..scenarios.tracer import DummySwitch
from .switch import Control, Traces


class Oracle:
    """Open vSwitch with the dummy datapath: flows in, traces out."""

    def __init__(self, switch: DummySwitch) -> None:
        self.control = Control(switch.directory / "br-int.mgmt")
        self.traces = Traces(switch.directory / "switch.ctl")


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    switch = DummySwitch(tmp_path_factory.mktemp("oracle"))
    try:
        switch.start()
        oracle = Oracle(switch)
        yield oracle
        oracle.control.close()
        oracle.traces.close()
    finally:
        switch.stop()
