"""The journal's tables made, and old records forgotten, in a process of its own: it alone needs SQLAlchemy for that.

python -P -m dmarc_milter.journal.upkeep, with {"database": URL, "keep_days": DAYS or null} on standard input (a URL may
hold a password, and a command line can be read by anybody). Exit status 1 and one line on standard output: it failed.
"""

import json
import sys
import time

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from dmarc_milter.journal.database import DatabaseError, open_engine
from dmarc_milter.journal.insertion import one_line
from dmarc_milter.journal.schema import SchemaError, messages, prepare

PRUNE_ROWS = 5_000
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


def main() -> int:
    wanted = json.load(sys.stdin)
    try:
        engine = open_engine(wanted["database"], create=True)
        prepare(engine)
        prune_all(engine, wanted["keep_days"] or 0)
    except (sa.exc.SQLAlchemyError, DatabaseError, SchemaError) as error:
        print(one_line(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
