"""Messages made to hurt a verifier of DKIM and ARC: there is a result, in bounded time and memory, and no exception."""

import base64
import hashlib
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dmarc_milter.arc import chain
from dmarc_milter.arc.reasons import ArcReason
from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dkim import header as dkim_header
from dmarc_milter.dkim import key, tags, work
from dmarc_milter.dkim.body import BodyHashes, BodyHashKind
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.signature import Canonicalization
from dmarc_milter.dkim.verification import MAX_KEYS_PREFETCHED, SignatureResult, prepare
from dmarc_milter.dkim.work import MAX_HASHED, MAX_TRIES
from dmarc_milter.message.header import MAX_FIELDS, MAX_OCTETS, Field, Header
from tests.support.keys import rsa_key, rsa_record
from tests.support.signed import MESSAGE, NOW, RSA_768, sign, verify

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
    assert found.result is DkimResult.PASS


def test_ten_thousand_signed_names_of_ten_thousand_fields() -> None:
    names = b":".join([b"from"] + [b"x"] * 10_000)
    header = Header(
        [Field("X", b" 1")] * 10_000 + [field(b"v=1; d=a.example; s=s; a=rsa-sha256; bh=AA==; b=AA==; h=" + names)]
    )
    with bounded():
        (found,) = prepare(header, None, NOW, 10).items
    assert isinstance(found, SignatureResult)
    assert found.result is DkimResult.NEUTRAL


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
        (found,) = prepare(Header([field(text)]), "a.example", NOW, 10).items
    assert isinstance(found, SignatureResult)
    assert found.result is DkimResult.NEUTRAL


def test_a_thousand_signatures() -> None:
    forged = sign(domain=b"other.example") * 999
    with bounded():
        found = verify(sign() + forged + MESSAGE)
    assert len(found) == 10
    assert found[0].result is DkimResult.PASS


def test_the_aligned_one_of_a_hundred_signatures_is_verified() -> None:
    with bounded():
        found = verify(sign(domain=b"other.example") * 99 + sign() + MESSAGE)
    assert [each.result for each in found[-1:]] == [DkimResult.PASS]


def arc_fields(count: int, *, selectors: bool = False) -> Header:
    header = Header()
    for instance in range(count, 0, -1):
        common = b"i=%d; a=rsa-sha256; d=a.example; b=AAAA; " % instance
        seal, own = (b"s=s%d" % instance, b"s=m%d" % instance) if selectors else (b"s=s", b"s=s")
        chain_value = b"; cv=none" if instance == 1 else b"; cv=pass"
        header.append(field(common + seal + chain_value, "ARC-Seal"))
        header.append(field(common + own + b"; h=from; bh=AA==", "ARC-Message-Signature"))
        header.append(field(b"i=%d; a.example; dmarc=pass" % instance, "ARC-Authentication-Results"))
    header.append(Field("From", b" a@example.com"))
    return header


def test_fifty_arc_sets_are_read() -> None:
    with bounded():
        found = chain.prepare(arc_fields(50), NOW)
    assert isinstance(found, chain.PreparedChain)
    assert len(found.sets) == 50


@pytest.mark.parametrize("count", [51, 1000])
def test_more_arc_sets_are_not(count: int) -> None:
    with bounded():
        found = chain.prepare(arc_fields(count), NOW)
    assert isinstance(found, chain.Chain)
    assert (found.status, found.reason) == (chain.ArcStatus.FAIL, ArcReason.TOO_MANY_SETS(limit=50))


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
    assert isinstance(found, Unreadable)


def test_short_keys_do_not_count() -> None:
    """RFC 8301 3.2"""
    (found,) = verify(sign() + MESSAGE, {"s._domainkey.example.com": [f"v=DKIM1; p={RSA_768}"]})
    assert (found.result, found.reason) == (DkimResult.POLICY, DkimReason.KEY_TOO_SHORT(bits=768))


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_these_do(bits: int) -> None:
    private, record = rsa_key(bits)
    (found,) = verify(sign(key=private) + MESSAGE, {"s._domainkey.example.com": [record]})
    assert (found.result, found.key_bits) == (DkimResult.PASS, bits)


def test_u_labels_in_the_signature() -> None:
    """RFC 8616 5: d=, s= and i= may be U-labels; the key is asked for by A-labels."""
    records = {"xn--whl-qla._domainkey.xn--bcher-kva.example": [rsa_key()[1]]}
    signed = sign(domain="bücher.example".encode(), selector="wähl".encode(), identity="a@bücher.example".encode())
    (found,) = verify(signed + MESSAGE, records)
    assert (found.domain, found.selector) == ("xn--bcher-kva.example", "xn--whl-qla")
    assert found.result is DkimResult.PASS, found.reason


@pytest.mark.parametrize("text", [b"", b" "])
def test_a_list_without_tags_is_one(text: bytes) -> None:
    """What is missing is said by whoever needs a tag."""
    assert tags.parse(text) == {}


def test_a_tag_list_is_bounded() -> None:
    found = tags.parse(b"a=" + b"b" * tags.MAX_OCTETS)
    assert found == Unreadable(DkimReason.TAG_LIST_TOO_LONG(limit=tags.MAX_OCTETS))


def test_a_header_section_is_bounded() -> None:
    header = Header([Field("X", b" 1")] * (MAX_FIELDS + 1))
    assert (len(header), header.is_complete) == (MAX_FIELDS, False)
    assert not Header([Field("X", bytes(MAX_OCTETS + 1))]).is_complete


PADDING = {
    "as it is": (lambda text: text, True),
    "one is missing": (lambda text: text.removesuffix("="), True),
    "both are missing": (lambda text: text.rstrip("="), True),
    "white space before it": (lambda text: text.replace("=", " \t= "), True),
    "white space everywhere": (lambda text: " ".join(text), True),
    "three": (lambda text: text + "=", False),
    "in the middle": (lambda text: text[:8] + "=" + text[8:], False),
    "a digit is missing": (lambda text: text.rstrip("=")[:-1], False),
    "of another alphabet": (lambda text: text.replace("A", "_"), False),
    "nothing but padding": (lambda text: "==", False),
}


@pytest.mark.parametrize(("change", "is_read"), PADDING.values(), ids=PADDING.keys())
def test_base64_with_and_without_its_padding(change: Callable[[str], str], is_read: bool) -> None:
    """RFC 6376 2.10"""
    octets = bytes(range(0, 160, 4))
    written = change(base64.b64encode(octets).decode())
    assert (tags.base64(written.encode()) == octets) is is_read


@pytest.mark.parametrize("tag", [b"b", b"bh"])
def test_signatures_without_padding(tag: bytes) -> None:
    signed = re.sub(rb"(\b" + tag + rb"=[^;]*?)=+(?=;|\r\n\Z)", rb"\1", sign())
    assert signed != sign()
    (found,) = verify(signed + MESSAGE)
    # Where bh= is changed, what was signed is another text: then the header is wrong, but it is read.
    assert found.result is (DkimResult.PASS if tag == b"b" else DkimResult.FAIL)


@pytest.mark.parametrize(
    ("exponent", "result"),
    [
        (65537, DkimResult.FAIL),
        ((1 << 64) - 1, DkimResult.FAIL),
        ((1 << 64) + 1, DkimResult.PERMERROR),
        (3**600, DkimResult.PERMERROR),
    ],
)
def test_an_exponent_has_at_most_64_bits(exponent: int, result: DkimResult) -> None:
    (found,) = verify(sign() + MESSAGE, {"s._domainkey.example.com": [rsa_record(1024, exponent)]})
    assert found.result is result, found.reason


def verified_keys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each time that RSA is done."""
    done: list[int] = []

    def verifies(*_: object) -> bool:
        done.append(1)
        return False

    monkeypatch.setattr(key.Key, "verifies", verifies)
    return done


def test_keys_that_are_tried_for_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    done = verified_keys(monkeypatch)
    keys = [rsa_record(1024, 65537, number) for number in range(20)]
    found = verify(sign() * 30 + MESSAGE, {"s._domainkey.example.com": keys}, most=30)
    assert len(done) == MAX_TRIES
    assert found[0].result is DkimResult.FAIL
    assert (found[-1].result, found[-1].reason) == (
        DkimResult.PERMERROR,
        DkimReason.TOO_MANY_KEYS(limit=MAX_TRIES),
    )


def test_octets_that_are_hashed_for_one_message() -> None:
    large = b" x" * (1 << 20)
    message = MESSAGE.replace(b" a  folded\r\n\tsubject ", large)
    found = verify(sign() * 40 + message, most=40)
    results = [each.result for each in found]
    within = MAX_HASHED // len(large)
    assert results == [DkimResult.FAIL] * (within - 1) + [DkimResult.PERMERROR] * (40 - within + 1)
    assert found[-1].reason == DkimReason.TOO_MUCH_HEADER(limit=32)


def test_each_field_is_made_canonical_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Field] = []
    real = dkim_header.canonical

    def canonical(field: Field, form: Canonicalization) -> bytes:
        made.append(field)
        return real(field, form)

    monkeypatch.setattr(work, "canonical", canonical)
    assert [each.result for each in verify(sign() * 5 + MESSAGE)] == [DkimResult.PASS] * 5
    names = [each.name for each in made]
    assert sorted(names) == sorted(["From", "To", "Subject", "X-Eight"] + ["DKIM-Signature"] * 5)


@pytest.mark.parametrize(
    ("value", "relaxed"),
    [
        (b" a \t b ", b"a b"),
        (b"\r\n\t\r\n a", b"a"),
        (b" a \v \f b ", b"a \v \f b"),
        (b"\v a \f", b"\v a \f"),
        (b" a\n\tb\r c", b"a\n b\r c"),
        (b" " * 99 + b"a" + b"\t" * 98 + b"b" + b" " * 97, b"a b"),
        (b"  ", b""),
    ],
)
def test_only_blanks_are_white_space(value: bytes, relaxed: bytes) -> None:
    """RFC 6376 2.8, 3.4.2"""
    assert dkim_header.canonical(Field("X", value), Canonicalization.RELAXED) == b"x:" + relaxed


def test_many_lengths_cost_one_hash() -> None:
    kinds = [BodyHashKind(Canonicalization.RELAXED, length) for length in (*range(0, 500, 7), 10_000, None)]
    hashes = BodyHashes(kinds)
    for _ in range(112):
        hashes.update(b"abcdefgh\r")
    found = hashes.finish()
    whole = b"abcdefgh\r" * 112 + b"\r\n"
    assert found.keys() == set(kinds)
    for each, of_body in found.items():
        assert of_body.digest == hashlib.sha256(whole[: each.length]).digest()


@pytest.mark.parametrize(("count", "is_read"), [(tags.MAX_TAGS, True), (tags.MAX_TAGS + 1, False)])
def test_tags_of_a_list(count: int, is_read: bool) -> None:
    text = b"".join(b"t%d=;" % number for number in range(count))
    if is_read:
        found = tags.parse(text)
        assert isinstance(found, dict)
        assert len(found) == count
    else:
        assert tags.parse(text) == Unreadable(DkimReason.TOO_MANY_TAGS(limit=100))


def test_keys_asked_for_early() -> None:
    fields = [field(b"v=1; a=rsa-sha256; d=a.example; s=s%d; h=from; bh=AA==; b=AA==" % each) for each in range(30)]
    prepared = prepare(Header(fields), "a.example", NOW, 30)
    assert len(prepared.prepared) == 30
    assert len(prepared.key_questions) == MAX_KEYS_PREFETCHED
    chained = chain.prepare(arc_fields(50, selectors=True), NOW)
    assert isinstance(chained, chain.PreparedChain)
    names = [each.name for each in chained.key_questions]
    seals = [f"s{instance}._domainkey.a.example" for instance in range(50, 41, -1)]
    assert names == ["m50._domainkey.a.example", *seals]


def test_signatures_that_claim_the_author_domain_gain_nothing() -> None:
    """They may push the right one out; then the message fails."""
    forged = sign(selector=b"other")
    found = verify(forged * 10 + sign() + MESSAGE)
    assert {each.result for each in found} == {DkimResult.PERMERROR}
