"""What is in the journal, at a glance: for whoever asks whether it is well."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.schema import messages, metadata

MAX_RECENT_SECONDS = 86_400
"""What is counted message by message: a day at most."""


@dataclass(frozen=True, slots=True)
class JournalOverview:
    """Times are seconds since 1970."""

    first: float | None
    """Of the oldest record; None where there is none."""
    last: float | None
    octets: int
    """What the database takes."""
    recent: "Counter[tuple[str | None, str]]"
    """Messages of the recent past by result of DMARC (None: not judged) and by action."""


def overview(engine: Engine, since: float) -> JournalOverview:
    """`since` is where the recent past begins, at most MAX_RECENT_SECONDS ago."""
    ends = (
        sa.select(sa.func.min(messages.c.time)).scalar_subquery(),
        sa.select(sa.func.max(messages.c.time)).scalar_subquery(),
    )
    recent = (
        sa.select(messages.c.dmarc, messages.c.action, sa.func.count())
        .where(messages.c.time >= since)
        .group_by(messages.c.dmarc, messages.c.action)
    )
    with engine.connect() as connection:
        first, last = connection.execute(sa.select(*ends)).one()
        found: Counter[tuple[str | None, str]] = Counter()
        for dmarc, action, count in connection.execute(recent):
            found[dmarc, action] = count
        return JournalOverview(first, last, _octets(connection), found)


def _octets(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return int(connection.exec_driver_sql(pages).scalar() or 0)
    sizes = [sa.func.pg_total_relation_size(sa.cast(each.name, REGCLASS)) for each in metadata.sorted_tables]
    return sum(int(each) for each in connection.execute(sa.select(*sizes)).one())
