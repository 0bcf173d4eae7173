"""One question put to the configured name servers over UDP, and over TCP where the answer did not fit.

Servers are tried in the order written, those that answer first, each `tries` times, with `timeout` seconds per try. A
question to a server that is not on this host goes out from a socket, and so a source port, of its own (RFC 5452 9.2);
towards a resolver on loopback, where nobody can inject packets without already being on the host, one socket is kept.
"""

import errno
import math
import queue
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from dmarc_milter.common.reason import Reason, Unreadable
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, OnAnswer, Question
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.servers import PROBE, NameServer, ServerOrder
from dmarc_milter.dns.transport import Datagrams, OneQuestion, Sockets, Stream, Way

MAX_SOCKETS = 512
"""Sockets that belong to one question each, unless the process has fewer descriptors to spare."""
_NO_SERVER = wire.failure(DnsReason.NO_SERVER())
_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What this host has not, whichever server is asked."""


class Asking:
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
        self.way: Way | None = None

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
        """The message that asks."""
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


class Upstream:
    """The name servers of the settings."""

    def __init__(
        self, servers: tuple[NameServer, ...], timeout: float, tries: int, loop: Loop, max_sockets: int = MAX_SOCKETS
    ) -> None:
        self.order = ServerOrder(servers, tries)
        self.timeout = timeout
        self.under_way: set[Asking] = set()
        self.loop = loop
        self._kept: dict[NameServer, Datagrams] = {}
        self._sockets = Sockets(max_sockets)
        loop.sweep_with(self._expire)

    @property
    def is_on_this_host(self) -> bool:
        """Whether no question needs a socket of its own."""
        return all(server.is_on_this_host for server in self.order.servers)

    def prepare(self, question: Question, on_answer: OnAnswer, *, is_reserved: bool = False) -> Asking:
        """A question to be started. `on_answer` is called once, on the loop's thread, unless it is abandoned.

        It is told the first usable answer, else the last server's failure.
        """
        return Asking(self, question, on_answer, is_reserved=is_reserved)

    def use(self, servers: tuple[NameServer, ...]) -> None:
        """Ask these servers from now on. Questions under way stay with those whom they went to."""
        self.order.use(servers)

    def send(self, server: NameServer, asking: Asking) -> None:
        """Raises OSError."""
        if not server.is_on_this_host:
            self._sockets.check_room(asking)
            OneQuestion(server, self.loop, self._sockets).send(asking)
            return
        kept = self._kept.get(server)
        if kept is None:
            made = Datagrams(server, self.loop)
            kept = self._kept.setdefault(server, made)
            if kept is not made:
                made.close()
        kept.send(asking)

    def send_over_tcp(self, asking: Asking) -> None:
        """Raises OSError."""
        assert asking.server is not None
        self._sockets.check_room(asking)
        asking.wait_from(time.monotonic())
        asking.way = Stream(asking.server, self.loop, self._sockets, asking)

    def _expire(self, now: float) -> None:
        for asking in self.under_way.copy():
            if asking.expires <= now:
                asking.timed_out(now)
        for server in self.order.to_probe(now):
            Asking(self, PROBE, lambda _question, _answer: None, probed=server).start()

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
        loop.close()
        upstream.close()
