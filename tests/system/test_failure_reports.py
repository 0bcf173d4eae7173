"""Failing mail through a real Postfix and the filter, and the failure reports about it (RFC 9991)."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.waiting import wait_for
from tests.system.site import Site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("has_postfix")]

ZONE = """
$TTL 60
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; ruf=mailto:f@bank.example"
_dmarc.unnamed.example. IN TXT "v=DMARC1; p=reject; ruf=mailto:f@unnamed.example"
_dmarc.victims.example. IN TXT "v=DMARC1; p=reject; ruf=mailto:v@third.example"
"""
SETTINGS = """
[report]
enabled = true
organization = "Example Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
metrics_file = "{folder}/report.prom"
[report.failure]
domains = [".bank.example", "victims.example"]
per_hour = 3
"""
PER_HOUR, FLOOD = 3, 8


def mail(author: str, *fields: str) -> bytes:
    """With what a failure report must not hold: local parts, and a body."""
    told = (*fields, f"From: <boss@{author}>", "To: Jo <jo.doe@example.org>", "Subject: Your account")
    return "\r\n".join((*told, "", "Click here.", "")).encode()


QUIET = [
    mail("unnamed.example"),
    mail("victims.example"),
    mail("bank.example", "Auto-Submitted: auto-generated"),
    mail("bank.example", "Content-Type: multipart/report; report-type=feedback-report; boundary=b"),
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[bytes]]:
    """The mails that `report make` queued."""
    folder = Path(os.path.realpath(f"/tmp/dmarc-milter-failures-{os.getpid()}"))
    folder.mkdir(mode=0o755)
    try:
        with NameServerThread(ZoneResolver.from_text(ZONE)) as server:
            yield _played(folder, server)
    finally:
        shutil.rmtree(folder)


def _played(folder: Path, server: NameServerThread) -> list[bytes]:
    site = Site(folder, server, SETTINGS.format(folder=folder))
    try:
        sent = QUIET + [mail("bank.example")] * FLOOD
        # Passes: it is no failure.
        site.deliver(mail("bank.example"), "192.0.2.1", "h.example", "x@bank.example")
        for message in sent:
            site.deliver(message, "203.0.113.66", "h.example", "x@crook.example")
        wait_for(lambda: _all(site, "SELECT count(*) FROM messages")[0][0] == len(sent) + 1, "the journal")
    finally:
        site.stop()
    command = [sys.executable, "-m", "dmarc_milter", "report", "make", "--config", str(site.filter.config)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {address for (address,) in _all(site, "SELECT address FROM report_deliveries")} == {"f@bank.example"}
    return [octets for (octets,) in _all(site, "SELECT message FROM reports WHERE kind = 'failure'")]


def _all(site: Site, query: str) -> list[Any]:
    with closing(sqlite3.connect(site.filter.journal.removeprefix("sqlite:///"))) as connection:
        return connection.execute(query).fetchall()


def test_a_flood_makes_as_many_reports_as_an_hour_allows(reports: list[bytes]) -> None:
    assert len(reports) == PER_HOUR


def test_what_a_report_tells(reports: list[bytes]) -> None:
    mail = message_from_bytes(reports[0], policy=policy.default)
    assert mail.get_content_type() == "multipart/report"
    _, feedback, header = mail.iter_parts()
    (fields,) = feedback.iter_parts()
    told = {name: str(fields[name]) for name in ("Auth-Failure", "Identity-Alignment", "Reported-Domain", "Source-IP")}
    assert told == {
        "Auth-Failure": "dmarc",
        "Identity-Alignment": "dkim, spf",
        "Reported-Domain": "bank.example",
        "Source-IP": "203.0.113.66",
    }
    assert fields["Delivery-Result"] == "reject"
    assert "dmarc=fail" in fields["Authentication-Results"]
    shown = header.get_payload(decode=True)
    assert isinstance(shown, bytes)
    assert b"Subject: Your account" in shown
    assert b"@bank.example" in shown


def test_none_is_about_a_report_nor_about_mail_that_passed(reports: list[bytes]) -> None:
    """They came before the flood, so they would have been the first."""
    for octets in reports:
        _, feedback, header = message_from_bytes(octets, policy=policy.default).iter_parts()
        (fields,) = feedback.iter_parts()
        assert fields["Source-IP"] == "203.0.113.66"
        shown = header.get_payload(decode=True)
        assert isinstance(shown, bytes)
        assert b"Auto-Submitted" not in shown
        assert b"multipart/report" not in shown


def test_nothing_of_people_leaves(reports: list[bytes]) -> None:
    for octets in reports:
        parts = message_from_bytes(octets, policy=policy.default).walk()
        shown = octets + b"".join(bytes(part.get_payload(decode=True) or b"") for part in parts)
        for secret in (b"boss@", b"jo.doe", b"<x@", b"Click here"):
            assert secret not in shown
