"""What the ARC chain says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Kind, Line, Row, code_column, text_of
from dmarc_milter.judging.policy import vouching_chain


def _lines(row: Row) -> Iterator[Line]:
    if row["arc"] == "none":
        return
    reason = f": {row['arc_reason']}" if row["arc_reason"] else ""
    yield Line("ARC", f"{row['arc']}, sealed by {', '.join(row['arc_sealers'] or ['?'])}{reason}", row["arc"])


FINDING = Finding(
    "arc",
    (
        Column("arc", lambda verdict: verdict.arc.status.value, 16, log="arc"),
        Column("arc_reason", text_of(lambda verdict: verdict.arc.reason), log="arc_reason"),
        code_column("arc_code", lambda verdict: verdict.arc.reason),
        Column("arc_sealers", lambda verdict: list(verdict.arc.sealers) or None, kind=Kind.JSON),
        Column("arc_vouching", lambda verdict: list(vouching_chain(verdict)) or None, kind=Kind.JSON, since=4),
    ),
    _lines,
    codes=lambda row: (row["arc_code"],),
)
