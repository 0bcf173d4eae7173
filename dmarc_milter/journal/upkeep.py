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

from dmarc_milter.journal import report_tables, tally_tables
from dmarc_milter.journal.database import DatabaseError, open_engine
from dmarc_milter.journal.dividing import divide
from dmarc_milter.journal.filling import fill
from dmarc_milter.journal.forgetting import forget_counts, forget_messages, forget_reports
from dmarc_milter.journal.insertion import one_line
from dmarc_milter.journal.locking import is_busy
from dmarc_milter.journal.partitions import keep_ahead
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.journal.schema import PARTITIONED, SchemaError, metadata, prepare
from dmarc_milter.journal.tallying import forget_tallies, tally

REPORT_DAYS = 30
"""Days for which reports are kept, where nobody says otherwise."""


def keep_up(engine: Engine, keep_days: float, report_days: float = REPORT_DAYS) -> int:
    """All that is done from time to time; returns how many records were forgotten."""
    total = 0
    fill(engine)
    if keep_days:
        forget_tallies(engine, time.time() - keep_days * DAY)
    try:
        _keep_partitions(engine)
        total = forget_messages(engine, keep_days)
        forget_reports(engine, report_days)
    except sa.exc.OperationalError as error:
        # Somebody reads for long, and the tables could not be changed: the next time is soon enough.
        if not is_busy(error):
            raise
    forget_counts(engine, keep_days)
    days = tally(engine, time.time())
    _analyze(engine)
    if days:
        _analyze_tallies(engine)
    return total


def _keep_partitions(engine: Engine) -> None:
    for each in PARTITIONED:
        divide(engine, each, time.time())
        keep_ahead(engine, each, time.time())


def _analyze(engine: Engine) -> None:
    """The database looks at what is in the tables: without that, SQLite takes the wrong index."""
    with engine.begin() as connection:
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql("ANALYZE messages")
            return
        connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
        for table in (*metadata.tables, *report_tables.metadata.tables):
            connection.exec_driver_sql(f"ANALYZE {table}")


def _analyze_tallies(engine: Engine) -> None:
    """Whole, when there is a day more: after so many rows, SQLite takes a day for small, and the wrong index for it."""
    for table in tally_tables.metadata.tables:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA analysis_limit = 0")
            connection.exec_driver_sql(f"ANALYZE {table}")


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
