"""data: what the controller last told of hosts and ports, and what of it has not been looked at yet. Thread-safe."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Told:
    """What is true of a port (the controller's docs/api.md, "Events")."""

    active: bool
    host: str | None = None
    prepared: tuple[str, ...] = ()


@dataclass
class News:
    """What to look at. `everything`: all that Neutron has, for the picture is new."""

    ports: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    everything: bool = False


class Picture:
    """What was told. A picture that is being told anew replaces the old one when it is complete."""

    def __init__(self) -> None:
        self.ports: dict[str, Told] = {}
        self.hosts: dict[str, Mapping[str, Any]] = {}
        self.connected: set[str] = set()
        self.is_complete = False
        self.changed = threading.Condition()
        self._coming: Picture | None = None
        self._news = News()

    def begin(self) -> None:
        """From here on everything is told anew."""
        with self.changed:
            self._coming = Picture()

    def complete(self) -> None:
        """Everything has been told."""
        with self.changed:
            if self._coming is not None:
                self.ports, self.hosts = self._coming.ports, self._coming.hosts
                self._coming = None
            self.is_complete = True
            self._news.everything = True
            self.changed.notify_all()

    def tell_port(self, port: str, told: Told | None) -> None:
        """News of a port; None: the controller has no such port."""
        with self.changed:
            if self._coming is not None:
                put(self._coming.ports, port, told)
            elif put(self.ports, port, told):
                self._news.ports.add(port)
                self.changed.notify_all()

    def tell_host(self, host: str, record: Mapping[str, Any] | None) -> None:
        """News of a host; None: it is forgotten."""
        with self.changed:
            if self._coming is not None:
                put(self._coming.hosts, host, record)
            elif put(self.hosts, host, record):
                self._news.hosts.add(host)
                self.changed.notify_all()

    def tell_connected(self, host: str, connected: bool) -> None:
        """Whether a host's switch is connected to the controller."""
        with self.changed:
            if connected == (host in self.connected):
                return
            (self.connected.add if connected else self.connected.discard)(host)
            self._news.hosts.add(host)
            self.changed.notify_all()

    def lost(self) -> None:
        """The controller is away: what it was telling anew is not all there is; what it told before stays."""
        with self.changed:
            self._coming = None

    def look_at_everything(self) -> None:
        """Compare all again."""
        with self.changed:
            self._news.everything = True
            self.changed.notify_all()

    def take(self, timeout: float) -> News:
        """What has come since the last time, waiting `timeout` seconds for it at most."""
        with self.changed:
            if not (self._news.ports or self._news.hosts or self._news.everything):
                self.changed.wait(timeout)
            news, self._news = self._news, News()
            return news


def put(known: dict[str, Any], key: str, value: Any) -> bool:
    """Put or, with None, delete; whether that changes anything."""
    if known.get(key) == value:
        return False
    if value is None:
        del known[key]
    else:
        known[key] = value
    return True
