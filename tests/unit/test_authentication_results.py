"""Our header field."""

import re
from dataclasses import replace

import authres
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmarc_milter import wording
from dmarc_milter.arc.chain import ArcStatus, Chain
from dmarc_milter.dkim.result import DkimResult
from dmarc_milter.dkim.verification import SignatureResult
from dmarc_milter.dmarc.evaluation import DmarcEvaluation, DmarcResult
from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.dmarc.record import Policy
from dmarc_milter.fields import authentication_results as results
from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.judging.verdict import Action, Disposition, Envelope, OverrideType, SpfFinding, SpfIdentity, Verdict
from dmarc_milter.message.author import Author
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.reasons import SpfReason

DONE = {
    "quarantined": (Action.QUARANTINE, Action.QUARANTINE, "dis=quarantine"),
    "would be quarantined": (Action.ACCEPT, Action.QUARANTINE, "dis=none"),
    "refused": (Action.REJECT, Action.REJECT, "dis=reject"),
}


@pytest.mark.parametrize(("action", "enforced", "says"), DONE.values(), ids=DONE)
def test_the_comment_says_what_was_done(action: Action, enforced: Action, says: str) -> None:
    value = results.field_value("mx", verdict(), Disposition(action, enforced, PolicyReason.ERROR()))
    shown = " ".join(value.split())
    assert shown.startswith(f"mx; dmarc=fail (p=quarantine {says}) header.from=example.com policy.dmarc=quarantine; ")
    assert "policy.disposition" not in value


def test_no_policy_is_p_none() -> None:
    found = verdict()
    none = replace(found, dmarc=DmarcEvaluation(DmarcResult.NONE, DmarcReason.NO_RECORD(), "example.com"))
    value = results.field_value("mx", none, Disposition(Action.ACCEPT, Action.ACCEPT, PolicyReason.ERROR()))
    assert "\tdmarc=none (p=none dis=none) header.from=example.com;" in value


@pytest.mark.parametrize("action", [Action.QUARANTINE, Action.ACCEPT])
def test_the_property_of_the_disposition_is_written_where_it_is_wanted(action: Action) -> None:
    disposition = Disposition(action, Action.QUARANTINE, PolicyReason.ERROR())
    value = results.field_value("mx", verdict(), disposition, disposition_property=True)
    assert ("policy.dmarc=quarantine policy.disposition=quarantine;" in " ".join(value.split())) is (
        action is Action.QUARANTINE
    )


def verdict(reason: str = "", shown: str = "abcd/+12", domain: str = "example.com") -> Verdict:
    dkim_reason = PolicyReason.UNUSABLE_FROM(because=reason) if reason else None
    return Verdict(
        Envelope(b"\xc0\x00\x02\x01", "h", "a@example.com"),
        SpfFinding(Check(SpfResult.PERMERROR, SpfReason.UNKNOWN_CLIENT(because=reason)), SpfIdentity.MAIL_FROM, domain),
        (SignatureResult(DkimResult.FAIL, dkim_reason, domain, "sel", "rsa-sha256", shown),),
        0,
        Chain(ArcStatus.PASS, None, 0),
        Author(domain),
        DmarcEvaluation(DmarcResult.FAIL, DmarcReason.NO_RECORD(), domain, None, Policy.REJECT, Policy.QUARANTINE),
    )


def test_the_whole_field() -> None:
    comment = PolicyReason.ONE_LEVEL_BELOW(published="reject", policy="quarantine")
    disposition = Disposition(Action.ACCEPT, Action.ACCEPT, comment, OverrideType.POLICY_TEST_MODE, comment)
    value = results.field_value("mx.example.org", verdict("body was changed"), disposition)
    assert value.split("\n") == [
        "mx.example.org;",
        "\tdmarc=fail (p=quarantine dis=none)",
        '\t reason="policy_test_mode: t=y: reject becomes quarantine"',
        "\t header.from=example.com policy.dmarc=quarantine;",
        '\tspf=permerror reason="body was changed" smtp.mailfrom=example.com;',
        '\tdkim=fail reason="body was changed" header.d=example.com header.s=sel',
        '\t header.a=rsa-sha256 header.b="abcd/+12";',
        "\tarc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1",
    ]


@example(reason="@; dkim=pass header.d=bank.example", shown="@ (", domain="a@b; spf=pass")
@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=40))
def test_whatever_comes_in_the_field_parses_into_what_was_meant(reason: str, shown: str, domain: str) -> None:
    comment = PolicyReason.RULE_SAYS(rule="", text=reason)
    disposition = Disposition(Action.ACCEPT, Action.ACCEPT, comment, OverrideType.OTHER, comment)
    value = results.field_value("mx.example.org", verdict(reason, shown, domain), disposition)
    assert value.isascii()
    assert all(line.startswith("\t") for line in value.split("\n")[1:])
    unfolded = value.replace("\n", "")
    strict = parse_strictly(unfolded)
    parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {unfolded}")
    assert parsed.authserv_id == "mx.example.org"
    assert all(each.reason == (results.safe(reason) or None) for each in parsed.results[1:3])
    assert [(each.method, each.result) for each in parsed.results] == [
        ("dmarc", "fail"),
        ("spf", "permerror"),
        ("dkim", "fail"),
        ("arc", "pass"),
    ]
    d, why = results.safe(domain), results.safe(reason) or None
    assert strict == [
        (
            "dmarc",
            "fail",
            results.safe(f"other: {wording.text(comment)}"),
            [*([("header", "from", d)] if d else []), ("policy", "dmarc", "quarantine")],
        ),
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
    ]
    for ours, theirs in zip(strict, parsed.results, strict=True):
        # authres leaves out a quoted header.d.
        assert {(each.type, each.name, each.value) for each in theirs.properties} <= set(ours[3])


_VALUE = r'(?:[A-Za-z0-9!#$%&\'*+.^_`{|}~-]+|"[^"\\]*")'
_RESULT = re.compile(
    rf"; ?\s*(?P<method>[a-z]+)=(?P<result>[a-z]+)(?:\s+\(p=[a-z]+ dis=[a-z]+\))?(?:\s+reason=(?P<reason>{_VALUE}))?"
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
