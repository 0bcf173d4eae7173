"""What mode enforce does not accept in a period, or would not, and the lists whose mail fails.

Days that are tallied are read from their tallies, what is left of the period from the records, in the order of time.
"""

from collections import Counter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.fetching import fetched, snapshot
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.particulars import Particulars
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import STANDS_OUT, messages
from dmarc_milter.journal.seen_lists import SeenList, SeenLists
from dmarc_milter.journal.tallies import DECISIONS, divided, tallied
from dmarc_milter.journal.tally_tables import tallied_failing_lists, tallied_groups
from dmarc_milter.journal.what_if import Group, Method, Refusals, Refused, remember

MAX_GROUPS = 2_000
"""Groups of a day that are tallied, the largest."""
MAX_LISTS = 1_000
"""Lists of a day that are tallied, the largest."""
FEW = 100
"""Groups that are looked up one by one."""


class Found(NamedTuple):
    """Of a period."""

    refused: Refused
    lists: tuple[SeenList, ...]
    """Those with the most messages first."""
    days: tuple[int, ...]
    """Those that were read from their tallies."""


def refused(engine: Engine, period: Period, limit: int | None = None) -> Found:
    """What enforce does not accept, or would not, and lists' mail that fails all the same; `limit`: of groups."""
    refusals, lists = Refusals(), SeenLists()
    with snapshot(engine) as connection:
        days, others = divided(period, tallied(connection, period.since, period.until))
        pieces = sorted([*others, *(Period(day, day + DAY) for day in days)], key=lambda each: each.since)
        for piece in pieces:
            if piece.since in days:
                _join_lists(connection, int(piece.since), lists)
            else:
                _count_records(connection, piece, refusals, lists)
        if days:
            _count_tallied(connection, days, refusals)
        found = refusals.found(limit)
        for piece in others:
            _remember_records(connection, piece, found.groups)
        if days:
            _remember_tallied(connection, days, found.groups)
    return Found(found, tuple(lists.ranked()), days)


def _join_lists(connection: Connection, day: int, lists: SeenLists) -> None:
    seen = tallied_failing_lists.c
    for list_id, text in connection.execute(sa.select(seen.list_id, seen.particulars).where(seen.day == day)):
        lists.join(list_id, text)


_METHODS = {each.value: each for each in Method}
_KEY = [tallied_groups.c[name] for name in ("author_domain", "method", "identifier")]


def _count_tallied(connection: Connection, days: tuple[int, ...], refusals: Refusals) -> None:
    """The groups of all of these days; what is remembered of them is large, and of most nobody asks for it."""
    totals: Counter[tuple[str, str]] = Counter()
    for mode, wanted, count in connection.execute(DECISIONS.tallied(days)):
        totals[mode, wanted] += int(count)
    refusals.count(totals)
    sums = (sa.func.sum(tallied_groups.c[name]) for name in ("messages", "sent_on"))
    query: sa.Select[Any] = sa.select(*_KEY, *sums).where(tallied_groups.c.day.in_(days)).group_by(*_KEY)
    # All at once: SQLAlchemy takes twice the time to hand them out one by one.
    for author_domain, method, identifier, count, sent_on in connection.execute(query).all():
        refusals.count_group((author_domain, _METHODS[method], identifier), int(count), int(sent_on))


def _remember_tallied(connection: Connection, days: tuple[int, ...], groups: tuple[Group, ...]) -> None:
    found = {each.key: each for each in groups}
    query: sa.Select[Any] = sa.select(*_KEY, tallied_groups.c.particulars).where(tallied_groups.c.day.in_(days))
    if len(groups) <= FEW:
        query = query.where(tallied_groups.c.author_domain.in_({each.author_domain for each in groups}))
    for author_domain, method, identifier, text in connection.execute(query).all():
        if group := found.get((author_domain, _METHODS[method], identifier)):
            group.remember(Particulars.of(text))


def _count_records(connection: Connection, period: Period, refusals: Refusals, lists: SeenLists) -> None:
    for row in fetched(connection, _records(period, _COUNTED), streamed=True):
        refusals.add(row)
        lists.add(row)


def _remember_records(connection: Connection, period: Period, groups: tuple[Group, ...]) -> None:
    query = _records(period, _COLUMNS)
    if len(groups) <= FEW:
        named = {each.author_domain for each in groups}
        its = messages.c.author_domain.in_(named)
        # By the column alone where it can be: PostgreSQL asks its index then, and not the table.
        query = query.where(sa.or_(its, messages.c.author_domain.is_(None)) if "" in named else its)
    remember(groups, fetched(connection, query, streamed=True))


def _records(period: Period, columns: tuple[str, ...]) -> "sa.Select[Any]":
    """Those of all that, oldest first."""
    is_list_mail = sa.and_(messages.c.list_id.is_not(None), messages.c.dmarc == "fail")
    return (
        sa.select(*(messages.c[name] for name in columns))
        .where(STANDS_OUT, messages.c.time >= period.since, messages.c.time < period.until)
        .where(sa.or_(messages.c.wanted != "accept", is_list_mail))
        .order_by(messages.c.time)
    )


_COUNTED = (
    *("mode", "wanted", "author_domain", "spf", "spf_domain", "dkim", "list_id", "list_has_address", "kind", "dmarc"),
    "policy",
)
"""What Refusals and SeenLists read of a record."""
_COLUMNS = (
    *("time", "queue_id", "mode", "wanted", "author_domain", "outer_client", "client", "spf", "spf_domain"),
    *("dkim", "list_id", "arc_vouching", "dmarc_reason", "reason"),
)
"""What Particulars and the key of a group are made of."""


def tally_refused(connection: Connection, day: int) -> None:
    """Keep that of one day."""
    refusals, lists = Refusals(), SeenLists()
    period = Period(day, day + DAY)
    _count_records(connection, period, refusals, lists)
    found = refusals.found(MAX_GROUPS).groups
    _remember_records(connection, period, found)
    groups: list[dict[str, Any]] = [
        {
            "day": day,
            "author_domain": each.author_domain,
            "method": each.method.value,
            "identifier": each.identifier,
            "messages": each.count,
            "sent_on": each.sent_on,
            "particulars": each.particulars.text(),
        }
        for each in found
    ]
    seen = [{"day": day, "list_id": each.list_id, "particulars": each.text()} for each in lists.ranked()[:MAX_LISTS]]
    for table, rows in ((tallied_groups, groups), (tallied_failing_lists, seen)):
        if rows:
            connection.execute(table.insert(), rows)
