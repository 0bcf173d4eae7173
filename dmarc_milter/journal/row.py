"""What is told of a message as a row of the journal."""

from dmarc_milter.columns.column import Column, Kind, Reader, Row
from dmarc_milter.columns.message import mail_from
from dmarc_milter.columns.table import read_by

OWN = (
    Column("uid", None, 40, is_nullable=False),
    Column("host", None, 255, is_nullable=False),
    Column("worker", None, kind=Kind.COUNT, is_nullable=False),
)
"""Who writes a row, and under which key."""

_TOLD = tuple(column.name for column in read_by(Reader.JOURNAL))

TABLE = (*OWN, *read_by(Reader.JOURNAL))
_VERSIONS_OF_TABLES = (5, 6, 7)
"""The first with tables of reports, of what stood out, and of the kinds of mail of large domains."""
VERSION = max(*_VERSIONS_OF_TABLES, *(column.since for column in TABLE))
"""Of the tables that rows go into (schema.py)."""

COLUMNS = tuple(column.name for column in TABLE)
"""What :func:`row` fills: all columns of the table."""

JSON_COLUMNS = tuple(column.name for column in TABLE if column.kind is Kind.JSON)


def row(told: Row, *, uid: str, host: str, worker_number: int, addresses: bool) -> Row:
    """The columns of one message; without `addresses`, of MAIL FROM only the domain."""
    made = {"uid": uid, "host": host, "worker": worker_number, **{name: told[name] for name in _TOLD}}
    made["mail_from"] = mail_from(told, addresses=addresses)
    return made
