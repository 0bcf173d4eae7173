"""What stood out on a day that is over is tallied once, by the upkeep: a month is then read without its records.

So a message costs nothing more. Whoever writes or changes a record takes its day back from those that are tallied, and
the day is tallied anew. Until then, and for the day that is not over, readers read the records.
"""

import math
import time
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.domain_kinds import tally_kinds
from dmarc_milter.journal.refused import tally_refused
from dmarc_milter.journal.rollups import DAY, HOUR
from dmarc_milter.journal.schema import messages
from dmarc_milter.journal.tallies import TALLIES
from dmarc_milter.journal.tally_tables import metadata, tallied_days

GRACE_SECONDS = HOUR
"""After the end of a day: most of what comes late has come by then."""
PAUSE_SECONDS = 0.11
"""Between two days, for those that write: SQLite looks every 0.1 s whether it is their turn."""


def tally(engine: Engine, now: float) -> int:
    """Tally the days that are over; returns how many were missing. Each is whole in a transaction of its own."""
    missing = _missing(engine, now)
    for day in missing:
        with engine.begin() as connection:
            _hold(connection)
            _forget(connection, day)
            _tally(connection, day)
        time.sleep(PAUSE_SECONDS)
    return len(missing)


def _missing(engine: Engine, now: float) -> list[int]:
    with engine.connect() as connection:
        tallied = set(connection.execute(sa.select(tallied_days.c.day)).scalars())
        return list(_untallied(connection, tallied, now))


def _untallied(connection: Connection, tallied: set[int], now: float) -> Iterator[int]:
    """Days with records that are over, but for the first, of which some records may have been forgotten.

    From record to record: a host whose clock was wrong may have written one of 1970.
    """
    oldest = _next(connection, 0)
    if oldest is None:
        return
    begin = _behind(math.ceil(oldest / DAY) * DAY, tallied)
    while (found := _next(connection, begin)) is not None:
        day = int(found // DAY) * DAY
        if day + DAY + GRACE_SECONDS > now:
            return
        if day not in tallied:
            yield day
        begin = _behind(day + DAY, tallied)


def _behind(day: int, tallied: set[int]) -> int:
    """The first day from `day` on that is not tallied: of the others, the database need not be asked."""
    while day in tallied:
        day += DAY
    return day


def _next(connection: Connection, moment: float) -> float | None:
    query = sa.select(sa.func.min(messages.c.time)).where(messages.c.time >= moment)
    found: float | None = connection.execute(query).scalar()
    return found


def _hold(connection: Connection) -> None:
    """Whoever writes a record meanwhile waits, and takes the day back after it is tallied."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"LOCK TABLE {tallied_days.name} IN EXCLUSIVE MODE"))


def _forget(connection: Connection, day: int) -> None:
    for table in metadata.tables.values():
        connection.execute(table.delete().where(table.c.day == day))


def _tally(connection: Connection, day: int) -> None:
    for each in TALLIES:
        found = each.records(messages.c.time >= day, messages.c.time < day + DAY).subquery()
        names = (*each.keys, *each.counts)
        rows = sa.select(sa.literal(day), *(found.c[name] for name in names))
        connection.execute(each.table.insert().from_select(["day", *names], rows))
    tally_refused(connection, day)
    tally_kinds(connection, day)
    connection.execute(tallied_days.insert().values(day=day))


def forget_tallies(engine: Engine, before: float) -> None:
    """The days of which records are forgotten, in whole or in part."""
    with engine.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(table.delete().where(table.c.day < before))
