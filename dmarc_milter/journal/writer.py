"""Writing the journal beside the mail: a bounded queue and one thread, in batches.

The mail never waits for the database. While it cannot be reached, records wait in the queue and the batch is tried
again; what finds no room is dropped, counted and logged.
"""

import contextlib
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable

from dmarc_milter.columns.column import Row
from dmarc_milter.journal.failures import Failure, FailureLimit
from dmarc_milter.journal.insertion import Insertion, RefusedError, UnreachableError
from dmarc_milter.journal.location import database
from dmarc_milter.journal.preparation import connect_prepared
from dmarc_milter.journal.reported import reported
from dmarc_milter.journal.row import row
from dmarc_milter.judging.failure import FailureCase
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.telemetry.log import logger

BATCH = 2_000
COLLECT_SECONDS = 0.2
"""How long a batch is waited for: a record is in the journal that much later."""
IDLE_SECONDS = 5.0
MAX_DELAY = 2.0
"""Seconds between two tries: what waits in memory is lost with a worker that is killed."""
LOG_SECONDS = 30.0
_WAKE = None
"""In the queue: no record, but a reason to look whether it is over."""


class Writer:
    """Takes records at once, writes them soon.

    `note` is told (outcome, count): "written" or "dropped". `on_state` is told whether the journal can be written: when
    it cannot for the first time, and when it can again.
    """

    def __init__(
        self,
        settings: JournalSection,
        worker_number: int,
        note: Callable[[str, int], None],
        on_state: Callable[[bool], None] = lambda can_be_written: None,
        *,
        counts_for_reports: bool = False,
        failures_per_hour: int = 0,
    ) -> None:
        self._settings = settings
        self._failures = FailureLimit(failures_per_hour)
        self._counts_for_reports = counts_for_reports
        self._worker_number = worker_number
        self._note = note
        self._on_state = on_state
        self._failures_lock = threading.Lock()
        self._failing_since: float | None = None
        self._trouble = ""
        self._dropped_meanwhile = 0
        self._queue: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._in_hand = 0
        self._was_woken = False
        self._is_closing = threading.Event()
        self._database: Insertion | None = None
        self._was_tried = False
        self._host = socket.gethostname()
        self._run = secrets.token_hex(8)
        self._count = 0
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        is_wake_up_queued = self._is_closing.is_set() and not self._was_woken
        return max(0, self._in_hand + self._queue.qsize() - is_wake_up_queued)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, told: Row) -> None:
        """Take what is told of one message; drop it where too many wait."""
        if self._queue.qsize() >= self._settings.queue:
            self._dropped_meanwhile += 1
            self._note("dropped", 1)
            self._complain(f"{self._settings.queue} records wait, more are dropped")
            return
        self._queue.put(self._limited(told) if told["failure"] is not None else told)

    def _limited(self, told: Row) -> Row:
        """What waits in memory is bounded, however much mail fails."""
        case: FailureCase = told["failure"]
        with self._failures_lock:
            incidents = self._failures.take(case.policy_domain, case.arrived)
        return {**told, "failure": Failure(case, incidents) if incidents else None}

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most."""
        self._is_closing.set()
        self._queue.put(_WAKE)
        self._thread.join(seconds)
        left = self.waiting
        if self._thread.is_alive() and left:
            self._note("dropped", left)
            lost, self._dropped_meanwhile = left + self._dropped_meanwhile, 0
            why = f" ({self._trouble})" if self._trouble else ""
            logger.error("journal: %d records could not be written%s", lost, why)

    def _work(self) -> None:
        while not (self._is_closing.is_set() and self._queue.empty()):
            try:
                self._connect_early()
                self._write(self._collect())
            except Exception:  # noqa: BLE001 - a bug here must not end the journal
                logger.exception("error in the journal")
                time.sleep(1)
        # The last to close SQLite's file puts all of it into one: its group can read that.
        self._disconnect()

    def _collect(self) -> list[Row]:
        """The next batch as rows. The thread wakes for the first record of a batch only, not for each."""
        try:
            waiting = [self._queue.get(timeout=IDLE_SECONDS)]
        except queue.Empty:
            return []
        self._in_hand = len(waiting)
        if not self._is_behind:
            self._is_closing.wait(COLLECT_SECONDS)
        with contextlib.suppress(queue.Empty):
            while len(waiting) < BATCH:
                waiting.append(self._queue.get_nowait())
        rows = [self._row(each) for each in waiting if each is not _WAKE]
        self._was_woken = len(rows) < len(waiting)
        self._in_hand = len(rows)
        return rows

    def _row(self, told: Row) -> Row:
        self._count += 1
        made = row(
            told,
            uid=f"{self._run}{self._count:x}",
            host=self._host,
            worker_number=self._worker_number,
            addresses=self._settings.addresses,
        )
        if self._counts_for_reports:
            made["reported"] = reported(told)
            made["failure"] = told["failure"]
        return made

    def _write(self, rows: list[Row]) -> None:
        """Until it is written: each row has a key of its own, so trying again writes none twice."""
        delay = 0.1
        while rows:
            try:
                self._connected().insert(rows)
            except RefusedError as error:
                rows = self._without_refused(rows, error)
                continue
            except UnreachableError as error:
                self._fail(error)
                self._disconnect()
                # Even while closing: whoever closes waits no longer than it wants to.
                time.sleep(delay)
                delay = min(MAX_DELAY, delay * 2)
            else:
                self._note("written", len(rows))
                if self._is_behind and self._queue.empty():
                    self._recover()
                break
        self._in_hand = 0

    def _fail(self, error: UnreachableError) -> None:
        self._trouble = str(error)
        self._complain(f"cannot write: {error}; trying again")
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            self._on_state(False)

    @property
    def _is_behind(self) -> bool:
        """Whether what waited while nothing could be written is not all written yet."""
        return self._failing_since is not None

    def _recover(self) -> None:
        assert self._failing_since is not None
        seconds = time.monotonic() - self._failing_since
        dropped, self._dropped_meanwhile = self._dropped_meanwhile, 0
        logger.info("journal: can be written again after %.0f s; %d records were dropped meanwhile", seconds, dropped)
        self._failing_since, self._trouble = None, ""
        # The next trouble is told at once.
        self._quiet_until = 0.0
        self._on_state(True)

    def _without_refused(self, rows: list[Row], error: RefusedError) -> list[Row]:
        """Halve the batch until the row that is refused is alone."""
        if len(rows) > 1:
            middle = len(rows) // 2
            self._write(rows[:middle])
            return rows[middle:]
        self._note("dropped", 1)
        self._complain(f"a record was refused: {error}")
        return []

    def _connect_early(self) -> None:
        """The first record should not wait for tables to be made."""
        if not self._was_tried:
            self._was_tried = True
            with contextlib.suppress(UnreachableError):
                self._connected()

    def _connected(self) -> Insertion:
        if self._database is None:
            self._database = connect_prepared(database(self._settings))
        return self._database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None

    def _complain(self, text: str) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + LOG_SECONDS
            logger.error("journal: %s", text)
