"""What mode enforce does not accept in a period, or would not, and the lists whose mail fails.

Days that are tallied are read from their tallies, what is left of the period from the records, in the order of time.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import STANDS_OUT, messages
from dmarc_milter.journal.seen_lists import SeenList, SeenLists
from dmarc_milter.journal.tallies import DECISIONS, divided, tallied
from dmarc_milter.journal.tally_tables import tallied_failing_lists, tallied_groups
from dmarc_milter.journal.what_if import Kept, Method, Refusals, Refused

MAX_GROUPS = 2_000
"""Groups of a day that are tallied, the largest."""
MAX_LISTS = 1_000
"""Lists of a day that are tallied, the largest."""


class Found(NamedTuple):
    """Of a period."""

    refused: Refused
    lists: tuple[SeenList, ...]
    """Those with the most messages first."""
    days: tuple[int, ...]
    """Those that were read from their tallies."""


def refused(engine: Engine, period: Period) -> Found:
    """What enforce does not accept, or would not, and lists' mail that fails all the same."""
    refusals, lists = Refusals(), SeenLists()
    with engine.connect() as connection:
        days, others = divided(period, tallied(connection, period.since, period.until))
        if days:
            refusals.count(_totals(connection, days))
        pieces = sorted([*others, *(Period(day, day + DAY) for day in days)], key=lambda each: each.since)
        for piece in pieces:
            if piece.since in days:
                _join(connection, int(piece.since), refusals, lists)
            else:
                _read(connection, piece, refusals, lists)
    return Found(refusals.found(), tuple(lists.ranked()), days)


def _totals(connection: Connection, days: tuple[int, ...]) -> "Counter[tuple[str, str]]":
    found: Counter[tuple[str, str]] = Counter()
    for mode, wanted, count in connection.execute(DECISIONS.tallied(days)):
        found[mode, wanted] += int(count)
    return found


def _join(connection: Connection, day: int, refusals: Refusals, lists: SeenLists) -> None:
    groups = tallied_groups.c
    query = sa.select(*(groups[name] for name in ("author_domain", "method", "identifier", *_KEPT)))
    # All at once: SQLAlchemy takes twice the time to hand them out one by one.
    for author_domain, method, identifier, *kept in connection.execute(query.where(groups.day == day)).all():
        refusals.join((author_domain, _METHODS[method], identifier), Kept(*kept))
    seen = tallied_failing_lists.c
    for list_id, text in connection.execute(sa.select(seen.list_id, seen.particulars).where(seen.day == day)):
        lists.join(list_id, text)


_METHODS = {each.value: each for each in Method}
_KEPT = ("messages", "sent_on", "particulars")


def _read(connection: Connection, period: Period, refusals: Refusals, lists: SeenLists) -> None:
    for row in records(connection, period):
        refusals.add(row)
        lists.add(row)


def records(connection: Connection, period: Period) -> Iterator[Row]:
    """The records of all that, oldest first; of each what journal/what_if.py and journal/seen_lists.py read."""
    is_list_mail = sa.and_(messages.c.list_id.is_not(None), messages.c.dmarc == "fail")
    query = (
        sa.select(*(messages.c[name] for name in _COLUMNS))
        .where(STANDS_OUT, messages.c.time >= period.since, messages.c.time < period.until)
        .where(sa.or_(messages.c.wanted != "accept", is_list_mail))
        .order_by(messages.c.time)
    )
    for each in connection.execute(query.execution_options(stream_results=True)).mappings():
        yield dict(each)


_COLUMNS = (
    *("time", "queue_id", "mode", "wanted", "action", "author_domain", "outer_client", "client", "spf", "spf_domain"),
    *("dkim", "list_id", "list_has_address", "arc_vouching", "kind", "dmarc", "policy", "dmarc_reason", "reason"),
)


def tally_refused(connection: Connection, day: int) -> None:
    """Keep that of one day."""
    refusals, lists = Refusals(), SeenLists()
    _read(connection, Period(day, day + DAY), refusals, lists)
    groups: list[dict[str, Any]] = [
        {
            "day": day,
            "author_domain": each.author_domain,
            "method": each.method.value,
            "identifier": each.identifier,
            **dict(zip(_KEPT, each.kept, strict=True)),
        }
        for each in refusals.found().groups[:MAX_GROUPS]
    ]
    found = [{"day": day, "list_id": each.list_id, "particulars": each.text()} for each in lists.ranked()[:MAX_LISTS]]
    for table, rows in ((tallied_groups, groups), (tallied_failing_lists, found)):
        if rows:
            connection.execute(table.insert(), rows)
