"""The HTTP server of the metrics in this process: what it answers, and what it does not wait for."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.service import bounded_http
from dmarc_milter.service.bounded_http import BoundedServer
from dmarc_milter.service.metrics_server import Readiness, _Handler
from dmarc_milter.settings import config
from dmarc_milter.telemetry import metrics
from dmarc_milter.telemetry.log import logger
from dmarc_milter.testing.name_server import NameServerThread


class Counts:
    """What the workers would have counted."""

    def __init__(self) -> None:
        self.workers, self.waiting, self.written = 2.0, 0.0, 0.0

    def collect(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        workers = Gauge("dmarc_milter_workers", "x", ("state",), registry=registry)
        workers.labels("ready").set(self.workers)
        Gauge("dmarc_milter_journal_waiting_records", "x", registry=registry).set(self.waiting)
        Gauge("dmarc_milter_journal_last_write_timestamp_seconds", "x", registry=registry).set(self.written)
        return registry


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    made = Counts()
    monkeypatch.setattr(metrics, "collect", made.collect)
    return made


class Service:
    """The server on a port of its own."""

    def __init__(self, name_server: str) -> None:
        settings = config.parse({"dns": {"nameservers": [name_server], "timeout": 0.2, "tries": 1}})
        readiness = Readiness(settings)

        class Handler(_Handler):
            ready = readiness

        self.server = BoundedServer(socket.create_server(("127.0.0.1", 0)), Handler)
        self.port = int(self.server.server_address[1])
        self._thread = threading.Thread(target=lambda: self.server.serve_forever(0.05), daemon=True)
        self._thread.start()

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def service(counts: Counts) -> Iterator[Service]:
    with NameServerThread(ZoneResolver.from_text('example.com. 60 IN TXT "a"')) as server:
        made = Service(server.address)
        yield made
        made.close()


def test_what_it_answers(service: Service) -> None:
    assert service.get("/healthz") == (200, "alive\n")
    assert service.get("/readyz?x") == (200, "ready\n")
    assert 'dmarc_milter_workers{state="ready"} 2.0' in service.get("/metrics")[1]
    assert service.get("/x")[0] == 404


def broken() -> CollectorRegistry:
    raise FileNotFoundError("a bug, or a file that is gone")


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_cannot_be_answered_is_an_error_that_is_answered_and_logged(
    service: Service, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "collect", broken)
    assert service.get(path) == (500, "an error of the filter; its log says more\n")
    assert "a bug, or a file that is gone" in caplog.text


def test_not_ready_without_workers(service: Service, counts: Counts) -> None:
    counts.workers = 0
    assert service.get("/readyz") == (503, "no worker is ready\n")


def test_not_ready_without_the_dns(counts: Counts) -> None:
    with NameServerThread(ZoneResolver.from_text(""), disturb=lambda _, wire: None) as silent:
        made = Service(silent.address)
        status, text = made.get("/readyz")
        made.close()
    assert (status, text.startswith("the DNS does not answer: ")) == (503, True)


@pytest.mark.parametrize(
    ("waiting", "written_ago", "said"),
    [
        (0, 3600.0, ""),
        (3, 1.0, ""),
        (3, 60.0, "the journal: 3 records wait, none was written for 60 s\n"),
        (3, None, "the journal: 3 records wait, none was written since the start\n"),
    ],
)
def test_a_journal_that_cannot_be_written_is_told(
    service: Service, counts: Counts, waiting: int, written_ago: float | None, said: str
) -> None:
    counts.waiting = waiting
    counts.written = 0.0 if written_ago is None else time.time() - written_ago
    assert service.get("/readyz") == (200, f"ready\n{said}")


def test_a_request_that_is_too_long_or_none_gets_no_answer(service: Service) -> None:
    for octets in (b"GET /" + b"x" * 10_000, b""):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.settimeout(20)
            # The server may have closed it before all of it is sent.
            with contextlib.suppress(OSError):
                client.sendall(octets)
                client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
    assert service.get("/healthz")[0] == 200


def test_who_sends_nothing_makes_room_for_others(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "MAX_CONNECTIONS", 2)
    silent = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(3)]
    assert service.get("/healthz") == (200, "alive\n")
    for each in silent:
        each.close()


def test_what_takes_too_long_is_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "CONNECTION_SECONDS", 0.0)
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.settimeout(20)
        assert client.recv(100) == b""


def test_too_many_requests_at_once_are_turned_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Handler, "_room", threading.BoundedSemaphore(1))
    with _Handler._room:
        assert service.get("/healthz") == (503, "too many requests\n")


@pytest.mark.parametrize(
    ("error", "is_logged"), [(ConnectionResetError(), False), (TimeoutError(), False), (ValueError(), True)]
)
def test_a_client_that_goes_away_is_no_error_of_ours(
    service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception, is_logged: bool
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(logger, "exception", logged.append)
    try:
        raise error
    except type(error):
        service.server.handle_error(None, None)
    assert bool(logged) is is_logged


def test_only_the_overdue_are_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest come first; the others keep their connections."""
    pairs = [socket.socketpair() for _ in range(3)]
    now = time.monotonic()
    began = (now - 2 * bounded_http.CONNECTION_SECONDS, now - 1.5 * bounded_http.CONNECTION_SECONDS, now)
    connections = {ours: bounded_http._Connection(since) for (ours, _), since in zip(pairs, began, strict=True)}
    monkeypatch.setattr(service.server, "_open", connections)
    # One has gone by itself: that is no error.
    pairs[0][0].close()
    service.server._end_overdue()
    assert [each.is_ended for each in connections.values()] == [True, True, False]
    assert pairs[1][1].recv(1) == b""
    pairs[2][0].sendall(b"x")
    assert pairs[2][1].recv(1) == b"x"
    for pair in pairs:
        for end in pair:
            end.close()


@pytest.mark.parametrize(
    ("states", "ended"),
    [
        ([(True, False), (False, False), (False, False)], 1),
        ([(True, False), (True, False)], None),
        ([(False, False), (True, True)], None),
    ],
    ids=["the oldest that asks", "all are being answered", "one ends already"],
)
def test_who_makes_room(
    service: Service, monkeypatch: pytest.MonkeyPatch, states: list[tuple[bool, bool]], ended: int | None
) -> None:
    pairs = [socket.socketpair() for _ in states]
    now = time.monotonic()
    connections = {
        ours: bounded_http._Connection(now, is_answering=is_answering, is_ended=is_ended)
        for (ours, _), (is_answering, is_ended) in zip(pairs, states, strict=True)
    }
    monkeypatch.setattr(service.server, "_open", connections)
    before = [each.is_ended for each in connections.values()]
    service.server._end_slowest()
    changed = [i for i, each in enumerate(connections.values()) if each.is_ended is not before[i]]
    assert changed == ([] if ended is None else [ended])
    for pair in pairs:
        for end in pair:
            end.close()
