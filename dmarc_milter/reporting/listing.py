"""What the queue of reports holds, for people: whoever reads it needs no right to write."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal.report_tables import (
    DeliveryState,
    JobState,
    report_deliveries,
    report_jobs,
    report_suppressions,
    reports,
)


class Listed(NamedTuple):
    """A report at one address."""

    id: str
    day: int
    domain: str
    kind: str
    messages: int
    address: str
    state: str
    tries: int
    changed: float
    reply: str | None


class WaitingDomain(NamedTuple):
    """A domain whose reports are not made."""

    day: int
    policy_domain: str
    state: str
    note: str | None
    """Why, where that is known."""


class Suppressed(NamedTuple):
    """An address that gets no reports now."""

    address: str
    why: str
    until: float | None
    """None: until the operator says otherwise."""


def listed(engine: Engine, day: int | None, domain: str | None, state: str | None, limit: int) -> list[Listed]:
    """The newest first."""
    table = report_deliveries
    query = (
        sa.select(
            reports.c.id,
            reports.c.day,
            reports.c.policy_domain.label("domain"),
            reports.c.kind,
            reports.c.messages,
            table.c.address,
            table.c.state,
            table.c.tries,
            table.c.changed,
            table.c.reply,
        )
        .join(table, table.c.report == reports.c.id)
        .order_by(reports.c.day.desc(), reports.c.policy_domain, reports.c.id, table.c.address)
        .limit(limit)
    )
    if day is not None:
        query = query.where(reports.c.day == day)
    if domain is not None:
        query = query.where(reports.c.policy_domain == domain)
    if state is not None:
        query = query.where(table.c.state == state)
    with engine.connect() as connection:
        return [Listed(**row) for row in connection.execute(query).mappings()]


def waiting_domains(engine: Engine, day: int | None, domain: str | None, limit: int) -> list[WaitingDomain]:
    """Domains of closed days that have no reports yet, or will have none: the DNS did not answer."""
    table = report_jobs
    query = (
        sa.select(table.c.day, table.c.policy_domain, table.c.state, table.c.note)
        .where(table.c.state != JobState.DONE.value)
        .order_by(table.c.day.desc(), table.c.policy_domain)
        .limit(limit)
    )
    if day is not None:
        query = query.where(table.c.day == day)
    if domain is not None:
        query = query.where(table.c.policy_domain == domain)
    with engine.connect() as connection:
        return [WaitingDomain(*row) for row in connection.execute(query)]


def counts(engine: Engine) -> dict[str, int]:
    """Deliveries by state."""
    table = report_deliveries
    query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
    with engine.connect() as connection:
        return {state: int(count) for state, count in connection.execute(query)}


def last_sent(engine: Engine) -> float | None:
    """When the MTA took a report last."""
    table = report_deliveries
    query = sa.select(sa.func.max(table.c.changed)).where(table.c.state == DeliveryState.SENT.value)
    with engine.connect() as connection:
        found: float | None = connection.execute(query).scalar()
        return found


def suppressed(engine: Engine, now: float, limit: int) -> list[Suppressed]:
    """Addresses that get no reports now, those that changed last first."""
    table = report_suppressions
    query = sa.select(table.c.address, table.c.why, table.c.until).order_by(table.c.changed.desc()).limit(limit)
    query = query.where(sa.or_(table.c.until.is_(None), table.c.until > now))
    with engine.connect() as connection:
        return [Suppressed(*row) for row in connection.execute(query)]
