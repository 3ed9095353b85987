"""I/O: lets switches in: from which addresses, and how many at once that haven't said who they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import structlog

from daybreak.southbound.openflow.session import HANDSHAKE_SECONDS, Clock, Switch, SwitchOwner
from daybreak.southbound.quiet import Quiet

log = structlog.get_logger(__name__)

Network = IPv4Network | IPv6Network

LOOPBACK: Final[Sequence[Network]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HALF_OPEN: Final = 1024
"""Connections that may be shaking hands at the same time."""


class Listener:
    """Makes a `Switch` of each connection that is let in; an asyncio protocol factory for TCP, TLS and UNIX sockets.

    Peers on UNIX sockets are let in whatever `allowed` says: the file's permissions decide there.
    """

    def __init__(
        self,
        owner: SwitchOwner,
        *,
        allowed: Sequence[Network] = LOOPBACK,
        half_open: int = HALF_OPEN,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._owner, self._allowed, self._limit = owner, allowed, half_open
        self._handshake_seconds = handshake_seconds
        self._clock: Clock = clock or asyncio.get_running_loop()
        self._shaking_hands: set[Switch] = set()
        self._quiet = Quiet()

    def __call__(self) -> Switch:
        """Return the protocol for one new connection."""
        return Switch(self._owner, door=self, clock=self._clock, handshake_seconds=self._handshake_seconds)

    @property
    def half_open(self) -> int:
        """The number of connections that are shaking hands."""
        return len(self._shaking_hands)

    def admit(self, switch: Switch) -> bool:
        """Tell whether the connection may stay."""
        if switch.address and not self._is_allowed(switch.address):
            self.turned_away(switch, "its address is not allowed")
            return False
        if len(self._shaking_hands) >= self._limit:
            self.turned_away(switch, f"{self._limit} others are shaking hands already")
            return False
        self._shaking_hands.add(switch)
        return True

    def leave(self, switch: Switch) -> None:
        """The connection has shaken hands, or is gone."""
        self._shaking_hands.discard(switch)

    def turned_away(self, switch: Switch, reason: str) -> None:
        """Say in the log why a connection was ended before it had shaken hands; once a minute for each address."""
        if self._quiet.is_news(switch.address, self._clock.time()):
            log.warning("openflow peer refused", peer=switch.peer, reason=reason)

    def _is_allowed(self, address: str) -> bool:
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._allowed)
