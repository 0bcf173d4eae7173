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
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from dmarc_milter.config import JournalSettings
from dmarc_milter.journal.database import DatabaseError, open_engine
from dmarc_milter.journal.row import Row, row
from dmarc_milter.journal.schema import SchemaError, messages, prepare
from dmarc_milter.log import logger
from dmarc_milter.record import Record

BATCH = 2_000
COLLECT_SECONDS = 0.2
"""How long a batch is waited for: a record is in the journal that much later."""
IDLE_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
PRUNE_ROWS = 5_000
MAX_DELAY = 15.0
LOG_SECONDS = 30.0


class Writer:
    """Takes records at once, writes them soon. `note` is told (outcome, count)."""

    def __init__(self, settings: JournalSettings, worker: int, note: Callable[[str, int], None]) -> None:
        self._settings = settings
        self._worker = worker
        self._note = note
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        """None wakes the thread."""
        self._in_hand = 0
        self._is_closing = threading.Event()
        self._engine: Engine | None = None
        self._host = socket.gethostname()
        self._run = secrets.token_hex(8)
        self._count = 0
        self._prune_at = time.monotonic() + 60
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, record: Record) -> None:
        """Take one record; drop it where too many wait."""
        if self._queue.qsize() >= self._settings.queue:
            self._note("dropped", 1)
            self._complain(f"{self._settings.queue} records wait, more are dropped")
            return
        self._queue.put(record)

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most."""
        self._is_closing.set()
        self._queue.put(None)
        self._thread.join(seconds)
        left = self._in_hand + self._queue.qsize()
        if self._thread.is_alive() and left:
            self._note("dropped", left)
            logger.error("journal: %d records could not be written", left)

    def _work(self) -> None:
        while not (self._is_closing.is_set() and self._queue.empty()):
            try:
                self._write(self._collect())
                self._prune()
            except Exception:  # noqa: BLE001 - a bug here must not end the journal
                logger.exception("error in the journal")
                time.sleep(1)

    def _collect(self) -> list[Row]:
        """The next batch as rows. The thread wakes for the first record of a batch only, not for each."""
        try:
            waiting = [self._queue.get(timeout=IDLE_SECONDS)]
        except queue.Empty:
            return []
        self._is_closing.wait(COLLECT_SECONDS)
        with contextlib.suppress(queue.Empty):
            while len(waiting) < BATCH:
                waiting.append(self._queue.get_nowait())
        rows = [self._row(each) for each in waiting if each is not None]
        self._in_hand = len(rows)
        return rows

    def _row(self, record: Record) -> Row:
        self._count += 1
        return row(
            record,
            uid=f"{self._run}{self._count:x}",
            host=self._host,
            worker=self._worker,
            addresses=self._settings.addresses,
        )

    def _write(self, rows: list[Row]) -> None:
        """Until it is written: each row has a key of its own, so trying again writes none twice."""
        delay = 0.1
        while rows:
            try:
                with self._connected().begin() as connection:
                    connection.execute(self._insert(), rows)
            except (sa.exc.DataError, sa.exc.IntegrityError) as error:
                rows = self._without_refused(rows, error)
                continue
            except (sa.exc.SQLAlchemyError, DatabaseError, SchemaError) as error:
                self._complain(f"cannot write: {_one_line(error)}; trying again")
                self._disconnect()
                # Even while closing: whoever closes waits no longer than it wants to.
                time.sleep(delay)
                delay = min(MAX_DELAY, delay * 2)
            else:
                self._note("written", len(rows))
                break
        self._in_hand = 0

    def _without_refused(self, rows: list[Row], error: Exception) -> list[Row]:
        """The database refuses a row for what is in it, now and always: halve the batch until that one is alone."""
        if len(rows) > 1:
            middle = len(rows) // 2
            self._write(rows[:middle])
            return rows[middle:]
        self._note("dropped", 1)
        self._complain(f"a record was refused: {_one_line(error)}")
        return []

    def _connected(self) -> Engine:
        if self._engine is None:
            engine = open_engine(self._settings.database, create=True)
            prepare(engine)
            self._engine = engine
        return self._engine

    def _disconnect(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    def _insert(self) -> Any:
        dialect = postgresql if self._connected().dialect.name == "postgresql" else sqlite
        return dialect.insert(messages).on_conflict_do_nothing()

    def _prune(self) -> None:
        """Forget what is older than keep_days; one worker a host does it, a bounded number of rows at a time."""
        if self._worker != 0 or not self._settings.keep_days or time.monotonic() < self._prune_at:
            return
        try:
            deleted = prune(self._connected(), self._settings.keep_days, PRUNE_ROWS)
        except (sa.exc.SQLAlchemyError, DatabaseError, SchemaError) as error:
            self._complain(f"cannot forget old records: {_one_line(error)}")
            deleted = 0
        self._prune_at = time.monotonic() + (1 if deleted == PRUNE_ROWS else PRUNE_SECONDS)

    def _complain(self, text: str) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + LOG_SECONDS
            logger.error("journal: %s", text)


def prune(engine: Engine, keep_days: float, most: int) -> int:
    """Delete at most `most` rows that are older than `keep_days`; returns how many there were."""
    old = sa.select(messages.c.uid).where(messages.c.time < time.time() - keep_days * 86_400).limit(most)
    with engine.begin() as connection:
        return int(connection.execute(messages.delete().where(messages.c.uid.in_(old))).rowcount)


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
