"""What the sessions of a worker share."""

import threading
import time

from dmarc_milter.milter.worker_state import Activity, Turns


def test_one_turn_at_a_time() -> None:
    turns = Turns()
    assert turns.take()
    taken = threading.Event()
    threading.Thread(target=lambda: turns.take() and taken.set()).start()
    assert not taken.is_set()
    turns.give_back()
    assert taken.wait(5)


def test_nobody_waits_longer_than_patience() -> None:
    turns = Turns()
    assert turns.take()
    begun = time.monotonic()
    assert not turns.take()
    assert turns.PATIENCE <= time.monotonic() - begun < turns.PATIENCE + 1
    turns.give_back()
    assert turns.take()


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
    waiting = threading.Thread(target=lambda: activity.wait_until(lambda now: now.messages == 0, 30) and ended.set())
    waiting.start()
    activity.change(messages=-1)
    assert ended.wait(5)
