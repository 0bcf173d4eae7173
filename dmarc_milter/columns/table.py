"""The table: all findings, in the order in which they are told, and the walk through a record that fills it."""

from collections.abc import Iterator

from dmarc_milter.columns import arc, author, decision, dkim, dmarc, mailing_list, message, spf
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
)
"""A new finding goes in here, and nowhere else."""

COLUMNS: tuple[Column, ...] = tuple(column for finding in FINDINGS for column in finding.columns)


def read_by(reader: Reader) -> tuple[Column, ...]:
    """The columns that `reader` gets."""
    return tuple(column for column in COLUMNS if reader in column.readers)


_WALK = tuple(
    (column.name, column.take, finding.is_of_verdict, (column.length or MAX_TEXT) if column.kind is Kind.TEXT else None)
    for finding in FINDINGS
    for column in finding.columns
    if column.take is not None
)


def told(record: MessageRecord) -> Row:
    """What is told of one message, by the names of the columns. Every text in it is printable and within its length."""
    row: Row = {}
    verdict = record.verdict
    for name, take, is_of_verdict, length in _WALK:
        if not is_of_verdict:
            value = take(record)
        elif verdict is not None:
            value = take(verdict)
        else:
            value = None
        if length is not None and value is not None and (len(value) > length or not value.isprintable()):
            value = printable(value, length)
        row[name] = value
    return row


def lines(row: Row) -> Iterator[tuple[Finding, Line]]:
    """What people are told of a message, and of which finding it is."""
    is_judged = row["spf"] is not None
    for finding in FINDINGS:
        if is_judged or not finding.is_of_verdict:
            for line in finding.lines(row):
                yield finding, line


_LOGGED = tuple((column.log, column.shown, column.name) for column in COLUMNS if column.log is not None)


def logged(row: Row) -> Iterator[tuple[str, str | None]]:
    """The pairs of the line about a message; those without a value are not told."""
    for key, shown, name in _LOGGED:
        value = shown(row) if shown is not None else row[name]
        yield key, str(value) if value is not None else None


def codes(row: Row) -> Iterator[tuple[str, str]]:
    """The codes of reasons, each behind the name of its finding."""
    for finding in FINDINGS:
        for code in finding.codes(row):
            if code is not None:
                yield finding.name, code
