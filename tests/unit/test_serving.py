"""The supervisor's whole course in this process: it starts, reloads and stops, and only its children are none."""

import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.service import metrics_process, metrics_server, supervisor, worker_pool
from dmarc_milter.service.forking import Forked
from dmarc_milter.service.heartbeat import ALIVE, LOOK_SECONDS, SILENT_SECONDS
from dmarc_milter.service.metrics_process import MetricsProcess
from dmarc_milter.service.signals import HANDLED
from dmarc_milter.service.sockets import ListenError
from dmarc_milter.service.supervisor import Supervisor
from dmarc_milter.service.worker import DRAIN, READY, STOP
from dmarc_milter.settings import config
from dmarc_milter.settings.config import Settings

FIRST_PID = 4_000_000
"""Beyond what Linux gives to a process."""


class Children:
    """Stand for forked processes: a worker says at once that it is ready, and each ends when it is told to.

    First it closes its socket, and is found to have ended when one looks again.
    """

    def __init__(self) -> None:
        self.whats: list[str] = []
        self.ends: dict[int, socket.socket] = {}
        self.killed: list[int] = []
        self.on_fork: Callable[[str], None] = lambda what: None

    def fork(self, what: str) -> Forked:
        ours, theirs = socket.socketpair()
        pid = FIRST_PID + len(self.whats)
        self.whats.append(what)
        self.ends[pid] = theirs.dup()
        if what == "a worker":
            self.ends[pid].send(READY)
        self.on_fork(what)
        return Forked(pid, ours, theirs)

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        if pid not in self.ends:
            raise ChildProcessError
        if pid not in self.killed and self.ends[pid].fileno() >= 0:
            try:
                told = self.ends[pid].recv(100, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return (0, 0)
            assert set(told) <= set(DRAIN + STOP)
            self.ends[pid].close()
            if options & os.WNOHANG:
                return (0, 0)
        self.ends.pop(pid).close()
        return (pid, 0)

    def kill(self, pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        if pid not in self.ends:
            raise ProcessLookupError
        self.killed.append(pid)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    made = Children()
    for module in (worker_pool, metrics_process):
        monkeypatch.setattr(module, "fork", made.fork)
    monkeypatch.setattr(os, "waitpid", made.waitpid)
    monkeypatch.setattr(os, "kill", made.kill)
    yield made
    for each in made.ends.values():
        each.close()


@pytest.fixture
def process_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a supervisor changes of the process that it runs in."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    signals = {each: signal.getsignal(each) for each in HANDLED}
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in signals.items():
        signal.signal(number, handler)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def settings(tmp_path: Path, workers: int = 2, **changed: Any) -> Settings:
    listen = f"unix:{tmp_path}/socket"
    return config.parse(
        {
            "milter": {"listen": listen, "workers": workers, "drain_seconds": 7},
            "journal": {"enabled": False},
            "metrics": {"listen": "127.0.0.1:0"},
            **changed,
        }
    )


def closed(made: Supervisor) -> None:
    for each in made._listeners:
        each.listening.close()
    made._signals.close()
    made._selector.close()


class Systemd:
    """Listens, and does what `acts` say, one each time that the service has become ready."""

    def __init__(self, path: Path, acts: list[int]) -> None:
        self.said: list[dict[str, str]] = []
        self._acts = acts
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while "STOPPING" not in (self.said[-1] if self.said else {}):
            text, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 8)
            for each in descriptors:
                os.close(each)
            self.said.append(dict(line.split("=", 1) for line in text.decode().splitlines()))
            if "READY" in self.said[-1]:
                signal.pthread_kill(threading.main_thread().ident or 0, self._acts.pop(0))

    def close(self) -> None:
        self._thread.join(60)
        self._socket.close()

    def told(self) -> list[str]:
        """What was said of the state of the service, in order."""
        found = [next(iter(each)) for each in self.said]
        return [each for each in found if each in ("READY", "RELOADING", "STOPPING", "FDSTORE")]


@pytest.mark.usefixtures("process_as_it_was")
def test_from_the_start_over_a_reload_to_the_stop(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    systemd = Systemd(tmp_path / "notify", [signal.SIGHUP, signal.SIGTERM])
    first, second = settings(tmp_path), settings(tmp_path, workers=1)
    made = Supervisor(first, lambda: second)
    try:
        assert made.run() == 0
    finally:
        systemd.close()
        closed(made)
    assert systemd.told() == ["FDSTORE", "READY", "RELOADING", "READY", "STOPPING"]
    assert {"WATCHDOG": "1"} in systemd.said
    # The monitor, too, is another one after the reload.
    assert sorted(children.whats) == ["a worker"] * 3 + ["the metrics server"] * 2
    assert len(made._pool) == 0
    assert not made._metrics_folder.exists()
    # systemd keeps the socket, and MTAs go on looking for it there.
    assert (tmp_path / "socket").exists()


@pytest.mark.usefixtures("process_as_it_was")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_it_is_ready(tmp_path: Path, children: Children, number: int) -> None:
    made = Supervisor(settings(tmp_path), lambda: pytest.fail("nobody wanted a reload"))
    children.on_fork = lambda what: signal.raise_signal(number) if what == "the metrics server" else None
    assert made.run() == 0
    closed(made)
    assert not (tmp_path / "socket").exists()
    assert not children.ends


@pytest.mark.usefixtures("process_as_it_was")
def test_a_worker_that_cannot_be_started_is_waited_for(tmp_path: Path, children: Children) -> None:
    made = Supervisor(settings(tmp_path), lambda: pytest.fail("no reload"))
    assert made._exit_status() is None
    closed(made)


@pytest.mark.usefixtures("process_as_it_was")
def test_once_it_stops_settings_are_not_read(tmp_path: Path, children: Children) -> None:
    made = Supervisor(settings(tmp_path), lambda: pytest.fail("nobody wants settings now"))
    made._signals._pending += [signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGINT]
    made._handle_signals()
    assert made._exit_status() == 0
    closed(made)


@dataclass
class Clock:
    now: float = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def serving(
    tmp_path: Path, children: Children, process_as_it_was: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    """One worker, which has started."""
    monkeypatch.setattr(supervisor, "time", Clock())
    made = Supervisor(settings(tmp_path, workers=1), lambda: pytest.fail("no reload"))
    made._pool.start_missing()
    yield made
    made._metrics_process.stop()
    made._pool.close_in_child()
    closed(made)


def test_workers_that_do_not_leave_in_time_are_ended_by_force(serving: Supervisor, children: Children) -> None:
    serving._stop()
    patience = serving._pool.leave_within
    supervisor.time.now += patience - 1  # type: ignore[attr-defined]
    assert serving._exit_status() is None
    assert not children.killed
    supervisor.time.now += 1  # type: ignore[attr-defined]
    assert serving._exit_status() is None
    assert children.killed == [FIRST_PID]
    serving._pool.reap()
    assert serving._exit_status() == 0


def test_a_worker_that_is_silent_is_ended_by_force(serving: Supervisor, children: Children) -> None:
    worker = next(iter(serving._pool))
    serving._pool.hear(worker)
    for _ in range(int(SILENT_SECONDS / LOOK_SECONDS)):
        assert not children.killed
        supervisor.time.now += LOOK_SECONDS  # type: ignore[attr-defined]
        serving._end_hanging()
    assert children.killed == [FIRST_PID]


@pytest.mark.parametrize(
    ("has_workers", "start_at", "kill_at", "metrics_at", "watchdog", "patience"),
    [
        (False, 0.0, None, 0.0, None, None),
        (False, 1_003.0, None, 0.0, None, 3.0),
        (False, 1_003.0, 1_002.0, 0.0, None, 2.0),
        (False, 1_003.0, 1_002.0, 1_001.5, None, 1.5),
        (False, 999.0, 998.0, 997.0, 10.0, 10.0),
        (True, 1_003.0, None, 0.0, 10.0, LOOK_SECONDS),
        (True, 1_000.25, None, 0.0, 10.0, 0.25),
        # Never so short that the supervisor runs in a circle.
        (True, 1_000.001, None, 0.0, None, 0.01),
    ],
)
def test_how_long_it_may_sleep(
    serving: Supervisor,
    has_workers: bool,
    start_at: float,
    kill_at: float | None,
    metrics_at: float,
    watchdog: float | None,
    patience: float | None,
) -> None:
    if not has_workers:
        serving._pool.close_in_child()
        serving._pool._workers.clear()
    serving._pool.backoff.start_at = start_at
    serving._kill_at = kill_at
    serving._metrics_process.start_again_at = metrics_at
    serving._systemd.watchdog_seconds = watchdog
    assert serving._patience() == patience


def test_a_child_gives_up_what_is_the_supervisors(serving: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "setpgid", lambda pid, group: groups.append((pid, group)))
    serving._metrics_process.keep(serving._settings, lambda: None)
    worker = next(iter(serving._pool))
    serving._signals.install()
    serving._close_in_child()
    assert [signal.getsignal(each) for each in HANDLED] == [signal.SIG_DFL] * len(HANDLED)
    assert groups == [(0, 0)]
    assert worker.control.fileno() == -1
    listening = serving._metrics_process._listening
    assert listening is not None
    assert listening.fileno() == -1
    assert serving._selector.get_map() is None


@pytest.mark.usefixtures("process_as_it_was")
@pytest.mark.parametrize("names", [("taken", "socket"), ("socket", "taken")])
def test_an_address_that_is_taken_leaves_no_socket_behind(tmp_path: Path, names: tuple[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "taken"))
        other.listen()
        both = settings(tmp_path, milter={"listen": [f"unix:{tmp_path}/{name}" for name in names]})
        with pytest.raises(ListenError, match="taken: address already in use"):
            Supervisor(both, lambda: both)
    assert not (tmp_path / "socket").exists()
    assert (tmp_path / "taken").exists()


# The monitor


LISTEN = {"metrics": {"listen": "127.0.0.1:0"}}


@pytest.fixture
def monitor() -> Iterator[MetricsProcess]:
    made = MetricsProcess()
    yield made
    made.stop()


def keep(monitor: MetricsProcess, **changed: Any) -> None:
    monitor.start_again_at = 0.0
    monitor.keep(config.parse({**LISTEN, **changed}), lambda: None)


def test_a_monitor_is_started_where_the_settings_want_one(monitor: MetricsProcess, children: Children) -> None:
    keep(monitor, metrics={"listen": ""})
    assert not children.whats
    keep(monitor)
    keep(monitor)
    assert children.whats == ["the metrics server"]
    monitor.reap()
    assert list(children.ends) == [FIRST_PID]


def test_a_monitor_keeps_its_port_over_a_reload(monitor: MetricsProcess, children: Children) -> None:
    keep(monitor)
    listening = monitor._listening
    for address, is_same in (("127.0.0.1:0", True), ("127.0.0.2:0", False)):
        monitor.renew()
        monitor.reap()
        assert len(children.ends) == 1
        monitor.reap()
        assert not children.ends
        keep(monitor, metrics={"listen": address})
        assert (monitor._listening is listening) is is_same


def test_where_its_address_is_taken_the_service_goes_on(
    monitor: MetricsProcess, children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        keep(monitor, metrics={"listen": f"127.0.0.1:{port}"})
        assert f"no metrics: cannot listen on 127.0.0.1 port {port}: address already in use" in caplog.text
        assert monitor.start_again_at > 0
        assert not children.whats


def test_where_there_is_no_room_for_it_it_is_tried_again_later(
    monitor: MetricsProcess, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_process, "fork", lambda what: None)
    keep(monitor)
    assert monitor.start_again_at > 0
    monitor.spend(SILENT_SECONDS)
    assert not children.killed


@pytest.mark.parametrize(
    ("speaks", "is_killed"),
    [(False, True), (True, False)],
)
def test_a_monitor_that_is_silent_is_ended_by_force(
    monitor: MetricsProcess, children: Children, caplog: pytest.LogCaptureFixture, speaks: bool, is_killed: bool
) -> None:
    keep(monitor)
    monitor.spend(SILENT_SECONDS - 1)
    assert not children.killed
    if speaks:
        children.ends[FIRST_PID].send(ALIVE)
    monitor.spend(1)
    assert bool(children.killed) is is_killed
    assert ("hangs and is ended by force" in caplog.text) is is_killed


def test_a_monitor_that_is_to_end_and_does_not_is_ended_by_force(monitor: MetricsProcess, children: Children) -> None:
    keep(monitor)
    monitor.renew()
    monitor.spend(SILENT_SECONDS)
    assert children.killed == [FIRST_PID]


def test_a_monitor_that_is_gone_already_is_no_error(monitor: MetricsProcess, children: Children) -> None:
    keep(monitor)
    children.ends.pop(FIRST_PID).close()
    monitor.spend(SILENT_SECONDS)
    monitor.stop()
    keep(monitor)
    assert len(children.whats) == 2


@pytest.mark.parametrize(
    ("begun", "is_closed"),
    [
        # The monitor's own child, which serves on it.
        ("listening", False),
        ("started", True),
        ("told to end", True),
    ],
)
def test_a_worker_has_no_share_in_the_port_of_the_monitor(
    monitor: MetricsProcess, children: Children, monkeypatch: pytest.MonkeyPatch, begun: str, is_closed: bool
) -> None:
    if begun == "listening":
        monkeypatch.setattr(metrics_process, "fork", lambda what: None)
    keep(monitor)
    if begun == "told to end":
        monitor.renew()
    monitor.close_in_child()
    listening = monitor._listening
    assert listening is not None
    assert (listening.fileno() == -1) is is_closed


class ExitedError(Exception):
    """What ``os._exit`` does here."""


@pytest.mark.parametrize("error", [None, RuntimeError("no room")], ids=["ends", "fails"])
def test_in_the_child_only_the_monitor_runs(
    monitor: MetricsProcess,
    children: Children,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception | None,
) -> None:
    served: list[tuple[Settings, int]] = []
    forked: list[Forked] = []

    def fork(what: str) -> Forked:
        forked.append(children.fork(what)._replace(pid=0))
        return forked[-1]

    def serve(settings: Settings, listening: socket.socket, control: socket.socket) -> None:
        served.append((settings, listening.getsockname()[1]))
        assert control is forked[0].theirs
        if error is not None:
            raise error

    def leave(status: int) -> None:
        raise ExitedError(status)

    named: list[str] = []
    monkeypatch.setattr(metrics_process, "fork", fork)
    monkeypatch.setattr(metrics_server, "serve", serve)
    monkeypatch.setattr(metrics_process, "name_process", named.append)
    monkeypatch.setattr(os, "_exit", leave)
    wanted = config.parse(LISTEN)
    given_up: list[bool] = []
    with pytest.raises(ExitedError, match=r"^1$"):
        monitor.keep(wanted, lambda: given_up.append(True))
    assert served[0][0] is wanted
    assert served[0][1] > 0
    assert (given_up, named) == ([True], ["milter-metrics"])
    assert forked[0].ours.fileno() == -1
    assert ("metrics could not be served" in caplog.text) is (error is not None)
    forked[0].theirs.close()
