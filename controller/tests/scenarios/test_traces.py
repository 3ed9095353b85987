"""Transcripts with a real Open vSwitch: what becomes of packets. UPDATE=1 rewrites what they expect."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.features import pipeline

from .tracer import DummySwitch, Tracer

pytestmark = pytest.mark.ovs

TRANSCRIPTS = sorted((Path(__file__).parent / "traces").glob("*.txt"))


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummySwitch]:
    switch = DummySwitch(tmp_path_factory.mktemp("ovs"))
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_packets_fare_as_the_transcript_says(path: Path, switch: DummySwitch) -> None:
    expected = path.read_text()
    played = asyncio.run(Tracer(pipeline(), switch).play(expected))
    if os.environ.get("UPDATE"):
        path.write_text(played)
    else:
        assert played == expected
