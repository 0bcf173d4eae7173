"""Failure reports (RFC 9991): which messages they are about, what they tell, and that they cannot be made a weapon."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from dmarc_milter.api import Dns, evaluate
from dmarc_milter.columns.table import told
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.journal import failures
from dmarc_milter.journal.failures import Failure, FailureLimit, redacted
from dmarc_milter.journal.insertion import connect
from dmarc_milter.journal.row import row as journal_row
from dmarc_milter.judging.failure import MAX_HEADER, FailureCase
from dmarc_milter.judging.verdict import Envelope
from dmarc_milter.message.header import Field
from dmarc_milter.reporting.failure_making import FailureMaker
from dmarc_milter.reporting.planning import Rules
from dmarc_milter.reporting.signing import SigningKey
from dmarc_milter.reporting.store import Store
from dmarc_milter.settings import config
from tests.support.reports import EVERYBODY, SENDER, journal

RUF = "ruf=mailto:f@bank.example"
ZONE = """
$TTL 60
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; {tags}"
crook.example. IN TXT "v=spf1 ip4:203.0.113.66 -all"
bank.example._report._dmarc.wants.example. IN TXT "v=DMARC1"
"""
SETTINGS = config.parse(
    {
        "report": {
            "enabled": True,
            "organization": "Example Ltd",
            "email": "dmarc@reports.example.org",
            "submitter": "example.org",
            "failure": {"domains": [".bank.example"]},
        },
        "policy": {"mode": "enforce"},
        "milter": {"authserv_id": "mx.example.org"},
    }
)
SPOOFED = (
    b"From: The Bank <boss@bank.example>\r\nTo: Jo Doe <jo.doe@example.org>\r\nSubject: Your account\r\n"
    b"Message-ID: <first@crook.example>\r\n\r\nClick here.\r\n"
)
CROOK = Envelope(bytes((203, 0, 113, 66)), "mail.crook.example", "x@crook.example")
OWN = Envelope(bytes((192, 0, 2, 1)), "mail.bank.example", "bounce@bank.example")
ELSEWHERE = Envelope(bytes((198, 51, 100, 9)), "x.example", "bounce@bank.example")


def case(
    message: bytes = SPOOFED, envelope: Envelope = CROOK, tags: str = RUF, settings: Any = SETTINGS
) -> FailureCase | None:
    """What a failure report would tell of this message."""
    with Dns.zone(ZONE.format(tags=tags)) as dns:
        return evaluate(message, envelope, dns, settings).outcome.record.failure


UNALIGNED = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; i=x@mail.bank.example; s=s; h=from; bh=YQ==; b=YQ==\r\n"
    + SPOOFED
)


@pytest.mark.parametrize(
    ("message", "envelope", "tags", "is_told"),
    [
        (SPOOFED, CROOK, RUF, True),
        (SPOOFED, CROOK, "rua=mailto:d@bank.example", False),
        (SPOOFED, OWN, RUF, False),
        (SPOOFED, OWN, f"{RUF}; fo=1", True),
        (SPOOFED, ELSEWHERE, f"{RUF}; fo=s", True),
        (SPOOFED, CROOK, f"{RUF}; fo=s", False),
        (SPOOFED, OWN, f"{RUF}; fo=d", False),
        (SPOOFED, CROOK, f"{RUF}; fo=d", False),
        (SPOOFED, CROOK, f"{RUF}; fo=0:d", True),
        (SPOOFED, CROOK, f"{RUF}; psd=y", False),
        (SPOOFED, replace(CROOK, mail_from=""), RUF, False),
        (b"Auto-Submitted: auto-replied\r\n" + SPOOFED, CROOK, RUF, False),
        (b"Auto-Submitted: no\r\n" + SPOOFED, CROOK, RUF, True),
        (b"Content-Type: Multipart/Report; report-type=feedback-report\r\n" + SPOOFED, CROOK, RUF, False),
        (SPOOFED.replace(b"Your account", b"Report Domain: a.example Submitter: b.example"), CROOK, RUF, False),
        (SPOOFED.replace(b"bank.example", b"shop.example"), CROOK, RUF, False),
        (SPOOFED.replace(b"boss@bank", b"boss@mail.bank"), CROOK, RUF, True),
        (b"From: a@other.example\r\n" + SPOOFED, CROOK, RUF, False),
    ],
)  # fmt: skip
def test_which_messages_are_told(message: bytes, envelope: Envelope, tags: str, is_told: bool) -> None:
    assert (case(message, envelope, tags) is not None) is is_told


def test_nobody_is_told_unless_the_operator_says_so() -> None:
    off = replace(SETTINGS, report=replace(SETTINGS.report, enabled=False))
    unnamed = replace(SETTINGS, report=replace(SETTINGS.report, failure=replace(SETTINGS.report.failure, domains=())))
    assert [case(settings=each) for each in (off, unnamed)] == [None, None]


def test_what_is_told() -> None:
    found = case(UNALIGNED, ELSEWHERE)
    assert found is not None
    assert found.failed == ("dkim", "spf")
    assert found.signatures == (("bank.example", "s", "mail.bank.example"),)
    assert found.spf_record == ("bank.example", b"v=spf1 ip4:192.0.2.1 -all")
    assert found.delivery == "reject"
    assert [field.key for field in found.fields][:2] == ["dkim-signature", "from"]
    assert "mx.example.org" in found.authentication_results


def test_a_large_header_is_cut() -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 900) for number in range(100))
    huge = b"X-Huge: " + b"y" * 20_000 + b"\r\n"
    found = case(huge + SPOOFED.replace(b"\r\n\r\n", b"\r\n" + many + b"\r\n", 1))
    assert found is not None
    assert [field.name for field in found.fields][:2] == ["From", "To"]
    assert sum(len(field.value) for field in found.fields) < MAX_HEADER


# From there to the mail


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(journal(tmp_path))
    yield opened
    opened.close()


def keep(store: Store, *cases: FailureCase | None, incidents: int = 1) -> None:
    """Written as a worker writes them."""
    with Dns.zone(ZONE.format(tags=RUF)) as dns:
        record = evaluate(SPOOFED, CROOK, dns, SETTINGS).outcome.record
    insertion = connect(str(store.writing.url))
    for number, each in enumerate(cases):
        assert each is not None
        uid = f"{each.arrived}{number}"
        made = journal_row(told(record), uid=uid, host="mx", worker_number=0, addresses=False)
        insertion.insert([made | {"failure": Failure(each, incidents)}])
    insertion.close()


KEY = SigningKey("r", ed25519.Ed25519PrivateKey.generate())


def maker(store: Store, now: float, rules: Rules = EVERYBODY, per_hour: int = 10, zone: str = ZONE) -> FailureMaker:
    dns = Dns.zone(zone.format(tags=RUF))
    sender = replace(SENDER, keys=(KEY,))
    patterns = [DomainPattern("bank.example", True)]
    return FailureMaker(store, sender, rules, patterns, per_hour, dns.runner, dns.source, lambda: now)


def mails(store: Store) -> list[bytes]:
    with sqlite3.connect(str(store.writing.url).removeprefix("sqlite:///")) as connection:
        return [octets for (octets,) in connection.execute("SELECT message FROM reports ORDER BY made, id")]


def test_the_mail(store: Store) -> None:
    found = case(UNALIGNED, ELSEWHERE)
    assert found is not None
    keep(store, found, incidents=7)
    assert maker(store, found.arrived).make() == 1
    (octets,) = mails(store)
    assert b"\n" not in octets.replace(b"\r\n", b"")
    public = f"v=DKIM1; k=ed25519; p={base64.b64encode(KEY.public).decode()}".encode()
    assert dkim.verify(octets, dnsfunc=lambda name, timeout=5: public)
    mail = message_from_bytes(octets, policy=policy.default)
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "feedback-report"
    assert mail["To"] == "f@bank.example"
    text, feedback, header = mail.iter_parts()
    assert "198.51.100.9" in text.get_content()
    (fields,) = feedback.iter_parts() if feedback.is_multipart() else (feedback,)
    values = {name: " ".join(str(value).split()) for name, value in fields.items()}
    assert values == values | {
        "Feedback-Type": "auth-failure",
        "Version": "1",
        "Auth-Failure": "dmarc",
        "Identity-Alignment": "dkim, spf",
        "Reported-Domain": "bank.example",
        "Source-IP": "198.51.100.9",
        "Delivery-Result": "reject",
        "DKIM-Domain": "bank.example",
        "DKIM-Identity": "@mail.bank.example",
        "DKIM-Selector": "s",
        "SPF-DNS": 'txt : bank.example : "v=spf1 ip4:192.0.2.1 -all"',
        "Incidents": "7",
    }
    told_header = header.get_content() if isinstance(header.get_content(), str) else header.get_payload(decode=True)
    assert "Subject: Your account" in str(told_header)


@pytest.mark.parametrize("client", [None, bytes((203, 0, 113, 66))])
def test_where_no_address_is_known_none_is_told(store: Store, client: bytes | None) -> None:
    found = case(envelope=Envelope(client, CROOK.helo, CROOK.mail_from))
    assert found is not None
    keep(store, found)
    maker(store, found.arrived).make()
    (octets,) = mails(store)
    assert (b"Source-IP: " in octets) is (client is not None)


def test_no_local_part_leaves(store: Store) -> None:
    found = case()
    assert found is not None
    keep(store, found)
    maker(store, found.arrived).make()
    (octets,) = mails(store)
    mail = message_from_bytes(octets, policy=policy.default)
    shown = "".join(str(part.get_payload(decode=True)) for part in mail.walk())
    for name in ("jo.doe@", "boss@", "x@crook", "first@crook"):
        assert name not in shown
        assert name.encode() not in octets
    assert "Click here" not in shown


def local_part(text: str, key: bytes) -> str:
    return redacted(text, key).partition("@")[0]


@pytest.mark.parametrize("mail_from", ["jo,doe@b.example", "jo:doe@b.example", "jo@doe@b.example", "jo"])
def test_no_part_of_a_malformed_mail_from_is_left(mail_from: str) -> None:
    found = case()
    assert found is not None
    told = json.loads(failures.content(Failure(replace(found, mail_from=mail_from), 1), b"k"))["mail_from"]
    assert "jo" not in told
    assert told.rpartition("@")[2] == ("b.example" if "@" in mail_from else told)


def test_redaction_keeps_what_is_equal_equal() -> None:
    one, other = b"k" * 32, b"l" * 32
    assert local_part("a@b.example", one) == local_part("a@c.example", one)
    assert local_part("a@b.example", one) != local_part("b@b.example", one)
    assert local_part("a@b.example", one) != local_part("a@b.example", other)
    assert "john doe" not in redacted('"john doe"@b.example', one)
    assert redacted("<a@b.example>, x", one) == f"<{local_part('a@b.example', one)}@b.example>, x"


@pytest.mark.parametrize(
    "value",
    [
        b" jo.doe @b.example",
        b" jo.doe\r\n @b.example",
        b' "jo.doe' + b"x" * 300 + b'"@b.example',
        b" " + b"x" * 892 + b" jo.doe@b.example",
    ],
    ids=["blank", "folded", "long quoted-string", "cut"],
)
def test_no_local_part_is_left_by_its_form(value: bytes) -> None:
    found = case()
    assert found is not None
    header = json.loads(failures.content(Failure(replace(found, fields=(Field("To", value),)), 1), b"k"))["header"]
    assert "jo." not in header


@pytest.mark.parametrize(
    "value",
    [b" a\r\nX-Injected: 1", b" a\nX-Injected: 1", b" a\r\n\r\nbody", b" \x00\xff\x1b[31m", b" a\x0bX-Injected: 1"],
)
def test_a_field_cannot_begin_another(value: bytes) -> None:
    found = case()
    assert found is not None
    hostile = replace(found, fields=(Field("X", value),))
    header = json.loads(failures.content(Failure(hostile, 1), b"k"))["header"]
    assert all(line.startswith(("X: ", " ")) for line in header.split("\r\n"))
    assert "\x1b" not in header


@pytest.mark.parametrize(
    ("tags", "zone", "rules", "count"),
    [
        ("ruf=mailto:f@wants.example", ZONE, EVERYBODY, 1),
        ("ruf=mailto:victim@third.example", ZONE, EVERYBODY, 0),
        (RUF, ZONE, Rules(suppressed={"f@bank.example": None}), 0),
        ("ruf=mailto:dmarc@reports.example.org", ZONE, EVERYBODY, 0),
        ("ruf=mailto:a@bank.example,mailto:b@bank.example", ZONE, EVERYBODY, 1),
    ],
)
def test_who_gets_it(store: Store, tags: str, zone: str, rules: Rules, count: int) -> None:
    found = case(tags=tags)
    assert found is not None
    keep(store, found)
    assert maker(store, found.arrived, rules, zone=zone).make() == count
    assert maker(store, found.arrived, rules, zone=zone).make() == 0


def test_a_few_per_hour_and_the_rest_as_a_number(store: Store) -> None:
    found = case()
    assert found is not None
    keep(store, *(replace(found, arrived=found.arrived + number) for number in range(5)))
    now = found.arrived + 10
    assert maker(store, now, per_hour=2).make() == 2
    assert maker(store, now + 60, per_hour=2).make() == 0
    assert maker(store, now + 3_700, per_hour=2).make() == 1
    assert b"Incidents: 3" in mails(store)[-1]


def test_the_limit_of_a_worker() -> None:
    limit = FailureLimit(2)
    assert [limit.take("a.example", second) for second in (0.0, 1.0, 2.0, 3.0)] == [1, 1, 0, 0]
    assert limit.take("b.example", 4.0) == 1
    assert limit.take("a.example", 3_601.0) == 3
    flood = [limit.take(f"d{number}.example", 3_602.0) for number in range(5_000)]
    assert sum(flood) <= failures.MAX_PER_HOUR
    assert len(limit._domains) <= failures.MAX_DOMAINS


def test_what_the_dns_cannot_tell_waits_for_a_day(store: Store) -> None:
    name = "bank.example._report._dmarc.wants.example."
    broken = ZONE.replace(f'{name} IN TXT "v=DMARC1"', f"{name} IN CNAME b.example.\nb.example. IN CNAME {name}")
    found = case(tags="ruf=mailto:f@wants.example")
    assert found is not None
    keep(store, found)
    assert maker(store, found.arrived + 60, zone=broken).make() == 0
    assert maker(store, found.arrived + 90_000, zone=broken).make() == 0
    assert maker(store, found.arrived + 90_001).make() == 0


# What has changed meanwhile


def failure_maker(store: Store, *domains: str) -> FailureMaker:
    dns = Dns.zone(ZONE.format(tags=RUF))
    patterns = [DomainPattern(each, True) for each in domains]
    found = case()
    assert found is not None
    return FailureMaker(store, SENDER, EVERYBODY, patterns, 10, dns.runner, dns.source, lambda: found.arrived)


def test_failures_of_a_domain_that_the_settings_name_no_more_are_forgotten(store: Store) -> None:
    keep(store, case())
    assert failure_maker(store, "shop.example").make() == 0
    assert failure_maker(store, "bank.example").make() == 0
    keep(store, case())
    assert failure_maker(store, "shop.example", "bank.example").make() == 1


def test_a_record_that_is_none_any_more_names_nobody(store: Store, tmp_path: Path) -> None:
    keep(store, case())
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection, connection:
        connection.execute("UPDATE failure_reports SET record = ?", (b"v=spf1 -all",))
    assert failure_maker(store, "bank.example").make() == 0
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection, connection:
        assert connection.execute("SELECT count(*) FROM failure_reports").fetchone() == (0,)


class OtherHostMakes(Store):
    """Of a fleet, where another host makes the failure reports now."""

    @contextmanager
    def one_host(self) -> Iterator[bool]:
        yield False


def test_one_host_of_a_fleet_makes_failure_reports(store: Store, url: str) -> None:
    keep(store, case())
    other = OtherHostMakes(url)
    assert failure_maker(other, "bank.example").make() == 0
    other.close()
    assert failure_maker(store, "bank.example").make() == 1
