"""io: how tests wait."""

from collections.abc import Callable
from typing import Any

from daybreak_lab import wait_for
from daybreak_lab.openstack import Client

DEADLINE = 60.0
"""Seconds until something that should happen counts as failed; far more than it ever takes."""


def until(what: str, ask: Callable[[], Any], timeout: float = DEADLINE) -> Any:
    """Ask until the answer is true, and return it."""
    return wait_for(what, ask, timeout)


def until_ports_can_be_bound(api: Client, *hosts: str) -> None:
    """Wait until Neutron knows these hosts, and that they have their tunnels."""

    def known() -> set[str]:
        found = api.list("agents", agent_type="Daybreak host")
        return {agent["host"] for agent in found if agent["configurations"]["tunnel_types"]}

    until("Neutron knows the hosts", lambda: known() >= {*hosts})
