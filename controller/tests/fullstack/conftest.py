"""io: one cloud for all tests of a module, tidied up and looked over after each."""

from collections.abc import Iterator

import pytest

from daybreak_lab import Hypervisor, Lab

from .cloud import Cloud


@pytest.fixture(scope="module")
def settings() -> str:
    """Lines of the controller's configuration file; modules may have their own."""
    return ""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, settings: str) -> Iterator[Cloud]:
    """A controller that runs, and three hypervisors: h1, h2, h3."""
    with Lab() as lab, Cloud(lab, tmp_path_factory.mktemp("cloud"), settings) as cloud:
        for name in ("h1", "h2", "h3"):
            cloud.host(name)
        yield cloud


@pytest.fixture
def hosts(cloud: Cloud) -> list[Hypervisor]:
    return list(cloud.hosts.values())


@pytest.fixture(autouse=True)
def in_order(cloud: Cloud) -> Iterator[None]:
    """After each test: the controller never raised, no switch forwards by itself, and nothing of the test is left."""
    since = len(cloud.log)
    yield
    print(cloud.log[since:])  # shown where a test fails
    for host in cloud.hosts.values():
        assert not [flow for flow in cloud.all_flows(host) if "NORMAL" in flow]
    cloud.tidy()
    assert cloud.is_running
    assert not cloud.said("level=error", since=since)
    assert not cloud.said("Traceback", since=since)
