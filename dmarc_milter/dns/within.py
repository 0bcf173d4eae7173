"""A resolver for one message: it gives up at the message's deadline, and remembers what was asked."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question, Then

MAX_QUESTIONS = 500
"""What one message may ask in all; far above what the limits of SPF, DKIM and DMARC add up to for real mail."""


class BoundedResolver(Protocol):
    """A resolver that can be told how long to wait."""

    async def resolve_before(self, question: Question, deadline: float) -> Answer[Any]:
        """The answer, or a temporary failure at `deadline` (``time.monotonic()``)."""

    def peek(self, question: Question) -> Answer[Any] | None: ...

    def prefetch(self, questions: Sequence[Question], then: Then | None = None) -> None: ...


class WithinDeadline:
    """A :class:`~dmarc_milter.dns.answer.Resolver`; what is not known at its deadline is a temporary failure.

    Because a late answer is a value like any other, everything above ends by itself soon after the deadline: no task
    has to be cancelled, and a late message is a `temperror`, not an accident.
    """

    __slots__ = ("_ahead", "_resolver", "asked", "cache_hits", "deadline")

    def __init__(self, resolver: BoundedResolver, deadline: float) -> None:
        self._resolver = resolver
        self.deadline = deadline
        self.asked: dict[Question, Answer[Any]] = {}
        """Every question of this message with the answer that was used for it."""
        self.cache_hits = 0
        """How many of them the cache answered, without anyone being asked for this message."""
        self._ahead: set[Question] = set()

    def peek(self, question: Question) -> Answer[Any] | None:
        return self.asked.get(question) or self._resolver.peek(question)

    async def resolve(self, question: Question) -> Answer[Any]:
        answer = self.asked.get(question)
        if answer is None:
            answer = self._resolver.peek(question)
            if answer is None:
                answer = await self._wait(question)
            elif question not in self._ahead:
                self.cache_hits += 1
            self.asked[question] = answer
        return answer

    async def _wait(self, question: Question) -> Answer[Any]:
        if len(self.asked) >= MAX_QUESTIONS:
            return wire.failure("too many questions for one message")
        if time.monotonic() >= self.deadline:
            return wire.failure("deadline of the message passed")
        return await self._resolver.resolve_before(question, self.deadline)

    def prefetch(self, questions: Sequence[Question], then: Then | None = None) -> None:
        if time.monotonic() < self.deadline:
            missing = [each for each in questions if self._resolver.peek(each) is None]
            self._ahead.update(missing)
            # Whoever wants to be told is told of answers that are there, too.
            wanted = missing if then is None else questions
            if wanted:
                self._resolver.prefetch(wanted, then)
