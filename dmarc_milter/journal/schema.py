"""The tables of the journal, their version, and the way from an older version to this one."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.types import TypeEngine

from dmarc_milter.columns.column import Column, Kind
from dmarc_milter.journal import report_tables, tally_tables
from dmarc_milter.journal.locking import lock
from dmarc_milter.journal.partitions import Partitioned, make
from dmarc_milter.journal.rollups import ROLLUPS, Rollup
from dmarc_milter.journal.row import TABLE, VERSION

metadata = sa.MetaData()

version_table = sa.Table("journal_version", metadata, sa.Column("version", sa.Integer, nullable=False))

_TYPES: dict[Kind, Callable[[], TypeEngine[Any]]] = {
    Kind.TEXT: sa.Text,
    Kind.NUMBER: lambda: sa.Float(53),
    Kind.COUNT: sa.Integer,
    Kind.TRUTH: sa.Boolean,
    Kind.JSON: lambda: sa.JSON(none_as_null=True),
    Kind.OCTETS: sa.LargeBinary,
}


def _in_database(column: Column) -> "sa.Column[Any]":
    return sa.Column(
        column.name,
        sa.String(column.length) if column.kind is Kind.TEXT and column.length else _TYPES[column.kind](),
        primary_key=column.name == "uid",
        nullable=column.is_nullable,
        index=column.is_indexed or None,
    )


messages = sa.Table("messages", metadata, *map(_in_database, TABLE))

told_columns = tuple(messages.c[column.name] for column in TABLE if column.kind is not Kind.OCTETS)
"""Those that are for people and programs."""

STANDS_OUT = sa.text("(dmarc = 'fail' OR wanted <> 'accept')")
"""What fails, and what was acted on or would have been. Its index is read where this very text is a condition."""
VOUCHED = sa.text("(arc_vouching IS NOT NULL AND wanted <> 'accept' AND rule IS NULL)")
"""What is not accepted, or would not be, though a chain of ARC vouches for it: a rule decides before any sealer."""
UNFILLED = sa.text("kind IS NULL")
"""Rows of older versions, whose derived columns are not made yet, and which are not counted yet (filling.py)."""


def _index(name: str, *columns: str, where: "sa.TextClause | None" = None) -> "sa.Index":
    found = (messages.c[each] for each in columns)
    return sa.Index(f"ix_messages_{name}", *found, sqlite_where=where, postgresql_where=where)


# Each costs about 40 us per row, those with a condition nearly nothing: one has to be what a question needs.
_index("by_author", "author_domain", "time", "dmarc", "wanted", "action", "kind")
_index("by_source", "source", "time")
_index("standing_out", "time", "dmarc", "wanted", "action", "author_domain", "source", "kind", where=STANDS_OUT)
_index("by_rule", "rule", "time", where=sa.text("rule IS NOT NULL"))
_index("by_override", "override", "time", where=sa.text("override IS NOT NULL"))
_index("by_list", "list_id", "time", "dmarc", "wanted", where=sa.text("list_id IS NOT NULL"))
# By `dmarc` first, which is always fail there: else SQLite, while this index is empty, reads another of all times.
_index("vouched", "dmarc", "time", where=VOUCHED)
_index("unfilled", "time", where=UNFILLED)

OLD_INDEXES = ("ix_messages_client", "ix_messages_author_domain")
"""Of versions before 4."""


def _rollup(rollup: Rollup) -> sa.Table:
    return sa.Table(
        rollup.name,
        metadata,
        *(
            sa.Column(
                name,
                sa.String(length) if length else sa.BigInteger,
                primary_key=True,
                autoincrement=False,
            )
            for name, length in rollup.keys
        ),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


rollups = {each.name: _rollup(each) for each in ROLLUPS}


def _add_columns(version: int, connection: Connection) -> None:
    """Those that `version` has first; of rows that are there they do not tell."""
    for column in TABLE:
        if column.since == version:
            made = sa.schema.CreateColumn(messages.c[column.name]).compile(dialect=connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE messages ADD COLUMN {made}"))


def _add_rollups(connection: Connection) -> None:
    """To version 4. Its indexes, and what it derives of rows that are there, are left to filling.py: mail is coming."""
    _add_columns(4, connection)
    metadata.create_all(connection, tables=list(rollups.values()))


MESSAGES, COUNTED = PARTITIONED = (Partitioned(messages, "time"), Partitioned(report_tables.reported, "day"))
"""In PostgreSQL, by day."""


def _add_reports(connection: Connection) -> None:
    """To version 5: tables alone. Messages that are there are left to the upkeep (partitions.py): mail is coming."""
    _add_columns(5, connection)
    report_tables.metadata.create_all(connection)
    make(connection, COUNTED, time.time())


def _add_tallies(connection: Connection) -> None:
    """To version 6: tables alone. Days that are over are left to the upkeep (tallies.py)."""
    _add_columns(6, connection)
    tally_tables.metadata.create_all(connection)


def _add_kinds(connection: Connection) -> None:
    """To version 7. What is tallied is tallied anew by the upkeep: pages tell the same until then, and take longer."""
    _add_columns(7, connection)
    tally_tables.metadata.create_all(connection)
    connection.execute(tally_tables.tallied_days.delete())


Migrations = Mapping[int, Callable[[Connection], None]]
MIGRATIONS: Migrations = {
    **{before: partial(_add_columns, before + 1) for before in range(1, VERSION)},
    3: _add_rollups,
    4: _add_reports,
    5: _add_tallies,
    6: _add_kinds,
}
"""For each older version, what makes the next one of it."""


class SchemaError(Exception):
    """The journal's tables are not of the version that is wanted; the text says what to do."""


def prepare(engine: Engine, version: int = VERSION, migrations: Migrations = MIGRATIONS) -> None:
    """Make the tables, or bring them up to `version`; several processes may do so at once. Raises SchemaError."""
    with engine.begin() as connection:
        lock(connection)
        found = _version(connection)
        if found is None:
            metadata.create_all(connection)
            report_tables.metadata.create_all(connection)
            tally_tables.metadata.create_all(connection)
            for each in PARTITIONED:
                make(connection, each, time.time())
            connection.execute(version_table.insert().values(version=version))
            return
        if found > version:
            raise SchemaError(f"the journal has version {found}, this program knows {version}")
        for number in range(found, version):
            migrations[number](connection)
            connection.execute(version_table.update().values(version=number + 1))


def check(engine: Engine, version: int = VERSION) -> None:
    """For those who only read: raises SchemaError where the tables are missing or of another version."""
    with engine.connect() as connection:
        found = _version(connection)
    if found is None:
        raise SchemaError("it has no tables yet: the filter makes them with the first record")
    if found < version:
        raise SchemaError(
            f"it has version {found}, not {version}: the filter brings it up to date when it is restarted"
        )
    if found > version:
        raise SchemaError(f"it has version {found}, this program knows {version}")


def _version(connection: Connection) -> int | None:
    if not sa.inspect(connection).has_table(version_table.name):
        return None
    found: Any = connection.execute(sa.select(version_table.c.version)).scalar()
    return None if found is None else int(found)
