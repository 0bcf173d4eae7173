"""More connections than there are descriptors: of the MTA, and to the metrics."""

import contextlib
import http.client
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dmarc_milter.demo.examples import EXAMPLES
from dmarc_milter.testing.mta import ALL_ACTIONS, ALL_STEPS, Mta
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.examples import EXPECTED, found
from tests.support.running import RunningFilter, environment_with, settings
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

DESCRIPTORS = 1_024
IDLE = 1_300
MEASURED_SECONDS = 5
MAX_CPU_SECONDS = 0.5
SIGNED = EXAMPLES[0]


@pytest.fixture(autouse=True)
def _room() -> Iterator[None]:
    """The test itself opens many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 4 * IDLE:
        pytest.skip("this process may not open enough")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * IDLE), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def served(folder: Path, server: NameServerThread, workers: int = 1, early: str = "") -> RunningFilter:
    text = settings(server).replace("workers = 2", f"workers = {workers}")
    environment = environment_with(folder, early)
    return RunningFilter(folder, f"unix:{folder}/socket", text, environment, descriptors=DESCRIPTORS)


def message(mta: Mta) -> tuple[str, ...]:
    fields, body = SIGNED.content
    return found(mta.message(SIGNED.mail_from, ["you@example.org"], fields, body))


def connected(running: RunningFilter) -> Mta:
    mta = running.mta()
    mta.connect(SIGNED.helo, SIGNED.client)
    mta.helo(SIGNED.helo)
    return mta


def negotiate(connection: socket.socket) -> None:
    connection.sendall(struct.pack("!IcIII", 13, b"O", 6, ALL_ACTIONS, ALL_STEPS))


def cpu_seconds(pids: list[int]) -> float:
    """What processes have used so far."""
    times = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return sum(int(each) for pair in times for each in pair) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("say", [lambda connection: None, negotiate], ids=["silent", "negotiated"])
def test_idle_connections(
    tmp_path: Path, name_server: NameServerThread, workers: int, say: Callable[[socket.socket], None]
) -> None:
    running = served(tmp_path, name_server, workers)
    early = connected(running)
    idle = []
    for _ in range(IDLE):
        idle.append(socket.socket(socket.AF_UNIX))
        idle[-1].connect(str(tmp_path / "socket"))
        say(idle[-1])
    wait_for(lambda: connections(running) > DESCRIPTORS // 2, "connections")
    before = cpu_seconds(running.workers)
    # The CPU of a span of time is what is asked for: it has to pass.
    time.sleep(MEASURED_SECONDS)
    assert cpu_seconds(running.workers) - before < MAX_CPU_SECONDS
    assert message(early) == EXPECTED[SIGNED.name], "descriptors are left for the DNS"
    for each in idle:
        each.close()
    late = connected(running)
    assert message(late) == EXPECTED[SIGNED.name]
    for mta in (early, late):
        mta.quit()
    assert running.stop() == 0


def connections(running: RunningFilter) -> int:
    return max(len(os.listdir(f"/proc/{worker}/fd")) for worker in running.workers)


def test_connections_that_come_and_go_at_the_limit(tmp_path: Path, name_server: NameServerThread) -> None:
    """Those that wait in the queue get in as others leave."""
    running = served(tmp_path, name_server)
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(IDLE)]
    for each in waiting:
        each.connect(str(tmp_path / "socket"))
        negotiate(each)
    for each in waiting:
        each.settimeout(30)
        assert each.recv(1), "the answer to what was negotiated"
        each.close()
    assert running.stop() == 0
    assert "Traceback" not in running.log


# Metrics

IDLE_CLIENTS = 600
MAX_THREADS = 100
NOBODY_LEAVES = """
from dmarc_milter.service import bounded_http
bounded_http.HEAD_SECONDS = bounded_http.CONNECTION_SECONDS = bounded_http.BoundedHandler.timeout = 3600.0
"""
"""Clients of the metrics are not ended by time: whoever gets an answer was let in before them."""


def drip(connection: socket.socket) -> None:
    connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")


def fill(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 10_000)


def ask_without_reading(connection: socket.socket) -> None:
    connection.sendall(b"GET /metrics HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, name_server: NameServerThread) -> Iterator[RunningFilter]:
    folder = tmp_path_factory.mktemp("filter")
    running = served(folder, name_server, early=NOBODY_LEAVES)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.mark.parametrize(
    "say", [lambda connection: None, drip, fill, ask_without_reading], ids=["silent", "slow", "much", "deaf"]
)
def test_clients_of_the_metrics(measured: RunningFilter, say: Callable[[socket.socket], None]) -> None:
    idle = []
    for _ in range(IDLE_CLIENTS):
        idle.append(socket.create_connection(("127.0.0.1", measured.metrics_port)))
        say(idle[-1])
    assert "dmarc_milter_workers" in measured.metrics(), "not only after they have left"
    assert len(os.listdir(f"/proc/{measured.monitor}/task")) <= MAX_THREADS
    for each in idle:
        each.close()
    assert "dmarc_milter_workers" in measured.metrics()


@pytest.mark.parametrize(
    "request_", [b"GET /" + b"x" * 10_000, b"GET / HTTP/1.0\r\nX: " + b"x" * 10_000, b"\x00" * 10_000], ids=len
)
def test_a_request_that_is_too_long_is_not_answered(measured: RunningFilter, request_: bytes) -> None:
    address = ("127.0.0.1", measured.metrics_port)
    # What is left unread resets the connection.
    with socket.create_connection(address, timeout=30) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request_)
        assert connection.recv(1) == b""


def test_a_connection_has_one_answer(measured: RunningFilter) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", measured.metrics_port, timeout=30)
    connection.request("GET", "/healthz", headers={"Connection": "keep-alive"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"alive\n")
    assert answer.will_close
    connection.close()


def test_requests_at_once(measured: RunningFilter) -> None:
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(measured.metrics())) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all("dmarc_milter_workers" in each for each in texts)
    assert len(texts) == 20
