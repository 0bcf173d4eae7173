"""The questions of one message: what was asked and answered stays until the message ends, whatever its TTL.

Each mechanism asks through a resolver of its own, which has its own limit and its own deadline: so none of them can use
up what another needs. The limits together bound what a message asks at all.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import LATE, Answer, OnAnswer, Question
from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.dns.source import Asker, Need, Source, wait


class MessageQuestions:
    """What the mechanisms that judge one message share: one asker, and every answer that was given to it."""

    __slots__ = ("_arrived", "_asker", "_source", "_were_cached", "cache_hits", "used")

    def __init__(self, source: Source, client: bytes = b"") -> None:
        self._source = source
        self._asker = Asker(client)
        self._arrived: dict[Question, Answer[Any]] = {}
        self._were_cached: set[Question] = set()
        self.used: dict[Question, Answer[Any]] = {}
        """Every question of this message with the answer that was used for it."""
        self.cache_hits = 0
        """How many of them the cache answered, without anyone being asked for this message."""

    def resolver(self, deadline: float, limit: float = math.inf, *, is_reserved: bool = False) -> "MessageResolver":
        """A resolver for one mechanism: `limit` questions at most, `deadline` as of ``time.monotonic()``."""
        return MessageResolver(self, deadline, limit, is_reserved=is_reserved)

    def close(self) -> None:
        """The message has ended, and waits for nothing any more."""
        self._source.leave(self._asker)

    def known(self, question: Question) -> Answer[Any] | None:
        """The answer that this message has already. A failure is only that of whoever had no answer in its time."""
        answer = self.used.get(question) or self._arrived.get(question)
        return None if answer is None or answer.failed else answer

    def peek(self, question: Question) -> Answer[Any] | None:
        """The same, else what the source knows."""
        return self.known(question) or self._source.peek(question)

    def need(self, question: Question, resolver: "MessageResolver", *, is_prefetch: bool) -> Need:
        """What a coroutine yields that waits for `question` by the deadline and the room of `resolver`."""
        return Need(question, resolver.deadline, self._asker, resolver.is_reserved, is_prefetch)

    def prefetch(self, need: Need, then: OnAnswer | None) -> None:
        """Ask; what arrives is kept for the message."""

        def keep(question: Question, answer: Answer[Any]) -> None:
            if not answer.failed:
                self._arrived[question] = answer
            if then is not None:
                then(question, answer)

        answer = self._source.ask(need, keep)
        if answer is not None and not answer.failed:
            self._were_cached.add(need.question)
            keep(need.question, answer)

    def use(self, question: Question, answer: Answer[Any], *, was_cached: bool = False) -> None:
        """Note that a verdict is built on `answer`."""
        known = self.used.get(question)
        if known is None or known.failed:
            self.used[question] = answer
            self.cache_hits += was_cached or question in self._were_cached


class MessageResolver:
    """A :class:`~dmarc_milter.dns.answer.Resolver` for one mechanism of one message.

    What is not known at its deadline is a temporary failure. Because a late answer is a value like any other,
    everything above ends by itself soon after the deadline: a late message is a `temperror`, not an accident.
    """

    __slots__ = ("_asked", "_failures", "_limit", "_message", "deadline", "is_exhausted", "is_reserved")

    def __init__(self, message: MessageQuestions, deadline: float, limit: float, *, is_reserved: bool) -> None:
        self._message = message
        self._limit = limit
        self._asked: set[Question] = set()
        self._failures: dict[Question, Answer[Any]] = {}
        """What this mechanism was told, so that it is asked once; nobody else has to believe it."""
        self.deadline = deadline
        self.is_reserved = is_reserved
        self.is_exhausted = False
        """Whether a question was not asked, for want of questions, of room or of time."""

    def peek(self, question: Question) -> Answer[Any] | None:
        """The answer that the message or its source has already, else None. It takes none of the limit."""
        return self._message.peek(question)

    async def resolve(self, question: Question) -> Answer[Any]:
        """The answer; a temporary failure where the limit is used up, there is no room, or it comes too late.

        It is noted among those that the verdict is built on (:attr:`MessageQuestions.used`).
        """
        message = self._message
        answer = message.known(question) or self._failures.get(question)
        if answer is not None:
            message.use(question, answer)
            return answer
        if not self._has_left(question):
            self.is_exhausted = True
            return wire.no_room(DnsReason.TOO_MANY_QUESTIONS())
        answer = message.peek(question)
        if answer is not None:
            message.use(question, answer, was_cached=True)
            return answer
        answer = await self._wait(question)
        if answer.is_local and not answer.is_late and self.is_reserved:
            # It was on its way for somebody who had no room; we have.
            answer = await self._wait(question)
        if answer.failed:
            self.is_exhausted |= answer.is_local
            self._failures[question] = answer
        message.use(question, answer)
        return answer

    async def _wait(self, question: Question) -> Answer[Any]:
        if time.monotonic() >= self.deadline:
            return LATE
        return await wait(self._message.need(question, self, is_prefetch=False))

    def _has_left(self, question: Question) -> bool:
        if question not in self._asked and len(self._asked) >= self._limit:
            return False
        self._asked.add(question)
        return True

    def prefetch(self, questions: Sequence[Question], then: OnAnswer | None = None) -> None:
        """Start asking, within the limit. `then` is called with each answer, on any thread; a known one at once.

        Where there is no room, nothing is asked, and `then` is never called.
        """
        for question in questions:
            known = self._message.known(question)
            if known is not None:
                if then is not None:
                    then(question, known)
            elif time.monotonic() < self.deadline and self._has_left(question):
                self._message.prefetch(self._message.need(question, self, is_prefetch=True), then)
