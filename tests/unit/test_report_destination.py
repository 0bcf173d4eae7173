"""Where reports may go (RFC 9990 section 4): by Organizational Domains, and by what the other host publishes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.dmarc.report_destination import (
    Consent,
    Destination,
    ReportTag,
    authorization_name,
    destination,
    mailbox,
)
from dmarc_milter.dmarc.tree_walk import TreeWalks
from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of

V = "v=DMARC1"


def ask(
    uri: str,
    records: dict[str, str],
    *,
    domain: str = "bank.example",
    tag: ReportTag = ReportTag.AGGREGATE,
    failing: tuple[str, ...] = (),
) -> Destination:
    entries = {name: [(RecordType.TXT, f'"{text}"')] for name, text in records.items()}
    resolver = ZoneResolver(records_of(entries), frozenset(failing))
    return asyncio.run(destination(resolver, TreeWalks(resolver), domain, uri, tag))


OWN = {"_dmarc.bank.example": f"{V}; p=reject"}
AT = "bank.example._report._dmarc."
CASES = {
    "the same domain": ("mailto:a@bank.example", OWN, Consent.INTERNAL, ("a@bank.example",)),
    "below it": ("mailto:a@in.bank.example", OWN, Consent.INTERNAL, ("a@in.bank.example",)),
    "below it, an organization of its own": (
        "mailto:a@in.bank.example",
        OWN | {"_dmarc.in.bank.example": f"{V}; p=none; psd=n"},
        Consent.NOT_AUTHORIZED,
        (),
    ),
    "a sister": (
        "mailto:a@in.example",
        {"_dmarc.example": f"{V}; p=none", **OWN},
        Consent.INTERNAL,
        ("a@in.example",),
    ),
    "a sister below a public suffix": (
        "mailto:a@in.example",
        {"_dmarc.example": f"{V}; p=none; psd=y", **OWN},
        Consent.NOT_AUTHORIZED,
        (),
    ),
    "above it": ("mailto:a@example", OWN, Consent.NOT_AUTHORIZED, ()),
    "elsewhere, not wanted": ("mailto:a@far.test", OWN, Consent.NOT_AUTHORIZED, ()),
    "elsewhere, wanted": ("mailto:a@far.test", OWN | {AT + "far.test": V}, Consent.AUTHORIZED, ("a@far.test",)),
    "a wildcard": ("mailto:a@far.test", OWN | {"*._report._dmarc.far.test": V}, Consent.AUTHORIZED, ("a@far.test",)),
    "a record that is none": ("mailto:a@far.test", OWN | {AT + "far.test": "v=dmarc1"}, Consent.NOT_AUTHORIZED, ()),
    "wanted at another address": (
        "mailto:a@far.test",
        OWN | {AT + "far.test": f"{V}; rua=mailto:b@far.test,mailto:c@FAR.test"},
        Consent.AUTHORIZED,
        ("b@far.test", "c@far.test"),
    ),
    "wanted at another host": (
        "mailto:a@far.test",
        OWN | {AT + "far.test": f"{V}; rua=mailto:victim@near.test"},
        Consent.OTHER_HOST,
        (),
    ),
    "wanted at another host too": (
        "mailto:a@far.test",
        OWN | {AT + "far.test": f"{V}; rua=mailto:b@far.test,mailto:victim@near.test"},
        Consent.OTHER_HOST,
        (),
    ),
    "wanted by another scheme": (
        "mailto:a@far.test",
        OWN | {AT + "far.test": f"{V}; rua=https://far.test/r"},
        Consent.OTHER_HOST,
        (),
    ),
    "failure reports wanted elsewhere": (
        "mailto:a@far.test",
        OWN | {AT + "far.test": f"{V}; ruf=mailto:victim@near.test"},
        Consent.AUTHORIZED,
        ("a@far.test",),
    ),
    "no mail": ("https://far.test/", OWN, Consent.UNUSABLE, ()),
    "two addresses in one": ("mailto:a@far.test%2Cb@bank.example", OWN, Consent.UNUSABLE, ()),
    "a quoted one": ("mailto:%22a%40x%22@bank.example", OWN, Consent.UNUSABLE, ()),
}


@pytest.mark.parametrize(("uri", "records", "consent", "send_to"), CASES.values(), ids=CASES.keys())
def test_destinations(uri: str, records: dict[str, str], consent: Consent, send_to: tuple[str, ...]) -> None:
    found = ask(uri, records)
    assert (found.consent, found.send_to) == (consent, send_to)
    assert found.uri == uri


def test_each_kind_of_report_has_its_own_tag() -> None:
    records = OWN | {AT + "far.test": f"{V}; ruf=mailto:f@far.test; rua=mailto:r@far.test"}
    assert ask("mailto:a@far.test", records).send_to == ("r@far.test",)
    assert ask("mailto:a@far.test", records, tag=ReportTag.FAILURE).send_to == ("f@far.test",)


def test_the_record_is_told() -> None:
    found = ask("mailto:a@far.test", OWN | {AT + "far.test": V})
    assert (found.host, found.name, found.records) == ("far.test", AT + "far.test", (V.encode(),))


@pytest.mark.parametrize("failing", ["_dmarc.in.bank.example", "_dmarc.bank.example", AT + "far.test"])
def test_what_the_dns_cannot_tell_is_tried_later(failing: str) -> None:
    found = ask("mailto:a@far.test" if "far" in failing else "mailto:a@in.bank.example", OWN, failing=(failing,))
    assert found.consent is Consent.UNKNOWN
    assert found.send_to == ()
    assert found.failure is not None
    assert failing in str(found.failure)


def test_a_name_that_is_too_long_authorizes_nobody() -> None:
    long = ".".join(["a" * 60] * 4)
    assert authorization_name(long, "far.test") is None
    assert ask("mailto:a@far.test", {}, domain=long).consent is Consent.NAME_TOO_LONG


def test_what_a_mailto_names() -> None:
    assert mailbox("MAILTO:A%2Bdmarc@Bank.Example?subject=x") == ("A+dmarc@bank.example", "bank.example")
    for uri in (
        "mailto:",
        "mailto:a",
        "mailto:@b.example",
        "mailto:a@",
        "mailto:a@b_%20.example",
        "mailto:a%0D@b.example",
    ):
        assert mailbox(uri) is None


@given(st.text() | st.text(alphabet="mailto:@%2C,.?a").map("mailto:".__add__))
def test_any_uri_is_one_plain_address_or_none(uri: str) -> None:
    found = mailbox(uri)
    if found is not None:
        assert found.address.isascii()
        assert found.address.isprintable()
        assert found.address.count("@") == 1
        assert found.address.endswith(f"@{found.host}")
        assert not set(found.address) & set(' ,;<>"')
