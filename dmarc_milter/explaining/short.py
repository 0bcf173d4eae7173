"""A judged message in a few lines: the verdict, what decided, what to do."""

from collections.abc import Iterator

from dmarc_milter.api import Evaluated
from dmarc_milter.columns.column import Line
from dmarc_milter.common.network import address_text
from dmarc_milter.common.terminal import Severity, hanging, painted, severity_of
from dmarc_milter.common.text import printable
from dmarc_milter.explaining import moment
from dmarc_milter.explaining.envelope import Derived
from dmarc_milter.explaining.telling import PROMISES, advice_on, as_row, headline, relayed_by, told_lines
from dmarc_milter.explaining.tree import Style

MAX_TEXT = 400
"""Characters of a line's text: what is longer stands in the tree."""
MAX_SIGNATURES = 3
_LABEL = 13
"""Columns of the labels, with what stands before and behind them."""


def in_short(name: str, found: Evaluated, derived: Derived, style: Style) -> str:
    """The verdict first, then the results, then what to do."""
    row = as_row(found)
    title, severity = headline(name, found, derived)
    lines = hanging(printable(title, MAX_TEXT), style.width, "", "  ", severity, is_coloured=style.is_coloured)
    for line in _envelope(found, derived):
        lines += _field(line, style)
    for line in _few(line for line in told_lines(row, found, derived) if line.label and line.label not in PROMISES):
        lines += _field(line, style)
    sentences = advice_on(row, found, derived)
    if sentences:
        lines.append(painted("what to do:", Severity.TITLE, is_coloured=style.is_coloured))
    for each in sentences:
        lines += hanging(printable(each, MAX_TEXT), style.width, "  - ", "    ")
    lines.append(painted("Every step: -v", Severity.ASIDE, is_coloured=style.is_coloured))
    return "\n".join(lines)


def _envelope(found: Evaluated, derived: Derived) -> Iterator[Line]:
    envelope = derived.envelope
    client = address_text(envelope.client_address)
    yield Line("client", f"{client} ({derived.client_from})" if client else derived.client_from)
    relayed = relayed_by(found.verdict) if found.verdict is not None else None
    if relayed is not None:
        yield Line("", relayed)
    yield Line("MAIL FROM", f"<{envelope.mail_from}> ({derived.mail_from_from})")
    yield Line("as of", moment.told(derived.at))


def _few(lines: Iterator[Line]) -> Iterator[Line]:
    """No more than a few signatures: a message may have dozens."""
    signatures = 0
    for line in lines:
        if line.label == "DKIM":
            signatures += 1
            if signatures == MAX_SIGNATURES + 1:
                yield Line("DKIM", "... more signatures: -v")
            if signatures > MAX_SIGNATURES:
                continue
        yield line


def _field(line: Line, style: Style) -> list[str]:
    label = f"  {line.label:{_LABEL - 4}}  "
    text = printable(line.text, MAX_TEXT)
    severity = severity_of(line.result) if line.result else Severity.PLAIN
    return hanging(text, style.width, label, " " * _LABEL, severity, is_coloured=style.is_coloured)
