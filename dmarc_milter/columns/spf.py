"""What SPF says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Line, Row, code_column, text_of


def _lines(row: Row) -> Iterator[Line]:
    yield Line("SPF", f"{row['spf']} for {row['spf_domain'] or 'no domain'}: {row['spf_reason']}", row["spf"])


FINDING = Finding(
    "spf",
    (
        Column("spf", lambda verdict: verdict.spf.check.result.value, 16, log="spf"),
        Column("spf_domain", lambda verdict: verdict.spf.domain, 253),
        Column("spf_reason", text_of(lambda verdict: verdict.spf.check.reason), log="spf_reason"),
        code_column("spf_code", lambda verdict: verdict.spf.check.reason),
    ),
    _lines,
    codes=lambda row: (row["spf_code"],),
)
