"""The parent process: opens the sockets, keeps workers alive, reloads, ends. It has no threads, so it may fork."""

import contextlib
import hashlib
import itertools
import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dmarc_milter.common.version import VERSION
from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.journal.preparation import prepare_local
from dmarc_milter.service.accept_gate import WorkerSessions
from dmarc_milter.service.descriptors import raise_limit
from dmarc_milter.service.forking import TRY_AGAIN_SECONDS, fork
from dmarc_milter.service.heartbeat import ALIVE, LOOK_SECONDS, SILENT_SECONDS, WORDS, Hang, RunningTime
from dmarc_milter.service.metrics_process import MetricsProcess
from dmarc_milter.service.socket_store import SocketStore
from dmarc_milter.service.sockets import ListenError, open_socket, remove
from dmarc_milter.service.state import Reload, ReloadOutcome, ServiceState, StateFile
from dmarc_milter.service.systemd import Notifier, name_process
from dmarc_milter.service.worker import (
    DRAIN,
    DRAIN_SECONDS,
    JOURNAL_FAILS,
    JOURNAL_SECONDS,
    JOURNAL_WORKS,
    READY,
    STOP,
    work,
)
from dmarc_milter.settings.addresses import ListenAddress
from dmarc_milter.settings.changes import changes
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.telemetry import log, metrics
from dmarc_milter.telemetry.log import logger

SHORT_LIFE = 5.0
"""Seconds. A worker that ends sooner counts as a failed start."""
MAX_FAILED_STARTS = 8
"""In a row; then the whole service ends, for something is wrong that trying again does not mend."""
MAX_DELAY = 15.0
UNBALANCED_SECONDS = 3.0
"""Without a sign of life, and the other workers do not compare themselves with this one any more."""
START_SECONDS = 15.0
LEAVE_SECONDS = 5.0
"""Beyond what a worker that is told to end is given for what is at hand, and for the journal."""
_FIXED = ("listen", "socket_mode", "socket_group")
"""What of [milter] is settled when the sockets are opened."""


@dataclass(slots=True)
class _Worker:
    pid: int
    place: int
    """Which of the addresses it serves: libmilter knows one a process."""
    slot: int
    """The number under which its metrics are kept; a later worker takes it over with the counts."""
    control: socket.socket
    started: float
    leave_within: float
    """Seconds that it may take to end after it was told to."""
    is_ready: bool = False
    can_write_journal: bool = True
    is_leaving: bool = False
    is_told_to_leave: bool = False
    silent: float = 0.0
    """Seconds since it was ready or gave a sign of life; as those below, of the supervisor's own running time."""
    starting: float = 0.0
    """Seconds until it is ready."""
    leaving: float = 0.0
    """Seconds since it was told to."""
    hang: Hang | None = None
    """Why it was ended by force."""

    def spend(self, seconds: float) -> None:
        """So much time has passed."""
        if self.is_ready:
            self.silent += seconds
        else:
            self.starting += seconds
        if self.is_told_to_leave:
            self.leaving += seconds

    def find_hang(self) -> Hang | None:
        """Whether it hangs by now, and how."""
        if self.silent >= SILENT_SECONDS:
            return Hang.SILENT
        if self.starting >= START_SECONDS:
            return Hang.NOT_READY
        return Hang.NOT_LEAVING if self.leaving >= self.leave_within else None


class Supervisor:
    """Runs the service until a signal ends it."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings], config: Path | None = None) -> None:
        """`config` is where the settings come from, for whoever asks; `reload` reads them again."""
        self._settings = settings
        self._reload = reload
        self._state_file = StateFile()
        self._state = ServiceState(
            version=VERSION,
            pid=os.getpid(),
            started=time.time(),
            config=None if config is None else str(config.absolute()),
            mode=settings.policy.mode,
            addresses=tuple(map(str, settings.milter.listen)),
            settings_digest=_digest(settings),
        )
        self._addresses = settings.milter.listen
        self._systemd = Notifier()
        self._store = SocketStore(self._systemd)
        self._sockets: list[socket.socket] = []
        for address in self._addresses:
            self._sockets.append(self._open(address))
        self._store.drop_rest()
        self._loads = [WorkerSessions() for _ in self._addresses]
        self._answers = SharedAnswers()
        self._metrics_folder = Path(tempfile.mkdtemp(prefix="dmarc-milter-metrics-"))
        metrics.prepare(self._metrics_folder)
        self._metrics = metrics.SupervisorMetrics(_words(each) for each in Hang)
        self._metrics.configured(_digest(settings), time.time())
        self._monitor = MetricsProcess()
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._is_stopping = False
        self._failed_starts = 0
        self._start_again_at = 0.0
        self._is_announced = False
        self._running_time = RunningTime(time.monotonic())

    def _open(self, address: ListenAddress) -> socket.socket:
        try:
            listening = open_socket(address, self._settings.milter, self._store.take(address))
            self._store.keep(listening)
            return listening
        except ListenError:
            for opened in self._addresses[: len(self._sockets)]:
                remove(opened)
            raise

    def run(self) -> int:
        """The exit status."""
        wake, waker = socket.socketpair()
        for end in (wake, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signals.append(number))
        self._selector.register(wake, selectors.EVENT_READ)
        raise_limit()
        prepare_local(self._settings.journal)
        try:
            return self._loop(wake)
        finally:
            self._monitor.stop()
            self._state_file.remove()
            if not self._store.is_kept:
                for address in self._addresses:
                    remove(address)
            shutil.rmtree(self._metrics_folder, ignore_errors=True)

    def _loop(self, wake: socket.socket) -> int:
        killing_at = float("inf")
        while True:
            self._start_missing()
            if self._is_stopping and killing_at == float("inf"):
                killing_at = time.monotonic() + self._leave_within
            if self._is_stopping and not self._workers:
                return 0
            if self._failed_starts >= MAX_FAILED_STARTS and not self._workers:
                logger.critical("%d workers in a row ended at once; giving up", self._failed_starts)
                return 1
            if time.monotonic() >= killing_at:
                self._kill_all()
            self._systemd.alive()
            self._count_workers()
            self._monitor.keep(self._settings, self._close_in_child)
            for key, _ in self._selector.select(self._patience(killing_at)):
                if key.fileobj is wake:
                    wake.recv(512)
                else:
                    self._hear(key.data)
            self._handle_signals()
            self._end_hanging()
            self._reap()

    def _patience(self, killing_at: float) -> float | None:
        now = time.monotonic()
        times = (self._start_again_at, killing_at, self._monitor.start_again_at)
        waits = [each - now for each in times if now < each < float("inf")]
        if self._workers:
            waits.append(LOOK_SECONDS)
        if self._systemd.watchdog_seconds is not None:
            waits.append(self._systemd.watchdog_seconds)
        return max(0.01, min(waits)) if waits else None

    def _count_workers(self) -> None:
        workers = self._workers.values()
        ready = sum(each.is_ready and not each.is_leaving for each in workers)
        leaving = sum(each.is_leaving for each in workers)
        starting = len(workers) - ready - leaving
        self._metrics.workers(ready, starting, leaving)
        self._tell_state(workers={"ready": ready, "starting": starting, "leaving": leaving})

    def _tell_state(self, **changed: Any) -> None:
        self._state = replace(self._state, **changed)
        self._state_file.write(self._state)

    def _tell_reload(self, outcome: ReloadOutcome, error: str = "", changes: tuple[str, ...] = ()) -> None:
        number = self._state.reload.number + 1
        self._tell_state(reload=Reload(number, outcome, time.time(), error, changes))

    @property
    def _worker_count(self) -> int:
        """Workers for each address."""
        return self._settings.milter.workers or os.cpu_count() or 1

    @property
    def _leave_within(self) -> float:
        """Seconds that a worker may take to end: for the messages at hand, and for the journal."""
        return self._settings.milter.drain_seconds + JOURNAL_SECONDS + LEAVE_SECONDS

    def _start_missing(self) -> None:
        if self._is_stopping or time.monotonic() < self._start_again_at:
            return
        if self._failed_starts >= MAX_FAILED_STARTS:
            return
        for place in range(len(self._addresses)):
            staying = sum(each.place == place and not each.is_leaving for each in self._workers.values())
            for _ in range(self._worker_count - staying):
                if not self._start(place):
                    self._start_again_at = time.monotonic() + TRY_AGAIN_SECONDS
                    return

    def _start(self, place: int) -> bool:
        """Whether there is a worker more."""
        taken = {each.slot for each in self._workers.values()}
        slot = next(number for number in itertools.count() if number not in taken)
        forked = fork("a worker")
        if forked is None:
            return False
        pid, ours, theirs = forked
        if pid == 0:
            self._become_worker(place, slot, ours, theirs)
        theirs.close()
        worker = _Worker(pid, place, slot, ours, time.monotonic(), DRAIN_SECONDS + self._leave_within)
        self._workers[pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return True

    def _become_worker(self, place: int, slot: int, ours: socket.socket, theirs: socket.socket) -> None:
        try:
            ours.close()
            self._close_in_child()
            name_process("milter-worker")
            address, listening = self._addresses[place], self._sockets[place]
            work(self._settings, slot, address, listening, self._loads[place], self._answers, theirs)
        except Exception:  # noqa: BLE001 - a forked child must never run on into the supervisor's code
            logger.exception("worker could not start")
        finally:
            os._exit(1)

    def _close_in_child(self) -> None:
        """In a forked child: give up what is the supervisor's alone."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C at a terminal goes to the supervisor alone, which then ends its children in good order.
        os.setpgid(0, 0)
        for worker in self._workers.values():
            worker.control.close()
        self._monitor.close_in_child()
        self._selector.close()

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.control.recv(1)
        except OSError:
            said = b""
        if said == READY:
            worker.is_ready = True
            self._on_ready()
        elif said == ALIVE:
            worker.silent = 0.0
        elif said in (JOURNAL_WORKS, JOURNAL_FAILS):
            worker.can_write_journal = said == JOURNAL_WORKS
            self._tell_status()
        elif said in _TOLD:
            self._end(worker, _TOLD[said])
        else:
            self._selector.unregister(worker.control)
            worker.control.close()

    def _end_hanging(self) -> None:
        """End processes that hang by force: others take their place."""
        passed = self._running_time.passed(time.monotonic())
        self._monitor.spend(passed)
        for worker in self._workers.values():
            worker.spend(passed)
            if worker.silent >= UNBALANCED_SECONDS:
                self._loads[worker.place].leaves(worker.slot)
            hang = worker.find_hang()
            if hang is not None:
                self._end(worker, hang)

    def _end(self, worker: _Worker, hang: Hang) -> None:
        if worker.hang is None:
            worker.hang = hang
            self._metrics.hung(_words(hang))
            logger.error("worker %d hangs (%s) and is ended by force", worker.pid, hang.value)
        _kill(worker.pid)

    def _on_ready(self) -> None:
        staying = [each for each in self._workers.values() if not each.is_leaving]
        if all(each.is_ready for each in staying) and len(staying) >= self._worker_count * len(self._addresses):
            if not self._is_announced:
                self._is_announced = True
                logger.info(self._status)
                self._systemd.ready(self._status)
                if self._state.reload.outcome is ReloadOutcome.TAKEN:
                    self._tell_state(reload=replace(self._state.reload, outcome=ReloadOutcome.DONE))
            for each in self._workers.values():
                if each.is_leaving and not each.is_told_to_leave:
                    _say(each, DRAIN)
                    each.is_told_to_leave = True

    @property
    def _status(self) -> str:
        """One line for people."""
        count = sum(not each.is_leaving for each in self._workers.values())
        serving = f"serving on {', '.join(map(str, self._addresses))} with {count} workers"
        journal = "" if self._state.can_write_journal else "; the journal cannot be written"
        return f"{serving}, mode {self._settings.policy.mode}{journal}"

    def _tell_status(self) -> None:
        """Of the journal; who has died says nothing any more."""
        works = all(each.can_write_journal for each in self._workers.values())
        if works != self._state.can_write_journal:
            self._tell_state(can_write_journal=works)
            self._systemd.status(self._status)

    def _handle_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self._take_new_settings()

    def _stop(self) -> None:
        if not self._is_stopping:
            logger.info("stopping")
            self._systemd.stopping(self._leave_within + LEAVE_SECONDS)
        self._is_stopping = True
        for each in self._workers.values():
            _say(each, STOP)

    def _take_new_settings(self) -> None:
        """Check first: settings with an error change nothing. New workers are ready before the old ones drain."""
        if self._is_stopping:
            return
        self._systemd.reloading()
        try:
            settings = self._reload()
            for key in _FIXED:
                if getattr(settings.milter, key) != getattr(self._settings.milter, key):
                    raise ConfigError(f"milter.{key} cannot change while serving; restart instead")
        except ConfigError as error:
            logger.error("settings not reloaded: %s", error)
            self._systemd.ready(f"serving; settings not reloaded: {error}")
            self._metrics.reloaded("refused")
            self._tell_reload(ReloadOutcome.REFUSED, error=str(error))
            return
        changed = changes(self._settings, settings)
        self._settings = settings
        # Other name servers may answer otherwise.
        self._answers = SharedAnswers()
        log.set_up(settings.log.format)
        self._metrics.reloaded("done")
        self._metrics.configured(_digest(settings), time.time())
        self._monitor.renew()
        for each in self._workers.values():
            if each.is_told_to_leave:
                # One generation of old workers may take its time, not one per reload.
                _say(each, STOP)
            each.is_leaving = True
        self._failed_starts = 0
        self._is_announced = False
        logger.info("settings reloaded, mode %s; %s", settings.policy.mode, "; ".join(changed) or "no change")
        self._tell_state(mode=settings.policy.mode, settings_digest=_digest(settings))
        self._tell_reload(ReloadOutcome.TAKEN, changes=changed)

    def _reap(self) -> None:
        self._monitor.reap()
        for pid in list(self._workers):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended:
                self._on_end(self._workers.pop(pid), status)

    def _on_end(self, worker: _Worker, status: int) -> None:
        if worker.control.fileno() >= 0:
            self._selector.unregister(worker.control)
            worker.control.close()
        self._loads[worker.place].leaves(worker.slot)
        metrics.forget_gauges(worker.slot)
        self._tell_status()
        if worker.is_leaving or self._is_stopping:
            return
        self._metrics.restarted()
        lived = time.monotonic() - worker.started
        has_failed = lived < SHORT_LIFE or not worker.is_ready
        self._failed_starts = self._failed_starts + 1 if has_failed else 0
        delay = min(MAX_DELAY, 0.1 * 2**self._failed_starts) if self._failed_starts else 0.0
        self._start_again_at = time.monotonic() + delay
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        logger.error("worker %d %s; starting another", worker.pid, how)

    def _kill_all(self) -> None:
        for pid in self._workers:
            _kill(pid)


_TOLD = {word: hang for hang, word in WORDS.items()}


def _words(hang: Hang) -> str:
    """As a label of a metric."""
    return hang.name.lower()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _say(worker: _Worker, order: bytes) -> None:
    with contextlib.suppress(OSError):
        worker.control.send(order)


def _digest(settings: Settings) -> str:
    """The start of a hash over all settings, which tells whether two hosts have the same."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:12]
