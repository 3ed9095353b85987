"""io: `daybreak serve` and what it needs beforehand."""

import logging
import sys
from pathlib import Path

import click
import structlog
import uvloop

from daybreak.northbound.credentials import hash_password as hashed
from daybreak.northbound.http import CannotListen
from daybreak.service.config import ConfigError, load
from daybreak.service.serve import serve as run
from daybreak.store.contract import StoreError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the store.  [default: /var/lib/daybreak]")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with the same options; flags win.")
@click.option("--northbound", metavar="HOST:PORT", help="Where clouds connect to.  [default: 127.0.0.1:8181]")
@click.option("--ovsdb", multiple=True, metavar="ptcp:PORT[:ADDR]", help="OVSDB.  [default: ptcp:6640:127.0.0.1]")
@click.option(
    "--openflow",
    multiple=True,
    metavar="ptcp:PORT[:ADDR]",
    help="OpenFlow.  [default: 6653, 6633 on loopback]",
)
@click.option("--allow-plaintext", multiple=True, metavar="CIDR", help="Peers that may do without TLS; repeatable.")
@click.option("-v", "--verbose", is_flag=True, help="Say more in the log.")
def serve(
    data: Path | None,
    file: Path | None,
    northbound: str | None,
    ovsdb: tuple[str, ...],
    openflow: tuple[str, ...],
    allow_plaintext: tuple[str, ...],
    verbose: bool,
) -> None:
    """Run the controller until SIGTERM.

    \b
    Example: hypervisors of 10.0.0.0/24 connect without TLS
      daybreak serve --data /var/lib/daybreak --allow-plaintext 10.0.0.0/24 \\
        --ovsdb ptcp:6640 --openflow ptcp:6653

    Exit codes: 0 stopped by a signal, 1 could not start (one line says why), 2 wrong usage.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            if sys.stderr.isatty()
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
    )
    flags = {
        "data": None if data is None else str(data),
        "northbound": northbound,
        "ovsdb": ovsdb,
        "openflow": openflow,
        "allow_plaintext": allow_plaintext,
    }
    try:
        uvloop.run(run(load(flags, file)))
    except (ConfigError, StoreError, CannotListen) as error:
        print(f"daybreak: {error}", file=sys.stderr)
        sys.exit(1)


@click.command("hash-password")
@click.password_option(prompt_required=True)
def hash_password(password: str) -> None:
    """Print a password's hash for `users` in the configuration.

    \b
    Example:
      daybreak hash-password --password secret
    """
    print(hashed(password))
