"""What the sessions of a worker share."""

import threading
import time
from typing import cast

import pytest

from dmarc_milter.judging.site import Site
from dmarc_milter.milter.worker_state import HeaderThrottle, WorkerState


def test_one_turn_at_a_time() -> None:
    throttle = HeaderThrottle()
    assert throttle.acquire()
    taken = threading.Event()

    def take() -> None:
        if throttle.acquire():
            taken.set()

    threading.Thread(target=take).start()
    assert not taken.is_set()
    throttle.release()
    assert taken.wait(60)


class NotedLock:
    """A lock for which nobody really waits: what matters is for how long they would."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.is_taken = False

    def acquire(self, *, timeout: float) -> bool:
        self.waited.append(timeout)
        was_free, self.is_taken = not self.is_taken, True
        return was_free

    def release(self) -> None:
        self.is_taken = False


def test_nobody_waits_longer_than_patience() -> None:
    lock = NotedLock()
    throttle = HeaderThrottle(lock)
    assert throttle.acquire()
    assert not throttle.acquire()
    throttle.release()
    assert throttle.acquire()
    assert lock.waited == [throttle.PATIENCE] * 3


class Connection:
    """As much of a session as other threads look at."""

    thread = callbacks = 0

    def __init__(self, idle_since: float) -> None:
        self.idle_since = idle_since


@pytest.mark.parametrize(
    ("messages", "idle_for", "is_quiet"),
    [(0, [], True), (1, [], False), (0, [10.0], True), (0, [10.0, 1.0], False), (1, [10.0], False)],
)
def test_quiet_is_no_message_at_hand_nor_about_to_begin(messages: int, idle_for: list[float], is_quiet: bool) -> None:
    worker = WorkerState(cast("Site", None))
    now = time.monotonic()
    worker.messages = {Connection(now) for _ in range(messages)}
    worker.sessions = {Connection(now - each) for each in idle_for}
    assert worker.is_quiet(5.0) is is_quiet


def test_connections_that_come_and_go_are_told() -> None:
    worker = WorkerState(cast("Site", None))
    counts: list[int] = []
    worker.on_sessions = lambda: counts.append(len(worker.sessions))
    connection = Connection(0.0)
    worker.begin_session(connection)
    worker.end_session(connection)
    assert counts == [1, 0]
