"""Aggregate reports read: ours, those of others, and files that are attacks."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.reporting.mail import attachment
from dmarc_milter.reporting.reading import MAX_ELEMENTS, MAX_UNPACKED, Fault, ReceivedReport, Result, read
from dmarc_milter.reporting.store import Store
from tests.support.reports import DAY, FAILS, OLD_REPORT, count, journal, maker, row


def zipped(octets: bytes, name: str = "r.xml") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, octets)
    return made.getvalue()


MAIL = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        OLD_REPORT,
        b"\xef\xbb\xbf" + OLD_REPORT,
        gzip.compress(OLD_REPORT),
        zipped(OLD_REPORT),
        MAIL + __import__("base64").encodebytes(zipped(OLD_REPORT)),
    ],
    ids=["xml", "with a mark", "gzip", "zip", "mail"],
)
def test_a_report_of_rfc_7489(octets: bytes) -> None:
    found = read(octets)
    assert isinstance(found, ReceivedReport)
    assert (found.metadata["org_name"], found.policy["domain"], found.messages) == ("google.com", "bank.example", 3)
    (record,) = found.records
    assert record.reasons == (("forwarded", "x"),)
    assert record.signatures == (Result("bank.example", "", "pass"),)
    assert record.spf_results == (Result("other.example", "", "softfail"),)


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><feedback><record>&b;</record></feedback>'


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"", Fault.NO_REPORT),
        (b"hello", Fault.NO_REPORT),
        (b"<html></html>", Fault.NO_REPORT),
        (b"<feedback", Fault.NO_XML),
        (b'<?xml version="1.0" encoding="nonsense"?><feedback/>', Fault.NO_XML),
        (b"<feedback>\xff</feedback>", Fault.NO_XML),
        (BOMB, Fault.FORBIDDEN),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><feedback/>', Fault.FORBIDDEN),
        (b"<a>" * 100 + b"</a>" * 100, Fault.TOO_DEEP),
        (b"<feedback><record>" + b"<x/>" * (MAX_ELEMENTS + 1) + b"</record></feedback>", Fault.TOO_LARGE),
        (gzip.compress(b"<a>" + b" " * MAX_UNPACKED), Fault.TOO_LARGE),
        (zipped(b"<a>" + b" " * MAX_UNPACKED), Fault.TOO_LARGE),
        (gzip.compress(OLD_REPORT)[:-20], Fault.NO_REPORT),
        (zipped(OLD_REPORT)[:-30], Fault.NO_REPORT),
        (zipped(OLD_REPORT, "r.txt"), Fault.NO_REPORT),
        (gzip.compress(zipped(OLD_REPORT)), Fault.NO_XML),
        (b"x" * (21 << 20), Fault.TOO_LARGE),
    ],
    ids=lambda each: each.value if isinstance(each, Fault) else "",
)
def test_what_is_no_report(octets: bytes, fault: Fault) -> None:
    assert read(octets) is fault


def test_values_are_bounded_and_odd_ones_are_nothing() -> None:
    found = read(OLD_REPORT.replace(b">3<", b">-1<").replace(b"none</disp", b"n" * 9_999 + b"</disp"))
    assert isinstance(found, ReceivedReport)
    assert found.messages == 0
    assert len(found.records[0].disposition) == 300


SETTINGS = """
[journal]
database = "{url}"
[report]
enabled = true
organization = "Example Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
metrics_file = "{folder}/report.prom"
"""


@pytest.fixture
def made(tmp_path: Path) -> tuple[str, str, bytes]:
    """Settings with a report: their path, its id, its file."""
    url = journal(tmp_path)
    (tmp_path / "f.toml").write_text(SETTINGS.format(url=url, folder=tmp_path))
    count(url, [row(), row(**FAILS)])
    store = Store(url)
    one = maker(store)
    one.close_days(0)
    one.make()
    ((about, message),) = store.stored(DAY)
    store.close()
    return str(tmp_path / "f.toml"), about.id, attachment(message)[1]


def test_show(made: tuple[str, str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, name, octets = made
    (tmp_path / "r.xml.gz").write_bytes(octets)
    assert main(["report", "show", name, "--config", config]) == 0
    text = capsys.readouterr().out
    assert main(["report", "show", str(tmp_path / "r.xml.gz")]) == 0
    assert capsys.readouterr().out == text
    assert text.splitlines()[:7] == [
        f"report     {name}",
        "by         Example Ltd <dmarc@reports.example.org>",
        "about      bank.example, 2026-11-26 00:00 to 2026-11-26 23:59 UTC",
        "policy     p=reject sp=reject np=reject adkim=r aspf=r fo=0 testing=n",
        "messages   2 in 2 records",
        "",
        "source                      count  done       dkim  spf   From",
    ]
    assert "192.0.2.1                       1  reject     fail  fail  bank.example" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["report", "show", name, "--config", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"]["domain"] == "bank.example"


def test_show_what_is_not_there(made: tuple[str, str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "show", "0" * 32, "--config", made[0]]) == 2
    assert main(["report", "show", "/nowhere", "--config", made[0]]) == 2
    assert main(["report", "show", made[0]]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_no_escape_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.xml").write_bytes(OLD_REPORT.replace(b"google.com", "\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}".encode()))
    assert main(["report", "show", str(tmp_path / "r.xml")]) == 0
    assert "?31m?" in capsys.readouterr().out


def test_list(made: tuple[str, str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    config, name, _ = made
    assert main(["report", "list", "--config", config, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == told | {"id": name, "day": "2026-11-26", "domain": "bank.example", "messages": 2, "state": "pending"}
    assert main(["report", "list", "--config", config, "--day", "2026-11-26", "--domain", "BANK.example"]) == 0
    assert f"2026-11-26  {name}          2  bank.example\n    pending    " in capsys.readouterr().out
    assert main(["report", "list", "--config", config, "--state", "sent"]) == 0
    assert capsys.readouterr().out == "No reports.\n"


def test_list_tells_what_waits_for_the_dns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = journal(tmp_path)
    (tmp_path / "f.toml").write_text(SETTINGS.format(url=url, folder=tmp_path))
    count(url, [row(policy_record=b"v=DMARC1; p=reject; rua=mailto:d@wants.example")])
    store = Store(url)
    name = "bank.example._report._dmarc.wants.example."
    broken = f"$TTL 60\n{name} IN CNAME b.example.\nb.example. IN CNAME {name}\n"
    one = maker(store, broken)
    one.close_days(0)
    one.make()
    store.close()
    assert main(["report", "list", "--config", str(tmp_path / "f.toml")]) == 0
    assert "2026-11-26  bank.example  not made yet: " in capsys.readouterr().out


def test_enabled_alone_is_enough_to_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = journal(tmp_path)
    text = f'[journal]\ndatabase = "{url}"\n[report]\nenabled = true\nmetrics_file = "{tmp_path}/m"\n'
    (tmp_path / "f.toml").write_text(text)
    count(url, [row()])
    config = ["--config", str(tmp_path / "f.toml")]
    assert main(["report", "make", "--output", str(tmp_path / "out"), *config]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert main(["report", "send", *config]) == 2
    assert "report.organization is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "reports are not switched on"),
        ("enabled = true\n[journal]\nenabled = false", "needs the journal"),
        ('enabled = true\nuser = "x"', "report.password_file is missing"),
        ('enabled = true\nuser = "x"\npassword_file = "/x"', "submission"),
        ('enabled = true\nemail = "nobody"', "report.email"),
        ('enabled = true\nsubmitter = "no domain"', "report.submitter"),
        ('enabled = true\ndkim_key = ["r:/nowhere"]', "/nowhere: No such file"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    url = journal(tmp_path)
    (tmp_path / "f.toml").write_text(f"[report]\n{text}\n")
    assert main(["report", "make", "--journal", url, "--config", str(tmp_path / "f.toml")]) == 2
    assert said in capsys.readouterr().err
