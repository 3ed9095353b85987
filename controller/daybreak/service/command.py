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
from daybreak.service.serve import Broken
from daybreak.service.serve import serve as run
from daybreak.store.contract import StoreError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the store.  [default: /var/lib/daybreak]")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with the same options; flags win.")
@click.option("--northbound", metavar="HOST:PORT", help="Where clouds connect to.  [default: 127.0.0.1:8181]")
@click.option(
    "--ovsdb",
    multiple=True,
    metavar="ptcp:PORT[:ADDR]",
    help="OVSDB; with tcp:ADDR:PORT or ssl:ADDR:PORT we call.  [default: ptcp:6640:127.0.0.1]",
)
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

    SIGHUP has it read users and certificates again.

    Exit codes: 0 stopped by a signal, 1 could not start or go on (one line says why), 2 wrong usage.
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
        cache_logger_on_first_use=True,
    )
    flags = {
        "data": None if data is None else str(data),
        "northbound": northbound,
        "ovsdb": ovsdb,
        "openflow": openflow,
        "allow_plaintext": allow_plaintext,
    }
    try:
        uvloop.run(run(load(flags, file), reread=lambda: load(flags, file)))
    except (ConfigError, StoreError, CannotListen, Broken) as error:
        print(f"daybreak: {error}", file=sys.stderr)
        sys.exit(1)


@click.command("hash-password")
@click.password_option(prompt_required=True)
def hash_password(password: str) -> None:
    """Print a password's hash for `users` in the configuration.

    \b
    Example:
      daybreak hash-password --password secret

    Exit codes: 0, 2 wrong usage.
    """
    print(hashed(password))


DIRECTORY = click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("/etc/daybreak/pki"),
    show_default=True,
    help="Where keys and certificates are.",
)
DAYS = click.option("--days", type=click.IntRange(1, 36500), default=1095, show_default=True, help="Days it is good.")


@click.group()
def pki() -> None:
    """Keys and certificates for TLS with hypervisors and clouds, if you have no authority of your own.

    \b
    Example:
      daybreak pki init --address controller.example.org
      daybreak pki issue compute-1
    """


@pki.command("init")
@DIRECTORY
@DAYS
@click.option("--address", "addresses", multiple=True, metavar="NAME|IP", help="By which clouds use HTTPS; repeatable.")
def pki_init(directory: Path, days: int, addresses: tuple[str, ...]) -> None:
    """Make an authority and the controller's certificate; nothing is overwritten.

    \b
    Example:
      daybreak pki init --address controller.example.org --address 192.0.2.1

    Exit codes: 0, 1 it could not be made (one line says why), 2 wrong usage.
    """
    from daybreak.service.pki import PkiError, init  # cryptography takes long to load, and nobody else needs it

    try:
        certificate, key, authority = init(directory, addresses, days)
    except PkiError as error:
        print(f"daybreak: {error}", file=sys.stderr)
        sys.exit(1)
    print("# In the configuration of the controller:")
    print(f'certificate = "{certificate}"\nprivate_key = "{key}"\nca_certificate = "{authority}"')


@pki.command("issue")
@click.argument("host")
@DIRECTORY
@DAYS
@click.option("--listens", is_flag=True, help="Its ovsdb-server listens with pssl:, and the controller calls it.")
def pki_issue(host: str, directory: Path, days: int, listens: bool) -> None:
    """Make the key and certificate of a hypervisor; nothing is overwritten.

    \b
    Example:
      daybreak pki issue compute-1

    Exit codes: 0, 1 it could not be made (one line says why), 2 wrong usage.
    """
    from daybreak.service.pki import PkiError, issue_host

    try:
        files = issue_host(directory, host, days, listens)
    except PkiError as error:
        print(f"daybreak: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"# Copy {', '.join(str(each) for each in files)} to {host}, say to /etc/openvswitch, and run there:")
    print("ovs-vsctl set-ssl " + " ".join(f"/etc/openvswitch/{each.name}" for each in files))
