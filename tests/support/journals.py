"""What is in a journal, what has to be in it, and journals of older versions."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal import insertion, schema
from dmarc_milter.journal.rollups import ROLLUPS
from dmarc_milter.journal.row import TABLE
from dmarc_milter.journal.seen_lists import SeenList, SeenLists
from dmarc_milter.journal.what_if import Refusals, Refused, remember


def what_if(rows: list[Row]) -> tuple[Refused, list[SeenList]]:
    """What `dmarc-milter what-if` has to make of `rows`, oldest first."""
    refusals, lists = Refusals(), SeenLists()
    for each in rows:
        refusals.add(each)
        lists.add(each)
    found = refusals.found()
    remember(found.groups, rows)
    return found, lists.ranked()


def insert(url: str, rows: list[dict[str, Any]]) -> None:
    """As a worker does: with their counts, in one transaction."""
    database = insertion.connect(url)
    database.insert(rows)
    database.close()


def copy_journal(path: Path, url: str) -> None:
    """That of SQLite at `path`, which nobody has open, as the one of `url`."""
    shutil.copy(path, url.removeprefix("sqlite:///"))


def counts(engine: Engine) -> dict[str, set[Any]]:
    """The counts in the journal, by their table."""
    with engine.connect() as connection:
        return {
            name: set(map(tuple, connection.execute(sa.select(table)).all())) for name, table in schema.rollups.items()
        }


def expected(rows: list[dict[str, Any]]) -> dict[str, set[Any]]:
    """What `counts` has to be: the rows counted one by one."""
    return {
        rollup.name: {(*key, count) for key, count in Counter(key for row in rows for key in rollup.of(row)).items()}
        for rollup in ROLLUPS
    }


def make_old(engine: Engine, rows: list[dict[str, Any]]) -> None:
    """A journal as version 3 left it."""
    with engine.begin() as connection:
        if rows:
            connection.execute(schema.messages.insert(), rows)
        for index in schema.messages.indexes:
            if str(index.name).startswith("ix_messages_by_") or str(index.name) in (
                "ix_messages_standing_out",
                "ix_messages_vouched",
                "ix_messages_unfilled",
            ):
                index.drop(connection)
        for name in ("client", "author_domain"):
            connection.execute(sa.text(f"CREATE INDEX ix_messages_{name} ON messages ({name})"))
        for column in TABLE:
            if column.since > 3:
                connection.execute(sa.text(f"ALTER TABLE messages DROP COLUMN {column.name}"))
        for table in schema.rollups.values():
            table.drop(connection)
        connection.execute(schema.version_table.update().values(version=3))


def derived(engine: Engine) -> set[tuple[Any, ...]]:
    """The derived columns of all rows in the journal."""
    with engine.connect() as connection:
        columns = (schema.messages.c.uid, schema.messages.c.source, schema.messages.c.kind)
        return set(map(tuple, connection.execute(sa.select(*columns)).all()))


def as_derived(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """What `derived` has to be."""
    return {(each["uid"], each["source"], each["kind"]) for each in rows}
