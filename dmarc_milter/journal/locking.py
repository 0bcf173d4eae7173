"""One at a time makes tables and indexes in PostgreSQL, and holds up nobody for long. SQLite needs neither."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

_LOCK, _WORK = 0x646D6172, 0x646D6173
"""Of PostgreSQL's advisory locks: ours while tables are made, and while long work is done on them."""
WAIT_SECONDS = 3.0
"""Who changes a table waits that long for those who use it; those who come meanwhile wait behind."""


def lock(connection: Connection) -> None:
    """Until the end of the transaction, nobody else makes tables or indexes."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes tables which are in use. Raises OperationalError where they are not free in time."""
    with engine.begin() as connection:
        lock(connection)
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {WAIT_SECONDS * 1000:.0f}"))
        yield connection


@contextmanager
def working(engine: Engine) -> Iterator[Connection | None]:
    """A connection whose statements are each whole at once; None where another host does such work now."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(_WORK))).scalar():
            yield None
            return
        try:
            yield connection
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_WORK)))


def is_busy(error: sa.exc.OperationalError) -> bool:
    """Whether it says that a table was not free in time: to be tried another time."""
    return getattr(error.orig, "pgcode", None) == "55P03"
