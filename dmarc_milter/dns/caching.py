"""The source of the running filter: a cache, and one question in flight for each name and type.

What is not in its own cache may be in the memory that all workers share: the DNS is asked once by all of them.

Room is shared out, so that nobody who asks much, or whose names are answered late, keeps others from being answered:
a prefetch takes nothing beyond the share of its message and its client, ordinary questions leave room for those of
DMARC itself, and a question that nobody waits for any more leaves.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import LATE, Answer, OnAnswer, Question
from dmarc_milter.dns.cache import Cache
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.shared import SharedAnswers
from dmarc_milter.dns.source import Asker, Need


class QuestionLimits(NamedTuple):
    """How many different questions may be in flight at once."""

    ordinary: int = 4_000
    reserved: int = 4_000
    """Of DMARC itself, beside the ordinary ones."""
    message_prefetches: int = 24
    """Prefetches that one message may have open."""
    client: int = 1_000
    """Ordinary questions that all messages of one client network may wait for."""
    client_prefetches: int = 256
    """Prefetches that all messages of one client network may have open."""

    @classmethod
    def where(cls, *, is_on_this_host: bool, sockets: int) -> "QuestionLimits":
        """Those for name servers that are all on this host, or not: then each question needs a socket."""
        return cls() if is_on_this_host else cls.of_sockets(sockets)

    @classmethod
    def of_sockets(cls, sockets: int) -> "QuestionLimits":
        """Where each question needs a socket: half of them for ordinary questions, a quarter of these per client."""
        half = sockets // 2
        return cls(half, half, client=half // 2, client_prefetches=half // 4)

    def limit(self, need: Need) -> int:
        """In flight of its kind, beyond which `need` is not asked; prefetches leave half of the room."""
        room = self.reserved if need.is_reserved else self.ordinary
        return room // 2 if need.is_prefetch else room


class Asking(Protocol):
    """One question on its way to the name servers."""

    is_reserved: bool
    """Whether it may use what is kept for DMARC's own questions."""

    def start(self) -> None:
        """Send it."""

    def abandon(self) -> None:
        """Nobody wants the answer any more."""


class Transport(Protocol):
    """Whoever asks name servers."""

    def prepare(self, question: Question, on_answer: OnAnswer, *, is_reserved: bool) -> Asking:
        """A question to be started; `on_answer` is called once, on the loop's thread, unless it is abandoned."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """One who waits for an answer. It is told by whoever takes it out of its flight."""

    need: Need
    on_answer: OnAnswer


@dataclass(slots=True, eq=False)
class _Flight:
    """A question in flight, and those who wait for its answer."""

    question: Question
    is_reserved: bool
    waiters: dict[_Waiter, None] = field(default_factory=dict)
    """In the order in which they came, and are told."""
    asking: Asking | None = None


class CachingResolver:
    """A :class:`~dmarc_milter.dns.source.Source` that may be called from any thread."""

    def __init__(
        self,
        upstream: Transport,
        loop: Loop,
        cache: Cache | None = None,
        observe: OnAnswer = lambda _question, _answer: None,
        shared: SharedAnswers | None = None,
        room: QuestionLimits | None = None,
    ) -> None:
        self._upstream = upstream
        self._loop = loop
        self._cache = Cache() if cache is None else cache
        self._observe = observe
        self._shared = shared
        self._room = room or QuestionLimits()
        self._lock = threading.Lock()
        self._flights: dict[Question, _Flight] = {}
        self._reserved = 0
        """How many of the flights are reserved ones."""
        self._waiting = Counter[bytes]()
        """Ordinary waiters by client network."""
        self._prefetching = Counter[bytes]()
        loop.sweep_with(self._end_late)

    @property
    def in_flight(self) -> int:
        """Questions under way."""
        return len(self._flights)

    def limit_by(self, limits: QuestionLimits) -> None:
        """Other limits from now on; questions under way stay."""
        self._room = limits

    def peek(self, question: Question) -> Answer[Any] | None:
        """The answer that is kept here, or that another process was told; else None."""
        return self._cache.get(question) or self._from_others(question)

    def _from_others(self, question: Question) -> Answer[Any] | None:
        """What another process was told."""
        answer = None if self._shared is None else self._shared.get(question)
        if answer is not None:
            with self._lock:
                self._cache.put(question, answer)
        return answer

    def ask(self, need: Need, on_answer: OnAnswer) -> Answer[Any] | None:
        """See :meth:`.Source.ask`: several who wait for one question wait for one packet."""
        started = None
        with self._lock:
            known = self._cache.get(need.question)
            if known is not None:
                return known
            if need.asker.has_left:
                return wire.no_room(DnsReason.MESSAGE_ENDED())
            flight = self._flights.get(need.question)
            if not self._has_room(need, flight):
                return wire.no_room(DnsReason.TOO_MANY_UNDER_WAY())
            if flight is None:
                flight = self._take_off(need)
                started = flight.asking
            self._join(flight, _Waiter(need, on_answer))
        if started is not None:
            started.start()
        return None

    # Room; all of this under the lock

    def _has_room(self, need: Need, flight: _Flight | None) -> bool:
        if not need.is_reserved and not self._has_share(need):
            return False
        if flight is not None and (flight.is_reserved or not need.is_reserved):
            return True
        taken = self._reserved if need.is_reserved else len(self._flights) - self._reserved
        return taken < self._room.limit(need)

    def _has_share(self, need: Need) -> bool:
        client = need.asker.client
        if need.is_prefetch and (
            len(need.asker.waiting) >= self._room.message_prefetches
            or self._prefetching[client] >= self._room.client_prefetches
        ):
            return False
        return self._waiting[client] < self._room.client

    def _take_off(self, need: Need) -> _Flight:
        flight = _Flight(need.question, need.is_reserved)
        flight.asking = self._upstream.prepare(
            need.question, partial(self._arrived, flight), is_reserved=need.is_reserved
        )
        self._flights[need.question] = flight
        self._reserved += need.is_reserved
        return flight

    def _join(self, flight: _Flight, waiter: _Waiter) -> None:
        need = waiter.need
        flight.waiters[waiter] = None
        need.asker.waiting.add(waiter)
        if need.is_reserved and not flight.is_reserved:
            flight.is_reserved = True
            self._reserved += 1
            if flight.asking is not None:
                flight.asking.is_reserved = True
        self._count(need, 1)

    def _count(self, need: Need, by: int) -> None:
        if need.is_reserved:
            return
        counters = (self._waiting, self._prefetching) if need.is_prefetch else (self._waiting,)
        for counter in counters:
            counter[need.asker.client] += by
            if not counter[need.asker.client]:
                del counter[need.asker.client]

    def _take_out(self, flight: _Flight, waiter: _Waiter) -> None:
        flight.waiters.pop(waiter, None)
        waiter.need.asker.waiting.discard(waiter)
        self._count(waiter.need, -1)

    def _land(self, flight: _Flight) -> bool:
        """Remove `flight`; False where it has left already."""
        if self._flights.get(flight.question) is not flight:
            return False
        del self._flights[flight.question]
        self._reserved -= flight.is_reserved
        return True

    # The ways to be told, each under the lock until the waiter is taken out

    def _arrived(self, flight: _Flight, question: Question, answer: Answer[Any]) -> None:
        """On the loop's thread."""
        with self._lock:
            if not self._land(flight):
                return
            if not answer.is_local:
                self._cache.put(question, answer)
            told = list(flight.waiters)
            for waiter in told:
                self._take_out(flight, waiter)
        if self._shared is not None and not answer.is_local:
            self._shared.put(question, answer)
        self._loop.safely(self._observe, question, answer)
        for waiter in told:
            self._loop.safely(waiter.on_answer, question, answer)

    def _end_late(self, now: float) -> None:
        """On the loop's thread: tell those whose deadline has come."""
        with self._lock:
            late = [
                (flight, waiter)
                for flight in self._flights.values()
                for waiter in flight.waiters
                if waiter.need.deadline <= now
            ]
            for flight, waiter in late:
                self._take_out(flight, waiter)
            abandoned = self._abandoned(flight for flight, _ in late)
        for flight, waiter in late:
            self._loop.safely(waiter.on_answer, flight.question, LATE)
        for asking in abandoned:
            asking.abandon()

    def leave(self, asker: Asker) -> None:
        """See :meth:`.Source.leave`: what `asker` waits for is told to it no more."""
        asker.has_left = True
        if not asker.waiting:
            return
        with self._lock:
            left = [(self._flights[waiter.need.question], waiter) for waiter in asker.waiting]
            for flight, waiter in left:
                self._take_out(flight, waiter)
            abandoned = self._abandoned(flight for flight, _ in left)
        for asking in abandoned:
            asking.abandon()

    def _abandoned(self, flights: Iterable[_Flight]) -> list[Asking]:
        """Remove those of `flights` for whose answer nobody waits."""
        return [
            flight.asking
            for flight in dict.fromkeys(flights)
            if not flight.waiters and self._land(flight) and flight.asking is not None
        ]
