"""The journal, asked for one page: for a bounded time, and by a few pages at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal.database import DatabaseError, open_for_reading
from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.journal.location import database
from dmarc_milter.journal.schema import SchemaError, check
from dmarc_milter.settings.journal import JournalSection

MAX_SECONDS = 10.0
AT_ONCE = 2
"""As many connections as the journal's engine has."""
_STEPS = 20_000
"""Of SQLite's machine, between two looks at the clock."""
_JOURNAL_ERRORS = (DatabaseError, SchemaError, UnreachableError, sa.exc.SQLAlchemyError)


class JournalError(Exception):
    """The journal does not answer; the text says why, for people."""


class TooLongError(JournalError):
    """It would take too long."""


class BusyError(JournalError):
    """Others are asking."""


class Journal:
    """Opened for each page: a file that nobody has open is read as one that nobody changes."""

    def __init__(self, section: JournalSection, seconds: float = MAX_SECONDS) -> None:
        self._section = section
        self._seconds = seconds
        self._room = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def asked(self) -> Iterator[Engine]:
        """For one page. Raises JournalError."""
        if not self._room.acquire(timeout=self._seconds):
            raise BusyError("other pages are being made: try again in a moment")
        started = time.monotonic()
        try:
            engine = open_for_reading(database(self._section))
            try:
                self._bound(engine, started + self._seconds)
                check(engine)
                yield engine
            finally:
                engine.dispose()
        except _JOURNAL_ERRORS as error:
            if time.monotonic() - started >= self._seconds:
                raise TooLongError(f"the answer takes longer than {self._seconds:.0f} s") from None
            raise JournalError(" ".join(str(getattr(error, "orig", None) or error).split())) from None
        finally:
            self._room.release()

    def _bound(self, engine: Engine, deadline: float) -> None:
        def of_sqlite(connection: Any, _record: Any) -> None:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)

        def of_postgresql(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {round(self._seconds * 1e3)}")
                cursor.execute("SET default_transaction_read_only = on")
            connection.commit()

        is_sqlite = engine.dialect.name == "sqlite"
        sa.event.listen(engine, "connect", of_sqlite if is_sqlite else of_postgresql)
