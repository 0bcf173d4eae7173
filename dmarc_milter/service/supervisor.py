"""The parent process: opens the sockets, keeps workers alive, reloads, ends. It has no threads, so it may fork."""

import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.journal.preparation import prepare_local
from dmarc_milter.service.accept_gate import WorkerSessions
from dmarc_milter.service.descriptors import raise_limit
from dmarc_milter.service.heartbeat import LOOK_SECONDS, Hang, RunningTime
from dmarc_milter.service.memory import use_one_arena
from dmarc_milter.service.metrics_process import MetricsProcess
from dmarc_milter.service.pruning_process import PruningProcess
from dmarc_milter.service.report import Report
from dmarc_milter.service.signals import Signals
from dmarc_milter.service.socket_store import SocketStore
from dmarc_milter.service.sockets import ListenError, open_socket, remove
from dmarc_milter.service.systemd import Notifier
from dmarc_milter.service.worker import work
from dmarc_milter.service.worker_pool import LEAVE_SECONDS, Listener, WorkerPool
from dmarc_milter.settings.addresses import ListenAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.telemetry import log, metrics
from dmarc_milter.telemetry.log import logger

_FIXED = ("listen", "socket_mode", "socket_group")
"""What of [milter] is settled when the sockets are opened."""


class Supervisor:
    """Runs the service until a signal ends it."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings], config: Path | None = None) -> None:
        """`config` is where the settings come from, for whoever asks; `reload` reads them again. Raises ListenError."""
        use_one_arena()
        self._settings = settings
        self._reload = reload
        self._systemd = Notifier()
        self._store = SocketStore(self._systemd)
        self._listeners: tuple[Listener, ...] = ()
        for address in settings.milter.listen:
            self._listeners += (Listener(address, self._open(address), WorkerSessions()),)
        self._store.drop_rest()
        self._answers = SharedAnswers()
        self._metrics_folder = Path(tempfile.mkdtemp(prefix="dmarc-milter-metrics-"))
        metrics.prepare(self._metrics_folder)
        counted = metrics.SupervisorMetrics(each.label for each in Hang)
        self._report = Report(settings, config, self._systemd, counted)
        self._selector = selectors.DefaultSelector()
        self._signals = Signals()
        self._metrics_process = MetricsProcess()
        self._pruning = PruningProcess()
        self._pool = WorkerPool(settings, self._listeners, self._selector, counted, self._work, self._close_in_child)
        self._running_time = RunningTime(time.monotonic())
        self._kill_at: float | None = None
        """When what has not ended by itself is ended, once the service stops."""
        self._is_announced = False

    def _open(self, address: ListenAddress) -> socket.socket:
        try:
            listening = open_socket(address, self._settings.milter, self._store.take(address))
        except ListenError:
            for opened in self._listeners:
                opened.listening.close()
                remove(opened.address)
            raise
        self._store.keep(listening)
        return listening

    def run(self) -> int:
        """The exit status."""
        self._signals.install()
        self._selector.register(self._signals, selectors.EVENT_READ)
        raise_limit()
        prepare_local(self._settings.journal)
        try:
            return self._loop()
        finally:
            self._metrics_process.stop()
            self._pruning.stop()
            self._report.close()
            if not self._store.is_kept:
                for each in self._listeners:
                    remove(each.address)
            shutil.rmtree(self._metrics_folder, ignore_errors=True)

    def _loop(self) -> int:
        while True:
            self._pool.start_missing()
            status = self._exit_status()
            if status is not None:
                return status
            self._systemd.alive()
            self._metrics_process.keep(self._settings, self._close_in_child)
            if self._kill_at is None:
                self._pruning.keep(self._settings.journal, self._settings.report.keep_days)
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is not self._signals:
                    self._pool.hear(key.data)
            self._handle_signals()
            self._end_hanging()
            self._metrics_process.reap()
            self._pool.reap()
            self._report.workers(self._pool.counts._asdict(), can_write_journal=self._pool.can_write_journal)
            self._announce()

    def _exit_status(self) -> int | None:
        """None while the service goes on."""
        if len(self._pool) == 0:
            if self._kill_at is not None:
                return 0
            if self._pool.backoff.has_given_up:
                logger.critical("%d workers in a row ended at once; giving up", self._pool.backoff.failed)
                return 1
        elif self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._pool.kill()
        return None

    def _end_hanging(self) -> None:
        """End processes that hang by force: others take their place."""
        passed = self._running_time.passed(time.monotonic())
        self._pool.end_hanging(passed)
        self._metrics_process.spend(passed)

    def _patience(self) -> float | None:
        """Seconds until there is something to do, whatever happens."""
        now = time.monotonic()
        times = (self._pool.backoff.start_at, self._kill_at or 0.0, self._metrics_process.start_again_at)
        waits = [each - now for each in times if each > now]
        if len(self._pool):
            waits.append(LOOK_SECONDS)
        if self._systemd.watchdog_seconds is not None:
            waits.append(self._systemd.watchdog_seconds)
        return max(0.01, min(waits)) if waits else None

    def _work(self, settings: Settings, worker_number: int, listener: Listener, control: socket.socket) -> None:
        """In a worker's process."""
        work(settings, worker_number, listener.address, listener.listening, listener.sessions, self._answers, control)

    def _close_in_child(self) -> None:
        """In a forked child: give up what is the supervisor's alone."""
        self._signals.restore_in_child()
        # Ctrl-C at a terminal goes to the supervisor alone, which then ends its children in good order.
        os.setpgid(0, 0)
        self._pool.close_in_child()
        self._metrics_process.close_in_child()
        self._selector.close()

    def _announce(self) -> None:
        """Once the workers of these settings are ready, others may leave."""
        if not self._pool.is_complete:
            return
        if not self._is_announced:
            self._is_announced = True
            self._report.ready()
        self._pool.let_leave()

    def _handle_signals(self) -> None:
        for number in self._signals.take():
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP and self._kill_at is None:
                self._take_new_settings()

    def _stop(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._pool.leave_within
            self._report.stopping(self._pool.leave_within + LEAVE_SECONDS)
        self._pool.stop()

    def _take_new_settings(self) -> None:
        """Check first: settings with an error change nothing. New workers are ready before the old ones drain."""
        self._report.reloading()
        try:
            settings = self._reload()
            self._check_fixed(settings)
        except ConfigError as error:
            self._report.refused(str(error))
            return
        before, self._settings = self._settings, settings
        # Other name servers may answer otherwise.
        self._answers = SharedAnswers()
        log.set_up(settings.log.format)
        self._report.taken(before, settings)
        self._metrics_process.renew()
        self._pruning.renew(before.journal, settings.journal)
        self._pool.renew(settings)
        self._is_announced = False

    def _check_fixed(self, settings: Settings) -> None:
        for key in _FIXED:
            if getattr(settings.milter, key) != getattr(self._settings.milter, key):
                raise ConfigError(f"milter.{key} cannot change while serving; restart instead")
