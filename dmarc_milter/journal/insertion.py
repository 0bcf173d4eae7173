"""Rows written through the database's own driver: all that a worker has to do with the journal's database.

SQLAlchemy, which makes the tables and reads them, would take a third of a worker's memory (ARCHITECTURE.md).
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.failures import KEEP, failure_rows
from dmarc_milter.journal.reported import Placeholders, Statements, additions
from dmarc_milter.journal.rollups import ROLLUPS, counted, days
from dmarc_milter.journal.row import COLUMNS, JSON_COLUMNS, VERSION

BUSY_SECONDS = 10


class UnreachableError(Exception):
    """The database cannot be written to now; the text is one line."""


class UnpreparedError(UnreachableError):
    """It has no tables yet, or those of an older version."""


class RefusedError(Exception):
    """The database refuses a row for what is in it, now and always; the text is one line."""


class Insertion(Protocol):
    """An open database. Used by one thread."""

    def insert(self, rows: Sequence[Row]) -> None:
        """All of them or none, with their counts; one whose uid is there already is left out, and not counted again.

        Raises UnreachableError, RefusedError.
        """

    def close(self) -> None:
        """Close the database. Nothing may be inserted any more."""


def connect(url: str) -> Insertion:
    """Open the database of ``[journal] database``. Raises UnreachableError, UnpreparedError."""
    return _Sqlite(url) if url.startswith("sqlite") else _PostgreSql(url)


_VERSION_QUERY = "SELECT version FROM journal_version"


def _check_version(found: Any) -> None:
    if found is None or found[0] < VERSION:
        raise UnpreparedError("tables of an older version")
    if found[0] > VERSION:
        raise UnreachableError(f"the journal has version {found[0]}, this program knows {VERSION}")


_HEAD = f"INSERT INTO messages ({', '.join(COLUMNS)}) VALUES "  # noqa: S608 - names of our own
_ONCE = "ON CONFLICT DO NOTHING"
_NOT_TALLIED = "DELETE FROM tallied_days WHERE day = {}"
"""Before its rows are written: see tallies.py."""
_NEW_KEY = "INSERT INTO report_secrets (name, secret) VALUES ('redaction', {}) ON CONFLICT DO NOTHING"
_KEY = "SELECT secret FROM report_secrets WHERE name = 'redaction'"


def _values(placeholder: str) -> str:
    return f"({', '.join(placeholder.format(name) for name in COLUMNS)})"


def _flat(row: Row) -> dict[str, Any]:
    return {**row, **{name: json.dumps(row[name]) for name in JSON_COLUMNS if row[name] is not None}}


class _Sqlite:
    def __init__(self, url: str) -> None:
        self._statement = f"{_HEAD}{_values(':{}')} {_ONCE}"
        self._counting = {each.name: each.statement(":{}") for each in ROLLUPS}
        self._reporting = Statements.written(":{}")
        self._keep_failure = KEEP.format_map(Placeholders(":{}"))
        path = unquote(urlsplit(url).path.removeprefix("/"))
        if not os.path.exists(path):
            raise UnpreparedError(f"{path}: no such file")
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA synchronous=NORMAL")
            found = self._connection.execute(_VERSION_QUERY).fetchone()
        except sqlite3.Error as error:
            raise _sqlite_error(error) from None
        _check_version(found)

    def insert(self, rows: Sequence[Row]) -> None:
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(_NOT_TALLIED.format("?"), [(day,) for day in days(rows)])
                new = [each for each in rows if self._connection.execute(self._statement, _flat(each)).rowcount]
                for rollup, counts in counted(new):
                    self._connection.executemany(self._counting[rollup.name], counts)
                for statement, added in zip(self._reporting, additions(new), strict=True):
                    self._connection.executemany(statement, added)
                if any(each.get("failure") is not None for each in new):
                    self._connection.executemany(self._keep_failure, failure_rows(new, self._redaction_key()))
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError) as error:
            raise RefusedError(one_line(error)) from None
        except sqlite3.Error as error:
            raise _sqlite_error(error) from None

    def _redaction_key(self) -> bytes:
        """Read anew each time: a transaction that made it may have been undone."""
        self._connection.execute(_NEW_KEY.format("?"), (secrets.token_hex(32),))
        (found,) = self._connection.execute(_KEY).fetchone()
        return bytes.fromhex(found)

    def close(self) -> None:
        self._connection.close()


def _sqlite_error(error: sqlite3.Error) -> UnreachableError:
    return (UnpreparedError if "no such table" in str(error) else UnreachableError)(one_line(error))


class _PostgreSql:
    def __init__(self, url: str) -> None:
        self._statement = f"{_HEAD}%s {_ONCE} RETURNING uid"
        self._values = _values("%({})s")
        self._counting = {each.name: each.statement("%({})s") for each in ROLLUPS}
        self._reporting = Statements.written("%({})s")
        self._keep_failure = KEEP.format_map(Placeholders("%({})s"))
        try:
            import psycopg2.errors
            import psycopg2.extras
        except ModuleNotFoundError as error:
            raise UnreachableError(f"the driver {error.name} is not installed") from None
        self._driver: ModuleType = psycopg2
        try:
            self._connection = psycopg2.connect(_dsn(url), connect_timeout=BUSY_SECONDS)
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(_VERSION_QUERY)
                found = cursor.fetchone()
        except psycopg2.Error as error:
            raise self._error(error) from None
        _check_version(found)

    def _error(self, error: Exception) -> UnreachableError:
        missing = isinstance(error, self._driver.errors.UndefinedTable)
        return (UnpreparedError if missing else UnreachableError)(one_line(error))

    def insert(self, rows: Sequence[Row]) -> None:
        driver = self._driver
        try:
            with self._connection, self._connection.cursor() as cursor:
                for day in days(rows):
                    cursor.execute(_NOT_TALLIED.format("%s"), (day,))
                flat = [_flat(row) for row in rows]
                returned = driver.extras.execute_values(
                    cursor, self._statement, flat, self._values, page_size=200, fetch=True
                )
                new = {uid for (uid,) in returned}
                inserted = [each for each in rows if each["uid"] in new]
                for rollup, counts in counted(inserted):
                    driver.extras.execute_batch(cursor, self._counting[rollup.name], counts, page_size=200)
                for statement, added in zip(self._reporting, additions(inserted), strict=True):
                    driver.extras.execute_batch(cursor, statement, added, page_size=200)
                if any(each.get("failure") is not None for each in inserted):
                    added = failure_rows(inserted, self._redaction_key(cursor))
                    driver.extras.execute_batch(cursor, self._keep_failure, added, page_size=200)
        except (driver.IntegrityError, driver.DataError, UnicodeError, ValueError) as error:
            raise RefusedError(one_line(error)) from None
        except driver.Error as error:
            raise self._error(error) from None

    def _redaction_key(self, cursor: Any) -> bytes:
        """Read anew each time: a transaction that made it may have been undone."""
        cursor.execute(_NEW_KEY.format("%s"), (secrets.token_hex(32),))
        cursor.execute(_KEY)
        return bytes.fromhex(cursor.fetchone()[0])

    def close(self) -> None:
        self._connection.close()


def _dsn(url: str) -> str:
    """As libpq reads it: SQLAlchemy lets a URL name the driver."""
    scheme, rest = url.split("://", 1)
    return f"{scheme.partition('+')[0]}://{rest}"


def one_line(error: Exception) -> str:
    """What a database says, for a log."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
