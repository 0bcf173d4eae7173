"""What happened in a period, beside the period of the same length before it: figures, and who counts most.

Whole hours are read from the counts, and what is left of an hour at either end from the records. Of one Author Domain
all is read from its records.
"""

import ipaddress
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from dmarc_milter.journal.criteria import dkim_result
from dmarc_milter.journal.figures import Domain, Figure, Figures, MailingList, Network, Period, Summary
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.schema import STANDS_OUT, UNFILLED, messages, rollups, told_columns
from dmarc_milter.journal.seen_lists import authenticated_domains

TOP = 10
SAMPLE = 100
"""Messages of a domain, the newest, that say whose mail it proves to be."""
ACTIONS = ("accept", "quarantine", "reject", "tempfail")
METHODS = ("dmarc", "spf", "dkim", "arc", "kind")


def summary(engine: Engine, period: Period, author_domain: str | None = None, *, host: str | None = None) -> Summary:
    """The figures of `period` and of the one before it: of all mail, or of that of one Author Domain, or of one host.

    Of one host, domains, networks and lists are not told: they would be read from the records of all hosts.
    """
    with engine.connect() as connection:
        asking = _Asking(connection, period, author_domain, host)
        decisions, results = asking.counts()
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
            domains=asking.domains() if host is None else (),
            networks=asking.networks() if host is None else (),
            lists=asking.lists() if host is None else (),
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
_MAPPED = b"\0" * 10 + b"\xff\xff"
_IPV4_OCTETS, _IPV6_OCTETS = 15, 6
"""Of a `source`, those of a /24 and of a /48."""


def _network() -> "sa.ColumnElement[bytes]":
    is_ipv4 = sa.func.substr(messages.c.source, 1, len(_MAPPED)) == sa.literal(_MAPPED, sa.LargeBinary)
    return sa.case(
        (is_ipv4, sa.func.substr(messages.c.source, 1, _IPV4_OCTETS)),
        else_=sa.func.substr(messages.c.source, 1, _IPV6_OCTETS),
    )


def _network_text(octets: bytes | None) -> str | None:
    if octets is None:
        return None
    whole = bytes(octets).ljust(16, b"\0")
    address: tuple[bytes, int] = (whole[12:], 24) if whole.startswith(_MAPPED) else (whole, 48)
    return str(ipaddress.ip_network(address))


class _Asking:
    """The questions of one summary."""

    def __init__(self, connection: Connection, period: Period, author_domain: str | None, host: str | None) -> None:
        self._connection = connection
        self._period = period
        self._domain = author_domain
        self._host = host

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        return [dict(each) for each in self._connection.execute(query).mappings()]

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

    def _figures(self) -> "tuple[sa.ColumnElement[int], sa.ColumnElement[int]]":
        is_now = messages.c.time >= self._period.since
        now = sa.func.sum(sa.case((is_now, 1), else_=0))
        return now.label("now"), (sa.func.count() - now).label("before")

    def _both(self) -> "list[sa.ColumnElement[bool]]":
        return self._within(Period(self._period.before.since, self._period.until))

    def domains(self) -> tuple[Domain, ...]:
        now, before = self._figures()
        query = sa.select(messages.c.author_domain.label("name"), now, before).where(*self._both(), STANDS_OUT)
        query = query.group_by(messages.c.author_domain).having(now > 0)
        rows = self._rows(query.order_by(now.desc(), sa.nulls_first(messages.c.author_domain)).limit(TOP))
        networks = self._main_networks([each["name"] for each in rows])
        return tuple(
            Domain(each["name"], _figure(each), networks.get(each["name"]), self._proves_to_be(each["name"]))
            for each in rows
        )

    def _main_networks(self, names: list[str | None]) -> dict[str | None, str | None]:
        """Of each domain, the network from where most of its failing mail came."""
        name, network = messages.c.author_domain.label("name"), _network().label("network")
        query = sa.select(name, network, sa.func.count().label("messages")).where(*self._within(self._period))
        # An expression: the index of what stands out has all of it, the one by domain has no networks.
        domain = sa.func.coalesce(messages.c.author_domain, "")
        query = query.where(STANDS_OUT, domain.in_([each or "" for each in names]))
        query = query.group_by(messages.c.author_domain, sa.text("network"))
        # The database ranks them: a sender may have used very many.
        each = query.subquery()
        order = (each.c.messages.desc(), sa.nulls_last(each.c.network.desc()))
        rank = sa.func.row_number().over(partition_by=each.c.name, order_by=order).label("rank")
        ranked = sa.select(each.c.name, each.c.network, rank).subquery()
        first = sa.select(ranked.c.name, ranked.c.network).where(ranked.c.rank == 1)
        return {row["name"]: _network_text(row["network"]) for row in self._rows(first)}

    def _proves_to_be(self, name: str | None) -> str | None:
        query = sa.select(*told_columns).where(*self._within(self._period), STANDS_OUT, _is_one_of([name]))
        rows = self._rows(query.order_by(messages.c.time.desc()).limit(SAMPLE))
        # Nobody is counted, too: else the one that authenticated a few would stand for a flood of spoofed mail.
        counted = Counter(domain for row in rows for domain in authenticated_domains(row) - {None} or {""})
        return max(counted, key=lambda domain: (counted[domain], domain), default="") or None

    def networks(self) -> tuple[Network, ...]:
        now, before = self._figures()
        network = _network().label("network")
        # Those of this period: a domain that only the one before had is no use here.
        domain = sa.case((messages.c.time >= self._period.since, messages.c.author_domain), else_=None)
        domains = sa.func.count(sa.distinct(domain)).label("domains")
        query = sa.select(network, now, before, domains).where(*self._both(), STANDS_OUT)
        query = (
            query.group_by(sa.text("network"))
            .having(now > 0)
            .order_by(now.desc(), sa.nulls_first(sa.literal_column("network")))
        )
        return tuple(
            Network(_network_text(each["network"]), _figure(each), int(each["domains"]))
            for each in self._rows(query.limit(TOP))
        )

    def lists(self) -> tuple[MailingList, ...]:
        now, before = self._figures()
        fails = messages.c.dmarc == "fail"
        is_now = messages.c.time >= self._period.since
        failing = sa.func.sum(sa.case((sa.and_(fails, is_now), 1), else_=0)).label("failing")
        failed = sa.func.sum(sa.case((sa.and_(fails, sa.not_(is_now)), 1), else_=0)).label("failed")
        query = sa.select(messages.c.list_id.label("name"), now, before, failing, failed)
        query = query.where(*self._both(), messages.c.list_id.is_not(None)).group_by(messages.c.list_id)
        query = query.having(now > 0).order_by(failing.desc(), now.desc(), messages.c.list_id).limit(TOP)
        return tuple(
            MailingList(each["name"], _figure(each), Figure(int(each["failing"]), int(each["failed"])))
            for each in self._rows(query)
        )


def _places(count: int) -> "list[sa.ColumnElement[Any]]":
    """To group by the first columns, by their places: so the parameters of an expression are sent once."""
    return [sa.literal_column(str(number)) for number in range(1, count + 1)]


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(int(row["now"]), int(row["before"]))


def _is_one_of(names: list[str | None]) -> "sa.ColumnElement[bool]":
    known = [name for name in names if name is not None]
    if len(known) == len(names):
        return messages.c.author_domain.in_(known)
    return sa.or_(messages.c.author_domain.in_(known), messages.c.author_domain.is_(None))
