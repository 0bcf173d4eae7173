"""Having the journal's tables made by ``journal.upkeep``, before the first record is written."""

import contextlib
import json
import subprocess
import sys

from dmarc_milter.journal.insertion import Insertion, UnpreparedError, UnreachableError, connect
from dmarc_milter.settings.journal import JournalSection


def upkeep(database: str, keep_days: float | None, report_days: float = 30) -> "subprocess.Popen[str]":
    """Start it; what it says of a failure is on its standard output.

    With `keep_days` it does the rest of the upkeep too; 0: no record is forgotten. `report_days` are those of reports.
    Raises UnreachableError where the system starts no process.
    """
    # -P: nothing is imported from the folder where the service was started.
    command = [sys.executable, "-P", "-m", "dmarc_milter.journal.upkeep"]
    try:
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    except OSError as error:
        raise UnreachableError(f"its upkeep cannot be started: {error}") from None
    assert started.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        started.stdin.write(json.dumps({"database": database, "keep_days": keep_days, "report_days": report_days}))
        started.stdin.close()
    started.stdin = None
    return started


def connect_prepared(database: str) -> Insertion:
    """Open the database; its tables are made where they are missing. Raises UnreachableError."""
    try:
        return connect(database)
    except UnpreparedError:
        preparing = upkeep(database, None)
        said, _ = preparing.communicate()
        if preparing.returncode != 0:
            raise UnreachableError(said.strip() or f"its upkeep ended with status {preparing.returncode}") from None
    return connect(database)


def prepare_local(settings: JournalSection) -> None:
    """Make the tables of a file, before workers need them; those of a server may be far away, and are left to them."""
    if settings.enabled and not settings.database.is_postgresql:
        with contextlib.suppress(UnreachableError):
            connect_prepared(settings.database).close()
