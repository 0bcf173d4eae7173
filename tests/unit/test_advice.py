"""Which code leads to which advice: a case for each that has one, a line in a list for each that has none."""

import re
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter import wording
from dmarc_milter.common.reason import ReasonCode
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.journal.advice import advice
from dmarc_milter.message.reasons import Unusable
from tests.support.keys import rsa_key
from tests.support.reason_codes import CODES, protocol
from tests.support.signed import MESSAGE, RSA_768, sign, verify

WITHOUT_ADVICE = Path(__file__).with_name("codes_without_advice.txt")

SIGNATURES = {
    # code                                 what the advice has to say
    DkimReason.BODY_CHANGED: "changed the body after a.example had signed it",
    DkimReason.BODY_AND_HEADER_CHANGED: "changed the message after a.example had signed it",
    DkimReason.SIGNATURE_DOES_NOT_FIT: "header field was changed after a.example had signed it",
    DkimReason.NO_KEY: "publish s1._domainkey.a.example",
    DkimReason.KEY_REVOKED: "a.example has withdrawn the key s1",
    DkimReason.KEY_TOO_SHORT: "The key s1 of a.example is too short",
    DkimReason.BODY_PARTLY_SIGNED: "sign without l=",
    DkimReason.EXPIRED: "was too old when the message came",
    DkimReason.RSA_SHA1: "sign with rsa-sha256",
    DkimReason.LENGTH_BEYOND_BODY: "Somebody cut the body",
    DkimReason.NO_KEY_RECORD: "s1._domainkey.a.example holds no key record",
    DkimReason.EMPTY_KEY_RECORD: "has no p=",
    DkimReason.UNREADABLE_KEY: "The key in s1._domainkey.a.example cannot be read",
    DkimReason.UNREADABLE_KEY_RECORD: "The record s1._domainkey.a.example cannot be read",
    DkimReason.KEY_NOT_FOR_MAIL: "is not for mail (s=)",
    DkimReason.KEY_TOO_LONG: "is too long",
    DkimReason.KEY_OF_OTHER_ALGORITHM: "is of another kind",
    DkimReason.HASH_NOT_ALLOWED: "leave h= out",
    DkimReason.SUBDOMAIN_NOT_ALLOWED: "sign with i=@a.example",
    DkimReason.KEY_LOOKUP_FAILED: "The DNS did not tell the key s1 of a.example",
    DkimReason.SIGNED_IN_FUTURE: "is ahead (t=)",
    DkimReason.FROM_NOT_SIGNED: "add it to h=",
    DkimReason.IDENTITY_OUTSIDE: "leave i= out",
    DkimReason.MISSING_TAG: "A tag is missing",
    DkimReason.UNREADABLE_SIGNATURE: "cannot be read",
}

NOTHING_WRONG: dict[str, Any] = {
    "spf": "pass",
    "spf_domain": "a.example",
    "spf_reason": None,
    "client": "192.0.2.7",
    "outer_client": None,
    "author_domain": "a.example",
    "from_reason": None,
    "dkim": [],
    "dmarc": "pass",
    "dmarc_reason": None,
    "alignments": [],
}


def signed(**columns: str | None) -> dict[str, Any]:
    signature = {"result": "fail", "reason": None, "domain": "a.example", "selector": "s1", **columns}
    return {**NOTHING_WRONG, "dkim": [signature]}


def test_nothing_wrong() -> None:
    assert advice(NOTHING_WRONG) == []


@pytest.mark.parametrize(("code", "text"), SIGNATURES.items(), ids=lambda each: getattr(each, "value", ""))
def test_a_signature(code: DkimReason, text: str) -> None:
    """By its code alone: its sentence may be reworded at any time."""
    (line,) = advice(signed(code=code.value, reason="reworded"))
    assert text in line


@pytest.mark.parametrize("code", Unusable, ids=lambda each: each.value)
def test_no_author_domain(code: Unusable) -> None:
    said = wording.text(code())
    (line,) = advice({**NOTHING_WRONG, "author_domain": None, "from_reason": said, "dmarc": "permerror"})
    assert line.startswith(f"The message has {said}, which spoofers write")


def test_every_code_has_advice_or_is_known_to_have_none() -> None:
    has_advice: set[ReasonCode] = {*SIGNATURES, *Unusable}
    without = sorted(f"{protocol(code)}/{code.value}" for code in CODES if code not in has_advice)
    assert without == WITHOUT_ADVICE.read_text().split(), (
        f"give a new code advice and a case here, or a line in {WITHOUT_ADVICE.name}, in its order. "
        "Of SPF and DMARC the result leads to advice, whatever the code is."
    )


@pytest.mark.parametrize(
    "code", [each for each in DkimReason if each not in SIGNATURES], ids=lambda each: str(each.value)
)
def test_a_signature_with_a_code_without_advice(code: DkimReason) -> None:
    assert advice(signed(code=code.value, reason="reworded")) == []


def test_a_signature_that_passed_needs_no_advice() -> None:
    assert advice(signed(result="pass", code=DkimReason.BODY_CHANGED.value)) == []


def test_a_signature_of_an_older_version_has_general_advice() -> None:
    """Its record has no code."""
    assert advice(signed(reason="the body was changed")) == [
        "The signature of a.example does not count: the body was changed."
    ]


def test_a_signature_without_code_and_reason() -> None:
    assert advice(signed()) == []


def failing(**columns: Any) -> dict[str, Any]:
    return {**NOTHING_WRONG, "spf": "fail", "dmarc": "fail", "list_id": None, "kind": "nobody", **columns}


def proves(*domains: str) -> list[dict[str, Any]]:
    return [{"mechanism": "dkim", "domain": each, "authenticated": "yes", "aligned": False} for each in domains]


CHANGED = {"result": "fail", "code": "body-changed", "reason": "x", "domain": "a.example", "selector": "s1"}
MADE_UP = {**CHANGED, "code": "signature-does-not-fit"}
OTHERS = {**CHANGED, "domain": "other.example"}
SPOOF = "this is a spoof, and nothing is to be fixed"
TO_WHOM: dict[str, tuple[dict[str, Any], list[str], bool]] = {
    # what was found, what is said, whether the sender is told how to do better
    "nobody": (failing(), ["Nobody authenticated it", SPOOF, "from 192.0.2.7"], False),
    "somebody else": (failing(alignments=proves("crook.example")), ["If you don't know crook.example", SPOOF, "[[override]]"], False),
    "a signature that may be made up": (failing(dkim=[MADE_UP]), [SPOOF], False),
    "a changed message of somebody else": (failing(dkim=[OTHERS]), [SPOOF], False),
    "SPF of the author fails": (failing(spf_domain="a.example"), [SPOOF], False),
    "signed, and the body was changed": (failing(dkim=[CHANGED]), ["Somebody changed the body", "d=a.example"], True),
    "sent on": (failing(dkim=[CHANGED], kind="sent_on", alignments=proves("fwd.example")), ["Somebody changed the body"], True),
    "a list": (
        failing(list_id="dev.lists.example", alignments=proves("lists.example")),
        ["A mailing list of lists.example sent it on", 'trusted_lists = ["lists.example"]'], True,
    ),
    "a list that anybody may have made up": (failing(list_id="dev.lists.example", alignments=proves("crook.example")), [SPOOF], False),
    "a sealer that saw it pass": (
        failing(arc_vouching=["b.example", "a2.example"]),
        ["a2.example saw it pass", 'trusted_sealers = ["b.example", "a2.example"]'], True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "texts", "coaches"), TO_WHOM.values(), ids=TO_WHOM.keys())
def test_the_receiver_first_and_the_sender_only_where_it_may_be_honest(
    found: dict[str, Any], texts: list[str], coaches: bool
) -> None:
    said = " ".join(advice(found))
    for text in texts:
        assert text in said
    assert ("sign" in said and "DKIM" in said) is coaches


FORGED: dict[str, tuple[tuple[bytes, bytes], list[str], DkimReason]] = {
    # what a forger writes into the signature's field, the key record that is there, what the verifier says
    "rsa-sha1": ((rb"a=rsa-sha256", b"a=rsa-sha1"), [rsa_key()[1]], DkimReason.RSA_SHA1),
    "expired": ((rb" t=\d+;", b" t=1600000000; x=1700000000;"), [rsa_key()[1]], DkimReason.EXPIRED),
    "l= too large": ((rb"v=1;", b"v=1; l=99999;"), [rsa_key()[1]], DkimReason.LENGTH_BEYOND_BODY),
    "a revoked key": ((rb"b=", b"b="), ["v=DKIM1; p="], DkimReason.KEY_REVOKED),
    "a short key": ((rb"b=", b"b="), [f"v=DKIM1; p={RSA_768}"], DkimReason.KEY_TOO_SHORT),
    "a key for tests": ((rb"b=", b"b="), [rsa_key(1025)[1] + "; t=y"], DkimReason.TESTING),
}


@pytest.mark.parametrize(("change", "records", "code"), FORGED.values(), ids=FORGED.keys())
def test_what_a_forger_can_write_is_a_spoof_first(
    change: tuple[bytes, bytes], records: list[str], code: DkimReason
) -> None:
    """By the verifier itself: the forger's own key signs, in the name of the Author Domain."""
    field, count = re.subn(*change, sign(key=rsa_key(2048)[0]), count=1)
    assert count == 1
    (found,) = verify(field + MESSAGE, {"s._domainkey.example.com": records})
    assert found.reason is not None
    assert found.reason.code is code
    signature = {"result": "fail", "code": code.value, "reason": "x", "domain": found.domain, "selector": "s"}
    forged = failing(author_domain="example.com", dkim=[signature], alignments=proves("crook.example"))
    first, *others = advice(forged)
    assert SPOOF in first
    assert all(each.startswith("If you know that it is the mail of example.com itself") for each in others)
    assert "should sign" not in " ".join(others)


def test_why_a_known_sender_fails_is_said_after_that() -> None:
    first, then = advice(failing(dkim=[{**CHANGED, "code": "expired"}]))
    assert SPOOF in first
    assert then.endswith("was too old when the message came: it was delayed, or x= is too tight.")


def test_mail_of_our_own_users_has_no_advice() -> None:
    assert advice({**NOTHING_WRONG, "spf": None, "dmarc": None}) == []
