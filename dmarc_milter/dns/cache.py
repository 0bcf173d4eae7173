"""Answers kept for their time to live, within a bound of memory."""

import sys
import time
from collections.abc import Callable
from typing import Any

from dmarc_milter.dns.answer import Answer, Question

_ENTRY_OCTETS = 300
"""What one entry takes beside its texts: dictionary, tuples, Answer, by measurement."""
_REASON_OCTETS = 500
"""A reason with a reason below it, or with a sentence of the system."""
_SHARE = 64
"""An answer that would take more than this part of the cache is not kept: it would throw out too many others."""


def _octets(question: Question, answer: Answer[Any]) -> int:
    """What the entry takes in memory: each record is an object of its own, and a place in a tuple."""
    reason = 0 if answer.reason is None else _REASON_OCTETS
    return _ENTRY_OCTETS + reason + sum(sys.getsizeof(each) + 8 for each in (question.name, *answer.records))


class Cache:
    """A map from questions to answers: the oldest entries give way once `max_octets` are reached.

    Many threads may call :meth:`get`; only one at a time :meth:`put`. That is what makes it work
    without a lock: a reader sees an entry whole or not at all.
    """

    __slots__ = ("_clock", "_entries", "_max_octets", "_octets")

    def __init__(self, max_octets: int = 32 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: dict[Question, tuple[float, int, Answer[Any]]] = {}
        self._max_octets = max_octets
        self._octets = 0
        self._clock = clock

    @property
    def octets(self) -> int:
        """What is kept now takes so much."""
        return self._octets

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question) -> Answer[Any] | None:
        """The answer to `question`, unless there is none or its time is over."""
        entry = self._entries.get(question)
        if entry is None or entry[0] < self._clock():
            return None
        return entry[2]

    def put(self, question: Question, answer: Answer[Any]) -> None:
        """Keep `answer` for its time to live, unless it is too large."""
        self._remove(question)
        size = _octets(question, answer)
        if size * _SHARE > self._max_octets:
            return
        while self._entries and self._octets + size > self._max_octets:
            self._remove(next(iter(self._entries)))
        self._entries[question] = (self._clock() + answer.ttl, size, answer)
        self._octets += size

    def _remove(self, question: Question) -> None:
        entry = self._entries.pop(question, None)
        if entry is not None:
            self._octets -= entry[1]
