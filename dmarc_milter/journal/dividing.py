"""A table of PostgreSQL that is there, with a month of mail, becomes the first partition of a new one (partitions.py).

What takes long, an index and a look at every row, is done while others write; then the tables change their places.
Killed anywhere, it goes on the next time.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.locking import changing, working
from dmarc_milter.journal.partitions import AHEAD, Partitioned, is_partitioned, new_head, run, step_aside
from dmarc_milter.journal.rollups import DAY


def divide(engine: Engine, part: Partitioned, now: float) -> None:
    """Have that done; the partition takes the rows up to a week from now. Nothing where it is done.

    Raises OperationalError where the table is not free, see :func:`~.locking.is_busy`.
    """
    if engine.dialect.name != "postgresql":
        return
    with working(engine) as connection:
        if connection is None or is_partitioned(connection, part.name):
            return
        _make_key(connection, part)
        with changing(engine) as other:
            bound = _bound(other, part, now)
        run(connection, f"ALTER TABLE {part.name} VALIDATE CONSTRAINT {part.before}_{bound}")
        with changing(engine) as other:
            _change_places(other, part, bound)


def _make_key(connection: Connection, part: Partitioned) -> None:
    """The index of the primary key to be."""
    name = f"{part.before}_key"
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    is_valid = connection.execute(query, {"name": name}).scalar()
    if not is_valid:
        # Who was killed while it was made left one that is not.
        run(connection, f"DROP INDEX IF EXISTS {name}")
        run(connection, f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {part.name} ({', '.join(part.key)})")


def _bound(connection: Connection, part: Partitioned, now: float) -> int:
    """Where the new table's partitions begin: a check says so, which spares looking at all rows at the end.

    One that an earlier try left is as good while there is time left, for a row beyond it would be refused.
    """
    start = f"{part.before}_"
    query = sa.text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(:name)")
    names = connection.execute(query, {"name": part.name}).scalars().all()
    for name in (each for each in names if each.startswith(start)):
        bound = int(name.removeprefix(start))
        if bound > now + AHEAD * DAY / 2:
            return bound
        run(connection, f"ALTER TABLE {part.name} DROP CONSTRAINT {name}")
    newest = connection.execute(sa.select(sa.func.max(part.table.c[part.column]))).scalar() or 0
    bound = (int(max(now, newest) // DAY) + AHEAD + 1) * DAY
    check = f"{part.column} IS NOT NULL AND {part.column} < {bound}"
    run(connection, f"ALTER TABLE {part.name} ADD CONSTRAINT {start}{bound} CHECK ({check}) NOT VALID")
    return bound


def _change_places(connection: Connection, part: Partitioned, bound: int) -> None:
    old = part.before
    step_aside(connection, part)
    run(connection, f"ALTER TABLE {old} ALTER COLUMN {part.column} SET NOT NULL")
    run(connection, f"ALTER TABLE {old} DROP CONSTRAINT {old}_pkey")
    run(connection, f"ALTER TABLE {old} ADD CONSTRAINT {old}_pkey PRIMARY KEY USING INDEX {old}_key")
    new_head(connection, part)
    run(connection, f"ALTER TABLE {part.name} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({bound})")
    for index in part.table.indexes:
        # What the old table has already is taken, and not made again.
        index.create(connection)
