"""io: follows the controller's events and keeps the picture that they paint."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import requests
from oslo_log import log as logging

from networking_daybreak.ml2.extensions import capabilities_of
from networking_daybreak.northbound.answers import Unavailable
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.northbound.daybreak import Daybreak
from networking_daybreak.northbound.endpoint import Away, Endpoint, describe
from networking_daybreak.status import opendaylight
from networking_daybreak.status.picture import Picture, Told

LOG = logging.getLogger(__name__)

SILENCE = 40.0
"""Seconds without a word, not even a sign of life, after which a stream counts as dead; they come every 15."""

REFRESH = 600.0
"""Seconds after which a stream is ended and everything is told anew: so long at most counts what was missed."""

QUIET = 60.0
"""Seconds for which the same trouble is not logged again."""

PAUSE = 0.3
"""Seconds at least between two attempts to follow a controller."""


class Event(NamedTuple):
    """A Server-Sent Event (WHATWG HTML § 9.2). `id` is the last that was told; one that came alone has no `data`."""

    name: str
    data: Any
    id: str | None


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events of a stream's lines."""
    name, data, id, known = "message", [], None, None
    for line in lines:
        if not line:
            if data or id != known:
                yield Event(name, json.loads("\n".join(data)) if data else None, id)
            name, data, known = "message", [], id
            continue
        field, _, value = line.decode().partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            id = value


class Feed:
    """Follows whichever controller serves, until it is stopped. `reached` hears what a controller can do."""

    def __init__(self, controllers: Controllers, picture: Picture, reached: Callable[[str, list[str]], None]) -> None:
        self._controllers = controllers
        self._picture = picture
        self._reached = reached
        self._stopping = threading.Event()
        self._place: tuple[str, str] | None = None
        self._told_at = 0.0
        self._said: tuple[str, float] = "", 0.0
        self.address: str | None = None
        """The controller that is being followed."""

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Follow, and begin again whenever the stream ends."""
        while not self._stopping.is_set():
            try:
                controller = self._controllers.connect()
                if isinstance(controller, Daybreak):
                    self._follow(controller.endpoint)
                else:
                    self.address = str(controller.endpoint)
                    opendaylight.follow(controller.endpoint, self._picture, self._stopping)
            except (Unavailable, Away) as reason:
                self._say(str(reason))
            except requests.RequestException as error:
                LOG.info("The stream of port status broke: %s", describe(error))
                self._controllers.lost(describe(error))
            except Exception:
                LOG.exception("The stream of port status broke")
                self._place = None
            self.address = None
            self._picture.lost()
            self._stopping.wait(PAUSE * (1 + random.random()))

    def _say(self, reason: str) -> None:
        """Once a minute, though it is tried some times a second."""
        words, until = self._said
        if reason != words or time.monotonic() > until:
            self._said = reason, time.monotonic() + QUIET
            LOG.warning("Port status can't be followed: %s", reason)

    def _follow(self, endpoint: Endpoint) -> None:
        """One stream, to its end. It goes on where the last one of the same controller ended, if that still knows."""
        address = str(endpoint)
        self._reached(address, capabilities_of(endpoint.ask("GET", "/v1/openapi.json").json))
        with endpoint.stream("/v1/events", self._last(address), SILENCE) as response:
            if response.status_code != 200:
                self._place = None
                raise Unavailable(f"{address} answers {response.status_code} to /v1/events")
            self.address = address
            self._picture.look_at_everything()  # hosts' rows were left alone while nobody was followed
            for event in events(self._lines(response)):
                self._take(event)
                if event.id is not None:
                    self._place = address, event.id

    def _last(self, address: str) -> dict[str, str]:
        """Where the last stream ended, for the same controller to go on from there, unless all is to be told anew."""
        if self._place is None or self._place[0] != address or self._is_old():
            return {}
        return {"Last-Event-ID": self._place[1]}

    def _is_old(self) -> bool:
        return time.monotonic() > self._told_at + REFRESH

    def _lines(self, response: requests.Response) -> Iterator[bytes]:
        """The lines of a stream, which says something every 15 seconds, until it is to end."""
        for line in response.iter_lines(chunk_size=None):
            yield line
            if self._stopping.is_set() or (self._is_old() and self._place is not None):
                return

    def _take(self, event: Event) -> None:
        picture, data = self._picture, event.data
        match event.name:
            case "reset":
                self._place = None
                picture.begin()
            case "complete":
                self._told_at = time.monotonic()
                picture.complete()
            case "port-status":
                picture.tell_port(data["id"], told_of(data["record"]))
            case "host":
                picture.tell_host(data["id"], data["record"])
            case "applied":
                picture.tell_connected(data["host"], data["connected"])


def told_of(record: Mapping[str, Any] | None) -> Told | None:
    """A record of port status."""
    if record is None:
        return None
    return Told(record["active"], record.get("host"), tuple(record.get("prepared", ())))
