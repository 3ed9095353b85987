"""io: databases that we call, because they listen (`ovs-vsctl set-manager ptcp:6640`): one connection each, kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from ssl import SSLContext
from typing import Final, NamedTuple

import structlog

from daybreak.southbound.ovsdb.names import INTEGRATION
from daybreak.southbound.ovsdb.session import GREETING, Owner, Session
from daybreak.southbound.tls import explain

log = structlog.get_logger(__name__)


class Backoff(NamedTuple):
    """Seconds between two calls: doubled from `first` to `slowest`, each time half as much again or less by chance."""

    first: float = 0.5
    slowest: float = 16.0


BACKOFF: Final = Backoff()


class Dialer:
    """Calls one ovsdb-server, and calls again whenever the connection is gone."""

    def __init__(
        self,
        address: str,
        port: int,
        owner: Owner,
        *,
        ssl: Callable[[], SSLContext] | None = None,
        integration: str = INTEGRATION,
        backoff: Backoff = BACKOFF,
    ) -> None:
        """`ssl` gives the context of the next connection; None: no TLS."""
        self._address, self._port, self._owner = address, port, owner
        self._ssl, self._integration, self._backoff = ssl, integration, backoff
        self._said = ""

    @property
    def target(self) -> str:
        """In Open vSwitch's notation."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"{'ssl' if self._ssl else 'tcp'}:{host}:{self._port}"

    async def run(self) -> None:
        """Keep it up until cancelled."""
        wait = self._backoff.first
        while True:
            session = await self._call()
            if session is not None and session.is_synchronized:
                wait = self._backoff.first
            # Jitter: the hosts of a cloud that came back at once would all be called at once, again and again.
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, self._backoff.slowest)

    async def _call(self) -> Session | None:
        """One connection from its beginning to its end; None if there was none."""
        session = Session(self._owner, integration=self._integration)
        over = asyncio.Event()
        session.watchers.append(lambda: over.set() if session.is_lost else None)
        context = self._ssl and self._ssl()
        try:
            async with asyncio.timeout(GREETING):
                await asyncio.get_running_loop().create_connection(
                    lambda: session, self._address, self._port, ssl=context
                )
        except OSError as error:
            self._tell(explain(error))
            return None
        try:
            await over.wait()
        finally:
            session.close("the controller stops")
        if session.is_synchronized:
            self._said = ""
        else:
            self._tell(session.reason or "")
        return session

    def _tell(self, reason: str) -> None:
        """Why it can't be reached: once, however often it's tried."""
        if reason != self._said:
            log.warning("OVSDB can't be reached", target=self.target, reason=reason)
        self._said = reason
