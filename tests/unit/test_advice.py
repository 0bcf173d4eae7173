"""Which code leads to which advice: a case for each that has one, a line in a list for each that has none."""

from pathlib import Path
from typing import Any

import pytest

from dmarc_milter import wording
from dmarc_milter.common.reason import ReasonCode
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.journal.advice import advice
from dmarc_milter.message.reasons import Unusable
from tests.unit.test_reason_codes import CODES, protocol

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
    assert line == f"The message has {said}: its sender has to write one address of one domain."


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
