"""Under 20 connections of constant load: workers killed, settings reloaded, the service stopped.

Every message gets its right verdict, or an answer (or a broken connection) that makes the MTA try again. Figures:
    .venv/bin/python -m pytest tests/protocol/test_load.py -s
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.mta import Mta
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import EXPECTED, found, play_on
from tests.support.load import CONNECTIONS, Load
from tests.support.running import RunningFilter, settings
from tests.support.waiting import wait_for


@contextmanager
def load(folder: Path, server: NameServerThread) -> Iterator[tuple[RunningFilter, Load]]:
    running = RunningFilter(folder, f"unix:{folder}/socket", settings(server))
    under = Load(running)
    under.start()
    try:
        wait_for(lambda: under.seen["right"] > 100, "the load")
        yield running, under
    finally:
        under.stop()
        running.stop()
    print(dict(under.seen))
    assert under.wrong == []
    assert "Traceback" not in running.log


def more_than(under: Load, count: int) -> Callable[[], bool]:
    start = under.seen["right"]
    return lambda: under.seen["right"] > start + count


def test_workers_that_are_killed(tmp_path: Path, name_server: NameServerThread) -> None:
    with load(tmp_path, name_server) as (running, under):
        for _ in range(3):
            wait_for(lambda: len(running.workers) == 2, "two workers")
            os.kill(running.workers[0], signal.SIGKILL)
            wait_for(more_than(under, 200), "more messages")
    assert under.seen["connection broken"] >= 1
    assert under.seen["connection broken"] <= 3 * CONNECTIONS


def has_said(running: RunningFilter, words: str, times: int) -> bool:
    return running.log.count(words) == times


def test_reloads_fail_and_lose_nothing(tmp_path: Path, name_server: NameServerThread) -> None:
    with load(tmp_path, name_server) as (running, under):
        good = running.config.read_text()
        for number in range(1, 5):
            running.config.write_text(good.replace('"enforce"', '"nonsense"'))
            running.process.send_signal(signal.SIGHUP)
            wait_for(partial(has_said, running, "settings not reloaded", number), "the refusal")
            running.config.write_text(good)
            running.process.send_signal(signal.SIGHUP)
            wait_for(partial(has_said, running, "serving on", number + 1), "the reload")
            wait_for(more_than(under, 100), "more messages")
    assert set(under.seen) == {"right"}


def test_stopped_under_load(tmp_path: Path, name_server: NameServerThread) -> None:
    with load(tmp_path, name_server) as (running, under):
        assert running.stop() == 0
        wait_for(lambda: under.seen["not connected"] > 0, "the end")
    # What was at hand was answered: a connection is only broken between two messages.
    assert under.seen["connection broken"] <= CONNECTIONS


def test_a_connection_that_was_accepted_and_has_not_begun_is_served_before_the_end(
    tmp_path: Path, name_server: NameServerThread
) -> None:
    """A busy MTA may speak late. Broken off, it would let the message in unjudged, or put it off."""
    running = RunningFilter(
        tmp_path, f"unix:{tmp_path}/socket", settings(name_server).replace("workers = 2", "workers = 1")
    )
    (before,) = _sockets(running)
    connected = running.connect()
    wait_for(lambda: _sockets(running) == [before + 1], "the worker to accept")
    running.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in running.log, "the end to begin")
    assert found(play_on(Mta(connected), EXAMPLES[0])) == EXPECTED[EXAMPLES[0].name]
    connected.close()
    assert running.process.wait(60) == 0


@pytest.mark.parametrize("place", [0, 1])
def test_several_addresses(tmp_path: Path, name_server: NameServerThread, place: int) -> None:
    addresses = [f"unix:{tmp_path}/a", f"unix:{tmp_path}/b"]
    running = RunningFilter(tmp_path, addresses[place], settings(name_server), all_addresses=addresses)
    assert len(running.workers) == 4
    under = Load(running)
    under.start()
    wait_for(lambda: under.seen["right"] > 50, "the load")
    under.stop()
    assert running.stop() == 0
    assert set(under.seen) == {"right"}
    assert not any((tmp_path / name).exists() for name in "ab")


def test_connections_are_shared_out_evenly(tmp_path: Path, name_server: NameServerThread) -> None:
    """None waits for a worker that is asleep, and no worker has many more than the other."""
    running = RunningFilter(tmp_path, f"unix:{tmp_path}/socket", settings(name_server))
    before = _sockets(running)
    started = time.monotonic()
    opened: list[Mta] = []
    for number in range(400):
        if len(opened) == 40:
            opened.pop(number * 7 % 40).quit()
        opened.append(running.mta())
    # A second or two. Where nobody wakes libmilter it sleeps for 5 seconds, over and over: many minutes.
    assert time.monotonic() - started < 100, "libmilter sleeps"
    wait_for(lambda: sum(_sockets(running)) == sum(before) + 40, "the end of those that have quit")
    sessions = [now - then for now, then in zip(_sockets(running), before, strict=True)]
    assert abs(sessions[0] - sessions[1]) <= 8, sessions
    for each in opened:
        each.quit()
    assert running.stop() == 0


def _sockets(running: RunningFilter) -> list[int]:
    """Open ones of each worker: one for each connection, and its own."""
    return [sum(_is_socket(each) for each in Path(f"/proc/{worker}/fd").iterdir()) for worker in running.workers]


def _is_socket(descriptor: Path) -> bool:
    try:
        return os.readlink(descriptor).startswith("socket:")
    except FileNotFoundError:
        return False
