"""The parent process: opens the socket, keeps workers alive, reloads, ends. It has no threads, so it may fork."""

import contextlib
import errno
import os
import selectors
import signal
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from dmarc_milter.config import ConfigError, InetAddress, ListenAddress, Settings, UnixAddress
from dmarc_milter.log import logger
from dmarc_milter.milter.service import DRAIN, READY, STOP, work

BACKLOG = 511
SHORT_LIFE = 5.0
"""Seconds. A worker that ends sooner counts as a failed start."""
MAX_FAILED_STARTS = 8
"""In a row; then the whole service ends, for something is wrong that trying again does not mend."""
MAX_DELAY = 15.0


class ListenError(Exception):
    """The listening socket cannot be opened; the text is one line that names the address."""


def open_socket(address: ListenAddress, mode: int) -> socket.socket:
    """A listening socket. Raises ListenError."""
    try:
        return _open_unix(address, mode) if isinstance(address, UnixAddress) else _open_inet(address)
    except OSError as error:
        why = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(f"cannot listen on {address}: {why}") from None


def _open_inet(address: InetAddress) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by what is accepted. Without it an edit and the final answer, two small packets, wait 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _listen(listening, (address.host, address.port))


def _open_unix(address: UnixAddress, mode: int) -> socket.socket:
    _remove_stale(address.path)
    listening = socket.socket(socket.AF_UNIX)
    old = os.umask(0o777 & ~mode)
    try:
        return _listen(listening, address.path)
    finally:
        os.umask(old)


def _listen(listening: socket.socket, where: str | tuple[str, int]) -> socket.socket:
    try:
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    # Several processes wait on it; those that come too late to accept must not be stuck there.
    listening.setblocking(False)
    return listening


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is left from a crash."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket is in the way")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@dataclass(slots=True)
class _Worker:
    pid: int
    control: socket.socket
    started: float
    is_ready: bool = False
    is_leaving: bool = False


class Supervisor:
    """Runs the service until a signal ends it."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reload = reload
        self._address = settings.milter.listen
        self._socket = open_socket(self._address, int(settings.milter.socket_mode, 8))
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._is_stopping = False
        self._failed_starts = 0
        self._start_again_at = 0.0
        self._is_announced = False

    def run(self) -> int:
        """The exit status."""
        wake, waker = socket.socketpair()
        for end in (wake, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signals.append(number))
        self._selector.register(wake, selectors.EVENT_READ)
        try:
            return self._loop(wake)
        finally:
            if isinstance(self._address, UnixAddress):
                with contextlib.suppress(OSError):
                    os.unlink(self._address.path)

    def _loop(self, wake: socket.socket) -> int:
        killing_at = float("inf")
        while True:
            self._start_missing()
            if self._is_stopping and killing_at == float("inf"):
                killing_at = time.monotonic() + self._settings.milter.drain_seconds + 5
            if self._is_stopping and not self._workers:
                return 0
            if self._failed_starts >= MAX_FAILED_STARTS and not self._workers:
                logger.critical("%d workers in a row ended at once; giving up", self._failed_starts)
                return 1
            if time.monotonic() >= killing_at:
                self._kill_all()
            for key, _ in self._selector.select(self._patience(killing_at)):
                if key.fileobj is wake:
                    wake.recv(512)
                else:
                    self._hear(key.data)
            self._handle_signals()
            self._reap()

    def _patience(self, killing_at: float) -> float | None:
        now = time.monotonic()
        waits = [each - now for each in (self._start_again_at, killing_at) if now < each < float("inf")]
        return max(0.01, min(waits)) if waits else None

    @property
    def _wanted(self) -> int:
        return self._settings.milter.workers or os.cpu_count() or 1

    def _start_missing(self) -> None:
        if self._is_stopping or time.monotonic() < self._start_again_at:
            return
        if self._failed_starts >= MAX_FAILED_STARTS:
            return
        staying = sum(not each.is_leaving for each in self._workers.values())
        for _ in range(self._wanted - staying):
            self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._become_worker(ours, theirs)
        theirs.close()
        worker = _Worker(pid, ours, time.monotonic())
        self._workers[pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _become_worker(self, ours: socket.socket, theirs: socket.socket) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C at a terminal goes to the supervisor alone, which then ends its workers in good order.
            os.setpgid(0, 0)
            ours.close()
            for worker in self._workers.values():
                worker.control.close()
            self._selector.close()
            work(self._settings, self._address, self._socket, theirs)
        except Exception:  # noqa: BLE001 - a forked child must never run on into the supervisor's code
            logger.exception("worker could not start")
        finally:
            os._exit(status)

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.control.recv(1)
        except OSError:
            said = b""
        if said == READY:
            worker.is_ready = True
            self._on_ready()
        else:
            self._selector.unregister(worker.control)
            worker.control.close()

    def _on_ready(self) -> None:
        staying = [each for each in self._workers.values() if not each.is_leaving]
        if all(each.is_ready for each in staying) and len(staying) >= self._wanted:
            if not self._is_announced:
                self._is_announced = True
                logger.info("serving on %s with %d workers", self._address, len(staying))
            for each in self._workers.values():
                if each.is_leaving:
                    _say(each, DRAIN)

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
        self._is_stopping = True
        for each in self._workers.values():
            _say(each, STOP)

    def _take_new_settings(self) -> None:
        """Check first: settings with an error change nothing. New workers are ready before the old ones drain."""
        if self._is_stopping:
            return
        try:
            settings = self._reload()
            if settings.milter.listen != self._address:
                raise ConfigError("milter.listen cannot change while serving; restart instead")
        except ConfigError as error:
            logger.error("settings not reloaded: %s", error)
            return
        self._settings = settings
        for each in self._workers.values():
            each.is_leaving = True
        self._failed_starts = 0
        self._is_announced = False
        logger.info("settings reloaded")

    def _reap(self) -> None:
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
        if worker.is_leaving or self._is_stopping:
            return
        lived = time.monotonic() - worker.started
        self._failed_starts = self._failed_starts + 1 if lived < SHORT_LIFE else 0
        delay = min(MAX_DELAY, 0.1 * 2**self._failed_starts) if self._failed_starts else 0.0
        self._start_again_at = time.monotonic() + delay
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        logger.error("worker %d %s; starting another", worker.pid, how)

    def _kill_all(self) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _say(worker: _Worker, order: bytes) -> None:
    with contextlib.suppress(OSError):
        worker.control.send(order)
