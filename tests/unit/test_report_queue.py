"""The queue of reports: what is in it when days, records and wishes have changed since they were counted."""

import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dmarc_milter.api import Dns
from dmarc_milter.dmarc.record import parse
from dmarc_milter.journal.report_tables import report_jobs
from dmarc_milter.reporting.checking import check, sample
from dmarc_milter.reporting.document import parts
from dmarc_milter.reporting.identity import ReportIdentity
from dmarc_milter.reporting.mail import attachment
from dmarc_milter.reporting.making import GIVE_UP_SECONDS, Made
from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.reading import MAX_VALUES, Fault, ReceivedReport, read
from dmarc_milter.reporting.sending import UNLIMITED, Dispatcher, Sent
from dmarc_milter.reporting.store import Store
from dmarc_milter.reporting.transport import Server, SmtpTransport
from tests.support.reports import (
    DAY,
    EVERYBODY,
    FAILS,
    NEXT_NOON,
    OLD_REPORT,
    REPORTER,
    SENDER,
    count,
    journal,
    maker,
    parsed,
    row,
)
from tests.support.smtp_sink import SmtpSink

SECONDS_PER_DAY = 86_400


@pytest.fixture
def url(tmp_path: Path) -> str:
    return journal(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


# Aggregate reports


def jobs(store: Store) -> dict[str, tuple[str, int]]:
    """State and messages of each domain's job."""
    with store.reading.connect() as connection:
        found = connection.execute(select(report_jobs.c.policy_domain, report_jobs.c.state, report_jobs.c.messages))
        return {domain: (state, messages) for domain, state, messages in found}


BROKEN = """
$TTL 60
bank.example._report._dmarc.wants.example. IN CNAME b.example.
b.example. IN CNAME bank.example._report._dmarc.wants.example.
"""


@pytest.mark.parametrize(
    ("now", "made", "state"),
    [
        (NEXT_NOON, Made(postponed=1, days=frozenset({DAY})), "open"),
        (DAY + SECONDS_PER_DAY + GIVE_UP_SECONDS, Made(postponed=1, days=frozenset({DAY})), "open"),
        (DAY + SECONDS_PER_DAY + GIVE_UP_SECONDS + 1, Made(given_up=1, days=frozenset({DAY})), "given-up"),
    ],
)
def test_a_domain_that_the_dns_does_not_tell_of_is_given_up_after_three_days(
    store: Store, url: str, now: float, made: Made, state: str
) -> None:
    count(url, [row(policy_record=b"v=DMARC1; p=reject; rua=mailto:d@wants.example")])
    one = maker(store, BROKEN, now=now)
    one.close_days(0)
    assert one.make() == made
    assert jobs(store)["bank.example"][0] == state


def test_a_domain_whose_counts_are_forgotten_meanwhile_is_done(store: Store, url: str, tmp_path: Path) -> None:
    count(url, [row(), row("shop.example")])
    one = maker(store)
    one.close_days(0)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection, connection:
        for table in ("reported", "reported_policies"):
            connection.execute(f"DELETE FROM {table} WHERE policy_domain = 'bank.example'")
    assert one.make().reports == 1
    assert jobs(store) == {"bank.example": ("done", 0), "shop.example": ("done", 1)}
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection, connection:
        connection.execute("DELETE FROM reported")
        connection.execute("DELETE FROM reported_policies")
        connection.execute("UPDATE report_jobs SET state = 'open'")
    assert one.make().reports == 0
    assert store.open_jobs() == 0


def test_only_the_domains_asked_for(store: Store, url: str) -> None:
    count(url, map(row, ("bank.example", "club.example", "shop.example")))
    assert list(store.policies(DAY, ["bank.example", "shop.example"])) == ["bank.example", "shop.example"]


TEMPERROR = {"dmarc": "temperror", "alignments": []}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"action": "reject"}, ("local_policy", None)),
        (FAILS, None),
        (
            FAILS | {"action": "accept", "mode": "monitor"},
            ("local_policy", "this receiver monitors, and applies no policy yet"),
        ),
        (
            FAILS | {"action": "accept", "wanted": "accept", "override": "trusted_forwarder"},
            ("trusted_forwarder", "arc=pass: sealed by forwarders that this receiver trusts"),
        ),
        (
            FAILS | {"action": "accept", "wanted": "accept", "override": "trusted_forwarder", "rule": "partner"},
            ("trusted_forwarder", None),
        ),
        (FAILS | {"action": "quarantine", "wanted": "quarantine"}, ("local_policy", "local policy of this receiver")),
        (FAILS | TEMPERROR | {"action": "accept", "wanted": "accept"}, ("other", "temporary DNS error")),
    ],
)
def test_why_what_was_done_is_not_the_policy(
    store: Store, url: str, changes: dict[str, Any], reason: tuple[str, str | None] | None
) -> None:
    count(url, [row(**changes)])
    one = maker(store)
    one.close_days(0)
    one.make()
    ((_, message),) = store.stored(DAY)
    found = parsed(attachment(message)[1]).find("record/row/policy_evaluated/reason")
    assert (None if found is None else (found.findtext("type"), found.findtext("comment"))) == reason


def test_no_document_tells_of_nothing() -> None:
    record = parse(b"v=DMARC1; p=reject; rua=mailto:d@bank.example")
    identity = ReportIdentity("example.org", "bank.example", "", DAY)
    assert list(parts(identity, REPORTER, record, [])) == []


# Who gets them


def test_who_is_suppressed_by_the_operator_stays_so_whatever_is_refused(store: Store, url: str) -> None:
    """As it is where one mail was under way when the operator said so."""
    count(url, [row()])
    one = maker(store)
    one.close_days(0)
    one.make()

    def script(said: str, _: str) -> str | None:
        if said == "DATA":
            Outbox(store).suppress("d@bank.example", "by the operator", NEXT_NOON)
        return "550 5.1.1 nobody here" if said == "DATA" else None

    with SmtpSink(script) as sink, SmtpTransport(Server("127.0.0.1", sink.port)) as mta:
        sent = Dispatcher(Outbox(store), SENDER, EVERYBODY, mta, UNLIMITED, lambda: NEXT_NOON).send()
    assert sent == Sent(refused=1)
    assert list(store.suppressed(NEXT_NOON + 1_000 * SECONDS_PER_DAY)) == ["d@bank.example"]


# The check


@pytest.mark.parametrize(("client", "is_judged"), [(bytes((127, 0, 0, 1)), False), (bytes((192, 0, 2, 1)), True)])
def test_this_hosts_own_address_proves_nothing(client: bytes, is_judged: bool) -> None:
    with Dns.zone('$TTL 60\nreports.example.org. IN TXT "v=spf1 ip4:192.0.2.1 ip4:127.0.0.1 -all"\n') as dns:
        found = check(sample(SENDER, DAY), SENDER, [client], "mx.example.org", dns)
    labels = [each.label for each in found.findings]
    assert ("DMARC" in labels) is is_judged
    assert not found.passes
    assert any("own address" in each.text for each in found.findings) is not is_judged


# What others send


@pytest.mark.parametrize(("parts", "is_found"), [(10, True), (MAX_VALUES + 1, False)])
def test_a_mail_of_many_parts_is_looked_through_in_bounds(parts: int, is_found: bool) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("r.xml", OLD_REPORT)
    mail = MIMEMultipart()
    for _ in range(parts):
        mail.attach(MIMEBase("text", "plain"))
    last = MIMEBase("application", "zip")
    last.set_payload(packed.getvalue().decode("latin-1"), "latin-1")
    mail.attach(last)
    found = read(mail.as_bytes())
    assert (isinstance(found, ReceivedReport), found is Fault.NO_REPORT) == (is_found, not is_found)
