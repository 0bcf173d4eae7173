"""The resolver of the running filter: a cache, one question in flight for each name and type, and the way to the loop.

A coroutine that judges mail is first stepped on the thread on which the message arrived. As long as every answer is in
the cache it never stops, and nothing is handed to another thread. At the first answer that is missing it yields once;
whoever steps it (``lookups.Lookups``) then carries it over to the event loop, where it may wait.
"""

import asyncio
import threading
import time
import types
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question, Then
from dmarc_milter.dns.cache import Cache

MAX_IN_FLIGHT = 5_000
"""Different questions under way at once. What is asked beyond that fails at once rather than queue without end."""


@types.coroutine
def _move_to_the_loop() -> Generator[None, None, None]:
    yield


class CachingResolver:
    """A :class:`~dmarc_milter.dns.within.BoundedResolver` that may be called from any thread once the loop runs."""

    def __init__(
        self,
        ask: Callable[[Question], Awaitable[Answer[Any]]],
        loop: asyncio.AbstractEventLoop,
        cache: Cache | None = None,
        observe: Then = lambda _question, _answer: None,
    ) -> None:
        self._observe = observe
        self._ask = ask
        self._loop = loop
        self._cache = Cache() if cache is None else cache
        self._in_flight: dict[Question, asyncio.Task[Answer[Any]]] = {}
        self._loop_thread: int | None = None
        loop.call_soon_threadsafe(self._note_thread)

    def _note_thread(self) -> None:
        self._loop_thread = threading.get_ident()

    def peek(self, question: Question) -> Answer[Any] | None:
        return self._cache.get(question)

    async def resolve_before(self, question: Question, deadline: float) -> Answer[Any]:
        """The answer, or a temporary failure at `deadline` (``time.monotonic()``)."""
        answer = self._cache.get(question)
        if answer is not None:
            return answer
        if threading.get_ident() != self._loop_thread:
            await _move_to_the_loop()
        # Not cancelled at the deadline: other messages may wait for the same answer.
        asking = self._start(question)
        await asyncio.wait((asking,), timeout=max(0.0, deadline - time.monotonic()))
        return asking.result() if asking.done() else wire.failure("deadline of the message passed")

    def prefetch(self, questions: Sequence[Question], then: Then | None = None) -> None:
        if threading.get_ident() == self._loop_thread:
            self._start_all(questions, then)
        else:
            self._loop.call_soon_threadsafe(self._start_all, questions, then)

    def _start_all(self, questions: Sequence[Question], then: Then | None) -> None:
        for question in questions:
            answer = self._cache.get(question)
            if answer is None:
                task = self._start(question)
                if then is not None:
                    task.add_done_callback(_tell(then, question))
            elif then is not None:
                then(question, answer)

    def _start(self, question: Question) -> "asyncio.Task[Answer[Any]]":
        task = self._in_flight.get(question)
        if task is None:
            task = self._loop.create_task(self._look_up(question))
            self._in_flight[question] = task
        return task

    async def _look_up(self, question: Question) -> Answer[Any]:
        try:
            if len(self._in_flight) > MAX_IN_FLIGHT:
                return wire.failure("too many questions under way")
            known = self._cache.get(question)
            if known is not None:
                return known
            answer = await self._ask(question)
            self._cache.put(question, answer)
            self._observe(question, answer)
            return answer
        finally:
            del self._in_flight[question]


def _tell(then: Then, question: Question) -> Callable[["asyncio.Task[Answer[Any]]"], None]:
    def done(task: "asyncio.Task[Answer[Any]]") -> None:
        if not task.cancelled() and task.exception() is None:
            then(question, task.result())

    return done
