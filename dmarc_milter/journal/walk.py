"""The newest messages that fit, looked for among so many and no more: pages come soon, however large the journal is.

What an index finds is found in all of the journal. For whatever else is asked, messages are looked at one by one, the
newest first, in growing steps. Where that ends before the list is full, the page says how far it looked.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal import reader
from dmarc_milter.journal.criteria import Criteria, Place, fitting, narrowed, stand_out
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.schema import messages
from dmarc_milter.journal.tallies import divided, tallied

STEPS = (1_000, 9_000, 5_000)
"""Messages that are looked at in one question."""
FEW = 10_000
"""Messages that an index finds, and that are all looked at."""
_ORDERED = (
    "author_domain",
    "is_unknown_client",
    "rule",
    "override",
    "list_id",
    "is_vouched",
    "since",
    "until",
    "below",
)
"""What an index finds in the order of time."""
_BESIDE = ("stands_out", "dmarc", "wanted", "action", "kind", "is_done", "is_unwanted")
"""What the indexes by Author Domain and of what stands out tell, too."""


class Found(NamedTuple):
    """The newest messages that fit."""

    rows: list[Row]
    looked_until: float | None
    """Older ones were not looked at, in seconds since 1970; None: all were, or the list is full."""


class Counted(NamedTuple):
    """How many fit."""

    messages: int
    is_all: bool
    """Whether there are no more of them."""


def newest(engine: Engine, criteria: Criteria, limit: int) -> Found:
    """At most `limit` of the messages that fit, newest first."""
    rows: list[Row] = []
    with engine.connect() as connection:
        for piece in _pieces(connection, criteria):
            rows += reader.newest_first(connection, piece.criteria, limit - len(rows))
            if len(rows) >= limit:
                return Found(rows, None)
            if piece.is_last_looked_at:
                return Found(rows, piece.criteria.since)
    return Found(rows, None)


def counted(engine: Engine, criteria: Criteria, limit: int) -> Counted:
    """How many fit: at most `limit`."""
    total = 0
    with engine.connect() as connection:
        for piece in _pieces(connection, criteria):
            total += reader.counted(connection, piece.criteria, limit - total)
            if total > limit:
                return Counted(limit, is_all=False)
            if piece.is_last_looked_at:
                return Counted(total, is_all=False)
    return Counted(total, is_all=True)


def beginning(engine: Engine, period: Period, limit: int) -> float:
    """From when on at most so many messages stand out on days that are not tallied; else where the period begins."""
    with engine.connect() as connection:
        _, others = divided(period, tallied(connection, period.since, period.until))
        for piece in reversed(others):
            its = Criteria(since=piece.since, until=piece.until, stands_out=True)
            found = _moment_of(connection, its, limit)
            if found is not None:
                return found
            limit -= reader.counted(connection, its, limit)
    return period.since


class _Piece(NamedTuple):
    """Of what fits, the messages between two moments."""

    criteria: Criteria
    is_last_looked_at: bool
    """There are older ones, which nobody will look at."""


def _pieces(connection: Connection, criteria: Criteria) -> Iterator[_Piece]:
    left = narrowed(connection, criteria)
    if left is None:
        return
    base = _by_index(connection, left)
    if left.client is not None:
        left = replace(left, is_client_common=base is not None, is_client_rare=base is None)
    if base is None:
        yield _Piece(left, is_last_looked_at=False)
        return
    for step in STEPS:
        begin = _moment_of(connection, base, step)
        if begin is None:
            yield _Piece(left, is_last_looked_at=False)
            return
        yield _Piece(replace(left, since=begin), is_last_looked_at=step == STEPS[-1])
        # Those of that very moment were looked at.
        behind = Place(begin, "")
        left, base = replace(left, below=behind), replace(base, below=behind)


def _by_index(connection: Connection, criteria: Criteria) -> Criteria | None:
    """Of what is asked for, what the order of an index tells; None where the index tells enough to look at the rest."""
    if criteria.queue_ids or criteria.message_id is not None:
        return None
    if criteria.client is not None and reader.counted(connection, Criteria(client=criteria.client), FEW) <= FEW:
        return None
    names = _ORDERED if criteria.author_domain is None and not stand_out(criteria) else (*_ORDERED, *_BESIDE)
    base = Criteria(**{name: getattr(criteria, name) for name in names})
    return None if base == criteria else base


def _moment_of(connection: Connection, base: Criteria, number: int) -> float | None:
    """Of the newest messages by an index, the time of the one with this number; None where there are fewer."""
    # Without the uid of `below`, of which no index knows: those of that very moment count, too.
    if base.below is not None:
        base = replace(base, below=None, until=min(base.below.time, math.inf if base.until is None else base.until))
    query = fitting(sa.select(messages.c.time), base).order_by(messages.c.time.desc()).limit(1).offset(number - 1)
    found: float | None = connection.execute(query).scalar()
    return found
