"""The fate of a message, told to people."""

import textwrap
from datetime import UTC, datetime

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.table import lines
from dmarc_milter.common.text import printable
from dmarc_milter.journal.advice import advice

_LABEL = 12
MAX_LINE = 2_000
"""Characters of what is told of one finding."""


def tell(row: Row, width: int) -> str:
    """Several lines about one message, no wider than `width` where words allow."""
    told = [f"{printable(row['queue_id'], MAX_LINE)}  {when(row['time'])}  on {row['host']}"]
    told += [_pair(line.label, line.text, width) for _, line in lines(row)]
    told += [_pair("to mend", sentence, width) for sentence in advice(row)]
    return "\n".join(told)


def when(time: float) -> str:
    """A time in words, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _pair(label: str, text: str, width: int) -> str:
    indent = " " * (_LABEL + 2)
    filled = textwrap.fill(printable(text, MAX_LINE), max(40, width), initial_indent=indent, subsequent_indent=indent)
    return f"  {label.ljust(_LABEL)}{filled[_LABEL + 2 :]}"
