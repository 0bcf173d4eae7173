"""Tables partitioned by day in PostgreSQL: to forget a day is to drop its partition. SQLite has none.

A table that is there becomes the first partition of the new one, without being copied: it takes all rows up to the end
of the next day. A partition for everything else is the safety net; no row is ever refused.
"""

import re
import time
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dmarc_milter.journal.rollups import DAY

AHEAD = 7
"""Days for which there is a partition already."""


class Partitioned(NamedTuple):
    """A table, and what it is partitioned by."""

    table: sa.Table
    column: str
    """Seconds since 1970."""

    @property
    def name(self) -> str:
        """That of the table."""
        return self.table.name

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key: PostgreSQL wants the column in it."""
        names = [column.name for column in self.table.primary_key.columns]
        return tuple(names if self.column in names else [*names, self.column])


def has_partitions(connection: Connection) -> bool:
    """Whether this database can have them."""
    return connection.dialect.name == "postgresql"


def is_partitioned(connection: Connection, name: str) -> bool:
    """Whether the table of this name is."""
    query = sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)")
    found = connection.execute(query, {"name": name}).scalar()
    return found in ("p", b"p")


def partition(connection: Connection, part: Partitioned, now: float | None = None) -> None:
    """Make the table that is there a partition of a new one of its name."""
    if not has_partitions(connection) or is_partitioned(connection, part.name):
        return
    name, old = part.name, f"{part.name}_before"
    bound = (int((time.time() if now is None else now) // DAY) + 2) * DAY
    _run(connection, f"ALTER TABLE {name} RENAME TO {old}")
    _make_room_for_names(connection, old)
    _run(connection, f"CREATE TABLE {name} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE ({part.column})")
    # The check makes looking at every row while it is attached unnecessary; that is done without others waiting.
    _run(connection, f"ALTER TABLE {old} ADD CONSTRAINT {old}_bound CHECK ({part.column} < {bound})")
    _run(connection, f"ALTER TABLE {old} DROP CONSTRAINT {old}_pkey")
    _run(connection, f"ALTER TABLE {old} ADD CONSTRAINT {old}_pkey PRIMARY KEY ({', '.join(part.key)})")
    _run(connection, f"ALTER TABLE {name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({', '.join(part.key)})")
    _run(connection, f"ALTER TABLE {name} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({bound})")
    _run(connection, f"CREATE TABLE {name}_other PARTITION OF {name} DEFAULT")
    for index in sorted(part.table.indexes, key=lambda each: str(each.name)):
        _rebuild(connection, index, old)


def _make_room_for_names(connection: Connection, old: str) -> None:
    """Names of indexes are unique in a schema: those of the old table get others."""
    query = sa.text("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = to_regclass(:old)")
    for name in connection.execute(query, {"old": old}).scalars().all():
        plain = name.rpartition(".")[2].strip('"')
        moved = f"{old}_pkey" if plain.endswith("_pkey") else f"{plain}_before"
        _run(connection, f'ALTER INDEX "{plain}" RENAME TO "{moved}"')


def _rebuild(connection: Connection, index: sa.Index, old: str) -> None:
    """On all partitions; the old one's is taken where it is there, and else left to filling.py: mail is coming."""
    query = sa.text("SELECT to_regclass(:name) IS NOT NULL")
    if connection.execute(query, {"name": f"{index.name}_before"}).scalar():
        index.create(connection)


def keep_ahead(connection: Connection, part: Partitioned, now: float) -> None:
    """See that there are partitions for the days to come."""
    if not has_partitions(connection) or not is_partitioned(connection, part.name):
        return
    there = _bounds(connection, part.name)
    last = max((end for _, end in there.values()), default=0)
    today = int(now // DAY) * DAY
    for day in range(today, today + (AHEAD + 1) * DAY, DAY):
        if day >= last and not _is_taken(connection, part, day):
            name = f"{part.name}_{time.strftime('%Y%m%d', time.gmtime(day))}"
            _run(connection, f"CREATE TABLE {name} PARTITION OF {part.name} FOR VALUES FROM ({day}) TO ({day + DAY})")


def _is_taken(connection: Connection, part: Partitioned, day: int) -> bool:
    """Whether rows of that day went to the safety net: then they stay there, and so do those to come."""
    query = f"SELECT EXISTS (SELECT FROM {part.name}_other WHERE {part.column} >= :day AND {part.column} < :end)"  # noqa: S608
    return bool(connection.execute(sa.text(query), {"day": day, "end": day + DAY}).scalar())


def forget(connection: Connection, part: Partitioned, before: float) -> int:
    """Drop the partitions that hold nothing from `before` on; returns how many rows there were, about."""
    if not has_partitions(connection) or not is_partitioned(connection, part.name):
        return 0
    total = 0
    for name, (_, end) in _bounds(connection, part.name).items():
        if end <= before:
            total += int(connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one())  # noqa: S608
            _run(connection, f"DROP TABLE {name}")
    return total


_BOUND = re.compile(r"FOR VALUES FROM \((MINVALUE|'?[0-9.e+]+'?)\) TO \('?([0-9.e+]+)'?\)")


def _bounds(connection: Connection, name: str) -> dict[str, tuple[float, float]]:
    """The partitions with a beginning and an end."""
    query = sa.text(
        "SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, inhrelid) FROM pg_inherits "
        "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(:name)"
    )
    found = {}
    for partition_name, bound in connection.execute(query, {"name": name}):
        match = _BOUND.fullmatch(bound)
        if match is not None:
            begin = 0.0 if match[1] == "MINVALUE" else float(match[1].strip("'"))
            found[partition_name] = (begin, float(match[2]))
    return found


def _run(connection: Connection, statement: str) -> None:
    """Names and numbers of our own."""
    connection.execute(sa.text(statement))
