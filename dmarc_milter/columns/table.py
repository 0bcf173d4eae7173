"""The table: all findings, in the order in which they are told, and the walk through a record that fills it."""

from collections.abc import Callable, Iterator
from typing import Any

from dmarc_milter.columns import arc, author, decision, dkim, dmarc, mailing_list, message, origin, spf
from dmarc_milter.columns.column import MAX_TEXT, Column, Finding, Kind, Line, Reader, Row
from dmarc_milter.common.text import printable
from dmarc_milter.judging.record import MessageRecord

FINDINGS: tuple[Finding, ...] = (
    message.FINDING,
    author.FINDING,
    spf.FINDING,
    dkim.FINDING,
    arc.FINDING,
    mailing_list.FINDING,
    dmarc.FINDING,
    decision.FINDING,
    origin.FINDING,
)
"""A new finding goes in here, and nowhere else."""

COLUMNS: tuple[Column, ...] = tuple(column for finding in FINDINGS for column in finding.columns)


def read_by(reader: Reader) -> tuple[Column, ...]:
    """The columns that `reader` gets."""
    return tuple(column for column in COLUMNS if reader in column.readers)


def _walk(*, is_of_verdict: bool) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple(
        (column.name, column.take)
        for finding in FINDINGS
        for column in finding.columns
        if column.take is not None and finding.is_of_verdict is is_of_verdict
    )


_OF_RECORD, _OF_VERDICT = _walk(is_of_verdict=False), _walk(is_of_verdict=True)
_UNJUDGED: Row = {name: None for name, _ in _OF_VERDICT}
_DERIVED = tuple((column.name, column.derive) for column in COLUMNS if column.derive is not None)
_TEXTS = tuple(
    (column.name, column.length or MAX_TEXT)
    for column in COLUMNS
    if column.kind is Kind.TEXT and column.take is not None
)


def told(record: MessageRecord) -> Row:
    """What is told of one message, by the names of the columns.

    Every text in it is printable and within its length. Of a message that was not judged, columns of the verdict are
    None.
    """
    row: Row = {name: take(record) for name, take in _OF_RECORD}
    verdict = record.verdict
    row.update(_UNJUDGED if verdict is None else {name: take(verdict) for name, take in _OF_VERDICT})
    for name, length in _TEXTS:
        value = row[name]
        if value is not None and not (len(value) <= length and value.isprintable()):
            row[name] = printable(value, length)
    for name, derive in _DERIVED:
        row[name] = derive(row)
    return row


def lines(row: Row) -> Iterator[tuple[Finding, Line]]:
    """What people are told of a message, and of which finding it is, in the order of the table."""
    is_judged = row["spf"] is not None
    for finding in FINDINGS:
        if is_judged or not finding.is_of_verdict:
            for line in finding.lines(row):
                yield finding, line


_LOGGED = tuple((column.log, column.shown, column.name) for column in COLUMNS if column.log is not None)


def logged(row: Row) -> list[tuple[str, str]]:
    """The keys and values of the line about a message, in their order."""
    pairs = []
    for key, shown, name in _LOGGED:
        value = row[name] if shown is None else shown(row)
        if value is not None:
            pairs.append((key, value if isinstance(value, str) else str(value)))
    return pairs


def codes(row: Row) -> Iterator[tuple[str, str]]:
    """The codes of reasons, each behind the name of its finding."""
    for finding in FINDINGS:
        for code in finding.codes(row):
            if code is not None:
                yield finding.name, code
