"""The console under those who ask too slowly, too much, or for what they must not have."""

import http.client
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dmarc_milter.console.access import SECURITY
from dmarc_milter.console.connection import MAX_CONNECTIONS, PATIENCE_SECONDS
from dmarc_milter.console.site import FILES
from tests.system.conftest import MakeConsole
from tests.system.running_console import RunningConsole

pytestmark = pytest.mark.system

STREAMS = 5
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def console(make_console: MakeConsole, month_of_mail: str) -> RunningConsole:
    return make_console(month_of_mail, f'filter_settings = ""\nstreams = {STREAMS}\n')


@pytest.fixture
def opened(console: RunningConsole) -> Iterator[ExitStack]:
    """Closes what a test has opened; all of it is gone when it ends."""
    with ExitStack() as stack:
        yield stack


def connect(console: RunningConsole, opened: ExitStack, octets: bytes = b"", receives: int = 0) -> socket.socket:
    made = opened.enter_context(socket.socket())
    if receives:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    made.settimeout(4 * PATIENCE_SECONDS)
    made.connect(("127.0.0.1", console.port))
    made.sendall(octets)
    return made


def status(octets: bytes) -> int:
    return int(octets.split(b" ")[1]) if octets.startswith(b"HTTP/1.1 ") else 0


def answers(console: RunningConsole, path: str = "/health", seconds: float = 10.0) -> int:
    """The status of a page, for somebody who asks as one should."""
    asked = http.client.HTTPConnection("127.0.0.1", console.port, timeout=seconds)
    asked.request("GET", path, headers={"Host": "localhost"})
    answer = asked.getresponse()
    answer.read()
    asked.close()
    return answer.status


def is_closed(connected: socket.socket) -> bool:
    """Once the other side has ended it; what it sent before is read."""
    try:
        while connected.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET",
    "half a header": REQUEST,
    "a request, and then nothing": REQUEST + b"\r\n",
    "half a body": REQUEST + b"Content-Length: 100000\r\n\r\nx",
}


def test_who_does_not_go_on_is_closed(console: RunningConsole, opened: ExitStack) -> None:
    began = time.monotonic()
    waiting = {name: connect(console, opened, octets) for name, octets in UNFINISHED.items()}
    for name, connected in waiting.items():
        assert is_closed(connected), name
    assert PATIENCE_SECONDS / 2 < time.monotonic() - began < 2 * PATIENCE_SECONDS


def test_who_sends_an_octet_now_and_then_is_closed(console: RunningConsole, opened: ExitStack) -> None:
    connected = connect(console, opened, REQUEST)
    connected.settimeout(0.5)
    limit = time.monotonic() + 2 * PATIENCE_SECONDS
    while not has_ended(connected):
        assert time.monotonic() < limit


def has_ended(connected: socket.socket) -> bool:
    """Whether the other side has, with one more octet sent to it."""
    try:
        connected.sendall(b"x")
        return connected.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_who_does_not_read_is_closed(console: RunningConsole, opened: ExitStack) -> None:
    connected = connect(console, opened, b"GET /messages.json HTTP/1.1\r\nHost: localhost\r\n\r\n", receives=4096)
    assert connected.recv(15) == b"HTTP/1.1 200 OK"
    file = Path(f"/proc/{console.process.pid}/fd")
    before = len(list(file.iterdir()))
    limit = time.monotonic() + 3 * PATIENCE_SECONDS
    while len(list(file.iterdir())) >= before:
        assert time.monotonic() < limit
        time.sleep(0.2)


def test_files_that_are_not_read_are_few(console: RunningConsole, opened: ExitStack) -> None:
    request = b"GET /messages.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(FILES):
        assert status(connect(console, opened, request, receives=4096).recv(15)) == 200
    assert answers(console, "/messages.csv") == 503
    assert answers(console, "/messages") == 200
    opened.close()
    limit = time.monotonic() + 10
    while answers(console, "/messages.csv") != 200:
        assert time.monotonic() < limit


def test_streams_are_few_however_many_come_at_once(console: RunningConsole, opened: ExitStack) -> None:
    request = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    all_of_them = [connect(console, opened, request) for _ in range(4 * STREAMS)]
    follow = 0
    for each in all_of_them:
        head = b""
        while b"\r\n\r\n" not in head:
            head += each.recv(4096)
        if status(head) == 200:
            follow += b"event: over" not in head + each.recv(4096)
        else:
            assert status(head) == 503
    assert follow == STREAMS
    assert answers(console) == 200


def test_there_is_room_again_when_those_who_follow_have_gone(console: RunningConsole) -> None:
    limit = time.monotonic() + 10
    with ExitStack() as opened:
        while True:
            request = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
            if status(connect(console, opened, request).recv(4096)) == 200:
                break
            assert time.monotonic() < limit


def test_of_too_many_connections_the_last_are_closed(console: RunningConsole, opened: ExitStack) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    many = [connect(console, opened) for _ in range(MAX_CONNECTIONS)]
    assert is_closed(connect(console, opened))
    for each in many:
        each.close()
    limit = time.monotonic() + 10
    while True:
        try:
            assert answers(console) == 200
            break
        except (ConnectionError, http.client.HTTPException):
            assert time.monotonic() < limit


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET //evil.example/messages/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /messages/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/../../settings.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/%2e%2e/settings.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static//etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /messages/%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /domains/%E2%80%AE.example HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /messages?q=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /messages?q=%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /messages?q=" + b"a" * 600 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /messages?" + b"q=a&" * 3_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /messages?q=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"CONNECT evil.example:25 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"EHLO localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
    ids=[
        *("no-host", "other-host", "two-hosts", "absolute", "two-slashes", "slash", "dots", "encoded-dots", "root"),
        *("null", "octets", "backwards", "null-search", "no-utf8", "long", "many-fields", "huge"),
        *("post", "options", "connect", "smtp", "tls"),
    ],
)
def test_requests_that_try_something(console: RunningConsole, opened: ExitStack, octets: bytes, expected: int) -> None:
    connected = connect(console, opened, octets)
    answer = connected.recv(65_536)
    assert status(answer) == expected, answer
    for name, value in SECURITY:
        assert name + b": " + value in answer
    assert answers(console) == 200


def test_nothing_of_it_is_a_bug(console: RunningConsole) -> None:
    assert "Traceback" not in console.log
