"""Connections shared out between the workers of one address."""

import contextlib
import ctypes
import errno
import os
import resource
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dmarc_milter.service import descriptors
from dmarc_milter.service.accept_gate import MAX_BALANCED, TOLERATED_LEAD, AcceptGate, WorkerSessions
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("worker_sessions", "fewest"),
    [({}, None), ({0: 5}, None), ({1: 5}, 5), ({0: 1, 1: 5, 2: 3}, 3), ({1: 0, 2: 3}, 0)],
    ids=str,
)
def test_fewest_beside_the_worker_in_number_0(worker_sessions: dict[int, int], fewest: int | None) -> None:
    shared = WorkerSessions()
    for number, count in worker_sessions.items():
        shared.accepts(number, count)
    assert shared.fewest_beside(0) == fewest


def test_who_left_is_not_counted() -> None:
    shared = WorkerSessions()
    shared.accepts(1, 0)
    shared.accepts(2, 7)
    shared.leaves(1)
    assert shared.fewest_beside(0) == 7


def test_beyond_the_numbers_nobody_is_counted_and_all_accept() -> None:
    shared = WorkerSessions()
    shared.accepts(MAX_BALANCED, 0)
    shared.accepts(0, 7)
    assert shared.fewest_beside(1) == 7
    assert shared.fewest_beside(MAX_BALANCED) is None


def test_loads_are_shared_with_forked_processes() -> None:
    shared = WorkerSessions()
    pid = os.fork()
    if pid == 0:
        shared.accepts(1, 42)
        os._exit(0)
    os.waitpid(pid, 0)
    assert shared.fewest_beside(0) == 42


class Descriptors(descriptors.Descriptors):
    """As many as the test says, without a change to those of the process that runs the tests."""

    def __init__(self) -> None:
        self.scarce = self.plentiful = self.reserve_is_open = False

    def keep_reserve(self) -> None:
        self.reserve_is_open = False

    def open_reserve(self) -> None:
        self.reserve_is_open = True

    def are_scarce(self, any_open: int) -> bool:
        return self.scarce

    def are_plentiful(self) -> bool:
        return self.plentiful


@dataclass
class Worker:
    """A gate over two sockets, and what a listener does with its descriptor."""

    descriptors: Descriptors

    worker_sessions: WorkerSessions
    sessions: set[int]
    gate: AcceptGate
    descriptor: int
    port: int

    def has(self, sessions: int) -> None:
        """From now on, so many sessions."""
        self.sessions.clear()
        self.sessions.update(range(sessions))
        self.gate.note()

    def accepts(self) -> bool:
        """Whether a connection to the address arrives at the descriptor."""
        with socket.create_connection(("127.0.0.1", self.port)), socket.socket(fileno=os.dup(self.descriptor)) as own:
            return self._takes(own)

    def _takes(self, own: socket.socket) -> bool:
        if not select.select([own], [], [], 0)[0]:
            return False
        own.accept()[0].close()
        return True


@pytest.fixture
def worker() -> Iterator[Worker]:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as parked:
        listening.setblocking(False)
        descriptor = os.dup(listening.fileno())
        worker_sessions = WorkerSessions()
        available = Descriptors()
        sessions: set[int] = set()
        count = sessions.__len__
        gate = AcceptGate(worker_sessions, 0, count, descriptor, listening.fileno(), parked.fileno(), available)
        yield Worker(available, worker_sessions, sessions, gate, descriptor, listening.getsockname()[1])
        os.close(descriptor)


def test_alone_it_accepts_whatever_it_has(worker: Worker) -> None:
    worker.has(1_000)
    assert worker.accepts()


def test_ahead_it_shuts_and_opens_when_it_is_no_longer(worker: Worker) -> None:
    worker.worker_sessions.accepts(1, 3)
    worker.has(3 + TOLERATED_LEAD)
    assert worker.accepts()
    worker.has(3 + TOLERATED_LEAD + 1)
    assert not worker.accepts()
    worker.has(3 + TOLERATED_LEAD)
    assert worker.accepts()


def test_shut_it_is_not_waited_for_by_others(worker: Worker) -> None:
    worker.worker_sessions.accepts(1, 0)
    worker.has(TOLERATED_LEAD + 1)
    assert worker.worker_sessions.fewest_beside(1) is None


@pytest.mark.parametrize(
    "change",
    [lambda worker_sessions: worker_sessions.accepts(1, 50), lambda worker_sessions: worker_sessions.leaves(1)],
    ids=["more", "gone"],
)
def test_it_sees_by_itself_that_others_have_more_or_are_gone(
    worker: Worker, change: Callable[[WorkerSessions], None]
) -> None:
    worker.gate.start()
    worker.worker_sessions.accepts(1, 0)
    worker.has(TOLERATED_LEAD + 1)
    assert not worker.accepts()
    change(worker.worker_sessions)
    wait_for(worker.accepts, "the gate to open")


def _wait_until_asleep(thread: threading.Thread) -> None:
    waiting_in = Path(f"/proc/self/task/{thread.native_id}/syscall")
    numbers = {"7", "271", "73"}  # poll or ppoll, by processor
    wait_for(lambda: waiting_in.read_text().split()[0] in numbers, "the thread to be asleep")


def test_a_listener_asleep_on_the_parked_socket_is_woken() -> None:
    """The kernel goes on waiting for the file that the descriptor was when the wait began."""
    ready, interrupted = threading.Event(), threading.Event()
    made: list[AcceptGate] = []
    worker_sessions = WorkerSessions()
    sessions = set(range(TOLERATED_LEAD + 1))
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as parked:
        descriptor = os.dup(listening.fileno())

        def listen() -> None:
            count = sessions.__len__
            made.append(
                AcceptGate(worker_sessions, 0, count, descriptor, listening.fileno(), parked.fileno(), Descriptors())
            )
            worker_sessions.accepts(1, 0)
            made[0].note()
            ready.set()
            # Not Python's own call, which would go on after an interruption.
            libc = ctypes.CDLL(None, use_errno=True)
            waiting = (ctypes.c_int * 2)(descriptor, select.POLLIN)
            if libc.poll(waiting, 1, 120_000) == -1 and ctypes.get_errno() == errno.EINTR:
                interrupted.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert ready.wait(60)
        _wait_until_asleep(listener)
        sessions.clear()
        made[0].note()
        assert interrupted.wait(60)
        listener.join()
        os.close(descriptor)


def test_closed_is_closed_for_good(worker: Worker) -> None:
    worker.worker_sessions.accepts(1, 0)
    worker.has(TOLERATED_LEAD + 1)
    worker.gate.close()
    worker.has(0)
    assert not worker.accepts()
    assert worker.worker_sessions.fewest_beside(1) is None


def test_without_descriptors_it_shuts_and_opens_when_many_are_free(worker: Worker) -> None:
    worker.gate.start()
    assert worker.accepts()
    worker.descriptors.scarce = True
    worker.gate.note()
    assert not worker.accepts()
    assert worker.descriptors.reserve_is_open
    assert worker.worker_sessions.fewest_beside(1) is None, "the others do not wait for it"
    worker.descriptors.scarce = False
    worker.has(0)
    assert not worker.accepts(), "not for the first that is free"
    worker.descriptors.plentiful = True
    wait_for(worker.accepts, "the gate to open")
    assert not worker.descriptors.reserve_is_open


def test_closed_it_may_use_all_descriptors(worker: Worker) -> None:
    worker.gate.start()
    worker.gate.close()
    assert worker.descriptors.reserve_is_open


def test_descriptors_are_kept_back_from_connections() -> None:
    """In a process of its own: it is the process whose limit is changed."""
    pid = os.fork()
    if pid == 0:
        try:
            # Whatever other tests have open is not counted.
            os.closerange(3, 4096)
            os._exit(_use_up_200())
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def _use_up_200() -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    own = descriptors.Descriptors()
    own.keep_reserve()
    assert not own.are_scarce(1)
    taken = _take_all()
    assert max(taken) == 149
    assert own.are_scarce(1)
    own.open_reserve()
    assert not own.are_plentiful()
    assert max(_take_all()) == 199
    assert not own.are_plentiful()
    for each in taken:
        os.close(each)
    assert own.are_plentiful()
    assert not own.are_scarce(1)
    return 0


def _take_all() -> list[int]:
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(1))
    return taken


def test_nobody_waits_for_whoever_decides_and_what_became_due_meanwhile_is_not_lost() -> None:
    """A thread that finds the gate busy leaves at once; the one that decides looks again."""
    seen: list[int] = []
    sessions = {1}

    def count() -> int:
        seen.append(len(sessions))
        if len(seen) == 1:
            sessions.add(2)
            other = threading.Thread(target=gate.note)
            other.start()
            other.join(20)
            assert not other.is_alive()
        return seen[-1]

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as parked:
        descriptor = os.dup(listening.fileno())
        shared = WorkerSessions()
        gate = AcceptGate(shared, 0, count, descriptor, listening.fileno(), parked.fileno(), Descriptors())
        gate.note()
        os.close(descriptor)
    assert seen == [1, 2]
    assert shared.fewest_beside(1) == 2
