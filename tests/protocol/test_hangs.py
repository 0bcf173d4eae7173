"""Workers that hang are replaced: however they hang, and wherever they are.

What hangs is put into the filter by a module that Python imports first; a message asks for it in a field X-Hang.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.mta import Mta
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import EXPECTED, found
from tests.support.running import RunningFilter, environment_with, settings
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

ENDED_WITHIN = 20
RIGHT_WITHIN = 30
SIGNED = EXAMPLES[0]

FAST = """
from dmarc_milter.service import heartbeat as pulse
pulse.SILENT_SECONDS = 3.0
pulse.ENDLESS_SECONDS = 3.0
pulse.ENDLESS_CPU_SECONDS = 1.0
from dmarc_milter.service import worker_pool, worker_process
worker_process.START_SECONDS = 2.0
worker_process.SILENT_SECONDS = 3.0
worker_pool.LEAVE_SECONDS = -3.0
worker_pool.DRAIN_SECONDS = 0.0
"""
"""Where it is not the time that matters."""

HANGING = """
import re
from dmarc_milter.judging import evaluation

def loop(self):
    while True:
        pass

def regex(self):
    # Holds the interpreter's lock.
    re.match(r"(a|aa)+$", "a" * 100 + "b")

def lookups_loop(self):
    self._context.source._loop.call(lambda: loop(self))

def lookups_end(self):
    def end():
        raise SystemExit
    self._context.source._loop.call(end)

kept = evaluation.MessageEvaluation.end_of_message
def end_of_message(self):
    for field in self.header.all("x-hang"):
        globals()[bytes(field.value).decode().strip()](self)
    return kept(self)
evaluation.MessageEvaluation.end_of_message = end_of_message
"""


@contextmanager
def serving(folder: Path, server: NameServerThread, early: str, workers: int = 1) -> Iterator[RunningFilter]:
    """A filter with `early` imported into it."""
    text = settings(server).replace("workers = 2", f"workers = {workers}").replace("[dns]", "drain_seconds = 1\n[dns]")
    started = RunningFilter(folder, f"unix:{folder}/socket", text, environment_with(folder, early))
    try:
        yield started
    finally:
        started.stop()


def connected(running: RunningFilter) -> Mta:
    mta = running.mta()
    mta.connect(SIGNED.helo, SIGNED.client)
    mta.helo(SIGNED.helo)
    return mta


def is_right(running: RunningFilter) -> bool:
    """Whether a message gets its right verdict at once."""
    try:
        mta = connected(running)
        mta.limit(2)
        fields, body = SIGNED.content
        answer = mta.message(SIGNED.mail_from, ["x"], fields, body)
        mta.quit()
    except OSError:
        return False
    return found(answer) == EXPECTED[SIGNED.name]


def hang(running: RunningFilter, how: str) -> None:
    """Send a message that hangs; nobody waits for its end."""
    mta = connected(running)
    fields, body = SIGNED.content

    def send() -> None:
        with suppress(OSError):
            mta.message(SIGNED.mail_from, ["x"], [*fields, (b"X-Hang", b" " + how.encode())], body)

    threading.Thread(target=send, daemon=True).start()


def stop_one(running: RunningFilter) -> None:
    os.kill(running.workers[0], signal.SIGSTOP)


HANGS: dict[str, tuple[Callable[[RunningFilter], None], str, str]] = {
    "stopped": (stop_one, "silent", ""),
    "a loop in a callback": (lambda running: hang(running, "loop"), "endless", ""),
    "a regular expression": (lambda running: hang(running, "regex"), "silent", FAST),
    "a loop in the look-ups": (lambda running: hang(running, "lookups_loop"), "silent", FAST),
    "the look-ups ended": (lambda running: hang(running, "lookups_end"), "silent", FAST),
}


@pytest.mark.parametrize("how", HANGS)
def test_a_worker_that_hangs_is_replaced(tmp_path: Path, name_server: NameServerThread, how: str) -> None:
    begin, kind, early = HANGS[how]
    with serving(tmp_path, name_server, early + HANGING) as running:
        assert is_right(running)
        (before,) = running.workers
        begin(running)
        # How long that may take is in the bounds themselves (tests/unit/test_heartbeat.py): here the machine may be busy.
        wait_for(lambda: before not in running.workers, "the end of the worker", 3 * ENDED_WITHIN)
        wait_for(lambda: is_right(running), "a right verdict", 3 * RIGHT_WITHIN)
        assert f"worker {before} hangs ({kind}) and is ended by force" in running.log
        assert f'dmarc_milter_worker_hangs_total{{how="{kind}"}} 1.0' in running.metrics()


def test_the_other_worker_takes_the_mail_meanwhile(tmp_path: Path, name_server: NameServerThread) -> None:
    """Not only as much of it as the one that hangs has."""
    with serving(tmp_path, name_server, FAST, workers=2) as running:
        before = running.workers
        os.kill(before[0], signal.SIGSTOP)
        waiting = [connected(running) for _ in range(40)]
        wait_for(lambda: before[0] not in running.workers, "the end of the worker", 3 * ENDED_WITHIN)
        wait_for(lambda: is_right(running), "a right verdict")
        for mta in waiting:
            mta.quit()


AT_START = """
import os, time
from dmarc_milter.service import worker as service
kept = service.register
def register(*args):
    if not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        time.sleep(3600)
    return kept(*args)
service.register = register
"""


def test_one_that_hangs_before_it_serves_is_replaced(tmp_path: Path, name_server: NameServerThread) -> None:
    early = FAST + AT_START.format(mark=str(tmp_path / "mark"))
    with serving(tmp_path, name_server, early) as running:
        assert "hangs (not ready) and is ended by force" in running.log
        assert is_right(running)


AT_END = """
import time
from dmarc_milter.service.accept_gate import AcceptGate
AcceptGate.close = lambda self: time.sleep(3600)
"""


def test_one_that_hangs_while_it_leaves_is_ended(tmp_path: Path, name_server: NameServerThread) -> None:
    with serving(tmp_path, name_server, FAST + AT_END) as running:
        (before,) = running.workers
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: before not in running.workers, "the end of the worker", 60)
        assert f"worker {before} hangs (not leaving) and is ended by force" in running.log
        assert is_right(running)


def test_the_metrics_process_is_replaced_too(tmp_path: Path, name_server: NameServerThread) -> None:
    with serving(tmp_path, name_server, FAST) as running:
        before = running.monitor
        os.kill(before, signal.SIGSTOP)
        wait_for(lambda: running.monitor not in (0, before), "another process", 60)
        assert "dmarc_milter_workers" in running.metrics()


def test_a_stopped_metrics_process_does_not_keep_the_service_from_ending(
    tmp_path: Path, name_server: NameServerThread
) -> None:
    with serving(tmp_path, name_server, FAST) as running:
        os.kill(running.monitor, signal.SIGSTOP)
        assert running.stop() == 0
