"""Asking the journal."""

import ipaddress
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.origin import octets
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import STANDS_OUT, UNFILLED, messages, rollups, told_columns


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which messages are meant: all that is given must fit."""

    queue_ids: tuple[str, ...] = ()
    """One of these; empty: any."""
    message_id: str | None = None
    author_domain: str | None = None
    client: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    """Of whoever handed it to us, or to the outermost of our trusted relays."""
    since: float | None = None
    """Seconds since 1970."""
    until: float | None = None
    """The same; the last moment that is meant."""
    action: str | None = None
    dmarc: str | None = None
    spf: str | None = None
    rule: str | None = None
    list_id: str | None = None

    def from_(self, since: float) -> "Criteria":
        """The same, from another moment on."""
        return replace(self, since=since)


def find(engine: Engine, criteria: Criteria, limit: int) -> list[Row]:
    """The newest messages that fit, newest first, at most `limit`: of each the columns that are told."""
    with engine.connect() as connection:
        narrowed = _narrowed(connection, criteria)
        if narrowed is None:
            return []
        query = _fitting(sa.select(*told_columns), narrowed).order_by(messages.c.time.desc()).limit(limit)
        return [dict(each) for each in connection.execute(query).mappings()]


def count(engine: Engine, criteria: Criteria, limit: int) -> int:
    """How many fit; `limit` + 1 where there are more than `limit`."""
    with engine.connect() as connection:
        narrowed = _narrowed(connection, criteria)
        if narrowed is None:
            return 0
        some = _fitting(sa.select(sa.literal(1)), narrowed).limit(limit + 1).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar() or 0)


def _narrowed(connection: Connection, criteria: Criteria) -> Criteria | None:
    """The same, between the first and the last hour that have such messages by the counts; None where none has.

    Else what never occurs would be looked for in all of the journal.
    """
    hours, results = rollups["hours"].c, rollups["results"].c
    of_hours = [
        column == value
        for column, value in (
            (hours.dmarc, criteria.dmarc),
            (hours.action, criteria.action),
            (hours.rule, criteria.rule),
        )
        if value is not None
    ]
    counted: list[sa.Select[Any]] = []
    if of_hours:
        counted.append(sa.select(sa.func.min(hours.hour), sa.func.max(hours.hour)).where(*of_hours))
    if criteria.spf is not None:
        of_spf = (results.method == "spf", results.result == criteria.spf)
        counted.append(sa.select(sa.func.min(results.hour), sa.func.max(results.hour)).where(*of_spf))
    if not counted or connection.execute(sa.select(messages.c.uid).where(UNFILLED).limit(1)).first() is not None:
        # Rows of older versions may not be counted yet.
        return criteria
    for query in counted:
        first, last = connection.execute(query).one()
        if first is None:
            return None
        criteria = replace(
            criteria,
            since=max(first, criteria.since or 0.0),
            until=min(last + HOUR, criteria.until if criteria.until is not None else math.inf),
        )
    return criteria


def _fitting(query: "sa.Select[Any]", criteria: Criteria) -> "sa.Select[Any]":
    columns = messages.c
    for column, value in (
        (columns.message_id, criteria.message_id),
        (columns.author_domain, criteria.author_domain),
        (columns.action, criteria.action),
        (columns.dmarc, criteria.dmarc),
        (columns.spf, criteria.spf),
        (columns.rule, criteria.rule),
        (columns.list_id, criteria.list_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if criteria.queue_ids:
        query = query.where(columns.queue_id.in_(criteria.queue_ids))
    if criteria.since is not None:
        query = query.where(columns.time >= criteria.since)
    if criteria.until is not None:
        query = query.where(columns.time <= criteria.until)
    if criteria.client is not None:
        query = query.where(columns.source.between(octets(criteria.client[0]), octets(criteria.client[-1])))
    if criteria.dmarc == "fail" or criteria.action not in (None, "accept"):
        # It follows from the others, and has the index of what stands out read.
        query = query.where(STANDS_OUT)
    return query


def what_if(engine: Engine, since: float) -> Iterator[Row]:
    """What enforce does not accept, or would not, and lists' mail that fails all the same, oldest first.

    Of each row what journal/what_if.py and journal/seen_lists.py read.
    """
    is_list_mail = sa.and_(messages.c.list_id.is_not(None), messages.c.dmarc == "fail")
    query = (
        sa.select(*(messages.c[name] for name in _WHAT_IF))
        .where(STANDS_OUT, messages.c.time >= since)
        .where(sa.or_(messages.c.wanted != "accept", is_list_mail))
        .order_by(messages.c.time)
    )
    with engine.connect() as connection:
        for each in connection.execution_options(stream_results=True).execute(query).mappings():
            yield dict(each)


_WHAT_IF = (
    *("time", "queue_id", "mode", "wanted", "action", "author_domain", "outer_client", "client", "spf", "spf_domain"),
    *("dkim", "list_id", "list_has_address", "arc_vouching", "kind", "dmarc", "policy", "dmarc_reason", "reason"),
)


def judged(engine: Engine, since: float) -> Counter[str]:
    """How many messages each mode judged: whole hours by their counts, what is left of the first by its records.

    Only those whose records are still there: their counts stay longer.
    """
    with engine.connect() as connection:
        oldest: float | None = connection.execute(sa.select(sa.func.min(messages.c.time))).scalar()
    if oldest is None:
        return Counter()
    since = max(since, oldest)
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
        for each in connection.execution_options(stream_results=True).execute(query).mappings():
            yield dict(each)
