"""The upkeep of the journal: by a process of its own, once an hour, for the whole service."""

import time
from subprocess import Popen

from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.journal.location import database
from dmarc_milter.journal.preparation import upkeep
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.telemetry.log import logger

FIRST_SECONDS = 60.0
"""After the start: mail goes first."""
PRUNE_SECONDS = 3_600.0
REPORT_DAYS = 30
"""Days for which reports are kept, where nobody says otherwise."""
MAX_SECONDS = 1_800.0
"""What it may take; then it is ended, and the rest is left to the next one."""


class PruningProcess:
    """At most one process at a time."""

    def __init__(self) -> None:
        self._process: Popen[str] | None = None
        self._started = 0.0
        self.due = time.monotonic() + FIRST_SECONDS
        """``time.monotonic()``"""

    def keep(self, journal: JournalSection, report_days: float = REPORT_DAYS) -> None:
        """Start it where it is time, and take note of its end."""
        now = time.monotonic()
        if self._process is not None:
            self._look(self._process, now)
        elif journal.enabled and now >= self.due:
            self.due = now + PRUNE_SECONDS
            self._started = now
            try:
                self._process = upkeep(database(journal), journal.keep_days, report_days)
            except UnreachableError as error:
                _complain(str(error))

    def _look(self, process: "Popen[str]", now: float) -> None:
        if process.poll() is None:
            if now - self._started >= MAX_SECONDS:
                _complain(f"it took more than {MAX_SECONDS / 60:.0f} min; the rest is left to the next hour")
                self.stop()
            return
        said, _ = process.communicate()
        if process.returncode != 0:
            _complain(said.strip() or f"it ended with status {process.returncode}")
        self._process = None

    def renew(self, before: JournalSection, after: JournalSection) -> None:
        """The settings have changed: other days, another database or another password count at once."""
        if any(getattr(before, each) != getattr(after, each) for each in ("keep_days", "database", "password_file")):
            self.due = time.monotonic()

    def stop(self) -> None:
        """End it: each of its batches is whole or not at all."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _complain(text: str) -> None:
    logger.error("journal: its upkeep failed: %s", text)
