"""What all sessions of one worker share."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.table import told
from dmarc_milter.common.text import printable
from dmarc_milter.judging.record import MessageRecord
from dmarc_milter.judging.site import Site
from dmarc_milter.telemetry.log import logger

Observer = Callable[[Row], None]
"""Is told every message, as a row that it does not change."""

MAX_QUEUE_ID = 64


class Lock(Protocol):
    """As much of a ``threading.Lock`` as the throttle needs."""

    def acquire(self, *, timeout: float) -> bool:
        """Wait for it, `timeout` seconds at most; whether it was got."""

    def release(self) -> None:
        """By whoever has it."""


class HeaderThrottle:
    """One message at a time has its header read; the others wait, as long as that is no loss.

    MTAs that wait for no replies hand a header over in one go, and libmilter calls for every field of it. Threads that
    read several at a time pass the interpreter's lock to and fro at every call, a tenth of all CPU. It is no lock that
    keeps anything right: whoever has waited for `PATIENCE` goes on without, for the MTA of another message may
    have stopped midway.
    """

    PATIENCE = 0.05
    """Seconds."""

    def __init__(self, lock: Lock | None = None) -> None:
        self._taken: Lock = lock or threading.Lock()

    def acquire(self) -> bool:
        """Wait for it; False after PATIENCE."""
        return self._taken.acquire(timeout=self.PATIENCE)

    def release(self) -> None:
        """By whoever has it, once."""
        self._taken.release()


class Watched(Protocol):
    """A session, as seen from another thread."""

    thread: int
    """The thread (the system's number) that runs a callback for it; 0 while none does."""
    callbacks: int
    """How many callbacks have begun."""
    idle_since: float
    """When the last message ended, or the connection began: a time of ``time.monotonic()``."""


class WorkerState:
    """What judges, and whoever wants to be told what became of a message."""

    def __init__(
        self,
        site: Site,
        observers: Sequence[Observer] = (),
        on_exception: Callable[[], None] = lambda: None,
        on_missing_action: Callable[[str], None] = lambda action: None,
        *,
        is_over_network: bool = False,
    ) -> None:
        self.site = site
        self.is_over_network = is_over_network
        """Whether MTAs connect by inet, and not by a unix socket."""
        self.header_throttle = HeaderThrottle()
        self.note_exception = on_exception
        """Called for every exception that a callback caught."""
        self.negotiated = (0, 0)
        """Actions and steps, with the MTA that connected last."""
        self.sessions: set[Watched] = set()
        """All connections of this worker."""
        self.messages: set[Watched] = set()
        """Those that have a message at hand."""
        self.on_sessions: Callable[[], None] = lambda: None
        """Called whenever a connection has come or gone, by its thread."""
        self._on_missing_action = on_missing_action
        self._missing_actions: set[str] = set()
        self._observers = observers

    # Adding to a set, and asking how large it is, needs no lock. With one, threads queue up for it that wait for the
    # interpreter as well: a tenth of the time of a busy worker.

    def begin_session(self, session: Watched) -> None:
        """An MTA has connected."""
        self.sessions.add(session)
        self.on_sessions()

    def end_session(self, session: Watched) -> None:
        """Its connection has ended."""
        self.sessions.discard(session)
        self.on_sessions()

    def is_quiet(self, seconds: float) -> bool:
        """Whether no message is at hand, nor about to begin: no connection has had its last one within `seconds`."""
        if self.messages:
            return False
        now = time.monotonic()
        return all(session.idle_since <= now - seconds for session in self.sessions.copy())

    def note_missing_action(self, action: str) -> None:
        """A connection of an MTA that does not let us do this: counted, and logged once."""
        self._on_missing_action(action)
        if action not in self._missing_actions:
            self._missing_actions.add(action)
            logger.warning("the MTA does not let its filters %s", action.replace("_", " "))

    def tell(self, record: MessageRecord) -> None:
        """Tell every observer. The message has been judged: what fails here must not change its answer."""
        if not self._observers:
            return
        try:
            row = told(record)
        except Exception:  # noqa: BLE001 - see above
            self._note_untold(record)
            return
        for observer in self._observers:
            try:
                observer(row)
            except Exception:  # noqa: BLE001 - see above
                self._note_untold(record)

    def _note_untold(self, record: MessageRecord) -> None:
        logger.exception("error while recording %s", printable(record.queue_id, MAX_QUEUE_ID))
        self.note_exception()
