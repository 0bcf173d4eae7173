"""The tables of the journal, their version, and the way from an older version to this one."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.row import VERSION

metadata = sa.MetaData()

version_table = sa.Table("journal_version", metadata, sa.Column("version", sa.Integer, nullable=False))

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("uid", sa.String(40), primary_key=True),
    sa.Column("time", sa.Float(53), nullable=False, index=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("worker", sa.Integer, nullable=False),
    sa.Column("queue_id", sa.String(64), nullable=False, index=True),
    sa.Column("message_id", sa.String(250), index=True),
    sa.Column("client", sa.String(45), index=True),
    sa.Column("outer_client", sa.String(45)),
    sa.Column("helo", sa.String(255), nullable=False),
    sa.Column("mail_from", sa.String(320), nullable=False),
    sa.Column("author_domain", sa.String(253), index=True),
    sa.Column("from_reason", sa.Text),
    sa.Column("spf", sa.String(16)),
    sa.Column("spf_domain", sa.String(253)),
    sa.Column("spf_reason", sa.Text),
    sa.Column("dkim", sa.JSON(none_as_null=True)),
    sa.Column("arc", sa.String(16)),
    sa.Column("arc_reason", sa.Text),
    sa.Column("arc_sealers", sa.JSON(none_as_null=True)),
    sa.Column("list_id", sa.String(253)),
    sa.Column("list_has_address", sa.Boolean),
    sa.Column("dmarc", sa.String(16)),
    sa.Column("dmarc_reason", sa.Text),
    sa.Column("published_policy", sa.String(16)),
    sa.Column("policy", sa.String(16)),
    sa.Column("policy_domain", sa.String(253)),
    sa.Column("alignments", sa.JSON(none_as_null=True)),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("wanted", sa.String(16), nullable=False),
    sa.Column("override", sa.String(32)),
    sa.Column("rule", sa.String(64)),
    sa.Column("comment", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reply", sa.Text),
    sa.Column("seconds", sa.Float(53), nullable=False),
    sa.Column("seconds_waited", sa.Float(53), nullable=False),
)


def _from_1_to_2(connection: Connection) -> None:
    """What From and the list say more exactly; rows that are there do not tell."""
    connection.execute(sa.text("ALTER TABLE messages ADD COLUMN from_reason TEXT"))
    connection.execute(sa.text("ALTER TABLE messages ADD COLUMN list_has_address BOOLEAN"))


Migrations = Mapping[int, Callable[[Connection], None]]
MIGRATIONS: Migrations = {1: _from_1_to_2}
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
