"""Opening the journal's database."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from dmarc_milter.journal.insertion import BUSY_SECONDS

FILE_MODE = 0o640


class DatabaseError(Exception):
    """A database that cannot be opened; the text says which and why."""


def parse_url(text: str) -> URL:
    """``sqlite:////path`` or ``postgresql://user@host/name``. Raises DatabaseError."""
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        # Whatever it is, there may be a password in it.
        raise DatabaseError("this is no database URL") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseError(f"{url.get_backend_name()} is neither sqlite nor postgresql")
    if url.get_backend_name() == "sqlite" and not url.database:
        raise DatabaseError("sqlite needs the path of a file")
    # SQLAlchemy's default driver changed with 2.1; Debian's users have psycopg2.
    return url.set(drivername="postgresql+psycopg2") if url.drivername == "postgresql" else url


def open_engine(text: str, *, create: bool) -> Engine:
    """An engine on the database; with `create`, SQLite's file is made, readable by its group. Raises DatabaseError."""
    url = parse_url(text)
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url, create=create)
        return sa.create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True, future=True)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"the driver {error.name} is not installed") from None


def _sqlite(url: URL, *, create: bool) -> Engine:
    path = Path(url.database or "")
    try:
        if create:
            path.parent.mkdir(mode=0o750, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
            if stat.S_IMODE(path.stat().st_mode) != FILE_MODE:
                path.chmod(FILE_MODE)
        elif not path.exists():
            raise DatabaseError(f"{path}: no such file")
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from None
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, future=True)
    sa.event.listen(engine, "connect", _configure)
    sa.event.listen(
        engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE" if create else "BEGIN")
    )
    return engine


def _configure(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # SQLAlchemy's events begin transactions, not the driver, which would begin them too late for DDL.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
