"""io: writes the reference that is made from the features; with --check, says whether it is up to date.

python docs/generate.py [--check]
"""

import sys
from pathlib import Path

import click

from daybreak.engine.document import engine_page, pipeline_page
from daybreak.features import pipeline

REFERENCE = Path(__file__).parent / "reference"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a page is out of date.")
def main(check: bool) -> None:
    """Write docs/reference/pipeline.md and docs/reference/engine.md."""
    linked = pipeline()
    pages = {REFERENCE / "pipeline.md": pipeline_page(linked), REFERENCE / "engine.md": engine_page(linked)}
    old = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in old:
        if check:
            click.echo(f"{path.relative_to(REFERENCE.parent.parent)} is out of date: run docs/generate.py", err=True)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages[path])
    sys.exit(1 if check and old else 0)


if __name__ == "__main__":
    main()
