"""DKIM signatures made by dkimpy, right and spoiled in every way that RFC 6376 6.1 names."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.result import DkimResult, result_of
from dmarc_milter.dkim.verification import prepare
from dmarc_milter.message.header import split_message
from tests.support.keys import ed25519_key, rsa_key
from tests.support.signed import MESSAGE, NOW, sign, verify


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_rsa_in_all_canonicalizations(header: bytes, body: bytes) -> None:
    (found,) = verify(sign(canonicalize=(header, body)) + MESSAGE)
    assert found.result is DkimResult.PASS
    assert (found.domain, found.selector, found.algorithm) == ("example.com", "s", "rsa-sha256")


def test_ed25519() -> None:
    private, record = ed25519_key()
    signed = sign(key=private, signature_algorithm=b"ed25519-sha256") + MESSAGE
    (found,) = verify(signed, {"s._domainkey.example.com": [record]})
    assert found.result is DkimResult.PASS
    assert found.algorithm == "ed25519-sha256"


def test_two_signatures() -> None:
    once = sign() + MESSAGE
    twice = sign(once, selector=b"t", domain=b"other.example") + once
    records = {"s._domainkey.example.com": [rsa_key()[1]], "t._domainkey.other.example": [rsa_key()[1]]}
    assert [each.result for each in verify(twice, records)] == [DkimResult.PASS, DkimResult.PASS]


KEY_RECORDS = {
    "none": ([], DkimResult.PERMERROR),
    "revoked": (["v=DKIM1; p="], DkimResult.PERMERROR),
    "no p": (["v=DKIM1; k=rsa"], DkimResult.PERMERROR),
    "other version": (["v=DKIM2; p=" + rsa_key()[1][18:]], DkimResult.PERMERROR),
    "other type": ([ed25519_key()[1]], DkimResult.PERMERROR),
    "unknown type": ([rsa_key()[1].replace("k=rsa", "k=dsa")], DkimResult.PERMERROR),
    "not for e-mail": ([rsa_key()[1] + "; s=tlsrpt"], DkimResult.PERMERROR),
    "only sha1": ([rsa_key()[1] + "; h=sha1"], DkimResult.PERMERROR),
    "no base64": (["v=DKIM1; p=***"], DkimResult.PERMERROR),
    "no key in it": (["v=DKIM1; p=AAAA"], DkimResult.PERMERROR),
    "another key": ([rsa_key(1025)[1]], DkimResult.FAIL),
    "another key for tests": ([rsa_key(1025)[1] + "; t=y"], DkimResult.NEUTRAL),
    "several, one right": (["v=DKIM1; p=", rsa_key(1025)[1], rsa_key()[1]], DkimResult.PASS),
    "services and hashes": ([rsa_key()[1] + "; s=email:x; h=sha1:sha256; t=s"], DkimResult.PASS),
    "no version, no type": (["p=" + rsa_key()[1][18:]], DkimResult.PASS),
}


@pytest.mark.parametrize(("records", "result"), KEY_RECORDS.values(), ids=KEY_RECORDS.keys())
def test_key_records(records: list[str], result: DkimResult) -> None:
    (found,) = verify(sign() + MESSAGE, {"s._domainkey.example.com": records} if records else {})
    assert found.result is result, found.reason


FIELD_FAULTS = {
    "no d": (rb"d=example.com;", b"", DkimResult.PERMERROR),
    "no From in h": (rb"h=from :", b"h=x-none :", DkimResult.PERMERROR),
    "rsa-sha1": (rb"a=rsa-sha256", b"a=rsa-sha1", DkimResult.PERMERROR),
    "unknown algorithm": (rb"a=rsa-sha256", b"a=rsa-sha3", DkimResult.NEUTRAL),
    "unknown canonicalization": (rb"c=relaxed/relaxed", b"c=nofws", DkimResult.NEUTRAL),
    "version 2": (rb"v=1", b"v=2", DkimResult.NEUTRAL),
    "tag twice": (rb"v=1;", b"v=1; v=1;", DkimResult.NEUTRAL),
    "i outside of d": (rb"i=@example.com", b"i=@other.example", DkimResult.PERMERROR),
    "i that is a longer name": (rb"i=@example.com", b"i=@notexample.com", DkimResult.PERMERROR),
    "expired": (rb" t=\d+;", b" t=1600000000; x=1700000000;", DkimResult.PERMERROR),
    "from the future": (rb" t=\d+;", b" t=1900000000;", DkimResult.PERMERROR),
    "expires before signed": (rb" t=\d+;", b" t=1799999999; x=1799999990;", DkimResult.NEUTRAL),
    "odd domain": (rb"d=example.com", b"d=exa(m)ple.com", DkimResult.NEUTRAL),
    "other method": (rb"v=1;", b"v=1; q=http;", DkimResult.NEUTRAL),
    "l is no number": (rb"v=1;", b"v=1; l=-1;", DkimResult.NEUTRAL),
    "l beyond the body": (rb"v=1;", b"v=1; l=99999;", DkimResult.FAIL),
    "unknown tag added": (rb"v=1;", b"v=1; zz=1;", DkimResult.FAIL),
}


@pytest.mark.parametrize(("pattern", "replacement", "result"), FIELD_FAULTS.values(), ids=FIELD_FAULTS.keys())
def test_faults_of_the_field(pattern: bytes, replacement: bytes, result: DkimResult) -> None:
    field, count = re.subn(pattern, replacement, sign(), count=1)
    assert count == 1
    (found,) = verify(field + MESSAGE)
    assert found.result is result, found.reason


def test_partly_signed_body_counts_as_policy() -> None:
    (found,) = verify(sign(length=True) + MESSAGE + b"appended\r\n")
    assert found.result is DkimResult.POLICY


def test_no_more_than_the_bound_and_the_nearest_first() -> None:
    message = sign() + MESSAGE
    for number in range(15):
        message = sign(message, selector=b"x", domain=f"d{number}.example".encode()) + message
    found = verify(message, most=3)
    assert len(found) == 3
    assert found[-1].result is DkimResult.PASS


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_any_changed_octet_that_is_signed_is_noticed(position: int, change: int) -> None:
    changed = bytearray(MESSAGE)
    changed[position] ^= change
    message = bytes(changed)
    (before, body_before), (after, body_after) = split_message(MESSAGE), split_message(message)
    if (before.fields, body_before) == (after.fields, body_after):
        return
    found = verify(sign(canonicalize=(b"simple", b"simple")) + message)
    assert all(each.result is not DkimResult.PASS for each in found)


@given(st.binary(max_size=400))
def test_any_field_gives_a_result(value: bytes) -> None:
    from dmarc_milter.message.header import Field, Header

    prepared = prepare(Header([Field("DKIM-Signature", value)]), None, NOW, 10)
    assert len(prepared.items) == 1


_BELOW_OTHERS = {
    DkimReason.TAG_LIST_TOO_LONG,
    DkimReason.TOO_MANY_TAGS,
    DkimReason.NO_TAG_LIST,
    DkimReason.INVALID_TAG_NAME,
}


@pytest.mark.parametrize("code", [code for code in DkimReason if code not in _BELOW_OTHERS])
def test_each_reason_has_one_result(code: DkimReason) -> None:
    assert result_of(code()) is not DkimResult.PASS


def test_reasons_of_tag_lists_have_no_result_of_their_own() -> None:
    for code in _BELOW_OTHERS:
        with pytest.raises(KeyError):
            result_of(code())
