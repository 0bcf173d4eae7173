"""Answers that one worker received, for the others: a table in memory that forked processes share.

There is no lock, so that a worker that dies leaves none behind. An entry has one place, found by its question, and a
checksum: who reads while another writes, or finds another question's entry there, has found nothing.
"""

import marshal
import mmap
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

from dmarc_milter.dns.answer import Answer, Outcome, Question

PLACES = 4096
PLACE_OCTETS = 768
"""Enough for the key record of an RSA key of 2048 bits; what is larger is not shared."""
_HEAD = struct.Struct("=IH")
"""Checksum of what follows, and its length."""
_OUTCOMES = {each.value: each for each in Outcome}


class SharedAnswers:
    """To be made before forking. Any thread of any process may call its methods."""

    __slots__ = ("_clock", "_places")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = memoryview(mmap.mmap(-1, PLACES * PLACE_OCTETS))
        self._clock = clock

    def get(self, question: Question) -> Answer[Any] | None:
        """The answer with what is left of its time to live, or None."""
        start = _start(question)
        checksum, length = _HEAD.unpack_from(self._places, start)
        if length == 0 or length > PLACE_OCTETS - _HEAD.size:
            return None
        start += _HEAD.size
        entry = bytes(self._places[start : start + length])
        if zlib.crc32(entry) != checksum:
            return None
        # marshal may crash on octets that it did not write; the checksum says that it did.
        name, number, expires, outcome, records, detail = marshal.loads(entry)  # noqa: S302 - see above
        left = expires - self._clock()
        if name != question.name or number != question.type.value or left <= 0:
            return None
        return Answer(_OUTCOMES[outcome], records, left, detail)

    def put(self, question: Question, answer: Answer[Any]) -> None:
        """Let the other processes find `answer` for its time to live."""
        expires = self._clock() + answer.ttl
        entry = marshal.dumps(
            (question.name, question.type.value, expires, answer.outcome.value, answer.records, answer.detail)
        )
        whole = _HEAD.pack(zlib.crc32(entry), len(entry)) + entry if len(entry) < PLACE_OCTETS else b""
        if 0 < len(whole) <= PLACE_OCTETS:
            start = _start(question)
            self._places[start : start + len(whole)] = whole


def _start(question: Question) -> int:
    number = zlib.crc32(question.name.encode("utf-8", "surrogateescape"), question.type.value)
    return number % PLACES * PLACE_OCTETS
