"""io: one controller, spoken to over HTTP. Neither credentials nor bodies get into a message or a log."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

ROOT = "/controller/nb/v2/neutron"
"""Where OpenDaylight's northbound is, unless a URL says otherwise."""

PROBE_TIMEOUT = 3.0
"""Seconds that a controller may take to say how it is."""

LATER = frozenset({408, 425, 429, 503})
DENIED = frozenset({401, 403})


@dataclass(frozen=True)
class Access:
    """How to get in: HTTP basic authentication, PEM files, and how long to wait (seconds)."""

    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    timeout: float = 10.0

    def __repr__(self) -> str:
        return f"Access({self.username!r})"


class Away(Exception):
    """There was no answer that counts.

    `in_doubt`: the request may have arrived, and be carried out yet. `is_general`: it's not about this request.
    """

    def __init__(self, reason: str, *, in_doubt: bool, is_general: bool = True) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt
        self.is_general = is_general


class Answer:
    """A status and the JSON that came with it; None where there was none."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        try:
            self.json: Any = response.json() if response.content else None
        except ValueError:
            self.json = None

    @property
    def detail(self) -> str:
        """What the controller says of a refusal. It may quote what was sent: not for logs."""
        if isinstance(self.json, Mapping):
            found = self.json.get("detail") or self.json.get("error") or self.json.get("NeutronError")
            return str(found or self.json)[:1000]
        return ""


class Endpoint:
    """A controller's URL. Threads each have a connection of their own."""

    def __init__(self, url: str, access: Access) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self.root = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.opendaylight = (parts.path.rstrip("/") if parts.path.strip("/") else ROOT).removesuffix("/v1") or ROOT
        self._access = access
        self._threads = threading.local()

    def __str__(self) -> str:
        return self.root

    def ask(self, method: str, path: str, body: Any = None, query: Any = None, timeout: float | None = None) -> Answer:
        """One request; any answer is one. Raises `Away`, also for those by which a controller says to come later."""
        try:
            response = self._session().request(
                method,
                self.root + path,
                json=body,
                params=query,
                timeout=timeout or self._access.timeout,
                allow_redirects=False,
            )
        except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise Away(describe(error), in_doubt=False) from None
        except requests.exceptions.RequestException as error:
            in_doubt = not refused(error)
            raise Away(describe(error), in_doubt=in_doubt, is_general=not in_doubt) from None
        if (trouble := trouble_of(response.status_code)) is not None:
            raise trouble
        return Answer(response)

    def stream(self, path: str, headers: Mapping[str, str], silence: float) -> requests.Response:
        """An answer that goes on and on; reading it fails after `silence` seconds. Raises requests.RequestException."""
        timeout = (self._access.timeout, silence)
        return self._session().get(
            self.root + path, headers=dict(headers), timeout=timeout, stream=True, allow_redirects=False
        )

    def _session(self) -> requests.Session:
        session = getattr(self._threads, "session", None)
        if session is None:
            access = self._access
            session = self._threads.session = requests.Session()
            session.trust_env = False
            session.verify = access.ca_file or True
            if access.cert_file:
                session.cert = (access.cert_file, access.key_file) if access.key_file else access.cert_file
            if access.username is not None:
                session.auth = (access.username, access.password or "")
        return session


def trouble_of(status: int) -> Away | None:
    """What keeps a controller from answering, if that is what a status says. Nothing of ours is ever redirected."""
    reason = f"it answers {status}"
    if status in DENIED:
        return Away(f"{reason}: user name or password is not right", in_doubt=False)
    if status in LATER or 300 <= status < 400:
        return Away(reason, in_doubt=False)
    return Away(reason, in_doubt=True, is_general=False) if status >= 500 else None


def refused(error: Exception) -> bool:
    """Whether a connection was never made, so that nothing can have been sent."""
    text = repr(error)
    return isinstance(error, requests.exceptions.ConnectionError) and any(
        word in text for word in ("NewConnectionError", "NameResolutionError", "Connection refused")
    )


def describe(error: Exception) -> str:
    """An error of the transport in words that hold no URL, for a URL may hold a password."""
    words = {
        "ConnectTimeout": "it doesn't accept connections in time",
        "ReadTimeout": "it doesn't answer in time",
        "SSLError": "its certificate is not trusted, or it refuses ours",
        "ConnectionError": "no connection",
    }
    return words.get(type(error).__name__, type(error).__name__)
