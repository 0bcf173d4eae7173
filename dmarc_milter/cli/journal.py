"""The journal's database, opened for the commands that ask it."""

import sys

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.cli.command import USAGE_ERROR
from dmarc_milter.journal.database import DatabaseError, open_for_reading
from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.journal.schema import SchemaError, check

JOURNAL_ERRORS = (DatabaseError, SchemaError, UnreachableError, sa.exc.SQLAlchemyError)


def open_journal(url: str) -> Engine:
    """Raises one of JOURNAL_ERRORS."""
    engine = open_for_reading(url)
    check(engine)
    return engine


def fail(error: Exception) -> int:
    """Say why the journal cannot be asked; the exit status."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    print(f"dmarc-milter: the journal cannot be read: {said}", file=sys.stderr)
    return USAGE_ERROR
