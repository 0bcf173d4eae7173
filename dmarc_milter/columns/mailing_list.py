"""Which mailing list a message is from, as it says."""

from collections.abc import Iterator

from dmarc_milter.columns.column import Column, Finding, Kind, Line, Row
from dmarc_milter.judging.verdict import Verdict


def _list_id(verdict: Verdict) -> str | None:
    return verdict.mailing_list.list_id if verdict.mailing_list else None


def _has_address(verdict: Verdict) -> bool | None:
    return verdict.mailing_list.has_address if verdict.mailing_list else None


def _lines(row: Row) -> Iterator[Line]:
    if row["list_id"]:
        yield Line("list", row["list_id"])


FINDING = Finding(
    "list",
    (
        Column("list_id", _list_id, 253),
        Column("list_has_address", _has_address, kind=Kind.TRUTH, since=2),
    ),
    _lines,
)
