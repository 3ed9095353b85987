"""io: certificates and users as they are in the files, read again on SIGHUP: whoever is connected stays."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from daybreak.service.config import Config, ConfigError
from daybreak.southbound.tls import Contexts, contexts

log = structlog.get_logger(__name__)

RENEWED = ("users", "certificate", "private_key", "ca_certificate")
"""Options that take effect without a restart."""


class Secrets:
    """What shows who we are and who others are. Connections that come later see what was read last.

    Raises ConfigError where the files are not what they should be.
    """

    def __init__(self, config: Config, reread: Callable[[], Config]) -> None:
        self._config = config
        self._reread = reread
        self.credentials = config.credentials
        self._southbound = read_southbound(config)
        self._northbound = read_northbound(config)
        self.northbound = self._northbound and self._door()

    def server(self) -> ssl.SSLContext:
        """For the next switch that calls by TLS."""
        assert self._southbound is not None
        return self._southbound.server

    def client(self) -> ssl.SSLContext:
        """For the next call to a database that listens with TLS."""
        assert self._southbound is not None
        return self._southbound.client

    def renew(self) -> None:
        """Read all of it again; where something is wrong, all stays as it is, and the log says what is wrong."""
        try:
            told = self._reread()
            config = msgspec.structs.replace(self._config, **{name: getattr(told, name) for name in RENEWED})
            southbound, northbound = read_southbound(config), read_northbound(config)
        except ConfigError as error:
            log.error("users and certificates stay as they are", reason=str(error))
            return
        self._southbound, self._northbound = southbound, northbound
        self.credentials.renew(config.hashes)
        log.info("users and certificates read again")
        changed = [name for name in Config.__struct_fields__ if getattr(told, name) != getattr(config, name)]
        if changed:
            log.warning("these options need a restart", options=",".join(changed))

    def _door(self) -> ssl.SSLContext:
        """The HTTP server keeps one context for good; this one hands each connection on to the newest."""

        def hand_on(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
            connection.context = self._northbound

        door = read_northbound(self._config)
        assert door is not None
        door.sni_callback = hand_on
        return door


def read_southbound(config: Config) -> Contexts | None:
    """Contexts for switches, if any is spoken to by TLS. Raises ConfigError."""
    if not config.tls_endpoints:
        return None
    assert config.certificate and config.private_key and config.ca_certificate
    try:
        return contexts(config.certificate, config.private_key, config.ca_certificate)
    except OSError as error:
        files = f"{config.certificate}, {config.private_key} or {config.ca_certificate}"
        raise ConfigError(f"certificates: {files}: {error.strerror or error}") from None


def read_northbound(config: Config) -> ssl.SSLContext | None:
    """A context for HTTPS, if it's on: clients are known by their passwords. Raises ConfigError."""
    if not config.https:
        return None
    assert config.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a resumed session would go on with the certificate that was replaced
    try:
        context.load_cert_chain(config.certificate, config.private_key)
    except OSError as error:
        raise ConfigError(f"certificate {config.certificate}: {error.strerror or error}") from None
    return context
