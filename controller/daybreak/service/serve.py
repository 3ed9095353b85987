"""io: `daybreak serve`: from a configuration to a controller that listens, and back to nothing."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import structlog
from starlette.routing import BaseRoute

from daybreak.features import pipeline, pools
from daybreak.model import INTENTS, SETTINGS, Settings, Transaction
from daybreak.northbound import admin, neutron, restconf, v1
from daybreak.northbound.http import CannotListen, Plaintext, app, serve_http
from daybreak.service.config import LOOPBACK, Config, ConfigError, Listener, Target
from daybreak.service.controller import KINDS, Controller
from daybreak.service.effect import acted_on
from daybreak.service.lines import Lines
from daybreak.service.plan import Planner
from daybreak.service.secrets import Secrets
from daybreak.service.views import Views
from daybreak.southbound import accept
from daybreak.southbound.openflow.listener import Listener as OpenFlowDoor
from daybreak.southbound.ovsdb.dial import Dialer
from daybreak.southbound.ovsdb.session import EVERYWHERE, Networks
from daybreak.southbound.ovsdb.session import listen as listen_ovsdb
from daybreak.store.contract import Store
from daybreak.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)


class Broken(Exception):
    """A part of the controller failed, and the log says by what. Whoever started the process starts it anew."""


def allow_many_connections() -> None:
    """Have as many open files as the system lets us have: most systems give out 1024 unless asked for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def peers(listener: Listener, config: Config) -> Networks:
    """Who may connect: with TLS the certificate decides, without it the address."""
    return EVERYWHERE if listener.is_tls else config.plaintext_peers


def taken(listener: Listener, error: OSError) -> CannotListen:
    """One line for a listener that could not be had."""
    return CannotListen(f"can't listen on {listener}: {os.strerror(error.errno) if error.errno else error}")


def advertised(config: Config) -> tuple[str, int]:
    """Method and port with which switches are told to come to our OpenFlow listener."""
    first = config.openflow[0]
    return "ssl" if first.is_tls else "tcp", first.port


async def serve(
    config: Config, ready: Callable[[], None] = lambda: None, reread: Callable[[], Config] | None = None
) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError, StoreError or CannotListen, each one line that says what to do,
    or Broken.

    SIGHUP has `reread` give the configuration again, and takes users and certificates from it. Nobody is let in before
    everything stored is loaded and computed: a switch is never compared with half a model.
    """
    allow_many_connections()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    secrets = Secrets(config, reread or (lambda: config))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, secrets.renew)
    async with AsyncExitStack() as stack:
        linked = pipeline()
        vnis = (config.vni_range.low, config.vni_range.high)
        store = SqliteStore.open(config.data, KINDS, pools(linked, vnis))
        stack.push_async_callback(store.close)
        lines = stack.enter_context(written(config))
        controller = make_controller(config, store, lines)
        settings = Settings(str(config.overlay), config.log_rate, config.log_burst)
        if store.get(Settings, SETTINGS) != settings:
            await store.commit(Transaction((settings,)))
        controller.start(stop.set)
        stack.push_async_callback(controller.close)
        for listener in config.openflow:
            door = OpenFlowDoor(controller.switches, allowed=peers(listener, config))
            contexts = secrets.server if listener.is_tls else None
            try:
                server = accept.listen(listener.address, listener.port, door, contexts)
            except OSError as error:
                raise taken(listener, error) from None
            stack.callback(server.close)
        for listener in config.ovsdb_listeners:
            contexts = secrets.server if listener.is_tls else None
            try:
                databases = listen_ovsdb(
                    listener.address or None,
                    listener.port,
                    controller.hosts,
                    ssl=contexts,
                    allowed=peers(listener, config),
                )
            except OSError as error:
                raise taken(listener, error) from None
            stack.push_async_callback(databases.close)
        for target in config.ovsdb_targets:
            stack.push_async_callback(end, call(target, controller, secrets))
        api = v1.Api(
            store,
            INTENTS,
            controller.progress,
            acted_on(controller.engine.pipeline),
            controller.counters.of_rule,
            Planner(controller),
            controller.hosts.forget,
        )
        await stack.enter_async_context(northbound(config, controller, secrets, api))
        stack.callback(api.close)
        log.info("ready", northbound=config.northbound, revision=store.revision)
        ready()
        await stop.wait()
        log.info("stops")
        if controller.is_broken:
            raise Broken("a part of the controller failed, so it stops; the log says what happened")


@contextmanager
def written(config: Config) -> Iterator[Lines]:
    """The security log, while the context lasts. Raises ConfigError where its file can't be written."""
    try:
        lines = Lines(config.security_log)
    except OSError as error:
        raise ConfigError(f"security_log: {config.security_log}: {error.strerror}") from None
    try:
        yield lines
    finally:
        lines.close()


def make_controller(config: Config, store: Store, lines: Lines) -> Controller:
    """The controller that a configuration asks for, in plain texts: the encoder of JSON takes no others."""
    return Controller(
        store,
        integration=str(config.bridge),
        tunnels=tuple(map(str, config.tunnels)),
        openflow=advertised(config),
        targets=(str(config.openflow_target),) if config.openflow_target else (),
        grace_seconds=config.disconnect_grace,
        reconcile_seconds=config.reconcile_interval,
        counters_seconds=config.counters_interval,
        counters_path=config.data / "counters.sqlite3",
        logged=lines.write,
    )


def call(target: Target, controller: Controller, secrets: Secrets) -> asyncio.Task[None]:
    """Keep up the connection to a database that listens."""
    contexts = secrets.client if target.is_tls else None
    dialer = Dialer(target.address, target.port, controller.hosts, ssl=contexts)
    return asyncio.get_running_loop().create_task(dialer.run(), name=f"call {target}")


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def northbound(config: Config, controller: Controller, secrets: Secrets, api: v1.Api) -> AsyncIterator[None]:
    """The HTTP server with all dialects, and RESTCONF's websockets beside it, while the context lasts.

    This machine's own commands may always do without TLS.
    """
    plaintext = (*(each.network for each in LOOPBACK), *config.plaintext_peers)
    streams = restconf.Streams(controller.store)
    host, tls = config.northbound.host, secrets.northbound
    door = Plaintext(streams, plaintext)
    async with serve_http(door, host, config.websocket_port, tls, websocket=restconf.Door) as (_, port):
        dialects: Sequence[Callable[[Store], Sequence[BaseRoute]]] = (
            neutron.routes,
            admin.dialect(Views(controller)),
            lambda store: api.routes(),
            restconf.dialect(streams, port, str(config.bridge)),
        )
        application = app(controller.store, secrets.credentials, dialects, plaintext)
        async with serve_http(application, host, config.northbound.port, tls):
            yield
