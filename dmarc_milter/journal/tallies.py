"""What stood out on a day that is over is tallied once, by the upkeep: a month is then read without its records.

So a message costs nothing more. Whoever writes or changes a record takes its day back from those that are tallied, and
the day is tallied anew; until then, and for the day that is not over, readers read the records (standing_out.py).
"""

import ipaddress
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.rollups import DAY, HOUR
from dmarc_milter.journal.schema import STANDS_OUT, messages
from dmarc_milter.journal.tally_tables import (
    metadata,
    tallied_days,
    tallied_domains,
    tallied_lists,
    tallied_networks,
    tallied_sources,
)

GRACE_SECONDS = HOUR
"""After the end of a day: most of what comes late has come by then."""
PAUSE_SECONDS = 0.11
"""Between two days, for those that write: SQLite looks every 0.1 s whether it is their turn."""
_MAPPED = b"\0" * 10 + b"\xff\xff"
_IPV4_OCTETS, _IPV6_OCTETS = 15, 6
"""Of a `source`, those of a /24 and of a /48."""


def _network() -> "sa.ColumnElement[bytes]":
    """The first octets of its `source`, empty where the client is not known."""
    source = messages.c.source
    is_ipv4 = sa.func.substr(source, 1, len(_MAPPED)) == sa.literal(_MAPPED, sa.LargeBinary)
    octets = sa.case((is_ipv4, sa.func.substr(source, 1, _IPV4_OCTETS)), else_=sa.func.substr(source, 1, _IPV6_OCTETS))
    return sa.type_coerce(sa.func.coalesce(octets, sa.literal(b"", sa.LargeBinary)), sa.LargeBinary)


class Tally(NamedTuple):
    """What is counted of records, and the table that has it of the days that are tallied, under the same names."""

    table: sa.Table
    keys: "Mapping[str, sa.ColumnElement[Any]]"
    """What is told apart."""
    counts: "Mapping[str, sa.ColumnElement[int]]"
    of: "sa.ColumnElement[bool] | sa.TextClause"
    """Which records."""

    def records(self, *where: "sa.ColumnElement[bool]") -> "sa.Select[Any]":
        """The counts of such records, read from themselves."""
        columns = [*self.keys.items(), *self.counts.items()]
        query = sa.select(*(column.label(name) for name, column in columns)).where(*where, self.of)
        # By their places: so the parameters of an expression are sent once.
        return query.group_by(*(sa.literal_column(str(number)) for number in range(1, len(self.keys) + 1)))

    def tallied(self, days: Iterable[int]) -> "sa.Select[Any]":
        """The same of whole days, per day."""
        columns = (self.table.c[name] for name in (*self.keys, *self.counts))
        return sa.select(*columns).where(self.table.c.day.in_(days))


_COUNT: "Mapping[str, sa.ColumnElement[int]]" = {"messages": sa.func.count()}
# An expression: the index of what stands out has all of it, the one by Author Domain has no networks.
_DOMAIN = sa.func.coalesce(messages.c.author_domain, "")
_FAILING = sa.func.sum(sa.case((messages.c.dmarc == "fail", 1), else_=0))

SOURCES = Tally(tallied_sources, {"author_domain": _DOMAIN, "network": _network()}, _COUNT, STANDS_OUT)
"""What stood out, by Author Domain (empty: From has none) and network (octets; empty: the client is not known)."""
DOMAINS = Tally(tallied_domains, {"author_domain": _DOMAIN}, _COUNT, STANDS_OUT)
NETWORKS = Tally(tallied_networks, {"network": _network()}, _COUNT, STANDS_OUT)
LISTS = Tally(
    tallied_lists,
    {"list_id": messages.c.list_id},
    {**_COUNT, "failing": _FAILING},
    messages.c.list_id.is_not(None),
)
"""All mail with a List-Id, and how much of it failed DMARC."""
TALLIES = (SOURCES, DOMAINS, NETWORKS, LISTS)


def network_text(octets: bytes) -> str | None:
    """A key of NETWORKS as a network; None where the client is not known."""
    if not octets:
        return None
    whole = bytes(octets).ljust(16, b"\0")
    address: tuple[bytes, int] = (whole[12:], 24) if whole.startswith(_MAPPED) else (whole, 48)
    return str(ipaddress.ip_network(address))


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
        oldest: float | None = connection.execute(sa.select(sa.func.min(messages.c.time))).scalar()
        tallied = set(connection.execute(sa.select(tallied_days.c.day)).scalars())
    if oldest is None:
        return []
    # The day of the oldest record may have been forgotten in part.
    days = range(math.ceil(oldest / DAY) * DAY, int((now - GRACE_SECONDS) // DAY) * DAY, DAY)
    return [day for day in days if day not in tallied]


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
    connection.execute(tallied_days.insert().values(day=day))


def forget_tallies(engine: Engine, before: float) -> None:
    """The days of which records are forgotten, in whole or in part."""
    with engine.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(table.delete().where(table.c.day < before))
