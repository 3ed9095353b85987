"""io: check that every relative link in the documentation leads to a file, and every anchor to a heading.

Prints `file:line: link` for each that doesn't, and exits with 1 if there are any.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines outside of code blocks, without inline code."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code:
            yield number, re.sub(r"`[^`]*`", "", line)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub and GitLab make for a file's headings."""
    found = set()
    code = False
    for line in path.read_text().splitlines():
        code ^= line.lstrip().startswith("```")
        if not code and (heading := HEADING.match(line)):
            words = re.sub(r"[^\w\- ]", "", heading[1].lower())
            found.add(words.replace(" ", "-"))
    return found


def broken(path: Path) -> Iterator[str]:
    """The links of one file that lead nowhere."""
    for number, line in prose(path.read_text()):
        for link in LINK.findall(line):
            name, _, anchor = link.partition("#")
            target = path.parent / name if name else path
            exists = OUTSIDE.match(link) or target.exists()
            if not exists or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                yield f"{path}:{number}: {link}"


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout
    lines = [line for name in listed.splitlines() if Path(name).exists() for line in broken(Path(name))]
    print("\n".join(lines) or "links: all lead somewhere")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
