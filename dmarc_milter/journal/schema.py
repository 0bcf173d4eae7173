"""The tables of the journal, their version, and the way from an older version to this one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.types import TypeEngine

from dmarc_milter.columns.column import Column, Kind
from dmarc_milter.journal.row import TABLE, VERSION

metadata = sa.MetaData()

version_table = sa.Table("journal_version", metadata, sa.Column("version", sa.Integer, nullable=False))

_TYPES: dict[Kind, Callable[[], TypeEngine[Any]]] = {
    Kind.TEXT: sa.Text,
    Kind.NUMBER: lambda: sa.Float(53),
    Kind.COUNT: sa.Integer,
    Kind.TRUTH: sa.Boolean,
    Kind.JSON: lambda: sa.JSON(none_as_null=True),
}


def _in_database(column: Column) -> "sa.Column[Any]":
    return sa.Column(
        column.name,
        sa.String(column.length) if column.length is not None else _TYPES[column.kind](),
        primary_key=column.name == "uid",
        nullable=column.is_nullable,
        index=column.is_indexed or None,
    )


messages = sa.Table("messages", metadata, *map(_in_database, TABLE))


def _add_columns(version: int, connection: Connection) -> None:
    """Those that `version` has first; of rows that are there they do not tell."""
    for column in TABLE:
        if column.since == version:
            made = sa.schema.CreateColumn(messages.c[column.name]).compile(dialect=connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE messages ADD COLUMN {made}"))


Migrations = Mapping[int, Callable[[Connection], None]]
MIGRATIONS: Migrations = {before: partial(_add_columns, before + 1) for before in range(1, VERSION)}
"""For each older version, what makes the next one of it."""

_LOCK = 0x646D6172
"""Of PostgreSQL's advisory locks, ours while the tables are made."""


class SchemaError(Exception):
    """The journal's tables are not of the version that is wanted; the text says what to do."""


def prepare(engine: Engine, version: int = VERSION, migrations: Migrations = MIGRATIONS) -> None:
    """Make the tables, or bring them up to `version`; several processes may do so at once. Raises SchemaError."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        found = _version(connection)
        if found is None:
            metadata.create_all(connection)
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
