"""What a message is to an aggregate report (RFC 9990 3.1): where it counts, as what, and where not."""

import pytest

from dmarc_milter.columns.column import Row
from dmarc_milter.dmarc.record import parse
from dmarc_milter.journal.reported import (
    FAIL,
    PASS,
    UNKNOWN,
    Aligned,
    Cause,
    Content,
    Signature,
    additions,
    policy_key,
    reported,
)
from tests.support.reports import DAY, FAILS, alignment, row, signature


@pytest.mark.parametrize(
    "changes",
    {
        "no policy": {"policy_record": None, "policy": None, "dmarc": "none", "policy_domain": None},
        "its policy could not be had": {"policy_record": None, "policy": None, "dmarc": "temperror"},
        "a record that is not to be used": {"policy": None, "dmarc": "none", "policy_record": b"v=DMARC1; p=x"},
        "not judged": {"policy_record": None, "policy": None, "spf": None, "dmarc": None},
        "put off": {"dmarc": "temperror", "action": "tempfail", "wanted": "tempfail"},
        "sent by nobody known, through a relay": {"is_relayed": True, "outer_client": None},
        "without a network": {"client": None},
    }.values(),
    ids=lambda _: "",
)
def test_in_no_report(changes: Row) -> None:
    assert reported(row(**changes)) is None


@pytest.mark.parametrize(
    ("changes", "disposition", "reason", "cause"),
    [
        ({}, "pass", None, Cause.NONE),
        ({"policy": "none", "published_policy": "none"}, "none", None, Cause.NONE),
        # t=y: quarantine is what applies, which is an enforcing policy; from quarantine to none is none.
        ({"policy": "quarantine"}, "pass", None, Cause.NONE),
        ({"policy": "none", "published_policy": "quarantine"}, "none", None, Cause.NONE),
        ({"action": "reject", "wanted": "reject", "rule": "r", "override": "local_policy"}, "reject", "local_policy", ""),
        (FAILS, "reject", None, Cause.NONE),
        ({**FAILS, "action": "accept", "wanted": "accept", "policy": "none", "published_policy": "none"}, "none", None, ""),
        ({**FAILS, "action": "accept", "mode": "monitor"}, "none", "local_policy", Cause.MONITOR),
        (
            {**FAILS, "action": "accept", "wanted": "accept", "override": "trusted_forwarder"},
            "none", "trusted_forwarder", Cause.SEALER,
        ),
        (
            {**FAILS, "action": "accept", "wanted": "accept", "override": "trusted_forwarder", "rule": "old-crm"},
            "none", "trusted_forwarder", Cause.NONE,
        ),
        (
            {**FAILS, "action": "quarantine", "wanted": "quarantine", "override": "mailing_list"},
            "quarantine", "mailing_list", Cause.NONE,
        ),
        (
            {**FAILS, "action": "quarantine", "wanted": "quarantine", "policy": "quarantine",
             "override": "policy_test_mode"},
            "quarantine", "policy_test_mode", Cause.NONE,
        ),
        # quarantine = "reject": more is done than was asked for.
        ({**FAILS, "policy": "quarantine", "published_policy": "quarantine"}, "reject", "local_policy", Cause.STRICTER),
        ({**FAILS, "dmarc": "temperror", "action": "accept", "wanted": "accept"}, "none", "other", Cause.DNS),
    ],
)  # fmt: skip
def test_disposition_and_reason(changes: Row, disposition: str, reason: str | None, cause: str) -> None:
    found = reported(row(**changes))
    assert found is not None
    assert (found.content.disposition, found.content.reason, found.content.cause) == (disposition, reason, cause)


@pytest.mark.parametrize(
    ("alignments", "dkim", "spf"),
    [
        ([alignment("spf", "a.example", True), alignment("dkim", "a.example", None)], UNKNOWN, PASS),
        ([alignment("spf", "a.example", True, "no"), alignment("dkim", "a.example", True)], PASS, FAIL),
        ([alignment("spf", "b.example", False), alignment("dkim", "x.example", None, "no")], FAIL, FAIL),
        ([alignment("dkim", "b.example", None), alignment("dkim", "a.example", True)], PASS, FAIL),
        ([alignment("dkim", "a.example", True, "unknown")], FAIL, FAIL),
        ([], FAIL, FAIL),
    ],
)
def test_each_mechanism_on_its_own(alignments: list[Row], dkim: int, spf: int) -> None:
    found = reported(row(alignments=alignments, is_dmarc_report=True))
    assert found is not None
    assert found.aligned == Aligned(dkim, spf, True)
    assert Aligned.of(found.aligned.variant) == found.aligned


@pytest.mark.parametrize(
    ("changes", "source_ip", "envelope_from"),
    [
        ({"client": "2001:db8::1"}, "2001:db8::1", "bank.example"),
        ({"client": "::ffff:192.0.2.7"}, "192.0.2.7", "bank.example"),
        ({"client": "::ffff:c000:207"}, "192.0.2.7", "bank.example"),
        ({"is_relayed": True, "outer_client": "198.51.100.9"}, "198.51.100.9", "bank.example"),
        ({"mail_from": ""}, "192.0.2.1", ""),
        ({"mail_from": "x@MÜLLER.example"}, "192.0.2.1", "xn--mller-kva.example"),
        ({"mail_from": "x@no domain"}, "192.0.2.1", None),
    ],
)
def test_who_sent_it(changes: Row, source_ip: str, envelope_from: str | None) -> None:
    found = reported(row(**changes))
    assert found is not None
    assert (found.content.source_ip, found.content.envelope_from) == (source_ip, envelope_from)


def test_signatures_that_can_be_told() -> None:
    """Twelve, two of which cannot be read; their order in the header makes no other record."""
    told = [signature("bank.example", "fail", f"s{number}") for number in range(10)]
    unreadable = [signature(None), signature("bank.example", "neutral", None)]
    one, other = reported(row(dkim=[*told, *unreadable])), reported(row(dkim=[*unreadable, *reversed(told)]))
    assert one is not None
    assert other is not None
    assert one.content.digest == other.content.digest
    assert len(one.content.signatures) == 10
    assert one.content.signatures[0] == Signature("bank.example", "s0", "fail")
    assert Content.of(one.content.as_text()) == one.content


def test_free_text_makes_no_other_record() -> None:
    spared: Row = {**FAILS, "action": "accept", "wanted": "accept", "override": "trusted_forwarder"}
    one, other = reported(row(**spared)), reported(row(**spared, rule="old-crm"))
    assert one is not None
    assert other is not None
    assert one.content.digest == other.content.digest


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("p=reject", "p=reject; sp=reject; np=reject; adkim=r; aspf=r; t=n; fo=0; psd=u", True),
        ("p=reject; rua=mailto:a@b.example", "p=reject; rua=mailto:c@d.example,mailto:e@f.example!10m", True),
        ("p=reject", "p=reject; ruf=mailto:a@b.example", True),
        ("p=reject", "p=quarantine", False),
        ("p=none; sp=reject", "p=none; sp=reject; np=none", False),
        ("p=none", "p=none; t=y", False),
        ("p=none", "p=none; aspf=s", False),
        ("p=none", "p=none; adkim=s", False),
        ("p=none", "p=none; fo=1", False),
        # What cannot be read counts as p=none where reports are wanted (RFC 9989 4.10.1).
        ("p=none; rua=mailto:a@b.example", "p=bad; sp=reject; rua=mailto:a@b.example", True),
    ],
)
def test_records_that_are_one_policy(one: str, other: str, is_same: bool) -> None:
    keys = [policy_key(parse(f"v=DMARC1; {each}".encode())) for each in (one, other)]
    assert (keys[0] == keys[1]) is is_same
    assert all(len(key) <= 24 for key in keys)


def test_additions_count_equal_messages_together_and_keep_the_last_record() -> None:
    later: Row = {"time": DAY + 86_399.9, "policy_record": b"v=DMARC1; p=reject; rua=mailto:later@bank.example"}
    rows = [row(), row(**later), row(client="192.0.2.2"), row(time=DAY - 1.0), row(policy=None, policy_record=None)]
    records, policies, counts = additions([each | {"reported": reported(each)} for each in rows])
    assert [(each["day"], each["messages"]) for each in counts] == [(DAY - 86_400, 1), (DAY, 1), (DAY, 2)] or [
        (each["day"], each["messages"]) for each in counts
    ] == [(DAY - 86_400, 1), (DAY, 2), (DAY, 1)]
    assert {each["digest"]: each["record"] for each in records}[policies[-1]["record"]] == later["policy_record"]
    assert policies[-1]["seen"] == later["time"]
    keys = [(each["day"], each["policy_domain"], each["policy"], each["digest"], each["variant"]) for each in counts]
    assert keys == sorted(keys)


def test_rows_that_nobody_counts() -> None:
    """Those of older versions, and of a filter that makes no reports."""
    assert additions([row(), row() | {"reported": None}]) == ([], [], [])
