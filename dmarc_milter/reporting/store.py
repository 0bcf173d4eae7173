"""The queue of reports in the journal's database: days are closed, domains shared out, reports kept.

A unique key guards each report and each delivery, so whoever does something twice does it once. In PostgreSQL the hosts
of a fleet share the work out by locking rows: what a host that dies had in hand, the others do. In SQLite there is one
host; it holds no transaction while it works, so that mail is written meanwhile.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from dmarc_milter.dmarc.record import parse
from dmarc_milter.journal.database import open_for_both
from dmarc_milter.journal.report_tables import (
    JobState,
    policy_records,
    report_days,
    report_deliveries,
    report_jobs,
    report_suppressions,
    reported,
    reported_policies,
    reports,
)
from dmarc_milter.journal.reported import PASS, VARIANTS
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import check
from dmarc_milter.reporting.claim import Claim, Job, insert_new
from dmarc_milter.reporting.planning import PolicyDay
from dmarc_milter.reporting.records import Counted

_ROWS_AT_ONCE = 2_000
_FAILURES_LOCK = 0x646D6173
"""Of PostgreSQL's advisory locks, ours while failure reports are made."""
_ALIGNED = [number for number, each in VARIANTS.items() if PASS in (each.dkim, each.spf)]
_OWN_KIND = [number for number, each in VARIANTS.items() if each.is_report]


class BusyError(Exception):
    """Somebody else works on the queue now."""


class Store:
    """The queue. Methods raise SQLAlchemy's errors where the database cannot be reached."""

    def __init__(self, url: str) -> None:
        """Raises DatabaseError, and SchemaError where the tables are of another version."""
        self.reading, self.writing = open_for_both(url)
        check(self.reading)

    def close(self) -> None:
        """Close the database."""
        self.reading.dispose()
        self.writing.dispose()

    @property
    def is_shared(self) -> bool:
        """Whether other hosts may work on the same queue."""
        return self.writing.dialect.name == "postgresql"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """In SQLite, which locks no rows, one at a time works on the queue. Raises BusyError.

        The folder is what is locked: a file of its own would belong to whoever ran this first, and SQLite's must not be
        closed by anybody else in this process.
        """
        path = self.writing.url.database
        if self.is_shared or path is None:
            yield
            return
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BusyError("another `dmarc-milter report` works on this queue") from None
        finally:
            os.close(folder)

    @contextmanager
    def one_host(self) -> Iterator[bool]:
        """Whether no other host of the fleet is in such a block; then none comes in while this one runs."""
        if not self.is_shared:
            yield True
            return
        with self.reading.connect() as connection, connection.begin():
            query = sa.select(sa.func.pg_try_advisory_xact_lock(_FAILURES_LOCK))
            yield bool(connection.execute(query).scalar())

    # Days and jobs

    def days_to_close(self, before: int) -> list[int]:
        """Days that end by `before`, in which something was counted, and which are not closed."""
        closed = sa.select(report_days.c.day)
        query = sa.select(reported_policies.c.day).where(reported_policies.c.day + DAY <= before).distinct()
        with self.reading.connect() as connection:
            found = connection.execute(query.where(reported_policies.c.day.not_in(closed))).scalars()
            return sorted(int(each) for each in found)

    def is_closed(self, day: int) -> bool:
        """Whether the domains of `day` are jobs already."""
        with self.reading.connect() as connection:
            return connection.execute(sa.select(report_days).where(report_days.c.day == day)).first() is not None

    def close_day(self, day: int, now: float) -> None:
        """From now on its domains are jobs. Several hosts may do so at once."""
        domains = sa.select(
            reported_policies.c.day,
            reported_policies.c.policy_domain,
            sa.literal(JobState.OPEN.value),
            sa.literal(0),
            sa.literal(0.0),
            sa.literal(0),
        ).where(reported_policies.c.day == day)
        columns = ["day", "policy_domain", "state", "tries", "next_try", "messages"]
        with self.writing.begin() as connection:
            connection.execute(insert_new(connection, report_days), {"day": day, "closed": now})
            connection.execute(insert_new(connection, report_jobs).from_select(columns, domains.distinct()))

    @contextmanager
    def claimed_jobs(
        self, limit: int, now: float, domain: str | None, day: int | None, after: Job | None = None
    ) -> Iterator[Claim]:
        """At most `limit` open jobs that are nobody else's while the block runs, in order.

        With `after`, those behind it: who goes on where it was need not look at all that is done, again and again.
        """
        query = (
            sa.select(report_jobs.c.day, report_jobs.c.policy_domain, report_jobs.c.tries)
            .where(report_jobs.c.state == JobState.OPEN.value, report_jobs.c.next_try <= now)
            .order_by(report_jobs.c.day, report_jobs.c.policy_domain)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if domain is not None:
            query = query.where(report_jobs.c.policy_domain == domain)
        if day is not None:
            query = query.where(report_jobs.c.day == day)
        if after is not None:
            place = sa.tuple_(sa.literal(after.day), sa.literal(after.policy_domain))
            query = query.where(sa.tuple_(report_jobs.c.day, report_jobs.c.policy_domain) > place)
        with self.reading.connect() as connection, connection.begin() as transaction:
            jobs = [Job(*each) for each in connection.execute(query)]
            yield Claim(jobs, self.writing, connection if self.is_shared else None)
            transaction.commit()

    def open_jobs(self, day: int | None = None) -> int:
        """Domains whose reports are not made yet."""
        query = sa.select(sa.func.count()).where(report_jobs.c.state == JobState.OPEN.value)
        if day is not None:
            query = query.where(report_jobs.c.day == day)
        with self.reading.connect() as connection:
            return int(connection.execute(query).scalar_one())

    # What was counted

    def policies(self, day: int, domains: Sequence[str]) -> dict[str, list[PolicyDay]]:
        """The policies of `domains` (in order, at least one) on `day`."""
        wanted = set(domains)
        variant = reported.c.variant
        counts = (
            sa.select(
                reported.c.policy_domain,
                reported.c.policy,
                sa.func.sum(reported.c.messages),
                sa.func.sum(sa.case((variant.in_(_ALIGNED), reported.c.messages), else_=0)),
                sa.func.sum(sa.case((variant.in_(_OWN_KIND), reported.c.messages), else_=0)),
            )
            .where(reported.c.day == day, reported.c.policy_domain.between(domains[0], domains[-1]))
            .group_by(reported.c.policy_domain, reported.c.policy)
            .order_by(reported.c.policy_domain, reported.c.policy)
        )
        records = (
            sa.select(reported_policies.c.policy_domain, reported_policies.c.policy, policy_records.c.record)
            .join(policy_records, policy_records.c.digest == reported_policies.c.record)
            .where(reported_policies.c.day == day, reported_policies.c.policy_domain.between(domains[0], domains[-1]))
        )
        found: dict[str, list[PolicyDay]] = {}
        with self.reading.connect() as connection:
            published = {(domain, policy): bytes(text) for domain, policy, text in connection.execute(records)}
            for domain, policy, messages, aligned, own in connection.execute(counts):
                text = published.get((domain, policy))
                if domain in wanted and text is not None:
                    each = PolicyDay(domain, policy, parse(text), int(messages), int(aligned), int(own))
                    found.setdefault(domain, []).append(each)
        return found

    def domains(self, day: int, domain: str | None = None) -> list[str]:
        """The policy domains of a day, in order."""
        query = sa.select(reported_policies.c.policy_domain).where(reported_policies.c.day == day).distinct()
        if domain is not None:
            query = query.where(reported_policies.c.policy_domain == domain)
        with self.reading.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def rows(self, day: int, domains: Sequence[str]) -> Iterator[tuple[str, str, Iterator[Counted]]]:
        """What was counted for `domains` (in order, at least one), grouped by domain and policy; read as it is used."""
        query = (
            sa.select(
                reported.c.policy_domain,
                reported.c.policy,
                reported.c.digest,
                reported.c.variant,
                reported.c.content,
                reported.c.messages,
            )
            .where(reported.c.day == day, reported.c.policy_domain.between(domains[0], domains[-1]))
            .order_by(*reported.primary_key.columns)
        )
        with self.reading.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            found = connection.execute(query)
            for (domain, policy), group in groupby(found, key=lambda row: (row[0], row[1])):
                yield domain, policy, (Counted(*row[2:]) for row in group)

    # Reports

    def stored(self, day: int, domain: str | None = None) -> Iterator[tuple[Any, bytes]]:
        """The aggregate reports of a day with their mails, in order.

        Failure reports are none of them: what strangers wrote is in their mails.
        """
        is_wanted = sa.and_(reports.c.day == day, reports.c.kind == "aggregate")
        query = sa.select(reports).where(is_wanted).order_by(reports.c.policy_domain, reports.c.id)
        if domain is not None:
            query = query.where(reports.c.policy_domain == domain)
        with self.reading.connect().execution_options(yield_per=100) as connection:
            for row in connection.execute(query):
                yield row, bytes(row.message)

    def message(self, report: str) -> bytes | None:
        """The mail of a report by its id; None where there is none."""
        with self.reading.connect() as connection:
            found = connection.execute(sa.select(reports.c.message).where(reports.c.id == report)).scalar()
            return None if found is None else bytes(found)

    def addresses(self, report: str) -> list[str]:
        """Where a report goes."""
        query = sa.select(report_deliveries.c.address).where(report_deliveries.c.report == report)
        with self.reading.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def late(self, since: int) -> dict[int, int]:
        """Messages that were counted after their domain's reports were made, by day."""
        now = sa.select(reported.c.day, sa.func.sum(reported.c.messages)).group_by(reported.c.day)
        then = sa.select(report_jobs.c.day, sa.func.sum(report_jobs.c.messages)).group_by(report_jobs.c.day)
        done = sa.select(report_days.c.day).where(report_days.c.day >= since)
        with self.reading.connect() as connection:
            counted = {int(day): int(n) for day, n in connection.execute(now.where(reported.c.day.in_(done)))}
            told = {int(day): int(n) for day, n in connection.execute(then.where(report_jobs.c.day.in_(done)))}
        return {day: count - told.get(day, 0) for day, count in counted.items()}

    # Suppression

    def suppressed(self, now: float) -> dict[str, Any]:
        """By address in lower case: those that get nothing now."""
        table = report_suppressions
        query = sa.select(table).where(sa.or_(table.c.until.is_(None), table.c.until > now))
        with self.reading.connect() as connection:
            return {row.address: row for row in connection.execute(query)}
