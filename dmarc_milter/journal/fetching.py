"""Asking the database: what several questions see, and what it answers as rows."""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row


@contextlib.contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """All questions of this connection see the same records, whatever others write or forget meanwhile."""
    with engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            # What is streamed here is read to its end; PostgreSQL would look for its first rows the soonest.
            connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
            yield connection
            return
        connection.begin()
        # Python's driver begins no transaction for who only reads.
        if not connection.connection.in_transaction:
            connection.exec_driver_sql("BEGIN")
        yield connection


def fetched(connection: Connection, query: "sa.Select[Any]", *, streamed: bool = False) -> Iterator[Row]:
    """One by one, as dictionaries; `streamed`: of many, so that they are not all held at once."""
    found = connection.execute(query.execution_options(stream_results=streamed))
    names = tuple(found.keys())
    # SQLAlchemy's own mappings take twice the time.
    for each in found:
        yield dict(zip(names, each, strict=True))
