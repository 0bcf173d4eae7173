"""The supervisor's parts in this process: workers that fail, hang, leave and are replaced; what is told of it."""

import errno
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.journal.insertion import UnreachableError
from dmarc_milter.service import pruning_process, worker_pool
from dmarc_milter.service.accept_gate import WorkerSessions
from dmarc_milter.service.backoff import MAX_DELAY_SECONDS, MAX_FAILED_STARTS, StartBackoff
from dmarc_milter.service.forking import Forked
from dmarc_milter.service.heartbeat import ALIVE, SILENT_SECONDS, WORDS, Hang
from dmarc_milter.service.metrics_process import MetricsProcess
from dmarc_milter.service.pruning_process import FIRST_SECONDS, MAX_SECONDS, PRUNE_SECONDS, PruningProcess
from dmarc_milter.service.report import Report
from dmarc_milter.service.signals import Signals
from dmarc_milter.service.supervisor import Supervisor
from dmarc_milter.service.systemd import Notifier
from dmarc_milter.service.worker import DRAIN, JOURNAL_FAILS, JOURNAL_WORKS, READY, STOP
from dmarc_milter.service.worker_pool import Listener, WorkerPool
from dmarc_milter.service.worker_process import START_SECONDS, WorkerProcess
from dmarc_milter.settings import config
from dmarc_milter.settings.addresses import InetAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.journal import JournalSection
from dmarc_milter.telemetry import metrics


@dataclass
class Counted:
    """What would be counted."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.told.append((name, *arguments))


# When the next worker may be started


@pytest.mark.parametrize(
    ("lives", "failed", "delay"),
    [
        ([], 0, 0.0),
        ([(60.0, True)], 0, 0.0),
        ([(0.1, True)], 1, 0.2),
        ([(60.0, False)], 1, 0.2),
        ([(0.1, True)] * 3, 3, 0.8),
        ([(0.1, True)] * 3 + [(60.0, True)], 0, 0.0),
        ([(0.1, True)] * MAX_FAILED_STARTS, MAX_FAILED_STARTS, MAX_DELAY_SECONDS),
    ],
)
def test_the_more_starts_have_failed_the_later_the_next(
    lives: list[tuple[float, bool]], failed: int, delay: float
) -> None:
    backoff = StartBackoff()
    for lived, was_ready in lives:
        backoff.note_end(100.0, lived, was_ready=was_ready)
    assert (backoff.failed, backoff.has_given_up) == (failed, failed >= MAX_FAILED_STARTS)
    if not backoff.has_given_up:
        assert backoff.may_start(100.0 + delay)
        assert not delay or not backoff.may_start(100.0 + delay / 2)
    backoff.reset()
    assert backoff.may_start(0.0)


# One worker


def process(**changed: Any) -> WorkerProcess:
    return replace(WorkerProcess(1, 0, 0, socket.socket(), 0.0, 10.0), **changed)


@pytest.mark.parametrize(
    ("worker", "seconds", "hang"),
    [
        ({"is_ready": True}, SILENT_SECONDS - 1, None),
        ({"is_ready": True}, SILENT_SECONDS, Hang.SILENT),
        ({}, START_SECONDS - 1, None),
        ({}, START_SECONDS, Hang.NOT_READY),
        ({"is_told_to_leave": True}, 9.0, None),
        ({"is_told_to_leave": True}, 10.0, Hang.NOT_LEAVING),
    ],
)
def test_how_a_worker_hangs(worker: dict[str, Any], seconds: float, hang: Hang | None) -> None:
    found = process(**worker)
    found.spend(seconds)
    assert found.find_hang() is hang
    found.control.close()


# All of them


class Pool:
    """A pool whose workers are only pairs of sockets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, addresses: int = 1, workers: int = 2) -> None:
        self.workers: dict[int, socket.socket] = {}
        self.ended: dict[int, int] = {}
        self.killed: list[int] = []
        self.has_room = True
        monkeypatch.setattr(worker_pool, "fork", self._fork)
        monkeypatch.setattr(os, "waitpid", self._wait)
        monkeypatch.setattr(os, "kill", lambda pid, number: self.killed.append(pid))
        self.unwritten: dict[int, int] = {}
        monkeypatch.setattr(metrics, "forget_gauges", lambda number: None)
        monkeypatch.setattr(metrics, "unwritten_records", lambda number: self.unwritten.get(number, 0))
        self.counted = Counted()
        self.settings = config.parse({"milter": {"workers": workers, "drain_seconds": 1}})
        listeners = tuple(
            Listener(InetAddress("127.0.0.1", port), socket.socket(), WorkerSessions()) for port in range(addresses)
        )
        self.selector = selectors.DefaultSelector()
        self.pool = WorkerPool(self.settings, listeners, self.selector, self.counted, lambda *_: None, lambda: None)  # type: ignore[arg-type]

    def close(self) -> None:
        for each in [*self.workers.values(), *(listener.listening for listener in self.pool._listeners)]:
            each.close()
        self.pool.close_in_child()
        self.selector.close()

    def _fork(self, what: str) -> Forked | None:
        if not self.has_room:
            return None
        ours, theirs = socket.socketpair()
        pid = 1000 + len(self.workers)
        self.workers[pid] = theirs.dup()
        return Forked(pid, ours, theirs)

    def _wait(self, pid: int, options: int) -> tuple[int, int]:
        return (pid, self.ended[pid]) if pid in self.ended else (0, 0)

    def can_write_journal(self) -> bool:
        return self.pool.can_write_journal

    def is_complete(self) -> bool:
        return self.pool.is_complete

    def say(self, pid: int, word: bytes) -> None:
        self.workers[pid].send(word)
        self.hear()

    def hear(self) -> None:
        for key, _ in self.selector.select(1):
            self.pool.hear(key.data)

    def end(self, pid: int, status: int = 0) -> None:
        self.ended[pid] = status
        self.pool.reap()

    def orders(self, pid: int) -> bytes:
        try:
            return self.workers[pid].recv(100, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    made = Pool(monkeypatch)
    yield made
    made.close()


def test_as_many_as_the_settings_want_for_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(monkeypatch, addresses=2, workers=3)
    pool.pool.start_missing()
    pool.pool.start_missing()
    assert [each.address_index for each in pool.pool] == [0, 0, 0, 1, 1, 1]
    assert [each.worker_number for each in pool.pool] == [0, 1, 2, 3, 4, 5]
    assert not pool.is_complete()
    for pid in pool.workers:
        pool.say(pid, READY)
    assert pool.is_complete()
    pool.close()


def test_the_number_of_a_worker_goes_to_the_one_in_its_place(pool: Pool) -> None:
    pool.pool.start_missing()
    pool.say(1000, READY)
    for each in pool.pool:
        each.started -= 60
    pool.end(1000, signal.SIGKILL)
    pool.pool.start_missing()
    assert sorted((each.pid, each.worker_number) for each in pool.pool) == [(1001, 1), (1002, 0)]
    assert ("restarted",) in pool.counted.told


def test_where_there_is_no_room_it_is_tried_again_later(pool: Pool) -> None:
    pool.has_room = False
    pool.pool.start_missing()
    assert len(pool.pool) == 0
    assert pool.pool.backoff.start_at > time.monotonic()


def test_after_a_reload_the_old_ones_leave_when_the_new_ones_are_ready(pool: Pool) -> None:
    pool.pool.start_missing()
    for pid in (1000, 1001):
        pool.say(pid, READY)
    pool.pool.renew(pool.settings)
    pool.pool.start_missing()
    assert (pool.pool.counts, pool.is_complete()) == ((0, 2, 2), False)
    for pid in (1002, 1003):
        pool.say(pid, READY)
    assert pool.is_complete()
    pool.pool.let_leave()
    pool.pool.let_leave()
    assert (pool.orders(1000), pool.orders(1001), pool.orders(1002)) == (DRAIN, DRAIN, b"")
    pool.end(1000)
    assert ("restarted",) not in pool.counted.told
    # One generation of old workers is enough: what is left of it has to hurry at the next reload.
    pool.pool.renew(pool.settings)
    assert (pool.orders(1001), pool.orders(1002)) == (STOP, b"")


def test_at_a_stop_all_are_told_and_none_is_started(pool: Pool) -> None:
    pool.pool.start_missing()
    pool.pool.stop()
    assert (pool.orders(1000), pool.orders(1001)) == (STOP, STOP)
    for pid in (1000, 1001):
        pool.end(pid)
    pool.pool.start_missing()
    assert len(pool.pool) == 0


@pytest.mark.parametrize("hang", WORDS)
def test_a_worker_that_says_that_it_hangs_is_ended(pool: Pool, hang: Hang) -> None:
    pool.pool.start_missing()
    pool.say(1000, WORDS[hang])
    pool.pool.end_hanging(0.0)
    assert 1000 in pool.killed
    assert pool.counted.told == [("hung", hang.label)]


def test_a_silent_worker_is_ended_and_one_that_speaks_is_not(pool: Pool) -> None:
    pool.pool.start_missing()
    for pid in (1000, 1001):
        pool.say(pid, READY)
    for each in pool.pool:
        each.spend(SILENT_SECONDS)
    pool.say(1001, ALIVE)
    pool.pool.end_hanging(0.0)
    assert pool.killed == [1000]


def test_what_the_workers_say_of_the_journal(pool: Pool) -> None:
    pool.pool.start_missing()
    pool.say(1000, JOURNAL_FAILS)
    assert not pool.can_write_journal()
    pool.say(1000, JOURNAL_WORKS)
    assert pool.can_write_journal()
    pool.say(1001, JOURNAL_FAILS)
    pool.end(1001)
    assert pool.can_write_journal()


def test_records_that_died_with_a_worker_are_counted_once(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    pool.pool.start_missing()
    pool.unwritten[0] = 3
    pool.end(1000, signal.SIGKILL)
    pool.end(1001)
    assert [each for each in pool.counted.told if each[0] == "lost_records"] == [("lost_records", 3)]
    assert "died with 3 records that are not in the journal" in caplog.text
    pool.pool.backoff.reset()
    pool.pool.start_missing()
    pool.unwritten[0] = 5
    pool.end(1002, signal.SIGKILL)
    assert pool.counted.told[-2:] == [("lost_records", 2), ("restarted",)]


def test_a_worker_that_is_gone_is_not_heard_again(pool: Pool) -> None:
    pool.pool.start_missing()
    pool.workers[1000].close()
    pool.hear()
    assert [key.data.pid for key in pool.selector.get_map().values()] == [1001]
    pool.end(1000)
    pool.pool.close_in_child()
    pool.pool.kill()
    assert pool.killed == [1001]


# Signals


def test_signals_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    }
    signals = Signals()
    signals.install()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            assert selector.select(0) == []
            for number in (signal.SIGHUP, signal.SIGTERM):
                os.kill(os.getpid(), number)
            assert selector.select(10)
            assert signals.take() == [signal.SIGHUP, signal.SIGTERM]
            assert signals.take() == []
    finally:
        signals.restore_in_child()
        signals.close()
        for number, handler in before.items():
            signal.signal(number, handler)


# Old records


DAYS = JournalSection(keep_days=30)


class Pruned:
    """Stands for the process that forgets."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.said = ""
        self.is_killed = False

    def poll(self) -> int | None:
        return self.returncode

    def communicate(self) -> tuple[str, None]:
        return self.said, None

    def kill(self) -> None:
        self.is_killed = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pruning_process, "time", made)
    return made


def test_old_records_are_forgotten_once_an_hour(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    started: list[tuple[Pruned, float]] = []

    def upkeep(database: str, keep_days: float, report_days: float) -> Pruned:
        started.append((Pruned(), keep_days))
        return started[-1][0]

    monkeypatch.setattr(pruning_process, "upkeep", upkeep)
    pruning = PruningProcess()
    pruning.keep(DAYS)
    assert not started
    clock.now += FIRST_SECONDS
    pruning.keep(DAYS)
    pruning.keep(DAYS)
    assert [days for _, days in started] == [30]
    started[0][0].returncode = 0
    pruning.keep(DAYS)
    pruning.keep(DAYS)
    assert len(started) == 1
    # At once where it means something else now, and only then.
    pruning.renew(DAYS, replace(DAYS, queue=100))
    pruning.keep(DAYS)
    assert len(started) == 1
    pruning.renew(DAYS, replace(DAYS, keep_days=7))
    pruning.keep(replace(DAYS, keep_days=7))
    assert [days for _, days in started] == [30, 7]
    started[1][0].returncode = 0
    pruning.keep(DAYS)
    clock.now += PRUNE_SECONDS
    pruning.keep(replace(DAYS, enabled=False))
    assert len(started) == 2
    # Nothing is forgotten, but there is other upkeep.
    pruning.keep(replace(DAYS, keep_days=0))
    assert [days for _, days in started] == [30, 7, 0]
    pruning.stop()
    assert started[2][0].is_killed
    pruning.stop()


def test_forgetting_that_fails_or_takes_too_long_is_logged(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made = Pruned()
    monkeypatch.setattr(pruning_process, "upkeep", lambda *_: made)
    pruning = PruningProcess()
    pruning.due = 0.0
    pruning.keep(DAYS)
    made.returncode, made.said = 1, "disk full\n"
    pruning.keep(DAYS)
    assert "its upkeep failed: disk full" in caplog.text
    made.returncode = None
    pruning.due = 0.0
    pruning.keep(DAYS)
    clock.now += MAX_SECONDS
    pruning.keep(DAYS)
    assert made.is_killed
    assert "it took more than 30 min" in caplog.text

    def fails(*_: object) -> None:
        raise UnreachableError("no process")

    monkeypatch.setattr(pruning_process, "upkeep", fails)
    pruning.due = 0.0
    pruning.keep(DAYS)
    assert "its upkeep failed: no process" in caplog.text


def test_a_real_process_that_forgets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = config.parse({"journal": {"database": f"sqlite:///{tmp_path}/j.sqlite"}}).journal
    pruning = PruningProcess()
    pruning.due = 0.0
    pruning.keep(journal)
    process = pruning._process
    assert process is not None
    process.wait(60)
    pruning.keep(journal)
    assert pruning._process is None
    assert not caplog.text
    assert (tmp_path / "j.sqlite").exists()


# The whole


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    settings = config.parse({"milter": {"listen": f"unix:{tmp_path}/socket", "workers": 2}})
    made = Supervisor(settings, lambda: settings)
    yield made
    for each in made._listeners:
        each.listening.close()
    made._signals.close()
    made._selector.close()
    shutil.rmtree(made._metrics_folder)


def no_fork(error: int) -> None:
    raise OSError(error, os.strerror(error))


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_is_tried_again_later(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    monkeypatch.setattr(os, "fork", lambda: no_fork(error))
    pool = supervisor._pool
    pool.start_missing()
    assert len(pool) == 0
    assert pool.backoff.start_at > 0
    assert os.strerror(error) in caplog.text
    caplog.clear()
    pool.start_missing()
    assert not caplog.text


def test_so_is_that_of_the_metrics_server(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(socket, "socketpair", lambda: no_fork(errno.EMFILE))
    process = MetricsProcess()
    process.keep(config.parse({"metrics": {"listen": "127.0.0.1:0"}}), lambda: None)
    assert "the metrics server could not be started" in caplog.text
    assert process.start_again_at > 0
    process.stop()


def test_a_metrics_server_that_ends_at_once_is_not_started_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    from dmarc_milter.service import metrics_process

    forks: list[Forked] = []

    def fork(what: str) -> Forked:
        forks.append(Forked(4711, *socket.socketpair()))
        return forks[-1]

    monkeypatch.setattr(metrics_process, "fork", fork)
    monkeypatch.setattr(os, "waitpid", lambda pid, options: (pid, 0))
    settings = config.parse({"metrics": {"listen": "127.0.0.1:0"}})
    process = MetricsProcess()
    for _ in range(3):
        process.keep(settings, lambda: None)
        process.reap()
    assert len(forks) == 1
    # A reload waits for nothing.
    process.renew()
    process.keep(settings, lambda: None)
    assert len(forks) == 2
    process.reap()
    process.stop()


def test_it_ends_where_workers_end_again_and_again(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor._pool, "start_missing", lambda: None)
    assert supervisor._exit_status() is None
    for _ in range(MAX_FAILED_STARTS):
        supervisor._pool.backoff.note_end(0.0, 0.0, was_ready=False)
    assert supervisor._exit_status() == 1
    assert "8 workers in a row ended at once" in caplog.text


class Told:
    """A report that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **_: self.told.append((name, *arguments))


def test_reload(supervisor: Supervisor, tmp_path: Path) -> None:
    report = Told()
    supervisor._report = report  # type: ignore[assignment]
    other = config.parse({"milter": {"listen": f"unix:{tmp_path}/socket", "workers": 1}})
    supervisor._reload = lambda: other
    before = supervisor._settings
    supervisor._take_new_settings()
    assert report.told == [("reloading",), ("taken", before, other)]
    moved = config.parse({"milter": {"listen": "unix:/elsewhere"}})
    supervisor._reload = lambda: moved
    supervisor._take_new_settings()
    assert report.told[-1] == ("refused", "milter.listen cannot change while serving; restart instead")

    def broken() -> Settings:
        raise ConfigError("policy.mode is nonsense")

    supervisor._reload = broken
    supervisor._take_new_settings()
    assert report.told[-1] == ("refused", "policy.mode is nonsense")
    assert supervisor._settings is other


def test_stop(supervisor: Supervisor) -> None:
    report = Told()
    supervisor._report = report  # type: ignore[assignment]
    supervisor._stop()
    supervisor._stop()
    assert [each[0] for each in report.told] == ["stopping"]
    assert supervisor._exit_status() == 0


def test_what_is_told_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    counted = Counted()
    settings = config.parse({"milter": {"listen": "unix:/s"}})
    report = Report(settings, None, Notifier({}), counted)  # type: ignore[arg-type]
    report.workers({"ready": 2, "starting": 0, "leaving": 1}, can_write_journal=False)
    assert report.status == "serving on unix:/s with 2 workers, mode monitor; the journal cannot be written"
    report.refused("why")
    report.taken(settings, config.parse({"milter": {"listen": "unix:/s"}, "policy": {"mode": "enforce"}}))
    report.ready()
    assert '"changes": ["policy.mode: monitor -> enforce"]' in (tmp_path / "state.json").read_text()
    assert ("reloaded", "refused") in counted.told
    assert ("reloaded", "done") in counted.told
    report.close()
    assert not (tmp_path / "state.json").exists()


def test_it_is_one_process_that_runs_and_ends(tmp_path: Path) -> None:
    """Started as a user would, and ended by Ctrl-C."""
    settings = tmp_path / "filter.toml"
    settings.write_text(
        f'[milter]\nlisten = "unix:{tmp_path}/s"\n[metrics]\nlisten = "127.0.0.1:0"\n[journal]\nenabled = false\n'
    )
    command = [sys.executable, "-m", "dmarc_milter", "serve", "--config", str(settings)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "serving on" in line:
                break
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 0
    assert not (tmp_path / "s").exists()
