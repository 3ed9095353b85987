"""io: the `daybreak` command."""

import click

from daybreak.service.command import hash_password, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="daybreak")
def main() -> None:
    """Daybreak: an SDN controller for private clouds on stock Open vSwitch.

    \b
    Example:
      daybreak serve --data /var/lib/daybreak
    """


main.add_command(serve)
main.add_command(hash_password)
