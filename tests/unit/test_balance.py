"""Connections shared out between the workers of one address."""

import ctypes
import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dmarc_milter.milter.balance import AHEAD, LOOK_AGAIN, SEATS, Gate, Loads


@pytest.mark.parametrize(
    ("loads", "fewest"),
    [({}, None), ({0: 5}, None), ({1: 5}, 5), ({0: 1, 1: 5, 2: 3}, 3), ({1: 0, 2: 3}, 0)],
    ids=str,
)
def test_fewest_beside_the_worker_in_seat_0(loads: dict[int, int], fewest: int | None) -> None:
    shared = Loads()
    for seat, sessions in loads.items():
        shared.accepts(seat, sessions)
    assert shared.fewest_beside(0) == fewest


def test_who_left_is_not_counted() -> None:
    shared = Loads()
    shared.accepts(1, 0)
    shared.accepts(2, 7)
    shared.leaves(1)
    assert shared.fewest_beside(0) == 7


def test_beyond_the_seats_nobody_is_counted_and_all_accept() -> None:
    shared = Loads()
    shared.accepts(SEATS, 0)
    shared.accepts(0, 7)
    assert shared.fewest_beside(1) == 7
    assert shared.fewest_beside(SEATS) is None


def test_loads_are_shared_with_forked_processes() -> None:
    shared = Loads()
    pid = os.fork()
    if pid == 0:
        shared.accepts(1, 42)
        os._exit(0)
    os.waitpid(pid, 0)
    assert shared.fewest_beside(0) == 42


@dataclass
class Worker:
    """A gate over two sockets, and what a listener does with its descriptor."""

    loads: Loads
    gate: Gate
    descriptor: int
    port: int

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
        loads = Loads()
        gate = Gate(loads, 0, descriptor, listening.fileno(), parked.fileno())
        yield Worker(loads, gate, descriptor, listening.getsockname()[1])
        os.close(descriptor)


def test_alone_it_accepts_whatever_it_has(worker: Worker) -> None:
    worker.gate.note(1_000)
    assert worker.accepts()


def test_ahead_it_shuts_and_opens_when_it_is_no_longer(worker: Worker) -> None:
    worker.loads.accepts(1, 3)
    worker.gate.note(3 + AHEAD)
    assert worker.accepts()
    worker.gate.note(3 + AHEAD + 1)
    assert not worker.accepts()
    worker.gate.note(3 + AHEAD)
    assert worker.accepts()


def test_shut_it_is_not_waited_for_by_others(worker: Worker) -> None:
    worker.loads.accepts(1, 0)
    worker.gate.note(AHEAD + 1)
    assert worker.loads.fewest_beside(1) is None


@pytest.mark.parametrize(
    "change", [lambda loads: loads.accepts(1, 50), lambda loads: loads.leaves(1)], ids=["more", "gone"]
)
def test_it_sees_by_itself_that_others_have_more_or_are_gone(worker: Worker, change: Callable[[Loads], None]) -> None:
    worker.gate.start()
    worker.loads.accepts(1, 0)
    worker.gate.note(AHEAD + 1)
    assert not worker.accepts()
    change(worker.loads)
    limit = time.monotonic() + 5
    while not worker.accepts():
        assert time.monotonic() < limit
        time.sleep(LOOK_AGAIN)


def _wait_until_asleep(thread: threading.Thread) -> None:
    waiting_in = Path(f"/proc/self/task/{thread.native_id}/syscall")
    numbers = {"7", "271", "73"}  # poll or ppoll, by processor
    limit = time.monotonic() + 5
    while waiting_in.read_text().split()[0] not in numbers:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_listener_asleep_on_the_parked_socket_is_woken() -> None:
    """The kernel goes on waiting for the file that the descriptor was when the wait began."""
    ready, interrupted = threading.Event(), threading.Event()
    made: list[Gate] = []
    loads = Loads()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as parked:
        descriptor = os.dup(listening.fileno())

        def listen() -> None:
            made.append(Gate(loads, 0, descriptor, listening.fileno(), parked.fileno()))
            loads.accepts(1, 0)
            made[0].note(AHEAD + 1)
            ready.set()
            # Not Python's own call, which would go on after an interruption.
            libc = ctypes.CDLL(None, use_errno=True)
            waiting = (ctypes.c_int * 2)(descriptor, select.POLLIN)
            if libc.poll(waiting, 1, 20_000) == -1 and ctypes.get_errno() == errno.EINTR:
                interrupted.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert ready.wait(5)
        _wait_until_asleep(listener)
        made[0].note(0)
        assert interrupted.wait(5)
        listener.join()
        os.close(descriptor)


def test_closed_is_closed_for_good(worker: Worker) -> None:
    worker.loads.accepts(1, 0)
    worker.gate.note(AHEAD + 1)
    worker.gate.close()
    worker.gate.note(0)
    assert not worker.accepts()
    assert worker.loads.fewest_beside(1) is None
