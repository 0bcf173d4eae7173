"""Messages made to hurt a verifier of DKIM and ARC: there is a result, in bounded time and memory, and no exception."""

import base64
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dmarc_milter.arc import chain
from dmarc_milter.dkim import key, tags
from dmarc_milter.dkim.key import KeyFault
from dmarc_milter.dkim.signature import Result
from dmarc_milter.dkim.verification import Verified, expect
from dmarc_milter.message.header import MAX_FIELDS, MAX_OCTETS, Field, Header
from tests.unit.keys import rsa_key
from tests.unit.test_dkim_verification import MESSAGE, NOW, sign, verify

SECONDS = 5.0
"""Many times what any of these takes; a quadratic algorithm would need minutes."""
OCTETS = 64 << 20


@contextmanager
def bounded() -> Iterator[None]:
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
        seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < SECONDS
    assert peak < OCTETS


def field(text: bytes, name: str = "DKIM-Signature") -> Field:
    return Field(name, b" " + text)


def test_ten_thousand_fields() -> None:
    many = b"".join(b"X-%d: %d\r\n" % (number % 50, number) for number in range(10_000))
    with bounded():
        (found,) = verify(many + sign() + MESSAGE)
    assert found.result is Result.PASS


def test_ten_thousand_signed_names_of_ten_thousand_fields() -> None:
    names = b":".join([b"from"] + [b"x"] * 10_000)
    header = Header(
        [Field("X", b" 1")] * 10_000 + [field(b"v=1; d=a.example; s=s; a=rsa-sha256; bh=AA==; b=AA==; h=" + names)]
    )
    with bounded():
        (found,) = expect(header, None, NOW, 10).items
    assert isinstance(found, Verified)
    assert found.result is Result.NEUTRAL


@pytest.mark.parametrize(
    "text",
    [
        b"v=1; d=a.example; b=" + b"A" * (1 << 20),
        b"v=1; d=a.example; h=" + b"from:" * 200_000,
        b";" * (1 << 20),
        b" " * (1 << 20),
        b"a=" * (1 << 19),
        b"v=1;" + b"\r\n\t" * 300_000,
        b"x" * (1 << 20),
    ],
    ids=["b", "h", "semicolons", "blanks", "equals signs", "folds", "one word"],
)
def test_a_signature_field_of_a_megabyte(text: bytes) -> None:
    with bounded():
        (found,) = expect(Header([field(text)]), "a.example", NOW, 10).items
    assert isinstance(found, Verified)
    assert found.result is Result.NEUTRAL


def test_a_thousand_signatures() -> None:
    forged = sign(domain=b"other.example") * 999
    with bounded():
        found = verify(sign() + forged + MESSAGE)
    assert len(found) == 10
    assert found[0].result is Result.PASS


def test_the_aligned_one_of_a_hundred_signatures_is_verified() -> None:
    with bounded():
        found = verify(sign(domain=b"other.example") * 99 + sign() + MESSAGE)
    assert [each.result for each in found[-1:]] == [Result.PASS]


def arc_fields(count: int) -> Header:
    header = Header()
    for instance in range(count, 0, -1):
        value = "none" if instance == 1 else "pass"
        header.append(
            field(b"i=%d; a=rsa-sha256; cv=%s; d=a.example; s=s; b=AAAA" % (instance, value.encode()), "ARC-Seal")
        )
        header.append(
            field(b"i=%d; a=rsa-sha256; d=a.example; s=s; h=from; bh=AA==; b=AAAA" % instance, "ARC-Message-Signature")
        )
        header.append(field(b"i=%d; a.example; dmarc=pass" % instance, "ARC-Authentication-Results"))
    header.append(Field("From", b" a@example.com"))
    return header


def test_fifty_arc_sets_are_read() -> None:
    with bounded():
        found = chain.expect(arc_fields(50), NOW)
    assert isinstance(found, chain.ExpectedChain)
    assert len(found.sets) == 50


@pytest.mark.parametrize("count", [51, 1000])
def test_more_arc_sets_are_not(count: int) -> None:
    with bounded():
        found = chain.expect(arc_fields(count), NOW)
    assert isinstance(found, chain.Chain)
    assert (found.status, found.reason) == (chain.Status.FAIL, "more than 50 sets")


@pytest.mark.parametrize(
    "record",
    [
        b"v=DKIM1; p=" + base64.b64encode(b"\x30\x82\xff\xff" + bytes(48 << 10)),
        b"v=DKIM1; p=" + b"A" * (64 << 10),
        b"v=DKIM1; n=" + b"x" * 65_000,
        b"v=DKIM1; h=" + b"sha256:" * 9_000 + b"; p=AAAA",
        b"\xff" * 65_535,
    ],
    ids=["DER that lies", "zeroes", "notes", "hashes", "octets"],
)
def test_key_records_of_64_kilobytes(record: bytes) -> None:
    with bounded():
        found = key.parse(record)
    assert isinstance(found, KeyFault)


RSA_768 = (
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhANpi4a2BE6dBHT93Jh5y1UNwPP1FGYgV6LtVFj0Zf2l34V9CIvmFx3hXlYghD7S6RXo7nUFvlMZ/dG6g"
    "gOY/drqcq/LSLImxWwzEdGwjs3GtNirWulJOQHQawJ9uc2VhFQIDAQAB"
)


def test_short_keys_do_not_count() -> None:
    """RFC 8301 3.2"""
    (found,) = verify(sign() + MESSAGE, {"s._domainkey.example.com": [f"v=DKIM1; p={RSA_768}"]})
    assert (found.result, found.reason) == (Result.POLICY, "RSA key of 768 bits is too short (RFC 8301)")


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_these_do(bits: int) -> None:
    private, record = rsa_key(bits)
    (found,) = verify(sign(key=private) + MESSAGE, {"s._domainkey.example.com": [record]})
    assert (found.result, found.key_bits) == (Result.PASS, bits)


def test_u_labels_in_the_signature() -> None:
    """RFC 8616 5: d=, s= and i= may be U-labels; the key is asked for by A-labels."""
    records = {"xn--whl-qla._domainkey.xn--bcher-kva.example": [rsa_key()[1]]}
    signed = sign(domain="bücher.example".encode(), selector="wähl".encode(), identity="a@bücher.example".encode())
    (found,) = verify(signed + MESSAGE, records)
    assert (found.domain, found.selector) == ("xn--bcher-kva.example", "xn--whl-qla")
    assert found.result is Result.PASS, found.reason


def test_a_tag_list_is_bounded() -> None:
    with pytest.raises(tags.TagError, match="longer than"):
        tags.parse(b"a=" + b"b" * tags.MAX_OCTETS)


def test_a_header_section_is_bounded() -> None:
    header = Header([Field("X", b" 1")] * (MAX_FIELDS + 1))
    assert (len(header), header.is_complete) == (MAX_FIELDS, False)
    assert not Header([Field("X", bytes(MAX_OCTETS + 1))]).is_complete
