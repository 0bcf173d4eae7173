"""Sockets of questions: what comes in pieces, out of turn, from others or not at all. A test makes each step by hand."""

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from dmarc_milter.common.reason import Reason
from dmarc_milter.dns import transport, wire
from dmarc_milter.dns.answer import Question, RecordType
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.dns.transport import Datagrams, Sockets, Stream, Way

_PACKET = wire.query(Question("example.com", RecordType.TXT), 0)
assert _PACKET is not None
QUERY = _PACKET[2:]
"""A question behind its number."""


def response(number: int, query: bytes = QUERY) -> bytes:
    return number.to_bytes(2, "big") + b"\x81\x80" + query[2:]


class Steps:
    """The loop: it keeps what it is told, and does nothing by itself."""

    def __init__(self) -> None:
        self.watched: dict[int, int] = {}
        self.calls: list[Callable[[], None]] = []

    def watch(self, descriptor: int, _ready: Callable[[], None], events: int = select.EPOLLIN) -> None:
        self.watched[descriptor] = events

    def watch_for(self, descriptor: int, events: int) -> None:
        self.watched[descriptor] = events

    def forget(self, descriptor: int) -> None:
        del self.watched[descriptor]

    def call(self, callback: Callable[[], None]) -> None:
        self.calls.append(callback)


class Asking:
    """A question, and what came of it."""

    def __init__(self, number: int = 7, *, is_reserved: bool = False) -> None:
        self.number = number
        self.way: Way | None = None
        self.is_reserved = is_reserved
        self.told: list[bytes | Reason | int | None] = []

    @property
    def query(self) -> bytes:
        return self.number.to_bytes(2, "big") + QUERY

    def received(self, packet: bytes) -> None:
        self.told.append(packet)

    def received_over_tcp(self, packet: bytes) -> None:
        self.told.append(packet)

    def failed(self, reason: Reason) -> None:
        self.told.append(reason)

    def unreachable(self, error: OSError) -> None:
        self.told.append(error.errno)


# TCP


class Asked:
    """A question over TCP, which has been sent, and its server."""

    def __init__(self) -> None:
        self.steps, self.asking, self.sockets = Steps(), Asking(), Sockets(10)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = NameServer("127.0.0.1", listening.getsockname()[1])
            self.stream = Stream(server, self.steps, self.sockets, self.asking)  # type: ignore[arg-type]
            self.server, _ = listening.accept()
        self.socket = self.stream._socket

    def send(self) -> None:
        select.select([], [self.socket], [], 10)
        self.stream._ready()

    def receive(self, octets: bytes) -> None:
        self.server.sendall(octets)
        self.ready()

    def ready(self) -> None:
        select.select([self.socket], [], [], 10)
        self.stream._ready()

    def close(self) -> None:
        self.stream.drop(self.asking)
        self.server.close()


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.close()
    assert (made.steps.watched, len(made.sockets)) == ({}, 0)


RIGHT = response(7)
OTHER = response(7, QUERY.replace(b"example", b"exampl3"))
UNREADABLE = DnsReason.UNREADABLE
PIECES: dict[str, tuple[list[bytes], list[bytes | Reason]]] = {
    "at once": ([struct.pack("!H", len(RIGHT)) + RIGHT], [RIGHT]),
    "the length alone first": ([struct.pack("!H", len(RIGHT)), RIGHT], [RIGHT]),
    "half a length": ([b"\0"], []),
    "in the middle": ([struct.pack("!H", len(RIGHT)) + RIGHT[:20]], []),
    "more than was announced": ([struct.pack("!H", len(RIGHT)) + RIGHT + b"more"], [RIGHT]),
    "of another question": (
        [struct.pack("!H", len(OTHER)) + OTHER], [UNREADABLE(because=DnsReason.OTHER_QUESTION())],
    ),
    "of another number": (
        [struct.pack("!H", len(RIGHT)) + response(8)], [UNREADABLE(because=DnsReason.OTHER_QUESTION())],
    ),
    "nothing": ([b"\0\0"], [UNREADABLE(because=DnsReason.OTHER_QUESTION())]),
    "in very many pieces": (
        [b"\xff\xff", b"1", b"2"], [UNREADABLE(because=DnsReason.TOO_MANY_READS())],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pieces", "told"), PIECES.values(), ids=PIECES)
def test_an_answer_in_pieces(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], told: list[bytes | Reason]
) -> None:
    monkeypatch.setattr(transport, "MAX_PIECES", 3)
    assert list(asked.steps.watched.values()) == [select.EPOLLOUT]
    asked.send()
    assert list(asked.steps.watched.values()) == [select.EPOLLIN]
    query = asked.asking.query
    assert asked.server.recv(1_000) == struct.pack("!H", len(query)) + query
    # Being woken for nothing is no trouble.
    asked.stream._ready()
    for piece in pieces:
        assert asked.asking.told == []
        asked.receive(piece)
    assert asked.asking.told == told


def test_a_server_that_closes_in_the_middle(asked: Asked) -> None:
    asked.send()
    asked.receive(b"\0")
    asked.server.shutdown(socket.SHUT_WR)
    asked.ready()
    assert asked.asking.told == [DnsReason.CONNECTION_CLOSED()]


def test_a_server_that_breaks_the_connection(asked: Asked) -> None:
    asked.send()
    asked.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.server.close()
    asked.ready()
    assert asked.asking.told == [errno.ECONNRESET]


def test_a_question_that_does_not_fit_at_once(asked: Asked) -> None:
    asked.stream._unsent = bytes(50_000_000)
    asked.send()
    assert list(asked.steps.watched.values()) == [select.EPOLLOUT]
    assert 0 < len(asked.stream._unsent) < 50_000_000


# UDP


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10)
        yield made


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def datagrams(server: socket.socket, steps: Steps) -> Iterator[Datagrams]:
    made = Datagrams(NameServer("127.0.0.1", server.getsockname()[1]), steps)  # type: ignore[arg-type]
    yield made
    made.close()
    assert steps.watched == {}


def test_many_answers_at_once_leave_others_their_turn(
    server: socket.socket, datagrams: Datagrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_READS_AT_ONCE", 2)
    questions = [Asking() for _ in range(3)]
    for each in questions:
        datagrams.send(each)
        assert each.way is datagrams
        query, client = server.recvfrom(1_000)
        assert query == each.query
        server.sendto(response(each.number), client)
    datagrams._readable()
    assert [len(each.told) for each in questions] == [1, 1, 0]
    datagrams._readable()
    assert [each.told for each in questions] == [[response(each.number)] for each in questions]


def test_a_number_that_is_taken_is_given_to_no_other(datagrams: Datagrams, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((b"\0\7", b"\0\7", b"\0\7", b"\0\x08"))
    monkeypatch.setattr(os, "urandom", lambda _count: next(drawn))
    first, second = Asking(0), Asking(0)
    datagrams.send(first)
    datagrams.send(second)
    assert (first.number, second.number) == (7, 8)


def test_what_answers_nothing_is_left(server: socket.socket, datagrams: Datagrams) -> None:
    asking = Asking()
    datagrams.send(asking)
    _, client = server.recvfrom(1_000)
    other_number = (asking.number + 1) % 65_536
    for packet in (response(other_number), response(asking.number, OTHER[2:]), asking.query, b"x", b""):
        server.sendto(packet, client)
    datagrams._readable()
    assert asking.told == []
    server.sendto(response(asking.number), client)
    datagrams._readable()
    assert asking.told == [response(asking.number)]
    datagrams.drop(asking)
    server.sendto(response(asking.number), client)
    datagrams._readable()
    assert len(asking.told) == 1


@pytest.mark.parametrize("is_still_wanted", [True, False])
def test_a_server_that_cannot_be_reached(
    server: socket.socket, datagrams: Datagrams, steps: Steps, is_still_wanted: bool
) -> None:
    """The system says so when something is sent the second time: the loop's thread tells it."""
    server.close()
    first, second = Asking(), Asking()
    datagrams.send(first)
    datagrams.send(second)
    assert (first.told, second.told, len(steps.calls)) == ([], [], 1)
    if not is_still_wanted:
        datagrams.drop(second)
    for call in steps.calls:
        call()
    assert second.told == ([errno.ECONNREFUSED] if is_still_wanted else [])


@pytest.mark.parametrize(
    ("open_", "is_reserved", "has_room"),
    [(4, False, True), (5, False, False), (5, True, True), (9, True, True), (10, True, False)],
)
def test_half_of_the_sockets_is_kept_for_dmarc(open_: int, is_reserved: bool, has_room: bool) -> None:
    sockets = Sockets(10)
    sockets.update(range(open_))
    if has_room:
        sockets.check_room(Asking(is_reserved=is_reserved))
        return
    with pytest.raises(OSError, match="too many sockets for questions") as error:
        sockets.check_room(Asking(is_reserved=is_reserved))
    assert error.value.errno == errno.EMFILE
