"""dmarc-milter prune."""

import argparse

from dmarc_milter.cli.command import Command
from dmarc_milter.cli.options import add_journal


def _run(options: argparse.Namespace) -> int:
    from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail
    from dmarc_milter.journal.database import open_engine
    from dmarc_milter.journal.location import database
    from dmarc_milter.journal.schema import check
    from dmarc_milter.journal.upkeep import keep_up
    from dmarc_milter.settings import config

    everything = config.load_default(options.config)
    settings = everything.journal
    if not settings.enabled and options.journal is None:
        # A timer asks every day, whatever the settings are.
        print("no journal is kept")
        return 0
    try:
        engine = open_engine(options.journal or database(settings), create=False)
        check(engine)
        total = keep_up(engine, settings.keep_days, everything.report.keep_days)
    except JOURNAL_ERRORS as error:
        return fail(error)
    print(f"{total} records deleted")
    return 0


COMMAND = Command(
    "prune",
    "delete old records from the journal",
    "Delete the records older than [journal] keep_days, and reports older than [report] keep_days. A running filter "
    "does the same every hour.",
    add_journal,
    _run,
)
