"""The body hash (RFC 6376 3.4.3, 3.4.4, 3.7), computed while the body passes.

A canonicalizer keeps nothing but what the next chunk may still change: a count of empty lines, and at most two octets.
So a message costs the same few hundred octets whether it has 2 KB or 200 MB, and chunks may be cut anywhere.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dmarc_milter.dkim.signature import Canonicalization

CRLF = b"\r\n"
_EMPTY_LINES = CRLF * 2048


@dataclass(frozen=True, slots=True)
class BodyHashKind:
    """What two signatures must have in common to share a body hash (the hash algorithm is always SHA-256)."""

    canonicalization: Canonicalization
    length: int | None = None
    """l=: octets of the canonical body to be hashed."""


class _Canonicalizer:
    """Gives the canonical body to `sink`, piece by piece."""

    __slots__ = ("_empty_lines", "_is_empty", "_relaxed", "_sink", "_tail")

    def __init__(self, canonicalization: Canonicalization, sink: Callable[[bytes], None]) -> None:
        self._relaxed = canonicalization is Canonicalization.RELAXED
        self._sink = sink
        self._tail = b""
        """What may be the start of a line end: ``\\r``, and in relaxed form a blank before it."""
        self._empty_lines = 0
        """Line ends seen since the last octet that is none: dropped at the end of the body, due if more comes."""
        self._is_empty = True

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        data = self._tail + chunk if self._tail else chunk
        if self._relaxed:
            data = _reduce_white_space(data)
        kept = 1 if data.endswith(b"\r") else 0
        if self._relaxed and data.endswith(b" ", 0, len(data) - kept):
            kept += 1
        self._tail = data[len(data) - kept :]
        self._emit(data[: len(data) - kept] if kept else data)

    def _emit(self, data: bytes) -> None:
        """Pass on `data` up to the line ends at its end."""
        text = data.rstrip(CRLF)
        ends = data[len(text) :]
        if ends:
            # Among the octets stripped there may be a CR or LF that is no line end: that one is text.
            marked = ends.replace(CRLF, b"\0")
            bare = marked.rstrip(b"\0")
            lines = len(marked) - len(bare)
            text = data[: len(data) - 2 * lines]
        else:
            lines = 0
        if text:
            self._flush_empty_lines()
            self._sink(text)
            self._is_empty = False
        self._empty_lines += lines

    def _flush_empty_lines(self) -> None:
        while self._empty_lines:
            count = min(self._empty_lines, len(_EMPTY_LINES) // 2)
            self._sink(_EMPTY_LINES[: 2 * count])
            self._empty_lines -= count

    def finish(self) -> None:
        """End of the body: its last line ends in CRLF, empty lines behind that are dropped."""
        if self._tail.strip(b" "):
            # A carriage return that ended up at the very end of the body is text.
            tail, self._tail = self._tail, b""
            self._flush_empty_lines()
            self._sink(tail)
            self._is_empty = False
        if not self._is_empty or not self._relaxed:
            # 3.4.3: an empty body is one CRLF in simple form; 3.4.4: in relaxed form it is empty.
            self._sink(CRLF)


def _reduce_white_space(data: bytes) -> bytes:
    """3.4.4: runs of blanks to one space, none at the end of a line. Looks first: most bodies have nothing to do."""
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    elif b" " not in data:
        return data
    while b"  " in data:
        # Halves every run: a run as long as a chunk takes 16 passes at the speed of memory.
        data = data.replace(b"  ", b" ")
    return data.replace(b" \r\n", CRLF) if b" \r\n" in data else data


class _Digests:
    """One SHA-256 over a canonical body, and what it was after each of the lengths that are wanted."""

    __slots__ = ("_ends", "_hash", "_wants_whole", "digests", "octets")

    def __init__(self, lengths: Iterable[int | None]) -> None:
        wanted = set(lengths)
        self._wants_whole = None in wanted
        self._ends = sorted((each for each in wanted if each is not None), reverse=True)
        self._hash = hashlib.sha256()
        self.octets = 0
        self.digests: dict[int | None, bytes] = {}

    def update(self, data: bytes) -> None:
        self.octets += len(data)
        while self._ends and self._ends[-1] <= self.octets:
            behind = self.octets - self._ends[-1]
            self._hash.update(data[: len(data) - behind])
            data = data[len(data) - behind :]
            self.digests[self._ends.pop()] = self._hash.copy().digest()
        if self._ends or self._wants_whole:
            self._hash.update(data)

    def finish(self) -> dict[int | None, bytes]:
        """By length. A length that the body does not reach has the whole."""
        whole: list[int | None] = [*self._ends, *([None] if self._wants_whole else [])]
        return {**self.digests, **dict.fromkeys(whole, self._hash.digest())}


@dataclass(frozen=True, slots=True)
class BodyHash:
    """A finished body hash."""

    digest: bytes
    octets: int
    """Length of the whole canonical body, whatever part of it was hashed."""


class BodyHashes:
    """All body hashes that the signatures of one message need, each computed once."""

    __slots__ = ("_bodies", "_canonicalizers")

    def __init__(self, kinds: Iterable[BodyHashKind]) -> None:
        lengths: dict[Canonicalization, dict[int | None, None]] = {}
        for kind in kinds:
            lengths.setdefault(kind.canonicalization, {})[kind.length] = None
        self._bodies = {each: _Digests(wanted) for each, wanted in lengths.items()}
        self._canonicalizers = [_Canonicalizer(each, body.update) for each, body in self._bodies.items()]

    @property
    def is_needed(self) -> bool:
        """False where no signature wants to see the body."""
        return bool(self._bodies)

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere; its lines end with CRLF."""
        for each in self._canonicalizers:
            each.update(chunk)

    def finish(self) -> dict[BodyHashKind, BodyHash]:
        """The hashes by their kind, once the body has ended. To be called once."""
        for each in self._canonicalizers:
            each.finish()
        return {
            BodyHashKind(canonicalization, length): BodyHash(digest, body.octets)
            for canonicalization, body in self._bodies.items()
            for length, digest in body.finish().items()
        }
