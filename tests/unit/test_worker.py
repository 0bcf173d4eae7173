"""A worker in this process: what it tells, what it obeys, and how long it waits before it ends."""

import contextlib
import gc
import logging
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from dmarc_milter.dns.caching import CachingResolver, QuestionLimits
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.dns.system import CHECK_SECONDS, SystemNameServers
from dmarc_milter.dns.upstream import Upstream
from dmarc_milter.journal.database import open_engine
from dmarc_milter.journal.writer import Writer
from dmarc_milter.judging.site import Site
from dmarc_milter.milter import worker_state
from dmarc_milter.milter.worker_state import WorkerState
from dmarc_milter.service import worker
from dmarc_milter.service.accept_gate import AcceptGate, WorkerSessions
from dmarc_milter.service.worker import DRAIN, DRAIN_SECONDS, QUIET_SECONDS, READY, STOP, WATCH_SECONDS
from dmarc_milter.settings import config
from dmarc_milter.settings.database_url import DatabaseUrl
from dmarc_milter.telemetry import metrics
from tests.support.records import record


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 1_000.0
    events: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What happens so many seconds after the beginning."""

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if seconds == WATCH_SECONDS:
            # The thread that watches the gauges: it would never end.
            raise SystemExit
        self.now += seconds
        for each in self.events[:]:
            if self.now >= 1_000.0 + each[0]:
                self.events.remove(each)
                each[1]()

    @property
    def passed(self) -> float:
        return self.now - 1_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(worker, "time", made)
    monkeypatch.setattr(worker_state, "time", made)
    return made


class Connection:
    """As much of a session as other threads look at."""

    thread = callbacks = 0
    idle_since = 0.0


# What it waits for before it ends


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@dataclass
class Ending:
    clock: Clock
    service: WorkerState
    ending: worker._Ending

    def connects(self) -> Connection:
        made = Connection()
        self.service.begin_session(made)
        return made


SECONDS = 30.0
"""What the messages at hand may take."""


@pytest.fixture
def ends(clock: Clock, listening: socket.socket) -> Ending:
    service = WorkerState(cast("Site", None))
    return Ending(clock, service, worker._Ending(service, listening, SECONDS))


@pytest.mark.parametrize(
    ("ended_after", "enough_after", "waited"),
    [(None, None, DRAIN_SECONDS), (5.0, None, 5.0), (None, 3.0, 3.0), (0.0, None, 0.0)],
)
def test_connections_are_waited_for(
    ends: Ending, ended_after: float | None, enough_after: float | None, waited: float
) -> None:
    connection = ends.connects()
    if ended_after == 0:
        ends.service.end_session(connection)
    elif ended_after is not None:
        ends.clock.events.append((ended_after, lambda: ends.service.end_session(connection)))
    ends.ending.wait_for_connections(lambda: enough_after is not None and ends.clock.passed >= enough_after)
    assert ends.clock.passed == pytest.approx(waited, abs=0.15)


@pytest.mark.parametrize(
    ("answered_after", "waited"),
    [
        # Without one, only what was being accepted is waited for.
        (None, 0.1),
        (2.0, 2.0 + QUIET_SECONDS),
        (SECONDS * 2, SECONDS),
    ],
)
def test_messages_at_hand_are_waited_for(ends: Ending, answered_after: float | None, waited: float) -> None:
    connection = ends.connects()
    if answered_after is not None:
        ends.service.messages.add(connection)

        def answer() -> None:
            ends.service.messages.discard(connection)
            connection.idle_since = ends.clock.now

        ends.clock.events.append((answered_after, answer))
    ends.ending.wait_for_messages()
    assert ends.clock.passed == pytest.approx(waited, abs=0.15)


@pytest.mark.parametrize(("has_spoken", "waited"), [(False, QUIET_SECONDS), (True, 0.1)])
def test_an_mta_that_has_just_connected_may_begin(
    ends: Ending, listening: socket.socket, has_spoken: bool, waited: float
) -> None:
    with socket.create_connection(listening.getsockname()), listening.accept()[0]:
        if has_spoken:
            ends.connects()
        ends.ending.wait_for_messages()
    assert ends.clock.passed == pytest.approx(waited, abs=0.15)


# What it obeys


class Exited(SystemExit):
    """What ``os._exit`` does here."""


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []

    def leave(status: int) -> None:
        found.append(status)
        raise Exited(status)

    monkeypatch.setattr(os, "_exit", leave)
    return found


@dataclass
class Steps:
    """What is asked of a gate, an ending and a journal, in order."""

    taken: list[str] = field(default_factory=list)
    was_enough: bool | None = None

    def close(self, seconds: float | None = None) -> None:
        self.taken.append("gate" if seconds is None else "journal")

    def wait_for_connections(self, is_enough: Callable[[], bool]) -> None:
        self.taken.append("connections")
        self.was_enough = is_enough()

    def wait_for_messages(self) -> None:
        self.taken.append("messages")


@pytest.mark.parametrize("has_journal", [True, False])
@pytest.mark.parametrize(
    ("orders", "is_gone", "steps", "was_enough"),
    [
        (STOP, False, ["gate", "messages"], None),
        (DRAIN, False, ["gate", "connections", "messages"], False),
        # Who drains and is told to stop waits for no connection any more.
        (DRAIN + STOP, False, ["gate", "connections", "messages"], True),
        (DRAIN, True, ["gate", "connections", "messages"], True),
        (b"", True, ["gate", "messages"], None),
    ],
)
def test_an_order_is_obeyed_and_so_is_the_end_of_the_supervisor(
    exits: list[int], orders: bytes, is_gone: bool, steps: list[str], was_enough: bool | None, has_journal: bool
) -> None:
    asked = Steps()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(orders)
        if is_gone:
            ours.close()
        with pytest.raises(Exited):
            worker._obey(
                theirs,
                cast("AcceptGate", asked),
                cast("worker._Ending", asked),
                cast("Writer", asked) if has_journal else None,
            )
    assert exits == [0]
    assert asked.taken == steps + ["journal"] * has_journal
    assert asked.was_enough is was_enough


def test_a_supervisor_that_left_words_unread_is_gone_too() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.send(READY)
        # Unread words make of the end an error (ECONNRESET).
        ours.close()
        assert worker._next_order(theirs) == STOP


# What it tells


@dataclass
class Gauges:
    activity: list[tuple[int, int]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def observe_activity(self, sessions: int, messages: int) -> None:
        self.activity.append((sessions, messages))

    def observe_journal(self, waiting: int) -> None:
        self.waiting.append(waiting)


@dataclass
class Waiting:
    """A journal in which records wait."""

    waiting: int


@pytest.mark.parametrize(("journal", "waiting"), [(Waiting(7), [7]), (None, [])])
def test_what_is_at_hand_is_told(ends: Ending, journal: Waiting | None, waiting: list[int]) -> None:
    ends.service.messages.add(ends.connects())
    ends.connects()
    gauges = Gauges()
    with pytest.raises(SystemExit):
        worker._watch(ends.service, cast("metrics.WorkerMetrics", gauges), cast("Writer", journal))
    assert (gauges.activity, gauges.waiting) == ([(2, 1)], waiting)


# The name servers


class Sweeps:
    """A loop whose time is the test's."""

    def __init__(self) -> None:
        self.sweeps: list[Callable[[float], None]] = []

    def sweep_with(self, sweep: Callable[[float], None]) -> None:
        self.sweeps.append(sweep)


def resolver(site: Site) -> CachingResolver:
    source = site.context.source
    assert isinstance(source, CachingResolver)
    return source


def asked_by(site: Site) -> list[str]:
    upstream = resolver(site)._upstream
    assert isinstance(upstream, Upstream)
    return [each.host for each in upstream.order.servers]


def test_changed_name_servers_of_the_system_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    monkeypatch.setattr(worker, "SystemNameServers", partial(SystemNameServers, resolv_conf))
    loop = Sweeps()
    made = worker.make_site(config.parse({}), cast("Loop", loop), lambda *_: None, SharedAnswers(), 64)
    for text_, servers in (
        ("nameserver 127.0.0.1\n", ["127.0.0.1"]),
        ("nameserver 192.0.2.53\nnameserver 192.0.2.54\n", ["192.0.2.53", "192.0.2.54"]),
    ):
        resolv_conf.write_text(text_)
        now = CHECK_SECONDS * len(servers)
        for sweep in loop.sweeps:
            sweep(now)
        assert asked_by(made) == servers
    # Servers elsewhere need a socket per question.
    assert resolver(made)._room == QuestionLimits.of_sockets(64)
    assert "resolv.conf has changed; name servers: 192.0.2.53" in caplog.text


def test_those_of_the_settings_are_asked_whatever_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SystemNameServers", lambda: pytest.fail("nobody asked the system"))
    settings = config.parse({"dns": {"nameservers": ["127.0.0.53"]}})
    made = worker.make_site(settings, cast("Loop", Sweeps()), lambda *_: None, SharedAnswers())
    assert asked_by(made) == ["127.0.0.53"]


# The whole


class Threads:
    """Threads that may end by ``os._exit``."""

    def __init__(self) -> None:
        self.made: dict[str, threading.Thread] = {}

    def Thread(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> threading.Thread:
        def run() -> None:
            with contextlib.suppress(SystemExit):
                target(*args)

        made = self.made[target.__name__] = threading.Thread(target=run, daemon=daemon)
        return made


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    made = Threads()
    monkeypatch.setattr(worker, "threading", made)
    return made


@pytest.fixture
def process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker changes of the process that it runs in."""
    loops: list[Loop] = []

    def make_loop() -> Loop:
        loops.append(Loop())
        return loops[-1]

    monkeypatch.setattr(worker, "Loop", make_loop)
    monkeypatch.setattr(metrics, "write_as", lambda number: None)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    for each in loops:
        each.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    gc.unfreeze()


@pytest.mark.usefixtures("process_as_it_was", "clock")
@pytest.mark.parametrize("has_journal", [True, False])
def test_it_serves_until_it_is_told_to_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listening: socket.socket,
    exits: list[int],
    threads: Threads,
    caplog: pytest.LogCaptureFixture,
    has_journal: bool,
) -> None:
    """Only libmilter is played: a message is judged and told, then the supervisor has the worker end."""
    caplog.set_level(logging.INFO)
    database = f"sqlite:///{tmp_path}/journal.sqlite"
    settings = config.parse(
        {
            "dns": {"nameservers": ["127.0.0.53"]},
            "journal": {"enabled": has_journal, "database": database},
            "milter": {"drain_seconds": 1},
        }
    )
    registered: list[WorkerState] = []
    ours, theirs = socket.socketpair()
    lent = socket.socket(), listening.dup()

    def serve() -> None:
        # Signs of life may come before.
        while READY not in ours.recv(100):
            pass
        (service,) = registered
        service.tell(record("4Xserved"))
        ours.send(STOP)
        threads.made["_obey"].join(60)

    monkeypatch.setattr(worker, "register", registered.append)
    monkeypatch.setattr(worker, "lend_socket", lambda address, socket: tuple(each.fileno() for each in lent))
    monkeypatch.setattr(worker, "serve", serve)
    sessions = WorkerSessions()
    address = settings.milter.listen[0]
    with ours, theirs, lent[0], lent[1], pytest.raises(Exited):
        worker.work(settings, 3, address, listening, sessions, SharedAnswers(), theirs)
    # First by the order; then libmilter, which cannot outlive the process but here, is found to have ended.
    assert exits == [0, 1]
    assert "4Xserved" in caplog.text
    assert sessions.fewest_beside(0) is None
    assert (tmp_path / "journal.sqlite").exists() is has_journal
    if has_journal:
        engine = open_engine(DatabaseUrl(database), create=False)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT queue_id, worker FROM messages")).all()
        engine.dispose()
        assert [tuple(each) for each in rows] == [("4Xserved", 3)]
