"""The workers: as many as the settings want for each address, replaced where they end or hang."""

import itertools
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from dmarc_milter.service.accept_gate import WorkerSessions
from dmarc_milter.service.backoff import StartBackoff
from dmarc_milter.service.forking import TRY_AGAIN_SECONDS, fork
from dmarc_milter.service.heartbeat import ALIVE, WORDS, Hang
from dmarc_milter.service.systemd import name_process
from dmarc_milter.service.worker import (
    DRAIN,
    DRAIN_SECONDS,
    JOURNAL_FAILS,
    JOURNAL_SECONDS,
    JOURNAL_WORKS,
    READY,
    STOP,
)
from dmarc_milter.service.worker_process import WorkerProcess
from dmarc_milter.settings.addresses import ListenAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.telemetry import metrics
from dmarc_milter.telemetry.log import logger

LEAVE_SECONDS = 5.0
"""Beyond what a worker that is told to end is given for what is at hand, and for the journal."""
UNBALANCED_SECONDS = 3.0
"""Without a sign of life, and the other workers do not compare themselves with this one any more."""
_TOLD = {word: hang for hang, word in WORDS.items()}


class Listener(NamedTuple):
    """An address with its socket, and the sessions of its workers."""

    address: ListenAddress
    listening: socket.socket
    sessions: WorkerSessions


class Role(Protocol):
    """What a new worker does, in its process. Does not return."""

    def __call__(self, settings: Settings, worker_number: int, listener: Listener, control: socket.socket) -> None:
        """Serve `listener` as the worker `worker_number` until told to end; `control` leads to the supervisor."""


class WorkerCounts(NamedTuple):
    """Workers by state."""

    ready: int
    starting: int
    leaving: int


class WorkerPool:
    """Starts, hears, ends and replaces workers. `in_child` gives up what is the supervisor's, in a forked child."""

    def __init__(
        self,
        settings: Settings,
        listeners: tuple[Listener, ...],
        selector: selectors.BaseSelector,
        counted: metrics.SupervisorMetrics,
        role: Role,
        in_child: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._selector = selector
        self._counted = counted
        self._role = role
        self._in_child = in_child
        self._workers: dict[int, WorkerProcess] = {}
        self._is_stopping = False
        self._lost_records: dict[int, int] = {}
        """By number of the worker, since the start."""
        self.backoff = StartBackoff()

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[WorkerProcess]:
        return iter(self._workers.values())

    @property
    def counts(self) -> WorkerCounts:
        """How many there are now."""
        ready = sum(each.is_ready and not each.is_leaving for each in self)
        leaving = sum(each.is_leaving for each in self)
        return WorkerCounts(ready, len(self) - ready - leaving, leaving)

    @property
    def can_write_journal(self) -> bool:
        """Whether every worker could, when it tried last; who has died says nothing any more."""
        return all(each.can_write_journal for each in self)

    @property
    def is_complete(self) -> bool:
        """Whether all workers that the settings want are ready."""
        return self.counts.ready >= self._per_address * len(self._listeners) and self.counts.starting == 0

    @property
    def leave_within(self) -> float:
        """Seconds that a worker may take to end: for the messages at hand, and for the journal."""
        return self._settings.milter.drain_seconds + JOURNAL_SECONDS + LEAVE_SECONDS

    @property
    def _per_address(self) -> int:
        return self._settings.milter.workers or os.cpu_count() or 1

    def start_missing(self) -> None:
        """Have as many as the settings want, as far as the system lets us."""
        if self._is_stopping or not self.backoff.may_start(time.monotonic()):
            return
        for index in range(len(self._listeners)):
            staying = sum(each.address_index == index and not each.is_leaving for each in self)
            for _ in range(self._per_address - staying):
                if not self._start(index):
                    self.backoff.postpone(time.monotonic() + TRY_AGAIN_SECONDS)
                    return

    def _start(self, index: int) -> bool:
        """Whether there is a worker more."""
        taken = {each.worker_number for each in self}
        worker_number = next(each for each in itertools.count() if each not in taken)
        forked = fork("a worker")
        if forked is None:
            return False
        pid, ours, theirs = forked
        if pid == 0:
            self._become_worker(index, worker_number, ours, theirs)
        theirs.close()
        leave_within = DRAIN_SECONDS + self.leave_within
        worker = WorkerProcess(pid, index, worker_number, ours, time.monotonic(), leave_within)
        self._workers[pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return True

    def _become_worker(self, index: int, worker_number: int, ours: socket.socket, theirs: socket.socket) -> None:
        try:
            ours.close()
            self._in_child()
            name_process("milter-worker")
            self._role(self._settings, worker_number, self._listeners[index], theirs)
        except Exception:  # noqa: BLE001 - a forked child must never run on into the supervisor's code
            logger.exception("worker could not start")
        finally:
            os._exit(1)

    def close_in_child(self) -> None:
        """In a forked child: what is said to the workers is not the child's."""
        for worker in self:
            worker.control.close()

    def hear(self, worker: WorkerProcess) -> None:
        """It has something to say."""
        said = worker.hear()
        if said == READY:
            worker.is_ready = True
        elif said == ALIVE:
            worker.silent = 0.0
        elif said in (JOURNAL_WORKS, JOURNAL_FAILS):
            worker.can_write_journal = said == JOURNAL_WORKS
        elif said in _TOLD:
            self._end(worker, _TOLD[said])
        else:
            self._forget_control(worker)

    def end_hanging(self, seconds: float) -> None:
        """So much time has passed: end workers that hang by force."""
        for worker in self:
            worker.spend(seconds)
            if worker.silent >= UNBALANCED_SECONDS:
                self._listeners[worker.address_index].sessions.leaves(worker.worker_number)
            hang = worker.find_hang()
            if hang is not None:
                self._end(worker, hang)

    def _end(self, worker: WorkerProcess, hang: Hang) -> None:
        if worker.hang is None:
            worker.hang = hang
            self._counted.hung(hang.label)
            logger.error("worker %d hangs (%s) and is ended by force", worker.pid, hang.value)
        worker.kill()

    def renew(self, settings: Settings) -> None:
        """Workers with other settings take the place of these, which leave when the new ones are ready."""
        self._settings = settings
        for worker in self:
            if worker.is_told_to_leave:
                # One generation of old workers may take its time, not one per reload.
                worker.tell(STOP)
            worker.is_leaving = True
        self.backoff.reset()

    def let_leave(self) -> None:
        """Have those end that others have taken the place of."""
        for worker in self:
            if worker.is_leaving and not worker.is_told_to_leave:
                worker.tell(DRAIN)
                worker.is_told_to_leave = True

    def stop(self) -> None:
        """Have all of them end, and start no more."""
        self._is_stopping = True
        for worker in self:
            worker.tell(STOP)

    def kill(self) -> None:
        """End all of them by force."""
        for worker in self:
            worker.kill()

    def reap(self) -> None:
        """Take note of those that have ended."""
        for pid in list(self._workers):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended:
                self._on_end(self._workers.pop(pid), status)

    def _on_end(self, worker: WorkerProcess, status: int) -> None:
        self._forget_control(worker)
        self._listeners[worker.address_index].sessions.leaves(worker.worker_number)
        metrics.forget_gauges(worker.worker_number)
        self._count_lost_records(worker)
        if worker.is_leaving or self._is_stopping:
            return
        self._counted.restarted()
        now = time.monotonic()
        self.backoff.note_end(now, now - worker.started, was_ready=worker.is_ready)
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        logger.error("worker %d %s; starting another", worker.pid, how)

    def _count_lost_records(self, worker: WorkerProcess) -> None:
        """What a worker had not written into the journal when it died; known since is what those before it lost."""
        unwritten = metrics.unwritten_records(worker.worker_number)
        lost = unwritten - self._lost_records.get(worker.worker_number, 0)
        self._lost_records[worker.worker_number] = unwritten
        if lost > 0:
            self._counted.lost_records(lost)
            logger.error("worker %d died with %d records that are not in the journal", worker.pid, lost)

    def _forget_control(self, worker: WorkerProcess) -> None:
        if worker.control.fileno() >= 0:
            self._selector.unregister(worker.control)
            worker.control.close()
