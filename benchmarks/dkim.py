"""DKIM against dkimpy in one run: RSA 2048, relaxed/relaxed. Ours gets fields and body in chunks, as from an MTA.

.venv/bin/python -m benchmarks.dkim
"""

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import dkim

from benchmarks.spf import seconds_each
from dmarc_milter.dkim.body import BodyHashes
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import prepare, verify_all
from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.message.header import Header, split_message
from tests.support.keys import rsa_key, strings

LINES = {
    "text": b"The quick brown fox jumps over the lazy dog, and the dog is not amused.\r\n",
    "base64": b"VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZywgYW5kIHRoZSBk\r\n",
    "double blanks": b"The quick  brown fox jumps  over the lazy dog, and the  dog is not amused.\r\n",
}
SIZES = {"2 KB": (2_000, 300, 2), "20 KB": (20_000, 60, 3), "2 MB": (2_000_000, 2, 30)}
"""Octets, repetitions, and how many times as fast we want to be."""
CHUNK = 65_535
T = TypeVar("T")

FIELDS = b"".join(
    b"%s\r\n" % line
    for line in (
        b"Received: from a.example ([192.0.2.1]) by b.example with ESMTPS id 1;\r\n\tTue, 4 Nov 2026 12:00:00 +0000",
        b"From: A <a@example.com>",
        b"To: b@example.org",
        b"Subject: A subject of some words",
        b"Date: Tue, 24 Nov 2026 12:00:00 +0000",
        b"Message-ID: <1@example.com>",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
    )
)


def measure(name: str, line: bytes, size: int, count: int) -> float:
    """Times as fast as dkimpy."""
    message = FIELDS + b"\r\n" + line * (size // len(line))
    key, record = rsa_key(2048)
    message = dkim.sign(message, b"s", b"example.com", key, canonicalize=(b"relaxed", b"relaxed")) + message
    zone = ZoneResolver(records_of({"s._domainkey.example.com": [(RecordType.TXT, strings(record))]}))

    fields, body = split_message(message)
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]

    def ours() -> None:
        prepared = prepare(Header(fields), "example.com", 1_800_000_000, 10)
        bodies = BodyHashes(each.body for each in prepared.prepared)
        for chunk in chunks:
            bodies.update(chunk)
        (found,) = _result_of(verify_all(zone, prepared, bodies.finish()))
        if found.result is not DkimResult.PASS:
            raise ValueError(found)

    def theirs() -> None:
        if not dkim.verify(message, dnsfunc=lambda *_, **__: record.encode()):
            raise ValueError

    own, other = seconds_each(ours, count * 4), seconds_each(theirs, count)
    print(f"{name}: ours {own * 1e3:.2f} ms, dkimpy {other * 1e3:.2f} ms: {other / own:.1f} times as fast")
    return other / own


def _result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Stepped once, as the filter does it: every answer is at hand."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise ValueError("it waited, although every answer is at hand")


if __name__ == "__main__":
    for size_name, (octets, repetitions, wanted) in SIZES.items():
        for line_name, line_octets in LINES.items():
            ratio = measure(f"{size_name} of {line_name}", line_octets, octets, repetitions)
            if ratio < wanted:
                print(f"    below the {wanted} times that we want")
