"""Who counts most in a period: the domains and networks of what stood out, and the mailing lists.

Days that are tallied are read from the tallies, what is left of the period from the records. Of one Author Domain,
all is read from its records.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dmarc_milter.journal.fetching import fetched
from dmarc_milter.journal.figures import Domain, Figure, MailingList, Network, Period
from dmarc_milter.journal.schema import STANDS_OUT, messages
from dmarc_milter.journal.seen_lists import authenticated_domains
from dmarc_milter.journal.tallies import DOMAINS, LISTS, NETWORKS, SOURCES, Tally, divided, network_text, tallied

TOP = 10
SAMPLE = 100
"""Messages of a domain, the newest, that say whose mail it proves to be."""


_AUTHENTICATED = [messages.c[name] for name in ("dkim", "spf", "spf_domain")]
"""What authenticated_domains() reads of a record."""


class _Part(NamedTuple):
    """One of the two periods, and how it is read."""

    is_now: bool
    days: tuple[int, ...]
    """Those that are tallied."""
    others: tuple[Period, ...]
    """What lies between them."""


class Foremost:
    """The questions of one summary."""

    def __init__(self, connection: Connection, period: Period, author_domain: str | None) -> None:
        """Of all mail, or of that of one Author Domain."""
        self._connection = connection
        self._period = period
        self._of_domain = [] if author_domain is None else [messages.c.author_domain == author_domain]
        days = tallied(connection, period.before.since, period.until) if author_domain is None else ()
        self._now = _Part(True, *divided(period, days))
        self._before = _Part(False, *divided(period.before, days))

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        return list(fetched(self._connection, query))

    def _read(self, tally: Tally, *parts: _Part, only: Mapping[str, list[Any]] | None = None) -> "sa.Subquery":
        """The keys and counts of `tally`, and `is_now`, in as many rows as there are days and pieces.

        With `only`, those where the key of that name has one of these values.
        """
        found: list[sa.Select[Any]] = []
        chosen = (only or {}).items()
        for part in parts:
            is_now: sa.ColumnElement[int] = sa.literal_column(str(int(part.is_now)))
            if part.days:
                its = (tally.table.c[name].in_(values) for name, values in chosen)
                found.append(tally.tallied(part.days).where(*its).add_columns(is_now.label("is_now")))
            for each in part.others:
                its = (tally.keys[name].in_(values) for name, values in chosen)
                found.append(tally.records(*self._within(each), *its).add_columns(is_now.label("is_now")))
        return sa.union_all(*found).subquery()

    def _within(self, period: Period) -> "list[sa.ColumnElement[bool]]":
        return [*self._of_domain, messages.c.time >= period.since, messages.c.time < period.until]

    def domains(self) -> tuple[Domain, ...]:
        """Those with the most messages of this period that stood out."""
        found = self._read(DOMAINS, self._now, self._before)
        name, now = found.c.author_domain, _sum(found, "messages", is_now=True)
        query = sa.select(name, now.label("now"), _sum(found, "messages", is_now=False).label("before"))
        query = query.group_by(name).having(now > 0).order_by(now.desc(), name).limit(TOP)
        rows = self._rows(query)
        networks = self._main_networks([each["author_domain"] for each in rows])
        return tuple(
            Domain(name or None, _figure(each), networks.get(name), self._proves_to_be(name))
            for each in rows
            for name in (each["author_domain"],)
        )

    def _main_networks(self, names: list[str]) -> dict[str, str | None]:
        """Of each domain, the network from where most of it came."""
        found = self._read(SOURCES, self._now, only={"author_domain": names})
        count = sa.func.sum(found.c.messages).label("messages")
        each = sa.select(found.c.author_domain, found.c.network, count)
        counted = each.group_by(found.c.author_domain, found.c.network).subquery()
        # The database ranks them: a sender may have used very many.
        order = (counted.c.messages.desc(), counted.c.network.desc())
        rank = sa.func.row_number().over(partition_by=counted.c.author_domain, order_by=order).label("rank")
        ranked = sa.select(counted.c.author_domain, counted.c.network, rank).subquery()
        first = sa.select(ranked.c.author_domain, ranked.c.network).where(ranked.c.rank == 1)
        return {row["author_domain"]: network_text(row["network"]) for row in self._rows(first)}

    def _proves_to_be(self, name: str) -> str | None:
        its = messages.c.author_domain == name if name else messages.c.author_domain.is_(None)
        query = sa.select(*_AUTHENTICATED).where(*self._within(self._period), STANDS_OUT, its)
        rows = self._rows(query.order_by(messages.c.time.desc()).limit(SAMPLE))
        # Nobody is counted, too: else the one that authenticated a few would stand for a flood of spoofed mail.
        counted = Counter(domain for row in rows for domain in authenticated_domains(row) - {None} or {""})
        return max(counted, key=lambda domain: (counted[domain], domain), default="") or None

    def networks(self) -> tuple[Network, ...]:
        """Those from where the most of it came."""
        found = self._read(NETWORKS, self._now, self._before)
        now = _sum(found, "messages", is_now=True)
        query = sa.select(found.c.network, now.label("now"), _sum(found, "messages", is_now=False).label("before"))
        query = query.group_by(found.c.network).having(now > 0).order_by(now.desc(), found.c.network).limit(TOP)
        rows = self._rows(query)
        domains = self._domains_of([bytes(each["network"]) for each in rows])
        return tuple(
            Network(network_text(each["network"]), _figure(each), domains.get(bytes(each["network"]), 0))
            for each in rows
        )

    def _domains_of(self, networks: list[bytes]) -> dict[bytes, int]:
        """How many Author Domains each used in this period: one that only the period before had is no use here."""
        found = self._read(SOURCES, self._now, only={"network": networks})
        count = sa.func.count(sa.distinct(sa.func.nullif(found.c.author_domain, ""))).label("domains")
        query = sa.select(found.c.network, count).group_by(found.c.network)
        return {bytes(each["network"]): int(each["domains"]) for each in self._rows(query)}

    def lists(self) -> tuple[MailingList, ...]:
        """Those with the most mail that failed, then those with the most mail."""
        found = self._read(LISTS, self._now, self._before)
        figures = [
            _sum(found, count, is_now=is_now).label(f"{count} {is_now}")
            for count in ("messages", "failing")
            for is_now in (True, False)
        ]
        name, now, failing = found.c.list_id, *(_sum(found, each, is_now=True) for each in ("messages", "failing"))
        query = sa.select(name, *figures).group_by(name).having(now > 0)
        query = query.order_by(failing.desc(), now.desc(), name).limit(TOP)
        return tuple(
            MailingList(listed, Figure(now, before), Figure(failing, failed))
            for listed, *counts in self._connection.execute(query)
            for now, before, failing, failed in (map(int, counts),)
        )


def _sum(found: "sa.Subquery", count: str, *, is_now: bool) -> "sa.ColumnElement[int]":
    return sa.func.sum(sa.case((found.c.is_now == int(is_now), found.c[count]), else_=0))


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(int(row["now"]), int(row["before"]))
