"""DMARC by RFC 9989: the walk of 4.10, the examples of Appendix B.4, and the table of what passes."""

import asyncio

import pytest

from dmarc_milter.dmarc.evaluation import (
    Authenticated,
    DmarcEvaluation,
    DmarcResult,
    Identifier,
    Mechanism,
    discover,
    evaluate,
    strictest,
)
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import AlignmentMode, Policy, PublicSuffix, is_dmarc, parse
from dmarc_milter.dmarc.tree_walk import TreeWalks, targets
from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from tests.support.zones import dmarc_zone


def organizational_domain(resolver: ZoneResolver, domain: str) -> str:
    return asyncio.run(TreeWalks(resolver).walk(domain)).organizational_domain


V = "v=DMARC1; "
P = V + "p=reject"


def test_names_of_the_walk() -> None:
    assert targets("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    assert targets("mail.example.com") == ["mail.example.com", "example.com", "com"]
    assert len(targets("a.b.c.d.e.f.g.h")) == 8
    assert targets("com") == ["com"]


BANK = {"bank.example": P + "; psd=y", "giant.bank.example": P}
ORGANIZATIONAL_DOMAINS = [
    # (records, domain, organizational domain)
    ({"mail.example.com": P, "example.com": P}, "a.mail.example.com", "example.com"),
    ({"mail.example.com": P + "; psd=n", "example.com": P}, "a.mail.example.com", "mail.example.com"),
    ({"com": P + "; psd=y"}, "a.mail.example.com", "example.com"),
    ({}, "a.example.com", "a.example.com"),
    ({"example.com": P, "signing.example.com": P}, "signing.example.com", "example.com"),
    ({"example.com": P}, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com"),
    (BANK, "giant.bank.example", "giant.bank.example"),
    (BANK, "mail.giant.bank.example", "giant.bank.example"),
    (BANK, "mail.mega.bank.example", "mega.bank.example"),
    (BANK, "bank.example", "bank.example"),
    ({"c.d.e.f.g.h.i": P + "; psd=y"}, "x.y.b.c.d.e.f.g.h.i", "b.c.d.e.f.g.h.i"),
    ({"example.com": "v=DMARC1"}, "a.example.com", "example.com"),
    ({"example.com": "v=DMARC2; p=reject"}, "a.example.com", "a.example.com"),
]


@pytest.mark.parametrize(("records", "domain", "expected"), ORGANIZATIONAL_DOMAINS)
def test_organizational_domain(records: dict[str, str], domain: str, expected: str) -> None:
    assert organizational_domain(dmarc_zone(records), domain) == expected


def test_two_records_at_a_name_count_as_none() -> None:
    resolver = ZoneResolver(
        records_of({"_dmarc.example.com": [(RecordType.TXT, f'"{P}"'), (RecordType.TXT, f'"{V}p=none"')]})
    )
    assert asyncio.run(discover(resolver, "example.com")).record is None


POLICIES = [
    # (records, existing names, author domain, where found, published policy, policy to apply)
    ({"example.com": P}, (), "example.com", "example.com", "reject", "reject"),
    ({"example.com": P}, ("a.example.com",), "a.example.com", "example.com", "reject", "reject"),
    ({"example.com": P + "; sp=none"}, ("a.example.com",), "a.example.com", "example.com", "none", "none"),
    ({"example.com": P + "; np=none"}, ("a.example.com",), "a.example.com", "example.com", "reject", "reject"),
    ({"example.com": P + "; np=none"}, (), "a.example.com", "example.com", "none", "none"),
    ({"example.com": V + "p=none; sp=quarantine; np=reject"}, (), "a.example.com", "example.com", "reject", "reject"),
    ({"example.com": P + "; sp=none"}, (), "example.com", "example.com", "reject", "reject"),
    ({"a.example.com": V + "p=none", "example.com": P}, (), "a.example.com", "a.example.com", "none", "none"),
    ({"b.example.com": V + "p=none", "example.com": P}, (), "a.b.example.com", "example.com", "reject", "reject"),
    ({"example.com": P + "; t=y"}, (), "example.com", "example.com", "reject", "quarantine"),
    ({"example.com": V + "p=quarantine; t=y"}, (), "example.com", "example.com", "quarantine", "none"),
    ({"example.com": P + "; pct=0"}, (), "example.com", "example.com", "reject", "reject"),
    (BANK, (), "giant.bank.example", "giant.bank.example", "reject", "reject"),
    ({"bank.example": P + "; psd=y; np=quarantine"}, (), "x.bank.example", "bank.example", "quarantine", "quarantine"),
    ({"example.com": V + "p=junk; rua=mailto:a@b.example"}, (), "example.com", "example.com", "none", "none"),
    ({"example.com": P + "; sp=junk; rua=mailto:a@b.example"}, (), "example.com", "example.com", "none", "none"),
]


@pytest.mark.parametrize(("records", "existing", "author", "where", "published", "applied"), POLICIES)
def test_policy(
    records: dict[str, str], existing: tuple[str, ...], author: str, where: str, published: str, applied: str
) -> None:
    found = asyncio.run(evaluate(dmarc_zone(records, existing=existing), author, []))
    assert found.result is DmarcResult.FAIL
    assert found.discovery is not None
    assert found.discovery.policy_domain == where
    assert found.published_policy is Policy(published)
    assert found.policy is Policy(applied)


@pytest.mark.parametrize("text", ["v=DMARC1", V + "p=junk", P + "; sp=junk", V + "rua=mailto:", P + "; p=reject"])
def test_no_processing_without_a_valid_policy(text: str) -> None:
    assert asyncio.run(evaluate(dmarc_zone({"example.com": text}), "example.com", [])).result is DmarcResult.NONE


YES, NO, UNKNOWN = Authenticated.YES, Authenticated.NO, Authenticated.UNKNOWN
SPF, DKIM = Mechanism.SPF, Mechanism.DKIM
OUTCOMES = [
    # (record, identifiers, failing names, result) for the author domain news.example.com
    (P, [], (), "fail"),
    (P, [Identifier(SPF, "news.example.com", YES)], (), "pass"),
    (P, [Identifier(SPF, "foo.example.com", YES)], (), "pass"),
    (P, [Identifier(SPF, "example.com", YES)], (), "pass"),
    (P, [Identifier(SPF, "foo.example.net", YES)], (), "fail"),
    (P, [Identifier(SPF, "news.example.com", NO)], (), "fail"),
    (P + "; aspf=s", [Identifier(SPF, "foo.example.com", YES)], (), "fail"),
    (P + "; aspf=s", [Identifier(DKIM, "foo.example.com", YES)], (), "pass"),
    (P + "; adkim=s", [Identifier(DKIM, "foo.example.com", YES)], (), "fail"),
    (P + "; adkim=s", [Identifier(DKIM, "news.example.com", YES)], (), "pass"),
    (P, [Identifier(SPF, "news.example.com", UNKNOWN)], (), "temperror"),
    (P, [Identifier(SPF, "crook.example", UNKNOWN)], (), "fail"),
    (P, [Identifier(SPF, "news.example.com", UNKNOWN), Identifier(DKIM, "example.com", YES)], (), "pass"),
    (P, [Identifier(DKIM, "lost.example.com", YES)], ("lost.example.com",), "temperror"),
    (P, [Identifier(DKIM, "lost.example.com", NO)], ("lost.example.com",), "fail"),
    # Strangers: whatever their DNS does, they are not aligned (4.10.2), and nothing of theirs is required (5.3.6).
    (P, [Identifier(SPF, "crook.test", YES)], ("crook.test", "test"), "fail"),
    (P, [Identifier(SPF, "crook.test", UNKNOWN)], ("crook.test", "test"), "fail"),
    (P, [Identifier(SPF, "crook.com", YES)], ("crook.com",), "fail"),
    (P, [Identifier(DKIM, "crook.com", UNKNOWN)], ("crook.com",), "fail"),
    (P, [Identifier(DKIM, "com", YES)], ("x.com",), "fail"),
    (P + "; psd=n", [Identifier(DKIM, "com", YES)], ("com",), "fail"),
    (P, [], ("news.example.com",), "temperror"),
    (P, [], ("com",), "temperror"),
]


@pytest.mark.parametrize(("record", "identifiers", "failing", "result"), OUTCOMES)
def test_outcome(record: str, identifiers: list[Identifier], failing: tuple[str, ...], result: str) -> None:
    resolver = dmarc_zone({"example.com": record}, failing=failing)
    assert asyncio.run(evaluate(resolver, "news.example.com", identifiers)).result.value == result


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (b"v=DMARC1", True),
        (b"v=DMARC1;p=none", True),
        (b"v = DMARC1 ; p=none", True),
        (b"v=dmarc1; p=none", False),
        (b"v=DMARC1x; p=none", False),
        (b" v=DMARC1; p=none", False),
        (b"p=none; v=DMARC1", False),
        (b"v=DMARC1 p=none", False),
    ],
)
def test_version(text: bytes, is_one: bool) -> None:
    assert is_dmarc(text) is is_one


def test_tags() -> None:
    record = parse(
        b"v=DMARC1; P=Reject; sp = none ;adkim=s; aspf=x; psd=y; t=y; zz=1; "
        b"rua=mailto:a@b.example!10m, mailto:c@d.example ; fo=1:d:s; ri=3600; junk"
    )
    assert record.policy is Policy.REJECT
    assert record.subdomain_policy is Policy.NONE
    assert record.dkim_alignment is AlignmentMode.STRICT
    assert record.spf_alignment is AlignmentMode.RELAXED
    assert record.public_suffix is PublicSuffix.YES
    assert record.is_test
    assert record.report_addresses == ("mailto:a@b.example", "mailto:c@d.example")
    assert record.failure_options == "1:d:s"
    assert record.errors == (
        DmarcReason.HISTORIC_TAG(tag="ri"),
        DmarcReason.NO_TAG(value="junk"),
        DmarcReason.INVALID_VALUE(tag="aspf", value="x", values="r, s"),
    )


def judged(result: DmarcResult, policy: Policy | None = None) -> DmarcEvaluation:
    return DmarcEvaluation(result, DmarcReason.NO_RECORD(), policy=policy, published_policy=policy)


MILDEST_FIRST = [
    judged(DmarcResult.PASS, Policy.REJECT),
    judged(DmarcResult.NONE),
    judged(DmarcResult.FAIL, Policy.NONE),
    judged(DmarcResult.TEMPERROR),
    judged(DmarcResult.FAIL, Policy.QUARANTINE),
    judged(DmarcResult.TEMPERROR, Policy.REJECT),
    judged(DmarcResult.FAIL, Policy.REJECT),
]


def test_of_several_authors_the_strictest_counts() -> None:
    """RFC 9989 11.5; whatever order they are written in."""
    for index, strictest_one in enumerate(MILDEST_FIRST):
        assert strictest(MILDEST_FIRST[: index + 1]) is strictest_one
        assert strictest(MILDEST_FIRST[index::-1]) is strictest_one
