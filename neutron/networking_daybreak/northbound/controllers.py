"""io: all controllers of a cloud: which of them is spoken to, whether it is well, and the next one when it isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from oslo_log import log

from networking_daybreak.northbound.answers import Unavailable
from networking_daybreak.northbound.circuit import Circuit
from networking_daybreak.northbound.daybreak import Daybreak, served_by
from networking_daybreak.northbound.endpoint import PROBE_TIMEOUT, Access, Away, Endpoint
from networking_daybreak.northbound.opendaylight import OpendaylightNorthbound

LOG = log.getLogger(__name__)
Northbound = Daybreak | OpendaylightNorthbound


class Controllers:
    """Thread-safe. `dialect` is auto, daybreak or opendaylight; `random` gives numbers from 0 to 1.

    `epoch` counts how often a controller was connected anew: who compares it knows that something may have been lost.
    """

    def __init__(
        self, urls: Sequence[str], access: Access, dialect: str, random: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._endpoints = [Endpoint(url, access) for url in urls]
        self._dialect = dialect
        self._clock = clock
        self._current: Northbound | None = None
        self.circuit = Circuit(random)
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self.epoch = 0

    @classmethod
    def of(cls, conf: Any, random: Callable[[], float]) -> Controllers:
        """Those of the configuration's section [daybreak]."""
        access = Access(conf.username, conf.password, conf.ca_file, conf.cert_file, conf.key_file, conf.timeout)
        return cls(conf.url, access, conf.northbound, random, time.monotonic)

    @property
    def current(self) -> Northbound | None:
        """The controller that was found well last."""
        return self._current

    def connect(self) -> Northbound:
        """The controller to speak to now. Looks for one when that is due; one thread does. Raises `Unavailable`."""
        if self._current is not None and not self.circuit.is_open:
            return self._current
        if self._clock() < self.circuit.due or not self._looking.acquire(blocking=False):
            raise Unavailable(self.circuit.reason or "looking for a controller")
        try:
            return self._search()
        finally:
            self._looking.release()

    def lost(self, reason: str) -> None:
        """Whoever speaks to the current controller found it away."""
        with self._lock:
            if not self.circuit.is_open:
                LOG.warning("The controller %s is away: %s", self._current and self._current.endpoint, reason)
                self.circuit.failed(reason, self._clock())

    def _search(self) -> Northbound:
        """The first controller that is well; the one in use first."""
        reasons = []
        in_use = self._current.endpoint if self._current else None
        for endpoint in sorted(self._endpoints, key=lambda each: each is not in_use):
            try:
                found = self._probe(endpoint)
            except Unavailable as unavailable:
                reasons.append(f"{endpoint}: {unavailable}")
                continue
            LOG.info("Speaking to %s, which serves %s", endpoint, found.name)
            with self._lock:
                self._current = found
                self.epoch += 1
                self.circuit.succeeded()
            return found
        reason = "; ".join(reasons)
        with self._lock:
            self.circuit.failed(reason, self._clock())
        raise Unavailable(reason)

    def _probe(self, endpoint: Endpoint) -> Northbound:
        """What an endpoint serves. Raises `Unavailable`: it's away, or starts (404 at its root), or isn't one."""
        reason = "nothing is served there (yet)"
        try:
            if self._dialect in ("auto", "daybreak"):
                answer = endpoint.ask("GET", "/v1/openapi.json", timeout=PROBE_TIMEOUT)
                if answer.status == 200 and answer.json["info"]["title"] == "Daybreak":
                    return taking_changes(Daybreak(endpoint, served_by(answer.json)))
            if self._dialect in ("auto", "opendaylight"):
                path = f"{endpoint.opendaylight}/networks"
                if endpoint.ask("GET", path, query={"limit": 1}, timeout=PROBE_TIMEOUT).status == 200:
                    return taking_changes(OpendaylightNorthbound(endpoint))
        except Away as away:
            reason = str(away)
        except (KeyError, TypeError, ValueError):
            reason = "what answers there is no controller"
        raise Unavailable(reason)


def taking_changes(north: Northbound) -> Northbound:
    """The controller, if it takes changes, too: one that only reads, or a proxy before it, is as good as away.

    Raises `Unavailable`.
    """
    if not north.takes_changes():
        raise Unavailable("it answers, and takes no changes")
    return north
