"""What the sessions of a worker share."""

import threading
import time
from typing import cast

import pytest

from dmarc_milter.judging.site import Site
from dmarc_milter.milter.worker_state import Activity, HeaderThrottle, WorkerState


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
    assert taken.wait(5)


def test_nobody_waits_longer_than_patience() -> None:
    throttle = HeaderThrottle()
    assert throttle.acquire()
    begun = time.monotonic()
    assert not throttle.acquire()
    assert throttle.PATIENCE <= time.monotonic() - begun < throttle.PATIENCE + 1
    throttle.release()
    assert throttle.acquire()


def test_activity_tells_of_sessions_alone() -> None:
    told: list[int] = []
    activity = Activity()
    activity.on_sessions = told.append
    activity.change(sessions=1)
    activity.change(messages=1)
    activity.change(messages=-1)
    activity.change(sessions=-1)
    assert told == [1, 0]


def test_whoever_waits_is_told_of_the_change() -> None:
    activity = Activity()
    activity.change(messages=1)
    assert not activity.wait_until(lambda now: now.messages == 0, 0.01)
    ended = threading.Event()

    def wait() -> None:
        if activity.wait_until(lambda now: now.messages == 0, 30):
            ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    activity.change(messages=-1)
    assert ended.wait(5)


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
    worker.activity.change(messages=messages)
    now = time.monotonic()
    worker.sessions = {Connection(now - each) for each in idle_for}
    assert worker.is_quiet(5.0) is is_quiet
