"""Deliveries in the queue: claimed one by one, and what became of each kept before the next is sent.

A delivery whose host was killed between the MTA's answer and the commit is sent again: the same octets under the same
names, so that whoever knows what was received already sees it once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dmarc_milter.journal.report_tables import (
    DeliveryState,
    report_checks,
    report_deliveries,
    report_suppressions,
    reports,
)
from dmarc_milter.reporting import listing
from dmarc_milter.reporting.claim import writing
from dmarc_milter.reporting.listing import Listed, WaitingDomain
from dmarc_milter.reporting.store import Store
from dmarc_milter.reporting.suppression import until

_PENDING = report_deliveries.c.state == DeliveryState.PENDING.value


class Due(NamedTuple):
    """A delivery that may be sent now."""

    report: str
    address: str
    token: str
    host: str
    tries: int
    made: float
    is_signed: bool
    message: bytes


class Waiting(NamedTuple):
    """What is pending at one host, due or not."""

    host: str
    all: int
    due: int


class Outbox:
    """Deliveries of a store. Methods raise SQLAlchemy's errors where the database cannot be reached."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def waiting(self, now: float) -> list[Waiting]:
        """Hosts with pending deliveries, those with the fewest first: a large one holds up nobody."""
        table = report_deliveries
        due = sa.func.sum(sa.case((table.c.next_try <= now, 1), else_=0))
        query = (
            sa.select(table.c.host, sa.func.count(), due)
            .where(_PENDING)
            .group_by(table.c.host)
            .order_by(sa.func.count(), table.c.host)
        )
        with self._store.reading.connect() as connection:
            return [Waiting(host, int(everything), int(some)) for host, everything, some in connection.execute(query)]

    @contextmanager
    def claimed(self, host: str, now: float) -> Iterator["Claimed | None"]:
        """The next delivery to `host` that is nobody else's while the block runs; None where there is none."""
        table = report_deliveries
        query = (
            sa.select(table.c.report, table.c.address, table.c.token, table.c.host, table.c.tries)
            .where(_PENDING, table.c.host == host, table.c.next_try <= now)
            .order_by(table.c.next_try, table.c.report, table.c.address)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._store.reading.connect() as connection, connection.begin() as transaction:
            found = connection.execute(query).first()
            if found is None:
                yield None
                return
            of_report = sa.select(reports.c.made, reports.c.is_signed, reports.c.message)
            made, is_signed, message = connection.execute(of_report.where(reports.c.id == found.report)).one()
            due = Due(*found, made, is_signed, bytes(message))
            yield Claimed(self._store, due, connection if self._store.is_shared else None)
            transaction.commit()

    # For people

    def listed(self, day: int | None, domain: str | None, state: str | None, limit: int) -> list[Listed]:
        """The newest first."""
        return listing.listed(self._store.reading, day, domain, state, limit)

    def waiting_domains(self, day: int | None, domain: str | None, limit: int) -> list[WaitingDomain]:
        """Domains of closed days that have no reports yet, or will have none: the DNS did not answer."""
        return listing.waiting_domains(self._store.reading, day, domain, limit)

    # Suppression

    def suppress(self, address: str, why: str, now: float, end: float | None = None) -> None:
        """As the operator says: until `end`, or until :meth:`unsuppress`."""
        with self._store.writing.begin() as connection:
            _suppress(self._store, connection, address, why, now, end, times=0)

    def unsuppress(self, address: str) -> bool:
        """Whether it was suppressed."""
        table = report_suppressions
        with self._store.writing.begin() as connection:
            return connection.execute(table.delete().where(table.c.address == address.lower())).rowcount > 0

    def bounced(self, token: str, why: str, now: float) -> str | None:
        """A DSN came back for the delivery with this token: its address, which is suppressed; None: there is none."""
        table = report_deliveries
        with self._store.writing.begin() as connection:
            found = connection.execute(sa.select(table.c.address).where(table.c.token == token)).scalar()
            if found is None:
                return None
            was_taken = sa.and_(table.c.token == token, table.c.state != DeliveryState.BOUNCED.value)
            values = {"state": DeliveryState.BOUNCED.value, "changed": now, "reply": why}
            if connection.execute(table.update().where(was_taken).values(values)).rowcount:
                _refused_once_more(self._store, connection, found, why, now)
            return str(found)

    # The check

    def note_check(self, fingerprint: str, now: float) -> None:
        """What is sent with these settings passes."""
        with self._store.writing.begin() as connection:
            connection.execute(report_checks.delete().where(report_checks.c.fingerprint == fingerprint))
            connection.execute(report_checks.insert().values(fingerprint=fingerprint, passed=now))

    def is_checked(self, fingerprint: str) -> bool:
        """Whether a check of the settings with this fingerprint passed."""
        with self._store.reading.connect() as connection:
            query = sa.select(report_checks).where(report_checks.c.fingerprint == fingerprint)
            return connection.execute(query).first() is not None

    def counts(self) -> dict[str, int]:
        """Deliveries by state."""
        return listing.counts(self._store.reading)

    def last_sent(self) -> float | None:
        """When the MTA took a report last."""
        return listing.last_sent(self._store.reading)


class Claimed:
    """One delivery in hand."""

    def __init__(self, store: Store, due: Due, connection: Connection | None) -> None:
        self.due = due
        self._store = store
        self._connection = connection

    def sign(self, message: bytes) -> None:
        """Keep the report as it is sent, before it is sent: a copy has the same octets."""
        with writing(self._store.writing, self._connection) as connection:
            connection.execute(
                reports.update()
                .where(reports.c.id == self.due.report, ~reports.c.is_signed)
                .values(message=message, is_signed=True)
            )
        self.due = self.due._replace(message=message, is_signed=True)

    def end(self, state: DeliveryState, reply: str, now: float, *, suppress: bool = False) -> None:
        """For good; with `suppress`, the address is left alone for a while."""
        self._update({"state": state.value, "reply": reply, "changed": now}, suppress=suppress, now=now)

    def put_off(self, next_try: float, reply: str, now: float) -> None:
        """Until `next_try`."""
        self._update({"next_try": next_try, "reply": reply, "changed": now}, suppress=False, now=now)

    def _update(self, values: dict[str, Any], *, suppress: bool, now: float) -> None:
        table, due = report_deliveries, self.due
        with writing(self._store.writing, self._connection) as connection:
            connection.execute(
                table.update()
                .where(table.c.report == due.report, table.c.address == due.address)
                .values(tries=due.tries + 1, **values)
            )
            if suppress:
                _refused_once_more(self._store, connection, due.address, values["reply"], now)


def _refused_once_more(store: Store, connection: Connection, address: str, why: str, now: float) -> None:
    table = report_suppressions
    found = connection.execute(sa.select(table).where(table.c.address == address.lower())).first()
    if found is not None and found.until is None:
        return
    times = (found.times if found is not None else 0) + 1
    _suppress(store, connection, address, why, now, until(times, now), times=times)


def _suppress(
    store: Store, connection: Connection, address: str, why: str, now: float, end: float | None, *, times: int
) -> None:
    table = report_suppressions
    connection.execute(table.delete().where(table.c.address == address.lower()))
    row = {"address": address.lower(), "until": end, "times": times, "changed": now, "why": why[:500]}
    connection.execute(table.insert().values(row))
