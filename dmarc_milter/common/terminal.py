"""What the person's terminal can show, and the colours of what is told there."""

import os
import shutil
import textwrap
from collections.abc import Mapping
from enum import Enum
from typing import TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether colours and bars make sense on `stream`."""
    return stream.isatty() and os.environ.get("NO_COLOR") is None


def is_coloured(wanted: str, stream: TextIO) -> bool:
    """What an option ``--color auto|always|never`` comes to."""
    return wanted == "always" or (wanted == "auto" and is_terminal(stream))


def columns(stream: TextIO) -> int:
    """Characters of a line: COLUMNS where that is set, else what the terminal has; 80 in a pipe."""
    size = shutil.get_terminal_size((80, 24)) if stream.isatty() or "COLUMNS" in os.environ else None
    return max(40, size.columns) if size is not None else 80


class Severity(Enum):
    """What a text tells, by its colour (ECMA-48 8.3.117, SGR)."""

    GOOD = "32"
    BAD = "31"
    DOUBTFUL = "33"
    PLAIN = ""
    TITLE = "1"
    ASIDE = "2"


_SEVERITIES: Mapping[str, Severity] = {
    "pass": Severity.GOOD,
    "accept": Severity.GOOD,
    "fail": Severity.BAD,
    "reject": Severity.BAD,
    "permerror": Severity.BAD,
    "temperror": Severity.DOUBTFUL,
    "tempfail": Severity.DOUBTFUL,
    "softfail": Severity.DOUBTFUL,
    "quarantine": Severity.DOUBTFUL,
    "policy": Severity.DOUBTFUL,
}


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, broken at blanks, and in a word that is longer."""
    return textwrap.wrap(text, max(20, width), break_on_hyphens=False) or [""]


def hanging(
    text: str,
    width: int,
    first: str,
    others: str,
    severity: Severity = Severity.PLAIN,
    *,
    is_coloured: bool = False,
) -> list[str]:
    """`text` in lines of at most `width` characters behind `first`, and below it behind `others`.

    The colour of `severity`, where there are to be colours, is that of the text alone. `first` may have one of its own,
    and is no wider on the terminal than `others`.
    """
    parts = (painted(part, severity, is_coloured=is_coloured) for part in wrapped(text, width - len(others)))
    return [(others if index else first) + part for index, part in enumerate(parts)]


def severity_of(result: str) -> Severity:
    """That of a result or an action, by its word; plain for any other word."""
    return _SEVERITIES.get(result, Severity.PLAIN)


def painted(text: str, severity: Severity, *, is_coloured: bool) -> str:
    """`text` in the colour of `severity`, if there are to be colours."""
    return f"\033[{severity.value}m{text}\033[0m" if is_coloured and severity.value else text
