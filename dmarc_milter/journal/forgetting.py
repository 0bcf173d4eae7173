"""What is old is forgotten: whole days where the database has partitions, and the rest in batches.

Between two batches, those that write have their turn.
"""

import time

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal import partitions
from dmarc_milter.journal.report_tables import (
    DeliveryState,
    failure_reports,
    policy_records,
    report_days,
    report_deliveries,
    report_jobs,
    report_suppressions,
    reported,
    reported_policies,
    reports,
)
from dmarc_milter.journal.rollups import DAY, KEEP_HOURS_DAYS
from dmarc_milter.journal.schema import COUNTED, MESSAGES, messages, rollups

PRUNE_ROWS = 5_000
PRUNE_REPORTS = 500
"""Of a batch; a report may have a megabyte."""
PAUSE_SECONDS = 0.5
"""Between two batches, for those that write."""
KEEP_CLOSED_DAYS = 400
"""That a day is closed is known for longer than what was counted: a row that comes late must not open it again."""
KEEP_SUPPRESSIONS = 365 * DAY
"""Seconds after its end: who refuses reports again by then is left alone for longer."""


def forget_messages(engine: Engine, keep_days: float) -> int:
    """Delete records that are older; returns how many there were. 0 days: for ever."""
    if not keep_days:
        return 0
    before = time.time() - keep_days * DAY
    return partitions.forget(engine, MESSAGES, before) + _delete(engine, messages, messages.c.time < before)


def forget_counts(engine: Engine, keep_days: float) -> None:
    """Counts by domain go with the messages, those by hour stay longer. 0 days: for ever."""
    if not keep_days:
        return
    now = time.time()
    hours = now - max(KEEP_HOURS_DAYS, keep_days) * DAY
    for name, column, before in (
        ("days", "day", now - (keep_days + 1) * DAY),
        ("hours", "hour", hours),
        ("results", "hour", hours),
    ):
        _delete(engine, rollups[name], rollups[name].c[column] < before)


def forget_reports(engine: Engine, keep_days: float) -> None:
    """Delete reports, and what they were made of, of days that are older; one that waits to be sent is kept."""
    now = time.time()
    before = (now // DAY - keep_days) * DAY
    partitions.forget(engine, COUNTED, before)
    for table in (reported, reported_policies, policy_records, report_jobs):
        _delete(engine, table, table.c.day < before)
    _delete(engine, report_days, report_days.c.day < before - KEEP_CLOSED_DAYS * DAY)
    its = report_deliveries.c.report == reports.c.id
    is_waiting = sa.exists().where(its, report_deliveries.c.state == DeliveryState.PENDING.value)
    _delete(engine, reports, sa.and_(reports.c.day < before, ~is_waiting))
    is_kept = sa.exists().where(reports.c.id == report_deliveries.c.report)
    _delete(engine, report_deliveries, sa.and_(report_deliveries.c.changed < before, ~is_kept))
    _delete(engine, failure_reports, failure_reports.c.time < before)
    _delete(engine, report_suppressions, report_suppressions.c.until < now - KEEP_SUPPRESSIONS)


def _delete(engine: Engine, table: sa.Table, where: "sa.ColumnElement[bool]") -> int:
    """All of these, batch by batch; returns how many there were."""
    rows = PRUNE_REPORTS if table is reports else PRUNE_ROWS
    key = tuple(table.primary_key.columns)
    some = sa.select(*key).where(where).limit(rows)
    # The condition once more: PostgreSQL then looks at old partitions alone.
    statement = table.delete().where(where, sa.tuple_(*key).in_(some))
    total = 0
    while True:
        with engine.begin() as connection:
            deleted = int(connection.execute(statement).rowcount)
        total += deleted
        if deleted < rows:
            return total
        time.sleep(PAUSE_SECONDS)
