"""What From says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Line, Row


def _lines(row: Row) -> Iterator[Line]:
    if row["author_domain"] is None:
        yield Line("From", f"no usable domain: {row['from_reason'] or row['dmarc_reason']}")
    else:
        shown_by = f", shown by {row['from_reason']}" if row["from_reason"] else ""
        yield Line("From", f"{row['author_domain']}{shown_by}")


FINDING = Finding(
    "from",
    (
        Column("author_domain", lambda verdict: verdict.dmarc.author_domain, 253, log="from_domain", is_indexed=True),
        Column(
            "from_reason",
            lambda verdict: verdict.author.unusable.value if verdict.author.unusable else None,
            since=2,
        ),
    ),
    _lines,
)
