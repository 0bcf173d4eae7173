"""The streaming body hash: RFC 6376 3.4, however the body is cut."""

import hashlib
from itertools import pairwise

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.dkim.body import BodyHashes, BodyHashKind
from dmarc_milter.dkim.signature import Canonicalization

RELAXED, SIMPLE = Canonicalization.RELAXED, Canonicalization.SIMPLE


def digest(chunks: list[bytes], canonicalization: Canonicalization, length: int | None = None) -> bytes:
    kind = BodyHashKind(canonicalization, length)
    bodies = BodyHashes([kind])
    for chunk in chunks:
        bodies.update(chunk)
    return bodies.finish()[kind].digest


CASES = {
    "empty": (b"", b"", b"\r\n"),
    "only empty lines": (b"\r\n\r\n\r\n", b"", b"\r\n"),
    "RFC 6376 3.4.5": (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", b" C \r\nD \t E\r\n"),
    "no line end": (b"a b", b"a b\r\n", b"a b\r\n"),
    "blanks at the very end": (b"a \t ", b"a\r\n", b"a \t \r\n"),
    "only blanks": (b"  \t", b"", b"  \t\r\n"),
    "bare CR and LF are text": (b"a\rb\nc\r\n", b"a\rb\nc\r\n", b"a\rb\nc\r\n"),
    "bare CR at the end": (b"a\r", b"a\r\r\n", b"a\r\r\n"),
    "empty lines in between": (b"a\r\n\r\n\r\nb\r\n\r\n", b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
}


@pytest.mark.parametrize(("body", "relaxed", "simple"), CASES.values(), ids=CASES.keys())
def test_canonical_bodies(body: bytes, relaxed: bytes, simple: bytes) -> None:
    for chunks in ([body], [body[i : i + 1] for i in range(len(body))]):
        assert digest(chunks, RELAXED) == hashlib.sha256(relaxed).digest()
        assert digest(chunks, SIMPLE) == hashlib.sha256(simple).digest()


_PIECES = st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc", b"\r", b"\n", b"  ", b"\xff", b"\r\n\r\n"])


@given(st.lists(_PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 80), max_size=8), st.booleans())
def test_equals_dkimpy_however_it_is_cut(text: bytes, cuts: list[int], is_relaxed: bool) -> None:
    # dkimpy keeps blanks at the end of a last line that has no CRLF; RFC 6376 3.4.4 ignores them. SMTP ends in CRLF.
    body = text + b"\r\n"
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    chunks = [body[start:end] for start, end in pairwise(edges)]
    algorithm, canonicalization = (Relaxed, RELAXED) if is_relaxed else (Simple, SIMPLE)
    expected = hashlib.sha256(algorithm.canonicalize_body(body)).digest()
    assert digest(chunks, canonicalization) == expected


@pytest.mark.parametrize("length", [0, 1, 3, 5, 6])
def test_length_counts_canonical_octets(length: int) -> None:
    assert digest([b"a  b", b"\r\nc\r\n"], RELAXED, length) == hashlib.sha256(b"a b\r\nc\r\n"[:length]).digest()


def test_state_stays_small_whatever_comes() -> None:
    bodies = BodyHashes([BodyHashKind(RELAXED), BodyHashKind(SIMPLE)])
    for chunk in (b"\r\n" * 32_000, b" " * 64_000, b"\t \r\n" * 16_000):
        for _ in range(20):
            bodies.update(chunk)
    kept = [each._tail for each in bodies._canonicalizers]
    assert all(len(tail) <= 2 for tail in kept)
