"""Connections shared out evenly between the workers of one address.

All workers wait on one listening socket, and whoever wakes first accepts. Left alone, that is a random walk: a worker
with more connections than the others answers each of them later, and is as likely as they are to get the next one. So
one that is ahead does not accept until the others have caught up. Nor does one that has hardly a descriptor left: what
it cannot accept waits in the queue of the socket, where another worker may take it.
"""

import ctypes
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable

from dmarc_milter.service.descriptors import Descriptors
from dmarc_milter.telemetry.log import logger

TOLERATED_LEAD = 2
"""So many sessions more than the accepting worker with the fewest, and a worker still accepts."""
LOOK_AGAIN = 0.005
"""Seconds after which a worker that does not accept looks at the others again."""
LOOK_FOR_ROOM = 0.25
"""Seconds after which a worker without descriptors looks whether some are free again."""
LOG_SECONDS = 30.0
MAX_BALANCED = 64
"""Workers of one address that are balanced; further ones accept whatever they have."""
_NOT_ACCEPTING = -1


class WorkerSessions:
    """How many sessions each accepting worker of one address has, in memory that forked processes share."""

    def __init__(self) -> None:
        self._sessions = memoryview(mmap.mmap(-1, MAX_BALANCED * 4)).cast("i")
        for worker_number in range(MAX_BALANCED):
            self._sessions[worker_number] = _NOT_ACCEPTING

    def accepts(self, worker_number: int, sessions: int) -> None:
        """The worker of this number accepts, and has so many."""
        if worker_number < MAX_BALANCED:
            self._sessions[worker_number] = sessions

    def leaves(self, worker_number: int) -> None:
        """The worker of this number does not accept for now, or is gone."""
        self.accepts(worker_number, _NOT_ACCEPTING)

    def fewest_beside(self, worker_number: int) -> int | None:
        """The fewest sessions that another accepting worker has; None where no other accepts."""
        if worker_number >= MAX_BALANCED:
            return None
        sessions = self._sessions.tolist()
        sessions[worker_number] = _NOT_ACCEPTING
        return min((each for each in sessions if each != _NOT_ACCEPTING), default=None)


class AcceptGate:
    """What one worker accepts from: the listening socket, or, while it is ahead, a socket that nobody connects to.

    `descriptor` is the one that libmilter polls and accepts from; it is replaced below libmilter. The thread that makes
    the gate is the one that will wait in libmilter's listener.
    """

    def __init__(
        self,
        worker_sessions: WorkerSessions,
        worker_number: int,
        count_sessions: Callable[[], int],
        descriptor: int,
        listening: int,
        parked: int,
        descriptors: Descriptors | None = None,
    ) -> None:
        self._worker_sessions, self._worker_number, self._count_sessions = (
            worker_sessions,
            worker_number,
            count_sessions,
        )
        self._descriptor, self._listening, self._parked = descriptor, listening, parked
        self._descriptors = descriptors or Descriptors()
        self._is_full = False
        self._quiet_until = 0.0
        self._listener = threading.get_ident()
        self._lock = threading.Lock()
        self._is_decision_due = False
        self._is_closed = False
        self._is_shut = threading.Event()
        _let_signal_interrupt(signal.SIGUSR1)

    def start(self) -> None:
        """Accept, and keep looking at the others."""
        self._descriptors.keep_reserve()
        self.note()
        threading.Thread(target=self._look_again, daemon=True).start()

    def note(self) -> None:
        """This worker may have more sessions now, or fewer; those that say nothing take descriptors, too."""
        # Whether there is room again takes long to find out: not at each of a thousand connections that end.
        if not self._is_full:
            self._decide_once()

    def close(self) -> None:
        """Accept nothing more, for good."""
        with self._lock:
            self._descriptors.open_reserve()
            self._is_closed = True
            self._is_shut.clear()
            self._worker_sessions.leaves(self._worker_number)
            os.dup2(self._parked, self._descriptor)

    def _decide_once(self) -> None:
        """Nobody waits for whoever decides at the moment: he sees what has become due meanwhile, and decides again."""
        self._is_decision_due = True
        while self._is_decision_due and self._lock.acquire(blocking=False):
            try:
                self._is_decision_due = False
                self._decide()
            finally:
                self._lock.release()

    def _decide(self) -> None:
        if self._is_closed:
            return
        if not self._has_room():
            return
        fewest = self._worker_sessions.fewest_beside(self._worker_number)
        sessions = self._count_sessions()
        if fewest is None or sessions <= fewest + TOLERATED_LEAD:
            self._worker_sessions.accepts(self._worker_number, sessions)
            if self._is_shut.is_set():
                self._open()
        elif not self._is_shut.is_set():
            self._shut()

    def _has_room(self) -> bool:
        if self._is_full:
            if self._descriptors.are_plentiful():
                self._descriptors.keep_reserve()
                self._is_full = False
        elif self._descriptors.are_scarce(self._parked):
            self._is_full = True
            # First of all: the connections that wait must not find what was kept back.
            self._shut()
            self._descriptors.open_reserve()
            self._complain()
        return not self._is_full

    def _complain(self) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + LOG_SECONDS
            logger.warning("hardly a descriptor is free: no connection is accepted until others have ended")

    def _shut(self) -> None:
        self._worker_sessions.leaves(self._worker_number)
        # A listener that waits already is woken by the next connection, looks the descriptor up anew, and sleeps on.
        os.dup2(self._parked, self._descriptor)
        self._is_shut.set()

    def _open(self) -> None:
        os.dup2(self._listening, self._descriptor)
        # A listener that waits for the parked socket goes on doing so (libmilter: for 5 seconds) unless interrupted.
        signal.pthread_kill(self._listener, signal.SIGUSR1)
        self._is_shut.clear()

    def _look_again(self) -> None:
        """Others may get ahead while nothing changes here; and two that shut at one moment must not both stay shut."""
        while True:
            self._is_shut.wait()
            time.sleep(LOOK_FOR_ROOM if self._is_full else LOOK_AGAIN)
            self._decide_once()


def _let_signal_interrupt(signal_number: int) -> None:
    """Let a signal end a system call and do nothing else.

    Python's own handlers would leave each one to be handled by the main thread, which never comes back to Python. Any C
    function that takes an int and touches nothing is a handler; abs is one.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    libc.signal(signal_number, ctypes.cast(libc.abs, ctypes.c_void_p))
