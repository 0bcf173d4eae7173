"""Answers that one worker received, for the others: a table in memory that forked processes share.

There is no lock, so that a worker that dies leaves none behind. An entry has one place, found by its question, and a
keyed digest: who reads while another writes, or finds another question's entry there, has found nothing. The key, and
the place of a name (Python's hash), are secrets of the supervisor and what it forked, so that nobody who publishes
records can make half of one entry and half of another pass for a whole, or aim at a place.
"""

import hashlib
import marshal
import mmap
import os
import struct
import time
from collections.abc import Callable
from typing import Any

from dmarc_milter.common.reason import Reason
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question
from dmarc_milter.dns.reasons import DnsReason

PLACES = 4096
PLACE_OCTETS = 768
"""Enough for the key record of an RSA key of 2048 bits; what is larger is not shared."""
_HEAD = struct.Struct("=8sH")
"""Digest of what follows, and its length."""
_MAX_ENTRY = PLACE_OCTETS - _HEAD.size
_OUTCOMES = {each.value: each for each in AnswerOutcome}


class SharedAnswers:
    """To be made before forking. Any thread of any process may call its methods."""

    __slots__ = ("_clock", "_key", "_places")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = memoryview(mmap.mmap(-1, PLACES * PLACE_OCTETS))
        self._key = os.urandom(16)
        self._clock = clock

    def get(self, question: Question) -> Answer[Any] | None:
        """The answer with what is left of its time to live, or None."""
        start = _start(question)
        digest, length = _HEAD.unpack_from(self._places, start)
        if not 0 < length <= _MAX_ENTRY:
            return None
        start += _HEAD.size
        entry = bytes(self._places[start : start + length])
        if self._digest(entry) != digest:
            return None
        # marshal may crash on octets that it did not write; the digest says that it did.
        name, number, expires, outcome, records, reason = marshal.loads(entry)  # noqa: S302 - see above
        left = expires - self._clock()
        if name != question.name or number != question.type.value or left <= 0:
            return None
        return Answer(_OUTCOMES[outcome], records, left, reason and _unpacked(reason))

    def put(self, question: Question, answer: Answer[Any]) -> None:
        """Let the other processes find `answer` for its time to live."""
        expires = self._clock() + answer.ttl
        reason = _packed(answer.reason)
        entry = marshal.dumps(
            (question.name, question.type.value, expires, answer.outcome.value, answer.records, reason)
        )
        if len(entry) <= _MAX_ENTRY:
            start = _start(question)
            whole = _HEAD.pack(self._digest(entry), len(entry)) + entry
            self._places[start : start + len(whole)] = whole

    def _digest(self, entry: bytes) -> bytes:
        return hashlib.blake2b(entry, digest_size=8, key=self._key).digest()


_Packed = tuple[str, tuple[tuple[str, Any], ...]]
"""A reason as marshal writes it: code, and parameters, of which one may be another reason."""


def _packed(reason: Reason | None) -> _Packed | None:
    if reason is None:
        return None
    parameters = [(name, _packed(each) if isinstance(each, Reason) else each) for name, each in reason.parameters]
    return reason.code.value, tuple(parameters)


def _unpacked(packed: _Packed) -> Reason:
    code, parameters = packed
    values = {name: _unpacked(each) if isinstance(each, tuple) else each for name, each in parameters}
    return DnsReason(code)(**values)


def _start(question: Question) -> int:
    return hash((question.name, question.type.value)) % PLACES * PLACE_OCTETS
