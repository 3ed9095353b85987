"""io: from the start of the process to a controller that is ready to push: a store with 100,000 ports.

    python bench/start.py [--ports 100000] [--rounds 3]

`daybreak serve` is started on a store that was filled before; the time ends with the line "ready" in its log: all is
read, computed and listening.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import click
from fleet import Log, Process, fill, free_ports, line, running, serving

HOSTS = 200


def start(directory: Path) -> tuple[float, int]:
    """Seconds until it's ready, and bytes of memory then."""
    command = serving(directory, *free_ports(3))
    began = time.monotonic()
    with running(*command, log=directory / "log") as process:
        ready = Log(directory / "log").wait("event=ready", 1)
        return ready - began, Process(process.pid).memory


@click.command()
@click.option("--ports", default=100_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(ports: int, rounds: int) -> None:
    """How long a restart takes."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        asyncio.run(fill(directory / "data", HOSTS, ports // HOSTS))
        results = [start(directory) for _ in range(rounds)]
    seconds = statistics.median(each for each, _ in results)
    line(f"cold start with {ports} ports until ready to push", f"{seconds:.1f} s", "≤ 5 s", seconds <= 5)
    memory = statistics.median(each for _, each in results)
    print(f"{'  resident memory for each port':74} {memory / ports / 1024:>9.1f} KB")


if __name__ == "__main__":
    main()
