"""Asking the journal."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import BY_SEALER
from dmarc_milter.journal.criteria import Criteria, fitting, narrowed, signed_by
from dmarc_milter.journal.fetching import fetched
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import STANDS_OUT, messages, rollups, told_columns
from dmarc_milter.journal.seen_sealers import Sealed
from dmarc_milter.journal.what_if import best_identifier

__all__ = ["Criteria", "count", "find", "judged", "message", "rejudged", "sealed"]


def find(engine: Engine, criteria: Criteria, limit: int) -> list[Row]:
    """The newest messages that fit, newest first, at most `limit`: of each the columns that are told."""
    with engine.connect() as connection:
        found = narrowed(connection, criteria)
        return [] if found is None else newest_first(connection, found, limit)


def newest_first(connection: Connection, criteria: Criteria, limit: int) -> list[Row]:
    """The same, for who knows what the counts tell already."""
    # An expression: PostgreSQL would look for a rare client in the order of time.
    time = messages.c.time + 0.0 if criteria.is_client_rare else messages.c.time
    query = fitting(sa.select(*told_columns), criteria).order_by(time.desc(), messages.c.uid.desc())
    if _needs_a_look(criteria):
        return list(itertools.islice(_looked_at(connection, query, criteria), limit))
    return list(fetched(connection, query.limit(limit)))


def _needs_a_look(criteria: Criteria) -> bool:
    """Whether more is asked of several signatures than a condition of a query says."""
    return criteria.proves is not None or criteria.signature is not None


def _looked_at(connection: Connection, query: "sa.Select[Any]", criteria: Criteria) -> Iterator[Row]:
    for row in fetched(connection, query, streamed=True):
        if criteria.proves is not None and best_identifier(row) != criteria.proves:
            continue
        if criteria.signature is None or criteria.signature in signed_by(row):
            yield row


def count(engine: Engine, criteria: Criteria, limit: int) -> int:
    """How many fit; `limit` + 1 where there are more than `limit`."""
    with engine.connect() as connection:
        found = narrowed(connection, criteria)
        return 0 if found is None else counted(connection, found, limit)


def counted(connection: Connection, criteria: Criteria, limit: int) -> int:
    """The same, for who knows what the counts tell already."""
    if _needs_a_look(criteria):
        query = fitting(sa.select(*(messages.c[name] for name in ("dkim", "spf", "spf_domain", "list_id"))), criteria)
        return sum(1 for _ in itertools.islice(_looked_at(connection, query, criteria), limit + 1))
    some = fitting(sa.select(messages.c.uid), criteria).limit(limit + 1).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar() or 0)


def message(engine: Engine, uid: str) -> Row | None:
    """The message with this key; None where there is none."""
    with engine.connect() as connection:
        found = connection.execute(sa.select(*told_columns).where(messages.c.uid == uid)).mappings().first()
        return None if found is None else dict(found)


def sealed(engine: Engine, since: float, most: int | None = None) -> Iterator[Sealed]:
    """What trusting sealers spared or would spare; `most`: the newest of each alone."""
    columns = messages.c
    query = sa.select(columns.arc_vouching, columns.author_domain, columns.kind).order_by(columns.time.desc())
    with engine.connect() as connection:
        for criteria in (Criteria(since=since, is_vouched=True), Criteria(since=since, override=BY_SEALER)):
            is_spared = criteria.override is not None
            found = fitting(query, criteria).limit(most)
            for chain, domain, kind in connection.execution_options(stream_results=True).execute(found):
                yield Sealed(tuple(chain or ()), domain, kind or "", is_spared)


def oldest(engine: Engine) -> float | None:
    """When the oldest record is of, in seconds since 1970."""
    with engine.connect() as connection:
        found: float | None = connection.execute(sa.select(sa.func.min(messages.c.time))).scalar()
    return found


def judged(engine: Engine, since: float) -> Counter[str]:
    """How many messages each mode judged: whole hours by their counts, what is left of the first by its records.

    Only those whose records are still there: their counts stay longer.
    """
    begins = oldest(engine)
    if begins is None:
        return Counter()
    since = max(since, begins)
    first, hours = math.ceil(since / HOUR) * HOUR, rollups["hours"]
    whole = sa.select(hours.c.mode, sa.func.sum(hours.c.messages)).where(hours.c.hour >= first, hours.c.dmarc != "")
    rest = sa.select(messages.c.mode, sa.func.count()).where(
        messages.c.time >= since, messages.c.time < first, messages.c.spf.is_not(None)
    )
    found: Counter[str] = Counter()
    with engine.connect() as connection:
        for query, mode in ((whole, hours.c.mode), (rest, messages.c.mode)):
            for name, count in connection.execute(query.group_by(mode)):
                found[name] += int(count)
    return found


def rejudged(engine: Engine, since: float, *, needs_all: bool) -> Iterator[Row]:
    """What other settings may judge otherwise, oldest first: without `needs_all`, not what passes or has no policy."""
    query = sa.select(*told_columns).where(messages.c.time >= since).order_by(messages.c.time)
    if not needs_all:
        may_change = sa.or_(
            STANDS_OUT,
            messages.c.dmarc.is_(None),
            messages.c.dmarc.in_(("temperror", "permerror")),
            messages.c.rule.is_not(None),
        )
        query = query.where(may_change)
    with engine.connect() as connection:
        yield from fetched(connection, query, streamed=True)
