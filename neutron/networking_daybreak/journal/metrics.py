"""io: what Prometheus asks of a dispatcher: how full the journal is, and what this process has done of it.

Names begin with `neutron_daybreak_`. Depth and age are the database's, so every dispatcher tells the same; the rest is
the process's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from neutron_lib import context as neutron_context
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from networking_daybreak.journal import overview, states
from networking_daybreak.journal.dispatcher import ROLE, Dispatcher
from networking_daybreak.journal.members import members_of

PREFIX = "neutron_daybreak_"
STATES = (states.JOINING, states.ACTIVE, states.SUSPECT, states.GONE)


class Journal(Collector):
    """Asked at each scrape."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def describe(self) -> list[Any]:
        """Nothing: to know the names, the database would have to be asked before it may be there."""
        return []

    def collect(self) -> Iterator[Any]:
        """Families of metrics. Where the database can't be asked, those of the process alone."""
        yield from self._own()
        context = neutron_context.get_admin_context()
        depth = overview.depth(context)
        rows = GaugeMetricFamily(f"{PREFIX}rows", "Rows of the journal", labels=["state"])
        for state, number in zip(("pending", "waiting", "parked"), depth[:3], strict=True):
            rows.add_metric([state], number)
        yield rows
        age = 0.0 if depth.oldest is None else max(0.0, time.time() - depth.oldest)
        yield GaugeMetricFamily(f"{PREFIX}oldest_seconds", "Age of the oldest row that is to be sent", age)
        members = GaugeMetricFamily(f"{PREFIX}members", "Dispatchers", labels=["state"])
        seen = [each.state for each in members_of(context, ROLE)]
        for state in STATES:
            members.add_metric([state], seen.count(state))
        yield members

    def _own(self) -> Iterator[Any]:
        report = self._dispatcher.tally.report()
        sent = CounterMetricFamily(f"{PREFIX}sent", "Objects sent", labels=["kind"])
        for kind, number in report["sent"].items():
            sent.add_metric([kind], number)
        yield sent
        outcomes = CounterMetricFamily(f"{PREFIX}outcomes", "What became of them", labels=["outcome"])
        for outcome, number in report["outcomes"].items():
            outcomes.add_metric([outcome], number)
        yield outcomes
        latency = GaugeMetricFamily(
            f"{PREFIX}latency_seconds", "From recording to done, the latest of a kind", labels=["kind"]
        )
        for kind, seconds in report["latency"].items():
            latency.add_metric([kind], seconds)
        yield latency
        circuit = self._dispatcher.controllers.circuit
        yield GaugeMetricFamily(f"{PREFIX}controller_away", "1: no controller can be asked", int(circuit.is_open))


def serve(dispatcher: Dispatcher, address: str) -> None:
    """Answer GET /metrics on ADDRESS:PORT in a thread. Raises OSError where that is taken, ValueError if it's none."""
    host, _, port = address.rpartition(":")
    registry = CollectorRegistry()
    registry.register(Journal(dispatcher))
    start_http_server(int(port), host.strip("[]"), registry)
