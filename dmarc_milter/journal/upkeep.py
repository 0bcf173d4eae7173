"""The journal's tables made, rows of older versions brought up to date, and old records forgotten.

In a process of its own, which alone needs SQLAlchemy for that: python -P -m dmarc_milter.journal.upkeep, with
{"database": URL, "keep_days": DAYS or null, "report_days": DAYS} on standard input (a URL may hold a password, and a
command line can be read by anybody). null: the tables are made, and nothing else. Exit status 1 and a line on standard
output: it failed.
"""

import json
import sys
import time

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal import report_tables
from dmarc_milter.journal.database import DatabaseError, open_engine
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.insertion import one_line
from dmarc_milter.journal.partitions import forget, keep_ahead
from dmarc_milter.journal.rollups import DAY, KEEP_HOURS_DAYS
from dmarc_milter.journal.schema import PARTITIONED, SchemaError, lock, messages, prepare, rollups

PRUNE_ROWS = 5_000
REPORT_DAYS = 30
"""Days for which reports are kept, where nobody says otherwise."""
PAUSE_SECONDS = 0.5
"""Between two batches, for those that write."""


def prune(engine: Engine, keep_days: float, limit: int) -> int:
    """Delete at most `limit` rows that are older than `keep_days`; returns how many there were."""
    old = sa.select(messages.c.uid).where(messages.c.time < time.time() - keep_days * 86_400).limit(limit)
    with engine.begin() as connection:
        return int(connection.execute(messages.delete().where(messages.c.uid.in_(old))).rowcount)


def prune_all(engine: Engine, keep_days: float) -> int:
    """Delete all that is older than `keep_days`, in batches; returns how many rows there were. 0 days: for ever."""
    total = 0
    while keep_days:
        deleted = prune(engine, keep_days, PRUNE_ROWS)
        total += deleted
        if deleted < PRUNE_ROWS:
            break
        time.sleep(PAUSE_SECONDS)
    return total


def prune_reports(engine: Engine, keep_days: float) -> None:
    """Forget reports, and what they were made of, that are older; one that waits to be sent is kept."""
    before = (time.time() // DAY - keep_days) * DAY
    tables = report_tables
    waiting = sa.exists().where(
        tables.report_deliveries.c.report == tables.reports.c.id,
        tables.report_deliveries.c.state == tables.DeliveryState.PENDING.value,
    )
    with engine.begin() as connection:
        for table in (tables.reported, tables.reported_policies, tables.report_jobs, tables.report_days):
            connection.execute(table.delete().where(table.c.day < before))
        connection.execute(tables.reports.delete().where(tables.reports.c.day < before, ~waiting))
        kept = sa.select(tables.reports.c.id)
        connection.execute(
            tables.report_deliveries.delete().where(
                tables.report_deliveries.c.changed < before, tables.report_deliveries.c.report.not_in(kept)
            )
        )
        records = sa.select(tables.reported_policies.c.record)
        connection.execute(tables.policy_records.delete().where(tables.policy_records.c.digest.not_in(records)))
        connection.execute(tables.failure_reports.delete().where(tables.failure_reports.c.time < before))
        over = tables.report_suppressions.c.until < time.time() - 365 * DAY
        connection.execute(tables.report_suppressions.delete().where(over))


def _keep_partitions(engine: Engine, keep_days: float, report_days: float) -> int:
    """Those of days to come are made, those of days that are over are dropped; how many records were forgotten."""
    now, total = time.time(), 0
    for each, days in zip(PARTITIONED, (keep_days, report_days), strict=True):
        with engine.begin() as connection:
            lock(connection)
            keep_ahead(connection, each, now)
            total += forget(connection, each, now - days * DAY) if days else 0
    return total


def keep_up(engine: Engine, keep_days: float, report_days: float = REPORT_DAYS) -> int:
    """All that is done from time to time; returns how many records were forgotten."""
    fill(engine)
    total = _keep_partitions(engine, keep_days, report_days) + prune_all(engine, keep_days)
    prune_reports(engine, report_days)
    if keep_days:
        _prune_counts(engine, keep_days)
    _analyze(engine)
    return total


def _prune_counts(engine: Engine, keep_days: float) -> None:
    """Those by domain go with the messages; those by hour stay longer."""
    now = time.time()
    hours = now - max(KEEP_HOURS_DAYS, keep_days) * DAY
    with engine.begin() as connection:
        for name, column, earliest in (
            ("days", "day", now - (keep_days + 1) * DAY),
            ("hours", "hour", hours),
            ("results", "hour", hours),
        ):
            connection.execute(rollups[name].delete().where(rollups[name].c[column] < earliest))


def _analyze(engine: Engine) -> None:
    """The database looks at what is in the tables: without that, SQLite takes the wrong index."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
        connection.exec_driver_sql("ANALYZE" if engine.dialect.name == "sqlite" else "ANALYZE messages")


def main() -> int:
    """The process that `journal/preparation.py` starts: make or bring up to date the tables, then forget what is old.

    Reads JSON from standard input: `database`, `keep_days` (None: only the tables), `report_days`. Exit status 1 where
    that failed; why is on standard output.
    """
    wanted = json.load(sys.stdin)
    try:
        engine = open_engine(wanted["database"], create=True)
        prepare(engine)
        if wanted["keep_days"] is not None:
            keep_up(engine, wanted["keep_days"], wanted["report_days"])
    except (sa.exc.SQLAlchemyError, DatabaseError, SchemaError) as error:
        print(one_line(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
