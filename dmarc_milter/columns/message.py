"""Which message it is, and who handed it over."""

from collections.abc import Iterator

from dmarc_milter.columns.column import NOBODY, Column, Finding, Kind, Line, Reader, Row
from dmarc_milter.common.network import address_text
from dmarc_milter.judging.record import MessageRecord


def _outer_client(record: MessageRecord) -> str | None:
    """The client of the outermost trusted relay."""
    verdict = record.verdict
    return address_text(verdict.client_address) if verdict is not None and verdict.relayed is not None else None


def _is_relayed(record: MessageRecord) -> bool:
    return record.verdict is not None and record.verdict.relayed is not None


def _shown_outer_client(row: Row) -> str | None:
    return (row["outer_client"] or "unknown") if row["is_relayed"] else None


def mail_from(row: Row, *, addresses: bool) -> str:
    """MAIL FROM as it may be told: with `addresses = false`, its domain alone."""
    whole: str = row["mail_from"]
    return whole if addresses else whole.rpartition("@")[2]


def _lines(row: Row) -> Iterator[Line]:
    through = f", through our relay {row['client']}" if row["outer_client"] else ""
    client = row["outer_client"] or row["client"] or "none (local)"
    yield Line(
        "received", f"from {client}{through}, HELO {row['helo'] or '(none)'}, MAIL FROM <{_path(row['mail_from'])}>"
    )
    if row["message_id"]:
        yield Line("message-id", row["message_id"])


def _path(address: str) -> str:
    return f"...@{address}" if address and "@" not in address else address


FINDING = Finding(
    "message",
    (
        Column(
            "time",
            lambda record: record.time,
            kind=Kind.NUMBER,
            readers=Reader.JOURNAL,
            is_nullable=False,
            is_indexed=True,
        ),
        Column(
            "queue_id",
            lambda record: record.queue_id,
            64,
            log="queue_id",
            readers=Reader.JOURNAL,
            is_nullable=False,
            is_indexed=True,
        ),
        Column("message_id", lambda record: record.message_id or None, 250, is_indexed=True),
        Column(
            "client",
            lambda record: address_text(record.envelope.client_address),
            45,
            log="client",
            shown=lambda row: row["client"] or "none",
        ),
        Column("helo", lambda record: record.envelope.helo, 255, log="helo", is_nullable=False),
        Column("mail_from", lambda record: record.envelope.mail_from, 320, log="mail_from", is_nullable=False),
        Column("outer_client", _outer_client, 45, log="outer_client", shown=_shown_outer_client),
        Column("is_relayed", _is_relayed, kind=Kind.TRUTH, readers=NOBODY),
        Column("failure", lambda record: record.failure, kind=Kind.OCTETS, readers=NOBODY),
    ),
    _lines,
    is_of_verdict=False,
)
