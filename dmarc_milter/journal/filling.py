"""Rows of older versions brought up to this one, in pieces: what is derived of their columns, and their counts.

A row is done when its `kind` is there, and is counted in the same transaction. So filling goes on where it was ended,
and finds rows that another host's older program still writes. New records are written between two pieces.
"""

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.locking import lock
from dmarc_milter.journal.rollups import counted, days
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.schema import OLD_INDEXES, UNFILLED, messages
from dmarc_milter.journal.tally_tables import tallied_days

PIECE = 20_000
PAUSE_SECONDS = 0.11
"""Between two pieces, for those that write: SQLite looks every 0.1 s whether it is their turn."""

_DERIVED = tuple((column.name, column.derive) for column in TABLE if column.derive is not None)
_NEEDED = (
    *("uid", "time", "host", "client", "outer_client", "author_domain", "spf", "spf_domain", "dkim", "arc", "dmarc"),
    *("mode", "action", "wanted", "override", "rule"),
)
_PLACEHOLDERS = {"sqlite": ":{}", "postgresql": "%({})s"}
"""Statements are the driver's own: SQLAlchemy's take twice the time for a row."""


def _setting(placeholder: str) -> str:
    values = ", ".join(f"{name} = {placeholder.format(name)}" for name, _ in _DERIVED)
    return f"UPDATE messages SET {values} WHERE uid = {placeholder.format('uid')}"  # noqa: S608 - names of our own


def fill(engine: Engine, piece: int = PIECE) -> int:
    """Bring all rows up to date, and make the indexes that are missing; returns how many rows there were."""
    _make_index(engine, "ix_messages_unfilled")
    total = 0
    while True:
        with engine.begin() as connection:
            done = _fill_piece(connection, piece)
        total += done
        if done < piece:
            break
        time.sleep(PAUSE_SECONDS)
    for index in sorted(str(each.name) for each in messages.indexes):
        _make_index(engine, index)
    _drop_old_indexes(engine)
    return total


def _fill_piece(connection: Connection, size: int) -> int:
    query = (
        sa.select(*(messages.c[name] for name in _NEEDED)).where(UNFILLED).limit(size).with_for_update(skip_locked=True)
    )
    rows: list[Row] = [dict(each) for each in connection.execute(query).mappings().all()]
    if not rows:
        return 0
    for row in rows:
        row.update({name: derive(row) for name, derive in _DERIVED})
    connection.execute(tallied_days.delete().where(tallied_days.c.day.in_(days(rows))))
    placeholder = _PLACEHOLDERS[connection.dialect.name]
    connection.exec_driver_sql(_setting(placeholder), [_changes(row) for row in rows])
    for rollup, counts in counted(rows):
        if counts:
            connection.exec_driver_sql(rollup.statement(placeholder), counts)
    return len(rows)


def _changes(row: Row) -> dict[str, Any]:
    return {"uid": row["uid"], **{name: row[name] for name, _ in _DERIVED}}


def _make_index(engine: Engine, name: str) -> None:
    index = next(each for each in messages.indexes if each.name == name)
    with engine.begin() as connection:
        lock(connection)
        index.create(connection, checkfirst=True)


def _drop_old_indexes(engine: Engine) -> None:
    for name in OLD_INDEXES:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {name}"))
