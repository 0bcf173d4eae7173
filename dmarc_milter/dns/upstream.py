"""One question put to the configured name servers over UDP, and over TCP where the answer did not fit.

Servers are tried in the order written, those that answer first, each `tries` times, with `timeout` seconds per try. A
question to a server that is not on this host goes out from a socket, and so a source port, of its own (RFC 5452 9.2);
towards a resolver on loopback, where nobody can inject packets without already being on the host, one socket is kept.

A question is sent by the thread that asks it; all that follows happens on the loop's thread.

Sockets of single questions are bounded, for descriptors are what the connections of the MTA need, too; half of them are
kept for the questions of DMARC itself.
"""

import contextlib
import errno
import math
import os
import queue
import select
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, OnAnswer, Question
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.servers import PROBE, NameServer, ServerOrder

_MAX_MESSAGE = 65_535
MAX_SOCKETS = 512
"""Sockets that belong to one question each, unless the process has fewer descriptors to spare."""
MAX_PIECES = 200
"""Reads of one answer over TCP: 64 KB come in a few dozen, however small the network's packets are."""
_NO_SERVER = wire.failure(DnsReason.NO_SERVER())
_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What this host has not, whichever server is asked."""
_READS_AT_ONCE = 64
"""Datagrams read from one socket before the others get their turn."""


class _Way(Protocol):
    """How a question went out."""

    def drop(self, asking: "_Asking") -> None:
        """Wait no more for its answer."""


class _Asking:
    """One question on its way through servers and tries."""

    __slots__ = (
        "_attempts",
        "_is_abandoned",
        "_is_probe",
        "_last",
        "_on_answer",
        "_upstream",
        "expires",
        "is_reserved",
        "number",
        "question",
        "rest",
        "sent",
        "server",
        "way",
    )

    def __init__(
        self,
        upstream: "Upstream",
        question: Question,
        on_answer: OnAnswer,
        *,
        is_reserved: bool = False,
        probed: NameServer | None = None,
    ):
        """With `probed`, it is a question of our own to that server alone."""
        query = wire.query(question, 0)
        self._upstream = upstream
        self._attempts: Iterator[NameServer] = iter(upstream.order.attempts if probed is None else (probed,))
        self._is_probe = probed is not None
        self._last = _NO_SERVER
        self._on_answer = on_answer
        self._is_abandoned = False
        self.question = question
        self.rest = query and query[2:]
        """The query without its id; None where the name cannot be asked for."""
        self.is_reserved = is_reserved
        self.number = 0
        self.sent = 0.0
        self.expires = math.inf
        self.server: NameServer | None = None
        self.way: _Way | None = None

    def start(self) -> None:
        """Send it to the first server, from the thread that asks."""
        loop = self._upstream.loop
        if self.rest is None:
            loop.call(partial(self.end, wire.no_such_name(reason=DnsReason.INVALID_NAME())))
            return
        self._upstream.under_way.add(self)
        failure = self.try_next()
        if failure is not None:
            loop.call(partial(self.end, failure))
        if self._is_abandoned:
            # It was abandoned while it was being sent: the socket that it had not then goes now.
            loop.call(self._leave_for_good)

    def abandon(self) -> None:
        """Nobody wants the answer any more. From any thread."""
        self._is_abandoned = True
        self._upstream.loop.call(self._leave_for_good)

    def _leave_for_good(self) -> None:
        self._upstream.under_way.discard(self)
        self._leave()

    @property
    def query(self) -> bytes:
        assert self.rest is not None
        return self.number.to_bytes(2, "big") + self.rest

    def try_next(self) -> Answer[Any] | None:
        """Send it to the next server; the last failure, where none is left."""
        for server in self._attempts:
            if self._is_abandoned:
                break
            self.server = server
            self.wait_from(time.monotonic())
            try:
                self._upstream.send(server, self)
            except OSError as error:
                self._note(error)
            else:
                return None
        return self._last

    def wait_from(self, now: float) -> None:
        """It goes out now."""
        self.sent = now
        self.expires = now + self._upstream.timeout

    def _note(self, error: OSError) -> None:
        reason = DnsReason.UNREACHABLE(error=str(error))
        self._last = wire.no_room(reason) if error.errno in _LOCAL else wire.failure(reason)

    def received(self, packet: bytes) -> None:
        """The packet that answers it."""
        self._leave()
        if wire.is_truncated(packet):
            self._note_answer()
            try:
                self._upstream.send_over_tcp(self)
            except OSError as error:
                self.unreachable(error)
            return
        self._read(packet)

    def received_over_tcp(self, packet: bytes) -> None:
        """The same, where no more can follow."""
        self._leave()
        self._read(packet)

    def _read(self, packet: bytes) -> None:
        self._note_answer()
        answer = wire.answer(self.question, packet)
        if isinstance(answer, Unreadable):
            self.failed(DnsReason.UNREADABLE(because=answer.reason))
        elif answer.failed:
            self._last = answer
            self._go_on()
        else:
            self.end(answer)

    def _note_answer(self) -> None:
        assert self.server is not None
        self._upstream.order.heard(self.server, time.monotonic())

    def timed_out(self, now: float) -> None:
        """No answer came in time."""
        assert self.server is not None
        if self._is_probe:
            self._upstream.order.probe_unanswered(self.server)
        else:
            self._upstream.order.unanswered(self.server, self.sent, now)
        self.failed(DnsReason.TIMEOUT())

    def failed(self, reason: Reason) -> None:
        """This attempt is over."""
        self._leave()
        self._last = wire.failure(reason)
        self._go_on()

    def unreachable(self, error: OSError) -> None:
        """The same, as the system says."""
        self._leave()
        self._note(error)
        self._go_on()

    def _go_on(self) -> None:
        answer = self.try_next()
        if answer is not None:
            self.end(answer)

    def _leave(self) -> None:
        if self.way is not None:
            self.way.drop(self)
            self.way = None

    def end(self, answer: Answer[Any]) -> None:
        """On the loop's thread, as all that follows the first sending."""
        self._upstream.under_way.discard(self)
        if not self._is_abandoned:
            self._on_answer(self.question, answer)


class _Datagrams:
    """A connected UDP socket with any number of questions under way, told apart by their message ids."""

    def __init__(self, server: NameServer, loop: Loop) -> None:
        self._loop = loop
        self._socket, address = server.socket(socket.SOCK_DGRAM)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        self._waiting: dict[int, _Asking] = {}
        self._buffer = memoryview(bytearray(_MAX_MESSAGE))
        loop.watch(self._socket.fileno(), self._readable)

    def send(self, asking: _Asking) -> None:
        asking.way = self
        asking.number = self._claim(asking)
        try:
            self._socket.send(asking.query)
        except OSError as error:
            # From here on it is the loop's thread that decides: it may know of the trouble, too.
            self._loop.call(partial(self._refused, asking, asking.number, error))

    def _refused(self, asking: _Asking, number: int, error: OSError) -> None:
        if self._waiting.get(number) is asking:
            asking.unreachable(error)

    def _claim(self, asking: _Asking) -> int:
        """An id that nobody can guess. setdefault takes it in one step, whatever other threads do."""
        while True:
            number = int.from_bytes(os.urandom(2), "big")
            if self._waiting.setdefault(number, asking) is asking:
                return number

    def drop(self, asking: _Asking) -> None:
        self._waiting.pop(asking.number, None)

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError as error:
                # ICMP says that nobody listens there: all that wait on this socket learn it at once.
                for asking in self._waiting.copy().values():
                    asking.unreachable(error)
                return
            self._take(bytes(self._buffer[:length]))
            if self._socket.fileno() == -1:
                return

    def _take(self, packet: bytes) -> None:
        asking = self._waiting.get(int.from_bytes(packet[:2], "big"))
        # What does not answer the question is not from whom we asked (RFC 5452): go on waiting.
        if asking is not None and wire.is_response(asking.query, packet):
            asking.received(packet)

    def close(self) -> None:
        self._loop.forget(self._socket.fileno())
        self._socket.close()


class _OneQuestion(_Datagrams):
    """A socket for one question."""

    def __init__(self, server: NameServer, loop: Loop, sockets: "_Sockets") -> None:
        super().__init__(server, loop)
        self._sockets = sockets
        sockets.add(self)

    def drop(self, asking: _Asking) -> None:
        super().drop(asking)
        self._sockets.discard(self)
        self.close()


class _Sockets(set[object]):
    """The sockets that belong to one question each."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def check_room(self, asking: _Asking) -> None:
        """Raises OSError where no more may be opened: an ordinary question leaves half to those of DMARC."""
        if len(self) >= (self._limit if asking.is_reserved else self._limit // 2):
            raise OSError(errno.EMFILE, "too many sockets for questions")


class _Stream:
    """One question over TCP (RFC 7766): two octets of length before each message."""

    def __init__(self, server: NameServer, loop: Loop, sockets: _Sockets, asking: _Asking) -> None:
        self._loop = loop
        self._sockets = sockets
        self._asking = asking
        query = asking.query
        self._unsent = len(query).to_bytes(2, "big") + query
        self._received = bytearray()
        self._pieces = 0
        self._socket, address = server.socket(socket.SOCK_STREAM)
        try:
            with contextlib.suppress(BlockingIOError):
                self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        loop.watch(self._socket.fileno(), self._ready, select.EPOLLOUT)
        sockets.add(self)

    def drop(self, asking: _Asking) -> None:
        self._sockets.discard(self)
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _ready(self) -> None:
        try:
            if self._unsent:
                self._send()
            else:
                self._receive()
        except BlockingIOError:
            return
        except OSError as error:
            self._asking.unreachable(error)

    def _send(self) -> None:
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if not self._unsent:
            self._loop.watch_for(self._socket.fileno(), select.EPOLLIN)

    def _receive(self) -> None:
        more = self._socket.recv(_MAX_MESSAGE)
        self._received += more
        self._pieces += 1
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) >= max(2, end):
            self._take(bytes(self._received[2:end]))
        elif self._pieces >= MAX_PIECES:
            self._asking.failed(DnsReason.UNREADABLE(because=DnsReason.TOO_MANY_READS()))
        elif not more:
            self._asking.failed(DnsReason.CONNECTION_CLOSED())

    def _take(self, packet: bytes) -> None:
        if wire.is_response(self._asking.query, packet):
            self._asking.received_over_tcp(packet)
        else:
            self._asking.failed(DnsReason.UNREADABLE(because=DnsReason.OTHER_QUESTION()))


class Upstream:
    """The name servers of the settings."""

    def __init__(
        self, servers: tuple[NameServer, ...], timeout: float, tries: int, loop: Loop, max_sockets: int = MAX_SOCKETS
    ) -> None:
        self.order = ServerOrder(servers, tries)
        self.timeout = timeout
        self.under_way: set[_Asking] = set()
        self.loop = loop
        self._kept: dict[NameServer, _Datagrams] = {}
        self._sockets = _Sockets(max_sockets)
        loop.sweep_with(self._expire)

    @property
    def is_on_this_host(self) -> bool:
        """Whether no question needs a socket of its own."""
        return all(server.is_on_this_host for server in self.order.servers)

    def prepare(self, question: Question, on_answer: OnAnswer, *, is_reserved: bool = False) -> _Asking:
        """A question to be started. `on_answer` is called once, on the loop's thread, unless it is abandoned.

        It is told the first usable answer, else the last server's failure.
        """
        return _Asking(self, question, on_answer, is_reserved=is_reserved)

    def use(self, servers: tuple[NameServer, ...]) -> None:
        """Ask these servers from now on. Questions under way stay with those whom they went to."""
        self.order.use(servers)

    def send(self, server: NameServer, asking: _Asking) -> None:
        """Raises OSError."""
        if not server.is_on_this_host:
            self._sockets.check_room(asking)
            _OneQuestion(server, self.loop, self._sockets).send(asking)
            return
        kept = self._kept.get(server)
        if kept is None:
            made = _Datagrams(server, self.loop)
            kept = self._kept.setdefault(server, made)
            if kept is not made:
                made.close()
        kept.send(asking)

    def send_over_tcp(self, asking: _Asking) -> None:
        """Raises OSError."""
        assert asking.server is not None
        self._sockets.check_room(asking)
        asking.wait_from(time.monotonic())
        asking.way = _Stream(asking.server, self.loop, self._sockets, asking)

    def _expire(self, now: float) -> None:
        for asking in self.under_way.copy():
            if asking.expires <= now:
                asking.timed_out(now)
        for server in self.order.to_probe(now):
            _Asking(self, PROBE, lambda _question, _answer: None, probed=server).start()

    def close(self) -> None:
        """Close what is kept open."""
        for each in self._kept.values():
            each.close()
        self._kept.clear()


def ask_once(servers: tuple[NameServer, ...], timeout: float, tries: int, question: Question) -> Answer[Any]:
    """The answer to one question, waited for; for who asks now and then."""
    loop = Loop()
    upstream = Upstream(servers, timeout, tries, loop)
    arrived: queue.SimpleQueue[Answer[Any]] = queue.SimpleQueue()
    try:
        upstream.prepare(question, lambda _question, answer: arrived.put(answer)).start()
        return arrived.get()
    finally:
        upstream.close()
        loop.close()
