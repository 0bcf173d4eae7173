"""What From says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Line, Row, code_column, text_of
from dmarc_milter.common.reason import Reason
from dmarc_milter.judging.verdict import Verdict


def _reason(verdict: Verdict) -> Reason | None:
    unusable = verdict.author.unusable
    return unusable() if unusable is not None else None


def _lines(row: Row) -> Iterator[Line]:
    if row["author_domain"] is None:
        yield Line("From", f"no usable domain: {row['from_reason'] or row['dmarc_reason']}")
    else:
        shown_by = f", shown by {row['from_reason']}" if row["from_reason"] else ""
        yield Line("From", f"{row['author_domain']}{shown_by}")


FINDING = Finding(
    "from",
    (
        Column("author_domain", lambda verdict: verdict.dmarc.author_domain, 253, log="from_domain"),
        Column("from_reason", text_of(_reason), since=2),
        code_column("from_code", _reason),
    ),
    _lines,
    codes=lambda row: (row["from_code"],),
)
