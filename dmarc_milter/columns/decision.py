"""What was done, and why."""

from collections.abc import Iterator

from dmarc_milter import wording
from dmarc_milter.columns.column import NOBODY, Column, Finding, Kind, Line, Reader, Row, code_column, text_of


def _shown_wanted(row: Row) -> str | None:
    return row["wanted"] if row["wanted"] != row["action"] else None


def _shown_wait(row: Row) -> str | None:
    return f"{row['seconds_waited'] * 1e3:.0f}" if row["seconds_waited"] else None


def _lines(row: Row) -> Iterator[Line]:
    yield Line("decision", f"{row['action']}: {row['reason']}", row["action"])
    if row["wanted"] != row["action"]:
        yield Line("enforce", f"would have been: {row['wanted']}", row["wanted"])
    if row["rule"]:
        yield Line("rule", row["rule"])
    if row["override"]:
        yield Line("override", f"{row['override']}: {row['comment'] or ''}")
    if row["reply"]:
        yield Line("reply", row["reply"])


FINDING = Finding(
    "decision",
    (
        Column("mode", lambda record: record.mode.value, 16, readers=Reader.JOURNAL, is_nullable=False),
        Column("action", lambda record: record.disposition.action.value, 16, log="action", is_nullable=False),
        Column(
            "wanted",
            lambda record: record.disposition.enforced_action.value,
            16,
            log="wanted",
            shown=_shown_wanted,
            is_nullable=False,
        ),
        Column(
            "override",
            lambda record: record.disposition.override.value if record.disposition.override else None,
            32,
            log="override",
        ),
        Column("rule", lambda record: record.disposition.rule, 64, log="rule"),
        Column("comment", text_of(lambda record: record.disposition.comment)),
        Column("reply", lambda record: str(record.reply) if record.reply else None, log="reply"),
        Column("reason", lambda record: wording.decision(record.disposition), log="reason", is_nullable=False),
        code_column("reason_code", lambda record: record.disposition.reason),
        Column("seconds", lambda record: record.seconds, kind=Kind.NUMBER, readers=Reader.JOURNAL, is_nullable=False),
        Column(
            "seconds_waited",
            lambda record: record.seconds_waited,
            kind=Kind.NUMBER,
            log="waited_ms",
            shown=_shown_wait,
            readers=Reader.JOURNAL,
            is_nullable=False,
        ),
        Column("dns_cache_hits", lambda record: record.dns_cache_hits, kind=Kind.COUNT, readers=NOBODY),
    ),
    _lines,
    is_of_verdict=False,
    codes=lambda row: (row["reason_code"],),
)
