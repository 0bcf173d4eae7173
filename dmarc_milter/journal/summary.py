"""What happened in a period, beside the period of the same length before it: figures, and who counts most.

Whole hours are read from the counts, and what is left of an hour at either end from the records. Of one Author Domain
all is read from its records.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.criteria import dkim_result
from dmarc_milter.journal.fetching import fetched, snapshot
from dmarc_milter.journal.figures import Figure, Figures, Period, Summary
from dmarc_milter.journal.foremost import Foremost
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import UNFILLED, messages, rollups

ACTIONS = ("accept", "quarantine", "reject", "tempfail")
METHODS = ("dmarc", "spf", "dkim", "arc", "kind")


def summary(engine: Engine, period: Period, author_domain: str | None = None, *, host: str | None = None) -> Summary:
    """The figures of `period` and of the one before it: of all mail, or of that of one Author Domain, or of one host.

    Of one host, domains, networks and lists are not told: they would be read from the records of all hosts.
    """
    with snapshot(engine) as connection:
        asking = _Asking(connection, period, author_domain, host)
        decisions, results = asking.counts()
        foremost = Foremost(connection, period, author_domain) if host is None else None
        return Summary(
            period=period,
            begins=asking.begins(),
            oldest=connection.execute(sa.select(sa.func.min(messages.c.time))).scalar(),
            is_complete=connection.execute(sa.select(messages.c.uid).where(UNFILLED).limit(1)).first() is None,
            hosts=tuple(sorted(_names(decisions, "host"))),
            modes=tuple(sorted(_names(decisions, "mode"))),
            all=_total(decisions),
            unjudged=_total(each for each in decisions if not each["dmarc"] and each["action"] == "accept"),
            done=_by(
                (each for each in decisions if each["dmarc"] or each["action"] != "accept"), "action", first=ACTIONS
            ),
            would_be=_by((each for each in decisions if each["wanted"] != each["action"]), "wanted"),
            spared=_by(decisions, "override"),
            rules=_by(decisions, "rule"),
            results={"dmarc": _by(decisions, "dmarc"), **{name: _of_method(results, name) for name in METHODS[1:]}},
            hourly=asking.hourly(),
            domains=foremost.domains() if foremost else (),
            networks=foremost.networks() if foremost else (),
            lists=foremost.lists() if foremost else (),
        )


_Count = Mapping[str, Any]
"""A count of messages with what they have in common; `is_now` tells the periods apart."""


def _names(counts: Iterable[_Count], column: str) -> set[str]:
    return {each[column] for each in counts if each["is_now"]}


def _total(counts: Iterable[_Count]) -> Figure:
    found = [0, 0]
    for each in counts:
        found[not each["is_now"]] += each["messages"]
    return Figure(*found)


def _by(counts: Iterable[_Count], column: str, first: tuple[str, ...] = ()) -> Figures:
    """Those of `first` whether or not there are any; then the most frequent first."""
    found: dict[str, list[int]] = {name: [0, 0] for name in first}
    for each in counts:
        if each[column]:
            found.setdefault(each[column], [0, 0])[not each["is_now"]] += each["messages"]
    rest = sorted(found.keys() - set(first), key=lambda name: (-found[name][0], -found[name][1], name))
    return {name: Figure(*found[name]) for name in (*first, *rest)}


def _of_method(counts: Iterable[_Count], method: str) -> Figures:
    return _by((each for each in counts if each["method"] == method), "result")


_DECISION = ("host", "mode", "dmarc", "wanted", "action", "override", "rule")


class _Asking:
    """The questions of one summary."""

    def __init__(self, connection: Connection, period: Period, author_domain: str | None, host: str | None) -> None:
        self._connection = connection
        self._period = period
        self._domain = author_domain
        self._host = host

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        return list(fetched(self._connection, query))

    def begins(self) -> int | None:
        found: int | None = self._connection.execute(sa.select(sa.func.min(rollups["hours"].c.hour))).scalar()
        return found

    def counts(self) -> tuple[list[_Count], list[_Count]]:
        """What was decided, and what each method said."""
        decisions: list[_Count] = []
        results: list[_Count] = []
        for period, is_now in ((self._period, True), (self._period.before, False)):
            first, last = math.ceil(period.since / HOUR) * HOUR, self._last_whole_hour(period.until)
            pieces = [period]
            if self._domain is None and first < last:
                pieces = [Period(period.since, first), Period(last, max(last, period.until))]
                decisions += self._rollup("hours", first, last, is_now=is_now)
                results += self._rollup("results", first, last, is_now=is_now)
            for piece in pieces:
                found = self._records(piece, is_now=is_now)
                decisions += found
                judged = [each for each in found if each["spf"] is not None]
                results += [{**each, "method": name, "result": each[name]} for each in judged for name in METHODS[1:]]
        return decisions, results

    def _last_whole_hour(self, until: float) -> int:
        """When the last hour ends that the counts can tell: up to now, the hour that is not over is whole, too."""
        query = sa.select(messages.c.uid).where(messages.c.time >= until).limit(1)
        is_newest = self._connection.execute(query).first() is None
        return (math.ceil if is_newest else math.floor)(until / HOUR) * HOUR

    def _records(self, period: Period, *, is_now: bool) -> list[_Count]:
        """In one walk through them: they are large."""
        columns = [
            *(sa.func.coalesce(messages.c[name], "").label(name) for name in _DECISION),
            *(messages.c.spf, messages.c.arc, messages.c.kind, dkim_result().label("dkim")),
        ]
        query = sa.select(*columns, sa.func.count().label("messages"))
        query = query.where(*self._within(period)).group_by(*_places(len(columns)))
        return [{**each, "is_now": is_now} for each in self._rows(query)]

    def _rollup(self, name: str, first: int, last: int, *, is_now: bool) -> list[_Count]:
        table = rollups[name]
        columns = [each for each in table.c if each.name not in ("hour", "messages")]
        total = sa.func.sum(table.c.messages).label("messages")
        query = sa.select(*columns, total).where(table.c.hour >= first, table.c.hour < last, *self._of_host(table))
        query = query.group_by(*columns)
        return [{**each, "messages": int(each["messages"]), "is_now": is_now} for each in self._rows(query)]

    def _of_host(self, table: sa.Table) -> "list[sa.ColumnElement[bool]]":
        return [] if self._host is None else [table.c.host == self._host]

    def _within(self, period: Period) -> "list[sa.ColumnElement[bool]]":
        found = [messages.c.time >= period.since, messages.c.time < period.until, *self._of_host(messages)]
        return found if self._domain is None else [messages.c.author_domain == self._domain, *found]

    def hourly(self) -> tuple[tuple[int, int], ...]:
        """By the counts, so the first and the last hour may be cut; of one domain, by its records."""
        since = max(math.floor(self._period.since / HOUR) * HOUR, self.begins() or 0)
        until = self._period.until
        if self._domain is None:
            table = rollups["hours"]
            query = sa.select(table.c.hour, sa.func.sum(table.c.messages).label("messages"))
            query = query.where(table.c.hour >= since, table.c.hour < until, *self._of_host(table))
            query = query.group_by(table.c.hour)
        else:
            query = sa.select(self._hour().label("hour"), sa.func.count().label("messages")).where(
                *self._within(Period(since, until))
            )
            query = query.group_by(sa.text("hour"))
        found = {int(each["hour"]): int(each["messages"]) for each in self._rows(query)}
        return tuple((hour, found.get(hour, 0)) for hour in range(since, math.ceil(until), HOUR))

    def _hour(self) -> "sa.ColumnElement[int]":
        """PostgreSQL rounds to whole numbers; SQLite cuts, and need not know floor()."""
        hours = messages.c.time / HOUR
        is_sqlite = self._connection.dialect.name == "sqlite"
        return sa.cast(hours if is_sqlite else sa.func.floor(hours), sa.BigInteger) * HOUR


def _places(count: int) -> "list[sa.ColumnElement[Any]]":
    """To group by the first columns, by their places: so the parameters of an expression are sent once."""
    return [sa.literal_column(str(number)) for number in range(1, count + 1)]
