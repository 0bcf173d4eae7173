"""Examples in documents that are real output: a block of code that begins with ``$ dmarc-milter check`` or ``compare``.

`python -m tests.support.document_examples` writes them anew, after a change of what is told.
"""

import io
import os
import re
import shlex
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from dmarc_milter.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"(?m)^    \$ (dmarc-milter (?:check|compare) .*)\n((?:    .*\n|\n(?=    (?!\$)))*)")


class Page(NamedTuple):
    """A document with examples."""

    document: Path
    folder: Path
    """The messages, and the zone that answers for the DNS."""

    def examples(self) -> list[tuple[str, str]]:
        """Commands, and what the document says that they print."""
        text = self.document.read_text("utf-8")
        return [(command, re.sub(r"(?m)^    ", "", told)) for command, told in EXAMPLE.findall(text)]

    def output(self, command: str) -> str:
        """What `command` prints in a pipe of 80 columns."""
        octets = io.BytesIO()
        out = io.TextIOWrapper(octets, "utf-8", write_through=True)
        with chdir(self.folder), redirect_stdout(out):
            main([*shlex.split(command)[1:], "--zone", "zone"])
        return octets.getvalue().decode()

    def write(self) -> None:
        """With what the commands print now."""
        text = self.document.read_text("utf-8")
        self.document.write_text(
            EXAMPLE.sub(lambda found: f"    $ {found[1]}\n{_indented(self.output(found[1]))}", text), "utf-8"
        )


CHECK = Page(ROOT / "docs" / "check.md", ROOT / "tests" / "unit" / "check_examples")
COMPARE = Page(ROOT / "docs" / "compare.md", ROOT / "tests" / "unit" / "compare_examples")


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    for page in (CHECK, COMPARE):
        page.write()
