"""io: the `daybreak` command."""

import click

from daybreak.cli.check import check
from daybreak.cli.flows import flows
from daybreak.cli.hosts import hosts
from daybreak.cli.plan import plan
from daybreak.cli.rules import rules
from daybreak.cli.show import show
from daybreak.cli.trace import trace
from daybreak.cli.why import why
from daybreak.service.command import hash_password, pki, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="daybreak")
def main() -> None:
    """Daybreak: an SDN controller for private clouds on stock Open vSwitch.

    \b
    Example:
      daybreak serve --data /var/lib/daybreak
    """


for command in (serve, hash_password, pki, show, hosts, flows, trace, plan, rules, why, check):
    main.add_command(command)
