"""The resolver of the running filter: a cache, and one question in flight for each name and type.

What is not in its own cache may be in the memory that all workers share: the DNS is asked once by all of them.

A coroutine that judges mail is stepped on the thread on which the message arrived. As long as every answer is in the
cache it never stops, and nothing is handed to another thread. For an answer that is missing it yields what begins the
waiting; whoever steps it (``lookups.Lookups``) has it go on when the answer is there, on the loop's thread.
"""

import threading
import types
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question, Then
from dmarc_milter.dns.cache import Cache
from dmarc_milter.dns.loop import Loop
from dmarc_milter.dns.shared import SharedAnswers

MAX_IN_FLIGHT = 5_000
"""Different questions under way at once. What is asked beyond that fails at once rather than queue without end."""

Tell = Callable[[Answer[Any]], None]
Ask = Callable[[Question, Tell], None]
"""Asks somebody, and tells later, on the loop's thread."""
Begin = Callable[[Tell], Answer[Any] | None]
"""What a waiting coroutine yields: told whom to tell, it gives the answer, or None where it will be told later."""


@types.coroutine
def _wait(begin: Begin) -> Generator[Begin, Answer[Any], Answer[Any]]:
    answer = yield begin
    return answer


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One who waits for an answer until a deadline."""

    tell: Tell
    deadline: float


class CachingResolver:
    """A :class:`~dmarc_milter.dns.within.BoundedResolver` that may be called from any thread."""

    def __init__(
        self,
        ask: Ask,
        loop: Loop,
        cache: Cache | None = None,
        observe: Then = lambda _question, _answer: None,
        shared: SharedAnswers | None = None,
    ) -> None:
        self._observe = observe
        self._ask = ask
        self._loop = loop
        self._cache = Cache() if cache is None else cache
        self._shared = shared
        self._lock = threading.Lock()
        self._in_flight: dict[Question, list[Tell]] = {}
        self._waiting: set[_Waiting] = set()
        loop.sweep_with(self._end_late)

    def peek(self, question: Question) -> Answer[Any] | None:
        return self._cache.get(question) or self._from_others(question)

    def _from_others(self, question: Question) -> Answer[Any] | None:
        """What another process was told."""
        answer = None if self._shared is None else self._shared.get(question)
        if answer is not None:
            with self._lock:
                self._cache.put(question, answer)
        return answer

    async def resolve_before(self, question: Question, deadline: float) -> Answer[Any]:
        """The answer, or a temporary failure at `deadline` (``time.monotonic()``)."""
        # Not cancelled at the deadline: other messages may wait for the same answer.
        return await _wait(partial(self._begin_waiting, question, deadline))

    def _begin_waiting(self, question: Question, deadline: float, tell: Tell) -> Answer[Any] | None:
        waiting = _Waiting(tell, deadline)
        self._waiting.add(waiting)
        answer = self._begin(question, lambda answer: self._arrived_for(waiting, answer))
        if answer is not None:
            self._waiting.discard(waiting)
        return answer

    def _arrived_for(self, waiting: _Waiting, answer: Answer[Any]) -> None:
        """Tell once, of the answer or the deadline, whichever comes first; both come on the loop's thread."""
        if waiting in self._waiting:
            self._waiting.discard(waiting)
            waiting.tell(answer)

    def _end_late(self, now: float) -> None:
        for waiting in self._waiting.copy():
            if waiting.deadline <= now:
                self._loop.safely(self._arrived_for, waiting, wire.failure("deadline of the message passed"))

    def prefetch(self, questions: Sequence[Question], then: Then | None = None) -> None:
        for question in questions:
            tell: Tell = _ignore if then is None else partial(then, question)
            answer = self._begin(question, tell)
            if answer is not None:
                tell(answer)

    def _begin(self, question: Question, tell: Tell) -> Answer[Any] | None:
        """The answer, where it is there meanwhile; else `tell` is told, and the question is asked unless it is."""
        with self._lock:
            known = self._cache.get(question)
            if known is not None:
                return known
            told = self._in_flight.get(question)
            if told is not None:
                told.append(tell)
                return None
            if len(self._in_flight) >= MAX_IN_FLIGHT:
                return wire.failure("too many questions under way")
            self._in_flight[question] = [tell]
        self._ask(question, partial(self._arrived, question))
        return None

    def _arrived(self, question: Question, answer: Answer[Any]) -> None:
        with self._lock:
            self._cache.put(question, answer)
            told = self._in_flight.pop(question)
        if self._shared is not None:
            self._shared.put(question, answer)
        self._loop.safely(self._observe, question, answer)
        for tell in told:
            self._loop.safely(tell, answer)


def _ignore(_answer: Answer[Any]) -> None:
    pass
