"""The examples of RFC 9989 Appendix B but for the walks of B.4, which test_dmarc.py has."""

import asyncio

import pytest

from dmarc_milter import wording
from dmarc_milter.dmarc.evaluation import Authenticated, DmarcEvaluation, DmarcResult, Identifier, Mechanism, evaluate
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import Policy, parse
from tests.support.zones import dmarc_zone

SPF, DKIM = Mechanism.SPF, Mechanism.DKIM


def judged(record: str, author: str, *identifiers: tuple[Mechanism, str]) -> DmarcEvaluation:
    found = [Identifier(mechanism, domain, Authenticated.YES) for mechanism, domain in identifiers]
    return asyncio.run(evaluate(dmarc_zone({"example.com": record}, existing=(author,)), author, found))


ALIGNMENT = {
    # section: Author Domain, authenticated identifier, aligned if strict, aligned if relaxed
    "B.1.1 example 1": ("example.com", (SPF, "example.com"), True, True),
    "B.1.1 example 2": ("example.com", (SPF, "child.example.com"), False, True),
    "B.1.1 example 3": ("child.example.com", (SPF, "example.net"), False, False),
    "B.1.2 example 1": ("example.com", (DKIM, "example.com"), True, True),
    "B.1.2 example 2": ("child.example.com", (DKIM, "example.com"), False, True),
    "B.1.2 example 3": ("child.example.com", (DKIM, "example.net"), False, False),
}


@pytest.mark.parametrize(("author", "identifier", "strict", "relaxed"), ALIGNMENT.values(), ids=ALIGNMENT.keys())
def test_identifier_alignment(author: str, identifier: tuple[Mechanism, str], strict: bool, relaxed: bool) -> None:
    for tags, is_aligned in (("; adkim=s; aspf=s", strict), ("", relaxed)):
        found = judged(f"v=DMARC1; p=reject{tags}", author, identifier)
        assert found.result is (DmarcResult.PASS if is_aligned else DmarcResult.FAIL)
        assert [each.is_aligned for each in found.alignments] == [is_aligned]
        assert all(wording.text(each.why) for each in found.alignments)


RECORDS = {
    "B.2.1": (b"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com", Policy.NONE, False, 1, 0),
    "B.2.2": (
        b"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com",
        Policy.NONE,
        False,
        1,
        1,
    ),
    "B.2.5": (
        b"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net; t=y",
        Policy.QUARANTINE,
        True,
        2,
        0,
    ),
    "B.2.5, later": (
        b"v=DMARC1; p=reject; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net",
        Policy.REJECT,
        False,
        2,
        0,
    ),
}


@pytest.mark.parametrize(("text", "policy", "is_test", "reports", "failures"), RECORDS.values(), ids=RECORDS.keys())
def test_records(text: bytes, policy: Policy, is_test: bool, reports: int, failures: int) -> None:
    record = parse(text)
    assert (record.policy, record.is_test) == (policy, is_test)
    assert (len(record.report_addresses), len(record.failure_addresses)) == (reports, failures)
    assert record.errors == ()


def test_session() -> None:
    """B.3.1"""
    record = "v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com"
    found = judged(record, "example.com", (SPF, "mail.example.com"), (DKIM, "example.com"))
    assert found.result is DmarcResult.PASS
    assert judged(record, "example.com", (SPF, "mail.example.com")).result is DmarcResult.PASS
    assert judged(record, "example.com").result is DmarcResult.FAIL


def test_the_evaluation_carries_its_trace() -> None:
    found = judged("v=DMARC1; p=reject", "a.example.com", (SPF, "b.example.net"), (DKIM, "c.example.com"))
    assert [(walk.start, walk.asked) for walk in found.walks] == [
        ("a.example.com", ("a.example.com", "example.com", "com")),
        ("c.example.com", ("c.example.com", "example.com", "com")),
    ]
    assert [each.domain for each in found.walks[0].found] == ["example.com"]
    assert [(each.is_aligned, each.why) for each in found.alignments] == [
        (False, DmarcReason.NO_COMMON_DOMAIN(domain="a.example.com")),
        (True, DmarcReason.SAME_ORGANIZATIONAL_DOMAIN(domain="example.com")),
    ]
