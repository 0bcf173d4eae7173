"""Our header field, and telling whose field another one is."""

import re

import authres
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmarc_milter import authentication_results as results
from dmarc_milter.arc.chain import Chain, Status
from dmarc_milter.dkim.signature import Result as DkimResult
from dmarc_milter.dkim.verification import Verified
from dmarc_milter.dmarc.evaluation import Evaluation, Result
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.message.author import Author
from dmarc_milter.message.header import Field
from dmarc_milter.milter.edits import Deletion, Ownership, deletions
from dmarc_milter.spf.evaluation import Check
from dmarc_milter.spf.evaluation import Result as SpfCheckResult
from dmarc_milter.verdict import Action, Disposition, Envelope, OverrideType, SpfIdentity, SpfResult, Verdict

OURS = frozenset({"mx.example.org"})

CLAIMS = {
    "plain": (b" mx.example.org; spf=pass", True),
    "no blank": (b"mx.example.org;spf=pass", True),
    "case": (b" MX.Example.ORG; spf=pass", True),
    "version": (b" mx.example.org 1; spf=pass", True),
    "comment before": (b" (a (b) \\) c) mx.example.org; spf=pass", True),
    "comment behind": (b" mx.example.org(x); spf=pass", True),
    "quoted": (b' "mx.example.org"; spf=pass', True),
    "quoted with pairs": (b' "mx\\.example.org"; spf=pass', True),
    "folded": (b"\r\n\tmx.example.org\r\n ; spf=pass", True),
    "dot at the end": (b" mx.example.org.; spf=pass", True),
    "alone": (b" mx.example.org", True),
    "no id": (b" ; spf=pass", True),
    "empty": (b"", True),
    "blanks": (b" \r\n ", True),
    "unclosed comment": (b" (mx.other.example; spf=pass", True),
    "another": (b" other.example; spf=pass mx.example.org", False),
    "a longer name": (b" mx.example.org.other.example; spf=pass", False),
    "a subdomain": (b" a.mx.example.org; spf=pass", False),
}


@pytest.mark.parametrize(("value", "claims"), CLAIMS.values(), ids=CLAIMS.keys())
def test_whose_field_it_is(value: bytes, claims: bool) -> None:
    assert results.claims(value, OURS) is claims


def test_u_label_and_a_label_are_the_same_name() -> None:
    ours = frozenset({results.comparable("mx.bücher.example")})
    assert results.claims(b" mx.xn--bcher-kva.example; spf=pass", ours)
    assert results.claims(" mx.bücher.example; spf=pass".encode(), ours)


def test_deletions_count_from_the_top_and_come_from_the_bottom() -> None:
    fields = [
        Field("Authentication-Results", b" mx.example.org; a"),
        Field("From", b" x"),
        Field("Authentication-Results", b" other; a"),
        Field("authentication-results", b" mx.example.org; b"),
        Field("Authentication-Results ", b" mx.example.org; c"),
        Field("ARC-Authentication-Results", b" i=1; mx.example.org; c"),
    ]
    assert deletions(fields, Ownership(OURS)) == [
        Deletion("Authentication-Results ", 1),
        Deletion("authentication-results", 3),
        Deletion("Authentication-Results", 1),
    ]


RELAY = Field("Received", b" from x (y [198.51.100.7]) by gw with SMTP")
OWN, OTHER, NONE = (
    Field("Authentication-Results", value) for value in (b" mx.example.org; a", b" gw.example.org; a", b" ; a")
)
BEHIND_RELAYS = {
    # what stands in the message, from the top; how many Received fields are trusted; what goes
    "the relay's own": ([OTHER, RELAY, OTHER], 1, []),
    "ours above what the relay wrote": ([OWN, RELAY], 1, []),
    "ours where a sender can write": ([RELAY, OWN], 1, [1]),
    "ours on both sides": ([OWN, NONE, RELAY, OWN, NONE], 1, [4, 3]),
    "nothing says where the relay ends": ([OWN, OTHER], 0, [1]),
    "between two trusted relays": ([RELAY, OWN, RELAY, OWN], 2, [2]),
    "not from a relay": ([OTHER, RELAY, OWN], None, [2, 1]),
}


@pytest.mark.parametrize(("fields", "trusted", "gone"), BEHIND_RELAYS.values(), ids=BEHIND_RELAYS.keys())
def test_what_stays_of_a_trusted_relays_fields(fields: list[Field], trusted: int | None, gone: list[int]) -> None:
    ownership = Ownership(OURS, frozenset({"gw.example.org"}), trusted)
    assert [each.ordinal for each in deletions(fields, ownership)] == gone


def test_a_quarantined_message_says_so() -> None:
    disposition = Disposition(Action.QUARANTINE, Action.QUARANTINE, "")
    assert results.field_value("mx", verdict(), disposition).endswith("policy.disposition=quarantine")
    disposition = Disposition(Action.ACCEPT, Action.QUARANTINE, "mode monitor")
    assert "disposition" not in results.field_value("mx", verdict(), disposition)


def verdict(reason: str = "", shown: str = "abcd/+12", domain: str = "example.com") -> Verdict:
    return Verdict(
        Envelope(b"\xc0\x00\x02\x01", "h", "a@example.com"),
        SpfResult(Check(SpfCheckResult.PERMERROR, reason), SpfIdentity.MAIL_FROM, domain),
        (Verified(DkimResult.FAIL, reason, domain, "sel", "rsa-sha256", shown),),
        0,
        Chain(Status.PASS, "", 0),
        Author(domain),
        Evaluation(Result.FAIL, reason, domain, None, Policy.REJECT, Policy.QUARANTINE),
    )


def test_the_whole_field() -> None:
    disposition = Disposition(Action.ACCEPT, Action.ACCEPT, "", OverrideType.POLICY_TEST_MODE, "t=y")
    value = results.field_value("mx.example.org", verdict("body was changed"), disposition)
    assert value.split("\n") == [
        "mx.example.org;",
        '\tspf=permerror reason="body was changed" smtp.mailfrom=example.com;',
        '\tdkim=fail reason="body was changed" header.d=example.com header.s=sel',
        '\t header.a=rsa-sha256 header.b="abcd/+12";',
        "\tarc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1;",
        '\tdmarc=fail reason="policy_test_mode: t=y" header.from=example.com',
        "\t policy.dmarc=quarantine",
    ]


@example(reason="@; dkim=pass header.d=bank.example", shown="@ (", domain="a@b; spf=pass")
@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=40))
def test_whatever_comes_in_the_field_parses_into_what_was_meant(reason: str, shown: str, domain: str) -> None:
    disposition = Disposition(Action.ACCEPT, Action.ACCEPT, reason, OverrideType.OTHER, reason)
    value = results.field_value("mx.example.org", verdict(reason, shown, domain), disposition)
    assert value.isascii()
    assert all(line.startswith("\t") for line in value.split("\n")[1:])
    unfolded = value.replace("\n", "")
    strict = parse_strictly(unfolded)
    parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {unfolded}")
    assert parsed.authserv_id == "mx.example.org"
    assert all(each.reason == (results.safe(reason) or None) for each in parsed.results[:2])
    assert [(each.method, each.result) for each in parsed.results] == [
        ("spf", "permerror"),
        ("dkim", "fail"),
        ("arc", "pass"),
        ("dmarc", "fail"),
    ]
    d, why = results.safe(domain), results.safe(reason) or None
    assert strict == [
        ("spf", "permerror", why, [("smtp", "mailfrom", d)] if d else []),
        (
            "dkim",
            "fail",
            why,
            [
                *([("header", "d", d)] if d else []),
                ("header", "s", "sel"),
                ("header", "a", "rsa-sha256"),
                *([("header", "b", results.safe(shown))] if shown else []),
            ],
        ),
        ("arc", "pass", None, [("header", "oldest-pass", "0"), ("smtp", "remote-ip", "192.0.2.1")]),
        (
            "dmarc",
            "fail",
            results.safe(f"other: {reason}"),
            [*([("header", "from", d)] if d else []), ("policy", "dmarc", "quarantine")],
        ),
    ]
    for ours, theirs in zip(strict, parsed.results, strict=True):
        # authres leaves out a quoted header.d.
        assert {(each.type, each.name, each.value) for each in theirs.properties} <= set(ours[3])


_VALUE = r'(?:[A-Za-z0-9!#$%&\'*+.^_`{|}~-]+|"[^"\\]*")'
_RESULT = re.compile(
    rf"; ?\s*(?P<method>[a-z]+)=(?P<result>[a-z]+)(?:\s+reason=(?P<reason>{_VALUE}))?"
    rf"(?P<properties>(?:\s+[a-z]+\.[a-z-]+={_VALUE})*)"
)


def parse_strictly(value: str) -> list[tuple[str, str, str | None, list[tuple[str, str, str]]]]:
    """A second parser: the part of RFC 8601 2.2 that we write, and nothing more."""
    authserv_id = re.match(_VALUE, value)
    assert authserv_id is not None
    position, found = authserv_id.end(), []
    while position < len(value):
        match = _RESULT.match(value, position)
        assert match is not None, value[position:]
        properties = re.findall(rf"([a-z]+)\.([a-z-]+)=({_VALUE})", match["properties"])
        found.append(
            (
                match["method"],
                match["result"],
                match["reason"].strip('"') if match["reason"] else None,
                [(type_, name, text.strip('"')) for type_, name, text in properties],
            )
        )
        position = match.end()
    return found
