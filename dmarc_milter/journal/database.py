"""Opening the journal's database."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
    """An engine that writes; with `create`, SQLite's file is made, readable by its group. Raises DatabaseError."""
    return _open(text, lambda url: _sqlite(url, create=create))


def open_for_both(text: str) -> tuple[Engine, Engine]:
    """Two engines of a database that is there: one that reads beside those who write, and one that writes.

    In SQLite, a transaction of the second one holds up everybody else who writes. Raises DatabaseError.
    """
    writing = open_engine(text, create=False)
    if writing.dialect.name != "sqlite":
        return writing, writing
    reading = sa.create_engine(writing.url, connect_args={"timeout": BUSY_SECONDS}, future=True)
    sa.event.listen(reading, "connect", _configure)
    return reading, writing


def open_for_reading(text: str) -> Engine:
    """An engine that reads, and leaves nothing behind. Whoever may read SQLite's file can. Raises DatabaseError."""
    return _open(text, _sqlite_for_reading)


def _open(text: str, sqlite_engine: Callable[[URL], Engine]) -> Engine:
    url = parse_url(text)
    try:
        if url.get_backend_name() == "sqlite":
            return sqlite_engine(url)
        # Many rows at once: it takes as many round trips as there are pages, not rows.
        batched = {"executemany_mode": "values_plus_batch"}
        return sa.create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True, future=True, **batched)
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
    # Who reads first and writes then would be refused where another wrote meanwhile.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _sqlite_for_reading(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        path.stat()
    except FileNotFoundError:
        raise DatabaseError(f"{path}: no such file") from None
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}. Run this with sudo, or join the group of its folder") from None
    return sa.create_engine("sqlite://", creator=lambda: _connect_for_reading(path), future=True)


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """SQLite wants to write beside a file in WAL mode, even for those who only read it.

    While the file is in use, what it would write is there. When nobody has it open, nothing changes it.
    """
    in_use = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    uri = f"file:{quote(str(path))}?{'mode=ro' if in_use else 'immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        connection.close()
        raise DatabaseError(f"{path}: {_why_not_read(path, error)}") from None
    return connection


def _why_not_read(path: Path, error: sqlite3.OperationalError) -> str:
    if not os.access(path, os.R_OK):
        return f"Permission denied. Run this with sudo, or join the group {path.group()}"
    if "readonly" in str(error):
        return "the service was killed while it wrote; run this with sudo, once, or start the service"
    return str(error)


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLAlchemy's events begin transactions, not the driver, which would begin them too late for DDL.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
