"""Rows of older versions brought up to this one, in pieces: what is derived of their columns, and their counts.

A row is done when its `kind` is there, and is counted in the same transaction. So filling goes on where it was ended,
and finds rows that another host's older program still writes. New records are written between two pieces.
"""

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.rollups import ROLLUPS, counted
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.schema import OLD_INDEXES, UNFILLED, lock, messages

PIECE = 20_000
PAUSE_SECONDS = 0.05
"""Between two pieces, for those that write."""

_DERIVED = tuple((column.name, column.derive) for column in TABLE if column.derive is not None)
_NEEDED = (
    *("uid", "time", "host", "client", "outer_client", "author_domain", "spf", "spf_domain", "dkim", "arc", "dmarc"),
    *("mode", "action", "wanted", "override", "rule"),
)
_COUNT = {each.name: sa.text(each.statement(":{}")) for each in ROLLUPS}
_SET = (
    messages.update()
    .where(messages.c.uid == sa.bindparam("of_uid"))
    .values({name: sa.bindparam(f"new_{name}") for name, _ in _DERIVED})
)


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
    rows: list[Row] = [dict(each) for each in connection.execute(query).mappings()]
    if not rows:
        return 0
    for row in rows:
        row.update({name: derive(row) for name, derive in _DERIVED})
    connection.execute(_SET, [_changes(row) for row in rows])
    for rollup, counts in counted(rows):
        if counts:
            connection.execute(_COUNT[rollup.name], counts)
    return len(rows)


def _changes(row: Row) -> dict[str, Any]:
    return {"of_uid": row["uid"], **{f"new_{name}": row[name] for name, _ in _DERIVED}}


def _make_index(engine: Engine, name: str) -> None:
    index = next(each for each in messages.indexes if each.name == name)
    with engine.begin() as connection:
        lock(connection)
        index.create(connection, checkfirst=True)


def _drop_old_indexes(engine: Engine) -> None:
    for name in OLD_INDEXES:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {name}"))
