"""What the ARC chain says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Kind, Line, Row


def _lines(row: Row) -> Iterator[Line]:
    if row["arc"] == "none":
        return
    reason = f": {row['arc_reason']}" if row["arc_reason"] else ""
    yield Line("ARC", f"{row['arc']}, sealed by {', '.join(row['arc_sealers'] or ['?'])}{reason}", row["arc"])


FINDING = Finding(
    "arc",
    (
        Column("arc", lambda verdict: verdict.arc.status.value, 16, log="arc"),
        Column("arc_reason", lambda verdict: verdict.arc.reason or None, log="arc_reason"),
        Column("arc_sealers", lambda verdict: list(verdict.arc.sealers) or None, kind=Kind.JSON),
    ),
    _lines,
)
