"""A day of mail through a real Postfix and the filter, and the reports about it: as RFC 9990 has them, and as others read
them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dkim
import pytest

from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.conformance import XSD
from tests.support.keys import rsa_key
from tests.support.reports import parsed
from tests.support.waiting import wait_for
from tests.system.servers import need
from tests.system.site import Site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("has_postfix")]

ROOT = Path(__file__).resolve().parents[2]
CONSUMERS = ROOT / ".venv-consumers" / "bin"
KEY = rsa_key()[1]
ZONE = f"""
$TTL 60
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject; rua=mailto:d@bank.example"
b.bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
s._domainkey.bank.example. IN TXT "{KEY}"
_dmarc.own.bank.example. IN TXT "v=DMARC1; p=none; rua=mailto:d@own.bank.example"
_dmarc.test.example. IN TXT "v=DMARC1; p=reject; t=y; fo=1; rua=mailto:d@hub.example"
_dmarc.quiet.example. IN TXT "v=DMARC1; p=reject"
_dmarc.soft.example. IN TXT "v=DMARC1; p=quarantine; rua=mailto:d@hub.example,nonsense,https://hub.example/d"
test.example._report._dmarc.hub.example. IN TXT "v=DMARC1"
soft.example._report._dmarc.hub.example. IN TXT "v=DMARC1"
_dmarc.stranger.example. IN TXT "v=DMARC1; p=reject; rua=mailto:victim@third.example"
_dmarc.xn--mller-kva.example. IN TXT "v=DMARC1; p=none; rua=mailto:d@xn--mller-kva.example"
_dmarc.suffix.example. IN TXT "v=DMARC1; p=none; psd=y; rua=mailto:d@suffix.example"
lists.example. IN TXT "v=spf1 ip4:203.0.113.9 -all"
"""
POLICY = """
[policy.indirect]
trusted_lists = ["lists.example"]
[[override]]
name = "blocked"
client = ["192.0.2.1"]
from_domain = ["b.bank.example"]
action = "reject"
reason = "ticket 4711, ask Jo"
[report]
enabled = true
organization = "Exämple Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
"""


def mail(author: str, *fields: str) -> bytes:
    return "".join(f"{each}\r\n" for each in (*fields, f"From: <a@{author}>", "Subject: x", "", "Hello")).encode()


def signed(author: str) -> bytes:
    message = mail(author)
    field: bytes = dkim.sign(message, b"s", b"bank.example", rsa_key()[0], include_headers=[b"from", b"subject"])
    return field + message


UNREADABLE = "DKIM-Signature: v=1; nothing"
FAILING = [f"DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=s{n}; h=from; bh=YQ==; b=YQ==" for n in range(8)]


class Sent(NamedTuple):
    """A message, and where it counts: policy domain, address, disposition, dkim, spf, reason."""

    message: bytes
    client: str
    mail_from: str
    counts: tuple[str, str, str, str, str, str] | None


DAY = {
    "both mechanisms, SPF by a subdomain": Sent(
        signed("bank.example"), "192.0.2.1", "x@b.bank.example",
        ("bank.example", "192.0.2.1", "pass", "pass", "pass", "")),
    "the same again": Sent(
        signed("bank.example"), "192.0.2.1", "x@b.bank.example",
        ("bank.example", "192.0.2.1", "pass", "pass", "pass", "")),
    "DKIM alone": Sent(
        signed("bank.example"), "198.51.100.7", "x@bank.example",
        ("bank.example", "198.51.100.7", "pass", "pass", "fail", "")),
    "IPv6, SPF alone": Sent(
        mail("bank.example"), "2001:db8::1", "x@bank.example",
        ("bank.example", "2001:db8::1", "pass", "fail", "pass", "")),
    "null sender": Sent(
        signed("bank.example"), "198.51.100.8", "",
        ("bank.example", "198.51.100.8", "pass", "pass", "fail", "")),
    "spoofed": Sent(
        mail("bank.example"), "203.0.113.66", "x@crook.example",
        ("bank.example", "203.0.113.66", "reject", "fail", "fail", "")),
    "a subdomain that inherits": Sent(
        mail("mail.bank.example"), "203.0.113.66", "x@crook.example",
        ("bank.example", "203.0.113.66", "reject", "fail", "fail", "")),
    "a subdomain with a record of its own": Sent(
        mail("own.bank.example"), "203.0.113.66", "x@crook.example",
        ("own.bank.example", "203.0.113.66", "none", "fail", "fail", "")),
    "twelve signatures, some of which cannot be read": Sent(
        mail("bank.example", UNREADABLE, *FAILING, UNREADABLE), "203.0.113.67", "x@crook.example",
        ("bank.example", "203.0.113.67", "reject", "fail", "fail", "")),
    "testing": Sent(
        mail("test.example"), "203.0.113.66", "x@crook.example",
        ("test.example", "203.0.113.66", "quarantine", "fail", "fail", "policy_test_mode")),
    "quarantine": Sent(
        mail("soft.example"), "203.0.113.66", "x@crook.example",
        ("soft.example", "203.0.113.66", "quarantine", "fail", "fail", "")),
    "a list": Sent(
        mail("bank.example", "List-Id: <dev.lists.example>", "List-Post: <mailto:dev@lists.example>"), "203.0.113.9",
        "bounce@lists.example", ("bank.example", "203.0.113.9", "quarantine", "fail", "fail", "mailing_list")),
    "it passes, and a rule refuses it": Sent(
        mail("b.bank.example"), "192.0.2.1", "x@b.bank.example",
        ("bank.example", "192.0.2.1", "reject", "fail", "pass", "local_policy")),
    "an internationalized domain": Sent(
        mail("xn--mller-kva.example"), "203.0.113.66", "x@crook.example",
        ("xn--mller-kva.example", "203.0.113.66", "none", "fail", "fail", "")),
    "a public suffix": Sent(
        mail("shop.suffix.example"), "203.0.113.66", "x@crook.example",
        ("suffix.example", "203.0.113.66", "none", "fail", "fail", "")),
    "nobody asks": Sent(mail("quiet.example"), "203.0.113.66", "x@crook.example", None),
    "a third party that did not agree": Sent(mail("stranger.example"), "203.0.113.66", "x@crook.example", None),
    "own mail": Sent(mail("bank.example"), "127.0.0.1", "x@bank.example", None),
}  # fmt: skip


class Reported(NamedTuple):
    """What `report make` gave for the day."""

    folder: Path
    told: list[dict[str, Any]]
    dry: list[dict[str, Any]]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """The day was the one before yesterday: whatever the time is now, it is over."""
    folder = Path(os.path.realpath(f"/tmp/dmarc-milter-reports-{os.getpid()}"))
    folder.mkdir(mode=0o755)
    try:
        with NameServerThread(ZoneResolver.from_text(ZONE)) as server:
            yield _played(folder, server)
    finally:
        shutil.rmtree(folder)


def _played(folder: Path, server: NameServerThread) -> Reported:
    more = POLICY + f'metrics_file = "{folder}/report.prom"\n'
    site = Site(folder, server, more)
    try:
        for sent in DAY.values():
            site.deliver(sent.message, sent.client, "h.example", sent.mail_from)
        wait_for(lambda: _journalled(site) == len(DAY), "the journal")
    finally:
        site.stop()
    with sqlite3.connect(site.filter.journal.removeprefix("sqlite:///")) as connection:
        for table in ("reported", "reported_policies"):
            connection.execute(f"UPDATE {table} SET day = day - 172800")
    connection.close()
    config = str(site.filter.config)
    when = time.strftime("%Y-%m-%d", time.gmtime(_days(site)[0]))
    dry = _report("make", "--dry-run", "--json", "--day", when, "--config", config)
    told = _report("make", "--json", "--output", str(folder / "out"), "--config", config)
    return Reported(folder / "out", told, dry)


def _journalled(site: Site) -> int:
    with sqlite3.connect(site.filter.journal.removeprefix("sqlite:///")) as connection:
        found = int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])
    connection.close()
    return found


def _days(site: Site) -> list[int]:
    with sqlite3.connect(site.filter.journal.removeprefix("sqlite:///")) as connection:
        found = [day for (day,) in connection.execute("SELECT DISTINCT day FROM reported")]
    connection.close()
    return found


def _report(*arguments: str) -> list[dict[str, Any]]:
    """In another time zone, which changes nothing."""
    command = [sys.executable, "-m", "dmarc_milter", "report", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "TZ": "Asia/Tokyo"})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected() -> dict[str, dict[tuple[str, ...], int]]:
    """Counts by policy domain, and by what is told."""
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for sent in DAY.values():
        if sent.counts is not None:
            domain, *told = sent.counts
            records = found.setdefault(domain, {})
            records[tuple(told)] = records.get(tuple(told), 0) + 1
    return found


def test_each_message_counts_where_it_has_to(day: Reported) -> None:
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for path in day.folder.iterdir():
        tree = parsed(path.read_bytes())
        records = found.setdefault(tree.findtext("policy_published/domain"), {})
        for record in tree.findall("record"):
            row = record.find("row")
            told = tuple(
                row.findtext(name) or ""
                for name in (
                    "source_ip", "policy_evaluated/disposition", "policy_evaluated/dkim", "policy_evaluated/spf",
                    "policy_evaluated/reason/type",
                )
            )  # fmt: skip
            records[told] = records.get(told, 0) + int(row.findtext("count"))
    assert found == expected()


def test_the_dry_run_says_who_would_get_what(day: Reported) -> None:
    by_domain = {each["domain"]: each for each in day.dry}
    assert {name: sum(records.values()) for name, records in expected().items()} == {
        name: each["messages"] for name, each in by_domain.items() if each["to"]
    }
    assert by_domain["soft.example"]["to"] == ["d@hub.example"]
    assert [each["address"] for each in by_domain["soft.example"]["refused"]] == ["https://hub.example/d"]
    assert by_domain["stranger.example"]["to"] == []
    assert [each["address"] for each in by_domain["stranger.example"]["refused"]] == ["victim@third.example"]
    assert "quiet.example" not in by_domain
    assert {each["domain"]: each["to"] for each in day.told} == {
        name: each["to"] for name, each in by_domain.items() if each["to"]
    }


def test_nothing_of_people_is_told(day: Reported) -> None:
    for path in day.folder.iterdir():
        text = subprocess.run(["zcat", path], capture_output=True, check=True).stdout
        for secret in (b"you@", b"a@bank", b"x@", b"4711", b"Jo", b"Hello", b"Subject"):
            assert secret not in text


def test_signatures_and_names(day: Reported) -> None:
    (path,) = (each for each in day.folder.iterdir() if "!bank.example!" in each.name)
    tree = parsed(path.read_bytes())
    (many,) = (each for each in tree.findall("record") if each.findtext("row/source_ip") == "203.0.113.67")
    assert [each.text for each in many.findall("auth_results/dkim/selector")] == [f"s{n}" for n in range(8)]
    (null,) = (each for each in tree.findall("record") if each.findtext("row/source_ip") == "198.51.100.8")
    assert null.find("identifiers/envelope_from").text is None
    assert "nonsense" in _tree(day, "soft.example").findtext("report_metadata/error")


def _tree(day: Reported, domain: str) -> Any:
    (path,) = (each for each in day.folder.iterdir() if f"!{domain}!" in each.name)
    return parsed(path.read_bytes())


def test_valid_by_the_xsd(day: Reported) -> None:
    if not XSD.exists():
        pytest.skip(f"the schema of RFC 9990 is not at {XSD}")
    for path in day.folder.iterdir():
        parsed(path.read_bytes(), XSD)


def consumer(name: str) -> str:
    """The program, of Debian or of .venv-consumers, which script/setup test makes."""
    here = CONSUMERS / name
    return need(str(here) if here.exists() else shutil.which(name), f"{name} (script/setup test)")


def test_read_by_dmarc_cat(day: Reported) -> None:
    program = consumer("dmarc-cat")
    for path in day.folder.iterdir():
        done = subprocess.run([program, "-N", path], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        tree = parsed(path.read_bytes())
        assert f"Domain: {tree.findtext('policy_published/domain')}\n" in done.stdout
        assert f"Reports({len(tree.findall('record'))}):" in done.stdout


def test_read_by_dmarc_report(day: Reported) -> None:
    program = consumer("dmarc-report")
    for path in day.folder.iterdir():
        done = subprocess.run([program, "-v", path], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "RFC 9990" in done.stdout
        assert "warning" not in (done.stdout + done.stderr).lower()


def test_read_by_parsedmarc(day: Reported, tmp_path: Path) -> None:
    """All of them in one run: no id is taken for another's."""
    command = [consumer("parsedmarc"), "--offline", "--silent", "-o", str(tmp_path), *map(str, day.folder.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read = json.loads((tmp_path / "aggregate.json").read_text("utf-8"))
    counts = {each["policy_published"]["domain"]: sum(record["count"] for record in each["records"]) for each in read}
    assert counts == {name: sum(records.values()) for name, records in expected().items()}
