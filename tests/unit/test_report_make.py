"""Aggregate reports made of a day of mail: their documents, names and mails; closed once, and the same ever after."""

import gzip
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from sqlalchemy import select

from dmarc_milter.columns.column import Row
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.journal import forgetting
from dmarc_milter.journal.forgetting import forget_reports
from dmarc_milter.journal.report_tables import (
    policy_records,
    report_days,
    report_deliveries,
    report_jobs,
    reported,
    reported_policies,
    reports,
)
from dmarc_milter.reporting import alignments, making
from dmarc_milter.reporting.identity import ReportIdentity
from dmarc_milter.reporting.mail import attachment
from dmarc_milter.reporting.planning import Plan, Rules
from dmarc_milter.reporting.signing import SigningKey, signed
from dmarc_milter.reporting.store import Store
from tests.support.reports import (
    DAY,
    EVERYBODY,
    FAILS,
    NOON,
    alignment,
    count,
    journal,
    maker,
    parsed,
    row,
    signature,
)

ZONE = """
$TTL 60
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; rua=mailto:d@bank.example"
_dmarc.own.shop.example. IN TXT "v=DMARC1; p=none; psd=n"
_dmarc.shop.example. IN TXT "v=DMARC1; p=none"
bank.example._report._dmarc.wants.example. IN TXT "v=DMARC1"
bank.example._report._dmarc.elsewhere.example. IN TXT "v=DMARC1; rua=mailto:x@third.example"
bank.example._report._dmarc.renames.example. IN TXT "v=DMARC1; rua=mailto:real@renames.example"
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return journal(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def made(store: Store, url: str, rows: list[Row], zone: str = ZONE, rules: Rules = EVERYBODY) -> list[Any]:
    """The documents of the day."""
    count(url, rows)
    one = maker(store, zone, rules)
    one.close_days(3_600)
    one.make()
    return [parsed(attachment(message)[1]) for _, message in store.stored(DAY)]


def told(record: Any) -> tuple[str, ...]:
    """Address, count, disposition, dkim, spf, reason."""
    names = ("source_ip", "count", "policy_evaluated/disposition", "policy_evaluated/dkim", "policy_evaluated/spf")
    found = [record.findtext(f"row/{name}") for name in names]
    return (*found, record.findtext("row/policy_evaluated/reason/type") or "")


def test_one_report_per_policy_domain_and_policy(store: Store, url: str) -> None:
    sub = row("mail.bank.example", policy_domain="bank.example")
    found = made(
        store,
        url,
        [row(), row(), sub, row("shop.example"), row(policy_record=b"v=DMARC1;p=none;rua=mailto:d@bank.example")],
    )
    about = [
        (tree.findtext("policy_published/domain"), tree.findtext("policy_published/p"), len(tree.findall("record")))
        for tree in found
    ]
    assert sorted(about) == [("bank.example", "none", 1), ("bank.example", "reject", 2), ("shop.example", "reject", 1)]


def test_the_document(store: Store, url: str) -> None:
    record = b"v=DMARC1; p=quarantine; np=reject; t=y; aspf=s; fo=1:d; rua=mailto:d@bank.example,nonsense"
    (tree,) = made(store, url, [row(policy_record=record, published_policy="quarantine", policy="none")])
    text = {each.tag: each.text for each in tree.iter() if each.text and each.text.strip()}
    assert text == text | {
        "version": "1.0",
        "org_name": "Example Ltd",
        "email": "dmarc@reports.example.org",
        "extra_contact_info": "https://example.org/dmarc",
        "begin": str(DAY),
        "end": str(DAY + 86_399),
        "discovery_method": "treewalk",
        "p": "quarantine",
        "sp": "quarantine",
        "np": "reject",
        "adkim": "r",
        "aspf": "s",
        "fo": "1:d",
        "testing": "y",
        "header_from": "bank.example",
        "envelope_from": "bank.example",
        "selector": "s",
        "scope": "mfrom",
    }
    assert "rua" in text["error"]
    assert tree.findtext("record/row/policy_evaluated/disposition") == "none"


@pytest.mark.parametrize(
    ("changes", "dkim_result", "spf_result"),
    [
        # The evaluation stopped at the first pass; the report tells both.
        ({"alignments": [alignment("spf", "bank.example", True), alignment("dkim", "mail.bank.example", None)],
          "dkim": [signature("mail.bank.example")]}, "pass", "pass"),
        ({"alignments": [alignment("dkim", "bank.example", True), alignment("spf", "b.bank.example", None)],
          "spf_domain": "b.bank.example"}, "pass", "pass"),
        ({"alignments": [alignment("dkim", "shop.example", True), alignment("spf", "own.shop.example", None)],
          "spf_domain": "own.shop.example", "author_domain": "shop.example", "policy_domain": "shop.example",
          "policy_record": b"v=DMARC1; p=reject; rua=mailto:d@shop.example"}, "pass", "fail"),
        (FAILS, "fail", "fail"),
    ],
)  # fmt: skip
def test_both_alignments_are_told(store: Store, url: str, changes: Row, dkim_result: str, spf_result: str) -> None:
    (tree,) = made(store, url, [row(**changes)])
    (record,) = tree.findall("record")
    assert told(record)[3:5] == (dkim_result, spf_result)


def test_what_the_dns_cannot_tell_is_told_later(store: Store, url: str) -> None:
    """Never as 'fail'."""
    unknown = [alignment("dkim", "bank.example", True), alignment("spf", "b.bank.example", None)]
    failing = (
        ZONE + "_dmarc.b.bank.example. IN CNAME broken.example.\nbroken.example. IN CNAME _dmarc.b.bank.example.\n"
    )
    count(url, [row(alignments=unknown, spf_domain="b.bank.example"), row("shop.example")])
    one = maker(store, failing)
    one.close_days(0)
    assert one.make().postponed == 1
    assert [each.policy_domain for each, _ in store.stored(DAY)] == ["shop.example"]
    later = maker(store, ZONE, now=DAY + 3 * 86_400.0)
    assert later.make() == later.make()._replace(reports=1, deliveries=1, days=frozenset({DAY}))
    assert [each.policy_domain for each, _ in store.stored(DAY)] == ["bank.example", "shop.example"]


def test_equal_messages_are_one_record(store: Store, url: str) -> None:
    known = row(alignments=[alignment("spf", "bank.example", True), alignment("dkim", "bank.example", True)])
    unknown = row(alignments=[alignment("spf", "bank.example", None), alignment("dkim", "bank.example", True)])
    (tree,) = made(store, url, [known, unknown, known, row(client="192.0.2.2")])
    assert sorted(told(each)[:2] for each in tree.findall("record")) == [("192.0.2.1", "3"), ("192.0.2.2", "1")]


def test_signatures_in_their_order(store: Store, url: str) -> None:
    signatures = [
        signature("bank.example", "fail", "a"),
        signature("esp.example", selector="b"),
        signature("mail.bank.example", selector="c"),
        signature("bank.example", selector="d"),
        *(signature("many.example", "fail", f"m{number:03}") for number in range(150)),
    ]
    (tree,) = made(store, url, [row(dkim=signatures)])
    order = [each.text for each in tree.findall("record/auth_results/dkim/selector")]
    assert order[:4] == ["d", "c", "b", "a"]
    assert len(order) == 100


def test_hostile_text_is_text(store: Store, url: str) -> None:
    selector = "</selector>&\x01\ud800é\N{RIGHT-TO-LEFT OVERRIDE}"
    (tree,) = made(store, url, [row(dkim=[signature("bank.example", selector=selector)])])
    assert tree.findtext("record/auth_results/dkim/selector") == "</selector>&??é\N{RIGHT-TO-LEFT OVERRIDE}"


@pytest.mark.parametrize(
    ("rua", "to", "refused"),
    [
        ("mailto:d@bank.example", ["d@bank.example"], []),
        ("mailto:d@sub.bank.example", ["d@sub.bank.example"], []),
        ("mailto:D@wants.example!10m,mailto:d@bank.example", ["D@wants.example", "d@bank.example"], []),
        ("mailto:d@nobody.example", [], [("d@nobody.example", "not-authorized")]),
        ("mailto:d@elsewhere.example", [], [("d@elsewhere.example", "other-host")]),
        ("mailto:d@renames.example", ["real@renames.example"], []),
        ("https://bank.example/d", [], [("https://bank.example/d", "unusable")]),
        ("mailto:dmarc@reports.example.org,mailto:d@bank.example", ["d@bank.example"],
         [("dmarc@reports.example.org", "not-authorized")]),
        (",".join(f"mailto:d{n}@bank.example" for n in range(7)), [f"d{n}@bank.example" for n in range(5)],
         [("d5@bank.example", "too-many"), ("d6@bank.example", "too-many")]),
        ("mailto:d@bank.example,mailto:D@BANK.example", ["d@bank.example"], []),
        ("mailto:no@bank.example", [], [("no@bank.example", "excluded")]),
        ("mailto:gone@bank.example", [], [("gone@bank.example", "suppressed")]),
    ],
)  # fmt: skip
def test_who_gets_it(store: Store, url: str, rua: str, to: list[str], refused: list[tuple[str, str]]) -> None:
    rules = Rules(excluded_addresses=frozenset(("no@bank.example",)), suppressed={"gone@bank.example": None})
    count(url, [row(policy_record=f"v=DMARC1; p=reject; rua={rua}".encode())])
    (plan,) = maker(store, ZONE, rules).plans(DAY)
    assert list(plan.to) == to
    assert [(each.address, each.code.value) for each in plan.refused] == refused


def test_a_report_that_nobody_may_get_is_not_made(store: Store, url: str) -> None:
    assert made(store, url, [row(policy_record=b"v=DMARC1; p=reject; rua=mailto:d@nobody.example")]) == []
    assert store.open_jobs() == 0


def test_the_addresses_of_the_last_record_seen(store: Store, url: str) -> None:
    old, new = (f"v=DMARC1; p=reject; rua=mailto:{who}@bank.example".encode() for who in ("old", "new"))
    count(url, [row(time=NOON + 2, policy_record=new)])
    count(url, [row(time=NOON + 1, policy_record=old)])
    (plan,) = maker(store, ZONE).plans(DAY)
    assert (plan.to, plan.policy.messages) == (("new@bank.example",), 2)


@pytest.mark.parametrize(
    ("rules", "rows", "left_out"),
    [
        (Rules(minimum_messages=3), [row(), row()], "too-few-messages"),
        (Rules(minimum_messages=2), [row(), row()], None),
        (Rules(excluded_domains=(DomainPattern("example", True),)), [row()], "excluded"),
        (Rules(only_aligned=True), [row(**FAILS)], "nothing-aligned"),
        (Rules(only_aligned=True), [row(**FAILS), row()], None),
        (Rules(), [row(is_dmarc_report=True)], "only-reports"),
        (Rules(), [row(is_dmarc_report=True), row()], None),
    ],
)  # fmt: skip
def test_domains_that_are_left_out(store: Store, url: str, rules: Rules, rows: list[Row], left_out: str | None) -> None:
    count(url, rows)
    (plan,) = maker(store, ZONE, rules).plans(DAY)
    assert plan.left_out == left_out
    assert plan.is_made is (left_out is None)
    assert len(made(store, url, [], rules=rules)) == (left_out is None)


def test_days_are_utc_and_closed_once(store: Store, url: str) -> None:
    """Three days that were missed are three reports; the one that goes on stays open; a grace is kept."""
    count(url, [row(time=DAY + offset) for offset in (-86_400.5, -0.5, 0.0, 86_399.9, 86_400.0)])
    early = maker(store, ZONE, now=DAY + 86_400 + 1_800.0)
    assert early.close_days(3_600) == [DAY - 2 * 86_400, DAY - 86_400]
    one = maker(store, ZONE, now=DAY + 86_400 + 3_600.0)
    assert one.close_days(3_600) == [DAY]
    assert one.make().reports == 3
    assert one.close_days(3_600) == []
    assert one.make().reports == 0
    (tree,) = [parsed(attachment(message)[1]) for _, message in store.stored(DAY)]
    assert tree.findtext("record/row/count") == "2"


def test_what_comes_later_is_counted_as_late(store: Store, url: str) -> None:
    first = made(store, url, [row(), row()])
    count(url, [row(client="192.0.2.9")])
    again = maker(store, ZONE)
    again.close_days(0)
    assert again.make().reports == 0
    assert store.late(DAY) == {DAY: 1}
    assert len(first[0].findall("record")) == 1


def test_parts(store: Store, url: str) -> None:
    """One address, with more envelope domains than fit: each part is a whole report with an id of its own."""
    many = [row(mail_from=f"x@d{number}.a-long-name-of-a-sender-number-{number}.example") for number in range(50_000)]
    count(url, many)
    one = maker(store, ZONE)
    one.close_days(0)
    one.make()
    found = list(store.stored(DAY))
    sizes = [(len(octets), len(gzip.decompress(octets))) for octets in (attachment(mail)[1] for _, mail in found)]
    assert len(found) > 1
    assert all(compressed < 1_000_000 and whole < 10_000_000 for compressed, whole in sizes)
    assert sum(each.messages for each, _ in found) == 50_000
    ids = {parsed(attachment(mail)[1]).findtext("report_metadata/report_id") for _, mail in found}
    assert ids == {each.id for each, _ in found}
    assert sorted(each.part for each, _ in found) == list(range(1, len(found) + 1))


KEYS = (
    SigningKey("r", rsa.generate_private_key(65_537, 2_048)),
    SigningKey("e", ed25519.Ed25519PrivateKey.generate()),
)


def test_the_mail(store: Store, url: str) -> None:
    count(url, [row()])
    one = maker(store, ZONE, keys=KEYS)
    one.close_days(0)
    one.make()
    ((about, octets),) = store.stored(DAY)
    assert b"\n" not in octets.replace(b"\r\n", b"")
    mail = message_from_bytes(octets, policy=policy.default)
    assert mail["Subject"] == f"Report Domain: bank.example Submitter: example.org Report-ID: <{about.id}>"
    assert mail["From"].addresses[0].addr_spec == "dmarc@reports.example.org"
    assert mail["Message-ID"] == f"<{about.id}@reports.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    (attached,) = mail.iter_attachments()
    assert attached.get_content_type() == "application/gzip"
    assert attached.get_filename() == f"example.org!bank.example!{DAY}!{DAY + 86_399}!{about.id}.xml.gz"
    assert attached.get_content() == attachment(octets)[1]
    assert about.id.isalnum()
    assert about.id in gzip.decompress(attached.get_content()).decode()
    assert [each.partition(";")[0].strip() for each in mail.get_all("DKIM-Signature", [])] == ["v=1", "v=1"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_signatures_that_others_verify(key: SigningKey) -> None:
    import base64

    public = base64.b64encode(key.public).decode()
    record = f"v=DKIM1; k={key.algorithm.removesuffix('-sha256')}; p={public}".encode()
    message = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: x  y\r\nDate: now\r\n\r\nbody  \r\n\r\n"
    octets = signed(message, "b.example", [key], 1_795_651_200)
    assert octets == signed(message, "b.example", [key], 1_795_651_200)
    assert dkim.verify(octets, dnsfunc=lambda name, timeout=5: record)


def test_a_long_domain_has_a_file_name() -> None:
    domain = ".".join(["x" * 60] * 4)
    identity = ReportIdentity("s" * 50 + ".example", domain, "rrr-rr-n-0", DAY)
    assert len(identity.file_name) <= 255
    assert identity.file_name.count("!") == 4
    other = ReportIdentity("s" * 50 + ".example", f"y.{domain[2:]}", "rrr-rr-n-0", DAY)
    assert identity.file_name != other.file_name


def test_a_report_is_the_same_whoever_makes_it(tmp_path: Path) -> None:
    """Its names follow from what it is about; killed before it was finished, it is made again."""
    ids = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        url = journal(tmp_path / name)
        count(url, [row(), row("shop.example")])
        store = Store(url)
        one = maker(store, ZONE)
        one.close_days(0)
        one.make()
        ids.add(tuple((each.id, mail) for each, mail in store.stored(DAY)))
        store.close()
    assert len(ids) == 1


def test_what_was_kept_of_an_unfinished_job_is_made_anew(store: Store, url: str) -> None:
    count(url, [row()])
    one = maker(store, ZONE)
    one.close_days(0)
    with store.writing.begin() as connection:
        connection.execute(
            reports.insert().values(
                id="half", day=DAY, policy_domain="bank.example", policy="x", part=1, kind="aggregate", messages=1,
                records=1, made=NOON, is_signed=False, message=b"half",
            )
        )  # fmt: skip
    one.make()
    assert [each.part for each, _ in store.stored(DAY)] == [1]
    assert "half" not in {each.id for each, _ in store.stored(DAY)}
    with store.reading.connect() as connection:
        assert connection.execute(select(report_jobs.c.state)).scalars().all() == ["done"]


def test_plans_write_nothing(store: Store, url: str) -> None:
    count(url, [row()])
    plans: list[Plan] = list(maker(store, ZONE).plans(DAY))
    assert [each.is_made for each in plans] == [True]
    assert store.days_to_close(DAY + 2 * 86_400) == [DAY]


def test_what_is_old_is_forgotten_but_what_waits_to_be_sent(store: Store, url: str) -> None:
    count(url, [row(), row("shop.example")])
    one = maker(store, ZONE)
    one.close_days(0)
    one.make()
    forget_reports(store.writing, keep_days=36_500)
    assert len(list(store.stored(DAY))) == 2
    with store.writing.begin() as connection:
        connection.execute(
            report_deliveries.update()
            .where(report_deliveries.c.host == "shop.example")
            .values(state="sent", changed=DAY)
        )
    forget_reports(store.writing, keep_days=-36_500)
    assert [each.policy_domain for each, _ in store.stored(DAY)] == ["bank.example"]
    assert store.days_to_close(DAY + 10 * 86_400) == []
    with store.reading.connect() as connection:
        for table in (reported, reported_policies, policy_records, report_jobs, report_days):
            assert connection.execute(select(table)).all() == []
        assert [each.host for each in connection.execute(select(report_deliveries))] == ["bank.example"]


def keep_from(day: int) -> float:
    """The `keep_days` with which `day` is the oldest that is kept."""
    return time.time() // 86_400 - day // 86_400


def test_a_record_is_kept_as_long_as_it_was_seen(store: Store, url: str) -> None:
    count(url, [row(time=DAY - 86_400.0), row("old.example", time=DAY - 86_400.0)])
    count(url, [row()])
    forget_reports(store.writing, keep_from(DAY))
    with store.reading.connect() as connection:
        assert [each.day for each in connection.execute(select(reported))] == [DAY]
        assert [bytes(each.record) for each in connection.execute(select(policy_records))] == [row()["policy_record"]]
    assert [each.policy_domain for each in store.policies(DAY, ["bank.example"])["bank.example"]] == ["bank.example"]


def test_a_day_that_was_closed_is_not_opened_again_by_what_comes_late(store: Store, url: str) -> None:
    count(url, [row()])
    maker(store, ZONE).close_days(0)
    forget_reports(store.writing, keep_from(DAY + 86_400))
    count(url, [row()])
    assert maker(store, ZONE).close_days(0) == []


def test_forgetting_goes_on_batch_by_batch(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PRUNE_ROWS", 2), ("PRUNE_REPORTS", 1), ("PAUSE_SECONDS", 0)):
        monkeypatch.setattr(forgetting, name, value)
    count(url, [row(f"d{number}.example") for number in range(5)])
    one = maker(store, ZONE)
    one.close_days(0)
    assert one.make().reports == 5
    with store.writing.begin() as connection:
        connection.execute(report_deliveries.update().values(state="sent", changed=DAY))
    forget_reports(store.writing, keep_from(DAY + 86_400))
    with store.reading.connect() as connection:
        for table in (reported, reported_policies, policy_records, report_jobs, reports, report_deliveries):
            assert connection.execute(select(table)).all() == [], table.name


def test_a_bug_that_one_domain_brings_up_holds_up_no_other(store: Store, url: str) -> None:
    count(url, [row(), row("shop.example"), row("club.example")])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
        file.execute("UPDATE reported SET content = 'no JSON' WHERE policy_domain = 'club.example'")
    one = maker(store, ZONE)
    one.close_days(0)
    assert one.make().postponed == 1
    assert [each.policy_domain for each, _ in store.stored(DAY)] == ["bank.example", "shop.example"]
    with store.reading.connect() as connection:
        notes = connection.execute(select(report_jobs.c.note).where(report_jobs.c.state == "open")).scalars().all()
    assert notes == ["an error of the program: JSONDecodeError"]


def many_envelope_domains(count_of: int = 12) -> list[Row]:
    """Messages that pass by DKIM; SPF was not looked into, each time of another domain."""
    return [
        row(
            client=f"192.0.2.{number}",
            spf_domain=f"b{number}.bank.example",
            alignments=[alignment("dkim", "bank.example", True), alignment("spf", f"b{number}.bank.example", None)],
        )
        for number in range(count_of)
    ]


OWN = ZONE + '_dmarc.b3.bank.example. IN TXT "v=DMARC1; p=none; psd=n"\n'
"""One of the envelope domains is an organization of its own."""


@pytest.mark.parametrize("most", [1, 5, 1_000])
def test_however_many_alignments_there_are_each_is_looked_into(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(making, "MAX_PAIRS", most)
    monkeypatch.setattr(alignments, "WINDOW", 5)
    count(url, many_envelope_domains())
    one = maker(store, OWN)
    one.close_days(0)
    assert one.make().reports == 1
    ((_, message),) = store.stored(DAY)
    found = {told(each)[0]: told(each)[4] for each in parsed(attachment(message)[1]).findall("record")}
    assert found == {f"192.0.2.{number}": "fail" if number == 3 else "pass" for number in range(12)}


def test_where_one_of_many_cannot_be_told_the_domain_waits(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAX_PAIRS", 1)
    monkeypatch.setattr(alignments, "WINDOW", 5)
    monkeypatch.setattr(making, "MAX_HELD", 0)
    count(url, [*many_envelope_domains(), row("shop.example")])
    failing = (
        OWN + "_dmarc.b7.bank.example. IN CNAME broken.example.\nbroken.example. IN CNAME _dmarc.b7.bank.example.\n"
    )
    one = maker(store, failing)
    one.close_days(0)
    assert one.make() == one.make()._replace(reports=1, deliveries=1, postponed=1, days=frozenset({DAY}))
    later = maker(store, OWN, now=DAY + 3 * 86_400.0)
    assert later.make().reports == 1
    assert [each.policy_domain for each, _ in store.stored(DAY)] == ["bank.example", "shop.example"]


def test_a_failure_report_is_no_file_of_the_day(store: Store, url: str) -> None:
    """What is in it a stranger wrote: the name of an attachment, too."""
    count(url, [row()])
    one = maker(store, ZONE)
    one.close_days(0)
    one.make()
    ((about, _),) = store.stored(DAY)
    hostile = b'Content-Disposition: attachment; filename="../../evil"\r\n\r\nZXZpbA==--'
    failure = {**about._mapping, "id": "f0", "kind": "failure", "message": hostile}
    with store.writing.begin() as connection:
        connection.execute(reports.insert().values(failure))
    assert [each.kind for each, _ in store.stored(DAY)] == ["aggregate"]
    assert store.message("f0") == hostile
