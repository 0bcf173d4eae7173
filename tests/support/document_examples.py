"""Examples in documents that are real output: a block of code that begins with ``$ dmarc-milter check``.

`python -m tests.support.document_examples` writes them anew, after a change of what is told.
"""

import io
import os
import re
import shlex
from contextlib import chdir, redirect_stdout
from pathlib import Path

from dmarc_milter.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "check.md"
FOLDER = ROOT / "tests" / "unit" / "check_examples"
"""The messages, and the zone that answers for the DNS."""
EXAMPLE = re.compile(r"(?m)^    \$ (dmarc-milter check .*)\n((?:    .*\n|\n(?=    (?!\$)))*)")


def output(command: str) -> str:
    """What `command` prints in a pipe of 80 columns."""
    octets = io.BytesIO()
    out = io.TextIOWrapper(octets, "utf-8", write_through=True)
    with chdir(FOLDER), redirect_stdout(out):
        main([*shlex.split(command)[1:], "--zone", "zone"])
    return octets.getvalue().decode()


def examples(text: str) -> list[tuple[str, str]]:
    """Commands, and what the document says that they print."""
    return [(command, re.sub(r"(?m)^    ", "", told)) for command, told in EXAMPLE.findall(text)]


def rewritten(text: str) -> str:
    """`text` with what the commands print now."""
    return EXAMPLE.sub(lambda found: f"    $ {found[1]}\n{_indented(output(found[1]))}", text)


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")
