"""Tables partitioned by day in PostgreSQL: to forget a day is to drop its partition. SQLite has none.

New tables are made so. One that is there, with a month of mail, becomes the first partition of the new one without
being copied (``dividing.py``). A partition for everything else is the safety net: a row of any time has its place.
"""

import re
import time
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.locking import changing
from dmarc_milter.journal.rollups import DAY

AHEAD = 7
"""Days to come for which there is a partition already."""
MAX_MOVED = 100_000
"""Rows of the safety net that a new partition takes over; where there are more, they stay."""


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

    @property
    def before(self) -> str:
        """What the table is called that was there before."""
        return f"{self.name}_before"

    @property
    def other(self) -> str:
        """The safety net."""
        return f"{self.name}_other"

    def of(self, day: int) -> str:
        """The partition of a day."""
        return f"{self.name}_{time.strftime('%Y%m%d', time.gmtime(day))}"


def is_partitioned(connection: Connection, name: str) -> bool:
    """Whether the table of this name is."""
    query = sa.text("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:name)")
    return connection.execute(query, {"name": name}).scalar() == "p"


def make(connection: Connection, part: Partitioned, now: float) -> None:
    """Make the new, empty table a partitioned one."""
    if connection.dialect.name != "postgresql" or is_partitioned(connection, part.name):
        return
    step_aside(connection, part)
    new_head(connection, part)
    run(connection, f"DROP TABLE {part.before}")
    for index in part.table.indexes:
        index.create(connection)
    for day in _days(now):
        _add(connection, part, day)


def step_aside(connection: Connection, part: Partitioned) -> None:
    """The table gets another name, and so do its indexes, whose names are unique in a schema."""
    run(connection, f"ALTER TABLE {part.name} RENAME TO {part.before}")
    query = sa.text(
        "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = to_regclass(:name)"
    )
    for name in connection.execute(query, {"name": part.before}).scalars().all():
        if not name.startswith(part.before):
            moved = f"{part.before}_pkey" if name == f"{part.name}_pkey" else f"{name}_before"
            run(connection, f'ALTER INDEX "{name}" RENAME TO "{moved}"')


def new_head(connection: Connection, part: Partitioned) -> None:
    """The new table, as the old one is, with its safety net. Who may read the old one may read it."""
    name, old = part.name, part.before
    run(connection, f"CREATE TABLE {name} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE ({part.column})")
    run(connection, f"ALTER TABLE {name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({', '.join(part.key)})")
    run(connection, f"CREATE TABLE {part.other} PARTITION OF {name} DEFAULT")
    query = sa.text(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END"
        " FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(:old) AND grantee <> relowner"
    )
    for privilege, role in connection.execute(query, {"old": old}).all():
        run(connection, f"GRANT {privilege} ON {name} TO {role}")


# Days


def keep_ahead(engine: Engine, part: Partitioned, now: float) -> None:
    """See that there are partitions for today and the days to come. Raises OperationalError, as `forget` does."""
    with engine.connect() as connection:
        if connection.dialect.name != "postgresql" or not is_partitioned(connection, part.name):
            return
    for day in _days(now):
        with changing(engine) as connection:
            if not any(begin <= day < end for begin, end in _bounds(connection, part).values()):
                _add(connection, part, day)


def _days(now: float) -> range:
    today = int(now // DAY) * DAY
    return range(today, today + (AHEAD + 1) * DAY, DAY)


def _add(connection: Connection, part: Partitioned, day: int) -> None:
    """A partition for a day. Attached, and not made in its place: so nobody waits who reads or writes other days."""
    new, other, column = part.of(day), part.other, part.column
    its = f"{column} >= {day} AND {column} < {day + DAY}"
    moved = f"SELECT count(*) FROM (SELECT FROM {other} WHERE {its} LIMIT {MAX_MOVED + 1}) AS found"  # noqa: S608
    rows = int(connection.execute(sa.text(moved)).scalar_one())
    if rows > MAX_MOVED:
        return
    run(connection, f"CREATE TABLE {new} (LIKE {part.name} INCLUDING DEFAULTS)")
    if rows:
        # None may come after the last one was taken: PostgreSQL would then refuse the partition.
        run(connection, f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE")
        taken = f"DELETE FROM {other} WHERE {its} RETURNING *"  # noqa: S608 - names of our own
        run(connection, f"WITH taken AS ({taken}) INSERT INTO {new} SELECT * FROM taken")  # noqa: S608
    run(connection, f"ALTER TABLE {part.name} ATTACH PARTITION {new} FOR VALUES FROM ({day}) TO ({day + DAY})")


def forget(engine: Engine, part: Partitioned, before: float) -> int:
    """Drop the partitions that hold nothing from `before` on; returns how many rows there were.

    Raises OperationalError where one is not free, see :func:`~.locking.is_busy`.
    """
    with engine.connect() as connection:
        if connection.dialect.name != "postgresql" or not is_partitioned(connection, part.name):
            return 0
        old = [name for name, (_, end) in _bounds(connection, part).items() if end <= before]
    total = 0
    for name in old:
        with engine.connect() as connection:
            total += int(connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one())  # noqa: S608
        with changing(engine) as connection:
            run(connection, f"DROP TABLE IF EXISTS {name}")
    return total


_BOUND = re.compile(r"FOR VALUES FROM \((MINVALUE|'?[0-9.e+]+'?)\) TO \('?([0-9.e+]+)'?\)")


def _bounds(connection: Connection, part: Partitioned) -> dict[str, tuple[float, float]]:
    """The partitions with a beginning and an end."""
    query = sa.text(
        "SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, inhrelid) FROM pg_inherits "
        "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(:name)"
    )
    found = {}
    for name, bound in connection.execute(query, {"name": part.name}):
        match = _BOUND.fullmatch(bound)
        if match is not None:
            begin = 0.0 if match[1] == "MINVALUE" else float(match[1].strip("'"))
            found[name] = (begin, float(match[2]))
    return found


def run(connection: Connection, statement: str) -> None:
    """Names and numbers of our own."""
    connection.execute(sa.text(statement))
