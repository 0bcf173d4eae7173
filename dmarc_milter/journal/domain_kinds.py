"""Whose mail comes in the name of a domain: how many messages of each kind.

They are counted by an index, message by message. Of domains with much mail they are tallied as well, per day that is
over (tallying.py).
"""

from collections import Counter

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dmarc_milter.columns.origin import KINDS
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import messages, rollups
from dmarc_milter.journal.tallies import divided
from dmarc_milter.journal.tally_tables import tallied_days, tallied_kinds

MIN_MESSAGES = 500
"""Of a domain on a day: fewer are counted as soon."""
UNKNOWN = "unknown"
"""The kind of what an older version wrote, and what is not filled yet."""


def kinds(connection: Connection, name: str, period: Period) -> "Counter[str]":
    """Messages of this Author Domain by kind."""
    days, others = divided(period, _tallied(connection, name, period))
    found: Counter[str] = Counter()
    for each in others:
        found.update(_counted(connection, name, each))
    if days:
        found.update(_read(connection, name, days))
    return +found


def _tallied(connection: Connection, name: str, period: Period) -> list[int]:
    its = tallied_kinds.c
    query = sa.select(tallied_days.c.day).where(tallied_days.c.day >= period.since, tallied_days.c.day < period.until)
    has_its = sa.exists().where(its.day == tallied_days.c.day, its.author_domain == name)
    return list(connection.execute(query.where(has_its).order_by(tallied_days.c.day)).scalars())


def _read(connection: Connection, name: str, days: tuple[int, ...]) -> dict[str, int]:
    its = tallied_kinds.c
    query = sa.select(its.kind, sa.func.sum(its.messages)).where(its.day.in_(days), its.author_domain == name)
    return {kind: int(count) for kind, count in connection.execute(query.group_by(its.kind))}


def _counted(connection: Connection, name: str, period: Period) -> "Counter[str]":
    """By an index that has all of it. Sums: SQLite takes a quarter more time to sort them into groups."""
    sums = [sa.func.sum(sa.case((messages.c.kind == each, 1), else_=0)) for each in KINDS]
    query = sa.select(sa.func.count(), *sums).where(
        messages.c.author_domain == name, messages.c.time >= period.since, messages.c.time < period.until
    )
    total, *counts = (int(each or 0) for each in connection.execute(query).one())
    found = Counter(dict(zip(KINDS, counts, strict=True)))
    found[UNKNOWN] = total - sum(counts)
    return found


def tally_kinds(connection: Connection, day: int) -> None:
    """Keep those of one day, of the domains with much mail."""
    days, its = rollups["days"].c, messages.c
    large = sa.select(days.author_domain).where(days.day == day).group_by(days.author_domain)
    large = large.having(sa.func.sum(days.messages) >= MIN_MESSAGES)
    # By their places: so the parameters of an expression are sent once.
    query = sa.select(
        sa.literal(day), its.author_domain, sa.func.coalesce(its.kind, UNKNOWN), sa.func.count()
    ).group_by(sa.literal_column("2"), sa.literal_column("3"))
    query = query.where(its.time >= day, its.time < day + DAY, its.author_domain.in_(large))
    connection.execute(tallied_kinds.insert().from_select(["day", "author_domain", "kind", "messages"], query))
