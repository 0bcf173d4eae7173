"""The subcommands of report as they are called: what they say, their exit status, and what is in the queue then."""

import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dmarc_milter.cli.main import main
from dmarc_milter.cli.report.send import transport
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.reporting.checking import sample
from dmarc_milter.reporting.outbox import Outbox
from dmarc_milter.reporting.reading import ReceivedReport, read
from dmarc_milter.reporting.store import Store
from dmarc_milter.reporting.transport import SendmailTransport, SmtpTransport
from dmarc_milter.settings import config
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.testing.name_server import NameServerThread
from tests.support.keys import short_rsa_key
from tests.support.reports import FAILS, OLD_REPORT, SENDER, count, journal, row
from tests.support.smtp_sink import SmtpSink

SECONDS_PER_DAY = 86_400
TODAY = int(time.time() // SECONDS_PER_DAY) * SECONDS_PER_DAY
OVER = TODAY - 2 * SECONDS_PER_DAY
"""A day that is over, grace and all, and of which nothing has been given up yet."""


def written(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day))


ZONE = """
$TTL 60
_dmarc.reports.example.org. IN TXT "v=DMARC1; p=reject"
reports.example.org. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
bank.example._report._dmarc.wants.example. IN TXT "v=DMARC1"
bank.example._report._dmarc.reports.example.org. IN TXT "v=DMARC1"
"""
FAILING = frozenset({"bank.example._report._dmarc.lost.example"})
SETTINGS = """
[journal]
database = "{url}"
[dns]
nameservers = ["127.0.0.1:{port}"]
[report]
enabled = true
organization = "Example Ltd"
email = "dmarc@reports.example.org"
submitter = "example.org"
metrics_file = "{folder}/report.prom"
"""


@pytest.fixture(scope="module")
def zone() -> Iterator[NameServerThread]:
    with NameServerThread(ZoneResolver.from_text(ZONE, FAILING)) as server:
        yield server


@dataclass
class Site:
    """An operator's settings, his journal, and the commands that he types."""

    folder: Path
    url: str
    capsys: pytest.CaptureFixture[str]

    def report(self, *arguments: object) -> tuple[int, str, str]:
        """Exit status, what was said, and what was said on standard error."""
        self.capsys.readouterr()
        status = main(["report", *map(str, arguments), "--config", str(self.folder / "f.toml")])
        said = self.capsys.readouterr()
        return status, said.out, said.err

    def configure(self, text: str, old: str = "") -> None:
        """Put `text` in the place of `old`, or at the end of the settings."""
        path = self.folder / "f.toml"
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, text) if old else before + text)

    def count(self, *rows: dict[str, Any], day: int = OVER) -> None:
        count(self.url, [{**each, "time": day + 3_600.0} for each in rows])

    def reports(self, day: int = OVER) -> list[tuple[str, list[str]]]:
        """Policy domain and addresses of each report of the day."""
        store = Store(self.url)
        found = [(about.policy_domain, store.addresses(about.id)) for about, _ in store.stored(day)]
        store.close()
        return found

    def outbox(self) -> dict[str, int]:
        store = Store(self.url)
        found = Outbox(store).counts()
        store.close()
        return found

    def suppressed(self, days_from_now: float = 0.0) -> list[str]:
        store = Store(self.url)
        found = sorted(store.suppressed(time.time() + days_from_now * SECONDS_PER_DAY))
        store.close()
        return found


@pytest.fixture
def site(tmp_path: Path, zone: NameServerThread, capsys: pytest.CaptureFixture[str]) -> Site:
    url = journal(tmp_path)
    (tmp_path / "f.toml").write_text(SETTINGS.format(url=url, folder=tmp_path, port=zone.port))
    return Site(tmp_path, url, capsys)


def wants(rua: str, **changes: Any) -> dict[str, Any]:
    """A message of bank.example, whose reports are to go there."""
    return dict(row(policy_record=f"v=DMARC1; p=reject; rua=mailto:{rua}".encode(), **changes))


# make


@pytest.mark.parametrize(
    ("arguments", "status", "made", "made_of"),
    [
        ([], 0, 2, ["bank.example", "shop.example"]),
        (["--day", written(OVER)], 0, 2, ["bank.example", "shop.example"]),
        (["--day", written(OVER - SECONDS_PER_DAY)], 0, 0, []),
        # The other domain is left for a later run.
        (["--domain", "BANK.example"], 1, 1, ["bank.example"]),
        (["--domain", "no domain"], 1, 0, []),
    ],
)
def test_make(site: Site, arguments: list[str], status: int, made: int, made_of: list[str]) -> None:
    site.count(row(), row(), row("shop.example"))
    found = site.report("make", *arguments)
    assert found == (status, f"{made} reports made, 0 domains wait for the DNS\n", "")
    assert [domain for domain, _ in site.reports()] == made_of
    assert "dmarc_milter_report_" in (site.folder / "report.prom").read_text()


def test_make_tells_each_report_as_json(site: Site) -> None:
    site.count(row(), row(**FAILS), row("shop.example"))
    status, out, _ = site.report("make", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    about = {"day": written(OVER), "refused": []}
    assert status == 0
    assert [each | {"id": ""} for each in told] == [
        {"domain": "bank.example", "messages": 2, "records": 2, "to": ["d@bank.example"], "id": "", **about},
        {"domain": "shop.example", "messages": 1, "records": 1, "to": ["d@shop.example"], "id": "", **about},
    ]


def test_make_leaves_for_later_what_the_dns_does_not_tell(site: Site) -> None:
    site.count(wants("d@lost.example"))
    assert site.report("make") == (1, "0 reports made, 1 domains wait for the DNS\n", "")
    status, out, _ = site.report("list")
    assert (status, f"{written(OVER)}  bank.example  not made yet: " in out) == (0, True)


def test_make_writes_files_and_the_same_again(site: Site) -> None:
    site.count(row(), row("shop.example"))
    for folder in ("one/two", "again"):
        assert site.report("make", "--day", written(OVER), "--output", site.folder / folder)[0] == 0
    first, again = (
        {each.name: each.read_bytes() for each in (site.folder / name).iterdir()} for name in ("one/two", "again")
    )
    assert first == again
    domains = []
    for octets in first.values():
        found = read(octets)
        assert isinstance(found, ReceivedReport)
        domains.append(found.policy["domain"])
    assert sorted(domains) == ["bank.example", "shop.example"]


def test_make_writes_those_of_one_domain(site: Site) -> None:
    site.count(row(), row("shop.example"))
    site.report("make")
    folder = site.folder / "out"
    assert site.report("make", "--day", written(OVER), "--domain", "shop.example", "--output", folder)[0] == 0
    (found,) = folder.iterdir()
    assert "shop.example" in found.name
    status, out, _ = site.report("make", "--day", written(OVER), "--domain", "shop.example", "--dry-run", "--json")
    assert (status, json.loads(out)["domain"]) == (0, "shop.example")


def test_make_cannot_write_files(site: Site) -> None:
    site.count(row())
    (site.folder / "file").touch()
    status, _, err = site.report("make", "--output", site.folder / "file")
    assert (status, err) == (2, f"dmarc-milter: --output {site.folder}/file: File exists\n")
    assert site.reports() == []
    assert site.report("make", "--output", site.folder / "out")[0] == 0
    (name,) = (site.folder / "out").iterdir()
    (site.folder / "other" / name.name).mkdir(parents=True)
    status, _, err = site.report("make", "--day", written(OVER), "--output", site.folder / "other")
    assert (status, err) == (2, f"dmarc-milter: {site.folder}/other/{name.name}: Is a directory\n")


def test_make_waits_for_the_end_of_a_day(site: Site) -> None:
    tomorrow = TODAY + SECONDS_PER_DAY
    site.count(row(), day=tomorrow)
    status, _, err = site.report("make", "--day", written(tomorrow))
    assert (status, err) == (
        2,
        f"dmarc-milter: {written(tomorrow)} is not over yet (UTC); --dry-run shows what there is so far\n",
    )
    assert site.report("make", "--day", written(tomorrow), "--dry-run")[0] == 0
    assert site.reports(tomorrow) == []


@pytest.mark.parametrize("text", ["2026-13-01", "2026-1-1", "1969-12-31", "today"])
def test_what_is_no_day(site: Site, text: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        site.report("make", "--day", text)
    assert f"{text!r} is no day like 2026-11-26" in site.capsys.readouterr().err


def test_only_one_makes_reports(site: Site) -> None:
    store = Store(site.url)
    with store.alone():
        found = site.report("make")
    store.close()
    assert found == (2, "", "dmarc-milter: another `dmarc-milter report` works on this queue\n")


def test_figures_that_cannot_be_written_keep_no_report_from_being_made(site: Site) -> None:
    site.count(row())
    site.configure(f'"{site.folder}/nowhere/report.prom"', f'"{site.folder}/report.prom"')
    status, out, err = site.report("make")
    assert (status, out) == (0, "1 reports made, 0 domains wait for the DNS\n")
    assert "warning: no figures for Prometheus: " in err


def test_a_journal_that_is_not_there(site: Site) -> None:
    for command in ("make", "send", "list", ("suppress", "d@bank.example"), ("unsuppress", "d@bank.example")):
        words = (command,) if isinstance(command, str) else command
        status, _, err = site.report(*words, "--journal", f"sqlite:///{site.folder}/nowhere.sqlite")
        assert (status, "the journal cannot be read" in err) == (2, True), words


@pytest.mark.parametrize("name", ["", "-", "a..b", "*"])
def test_domains_to_leave_out_have_to_be_domains(site: Site, name: str) -> None:
    site.configure(f'exclude_domains = ["{name}"]\n')
    status, _, err = site.report("make")
    assert (status, "report.exclude_domains" in err) == (2, True)


# make --dry-run


ALIGNED = "1 messages, 1 aligned"


@pytest.mark.parametrize(
    ("message", "settings", "status", "lines", "as_json"),
    [
        (row(), "", 0, [f"bank.example: {ALIGNED}, to d@bank.example"], {"to": ["d@bank.example"]}),
        (
            row(),
            'exclude_addresses = ["@bank.example"]',
            0,
            [f"bank.example: {ALIGNED}, nobody may get it", "    not to d@bank.example: "],
            {"to": []},
        ),
        (
            wants("dmarc@reports.example.org,mailto:d@bank.example"),
            "",
            0,
            [
                f"bank.example: {ALIGNED}, to d@bank.example",
                "    not to dmarc@reports.example.org: the address that our own",
            ],
            {"to": ["d@bank.example"]},
        ),
        (
            row(),
            "minimum_messages = 5",
            0,
            [f"bank.example: {ALIGNED}, left out: "],
            {"to": [], "refused": []},
        ),
        (row(), 'exclude_domains = ["bank.example"]', 0, [f"bank.example: {ALIGNED}, left out: "], {"to": []}),
        (
            row(**FAILS),
            "only_aligned = true",
            0,
            ["bank.example: 1 messages, 0 aligned, left out: nothing aligned"],
            {"left_out": "nothing-aligned"},
        ),
        (wants("d@lost.example"), "", 1, [f"bank.example: {ALIGNED}, later: "], {"to": [], "left_out": None}),
        (row(policy_record=b"v=DMARC1; p=reject"), "", 0, [], None),
    ],
    ids=["made", "excluded address", "own address", "few", "excluded", "nothing aligned", "no answer", "not asked for"],
)
def test_a_dry_run_tells_who_would_get_what_and_writes_nothing(
    site: Site, message: dict[str, Any], settings: str, status: int, lines: list[str], as_json: dict[str, Any] | None
) -> None:
    site.configure(settings + "\n")
    site.count(message)
    found, out, _ = site.report("make", "--dry-run")
    said = out.splitlines()
    assert found == status
    assert len([line for line in said if line]) == len(lines)
    for line, wanted in zip(said, lines, strict=False):
        assert line.removeprefix(f"{written(OVER)} ").startswith(wanted)
    found, out, _ = site.report("make", "--dry-run", "--json", "--day", written(OVER))
    assert found == status
    if as_json is not None:
        told = json.loads(out)
        assert told == told | {"domain": "bank.example", "day": written(OVER), "messages": 1} | as_json
        assert (told["wait_for"] is not None) is bool(status)
    store = Store(site.url)
    assert not store.is_closed(OVER)
    store.close()


@pytest.mark.parametrize(("arguments", "said"), [((), "No day is open"), (("--json",), "")])
def test_a_dry_run_where_no_day_is_open(site: Site, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = site.report("make", "--dry-run", *arguments)
    assert (status, out) == (0, "")
    assert err.startswith(said)
    assert bool(err) is bool(said)


# check and send


def key_file(site: Site, private: Any, selector: str = "r") -> None:
    """Sign with this key."""
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = site.folder / "key.pem"
    path.write_bytes(pem)
    site.configure(f'dkim_key = ["{selector}:{path}"]\n')


CLIENT = ("--client", "192.0.2.1")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (CLIENT, 0, ["ok    SPF: pass for reports.example.org from 192.0.2.1: ", "Reports may be sent."]),
        ((), 1, ["note  SPF: not looked at", "WRONG DMARC: fail", "Nothing is sent until all of this is right."]),
        (("--client", "198.51.100.1"), 1, ["note  SPF: fail for reports.example.org from 198.51.100.1: "]),
    ],
)
def test_check(site: Site, arguments: tuple[str, ...], status: int, said: list[str]) -> None:
    found, out, err = site.report("check", *arguments)
    assert (found, err) == (status, "")
    for each in said:
        assert any(line.startswith(each) for line in out.splitlines()), out
    found, out, _ = site.report("check", "--json", *arguments)
    told = json.loads(out)
    assert (found, told["passes"]) == (status, not status)
    assert {each["label"] for each in told["findings"]} >= {"DKIM", "SPF", "DMARC"}


def test_check_judges_the_copy_that_came_back(site: Site) -> None:
    (site.folder / "copy").write_bytes(sample(SENDER, OVER).replace(b"@reports.example.org", b"@elsewhere.example"))
    status, out, _ = site.report("check", "--message", site.folder / "copy", *CLIENT)
    assert status == 1
    assert "WRONG DMARC" in out
    (site.folder / "copy").write_bytes(sample(SENDER, OVER))
    assert site.report("check", "--message", site.folder / "copy", *CLIENT)[0] == 0


def test_check_needs_addresses_and_files(site: Site) -> None:
    status, _, err = site.report("check", "--client", "nowhere")
    assert (status, err.startswith("dmarc-milter: --client: 'nowhere'")) == (2, True)
    status, _, err = site.report("check", "--message", "/nowhere")
    assert (status, err) == (2, "dmarc-milter: --message /nowhere: No such file or directory\n")
    status, _, err = site.report("check", *CLIENT, "--journal", f"sqlite:///{site.folder}/nowhere.sqlite")
    assert (status, "the journal cannot be read" in err) == (2, True)


@pytest.mark.parametrize(
    ("private", "said"),
    [
        (ed25519.Ed25519PrivateKey.generate(), None),
        (rsa.generate_private_key(65537, 1024), None),
        (ec.generate_private_key(ec.SECP256R1()), "neither an RSA nor an Ed25519 key"),
        (short_rsa_key(), "768 bits are too few"),
    ],
    ids=["Ed25519", "RSA", "EC", "short RSA"],
)
def test_the_key_that_signs(site: Site, private: Any, said: str | None) -> None:
    key_file(site, private)
    status, out, err = site.report("check", *CLIENT)
    if said is None:
        assert (status, "permerror with the key at r._domainkey.reports.example.org" in out) == (1, True), out
    else:
        assert (status, said in err) == (2, True)


def test_nothing_is_sent_before_check_has_passed(site: Site) -> None:
    site.count(row())
    site.report("make")
    with SmtpSink() as sink:
        site.configure(f'server = "127.0.0.1:{sink.port}"\n')
        for _ in range(2):
            status, _, err = site.report("send")
            assert (status, "`dmarc-milter report check` has not passed" in err) == (2, True)
            # One that fails changes nothing.
            assert site.report("check")[0] == 1
        assert site.report("check", *CLIENT)[0] == 0
        assert site.report("send") == (
            0,
            "1 sent, 0 put off, 0 refused, 0 suppressed, 0 given up; 0 wait\n",
            "",
        )
        assert [each.recipient for each in sink.taken] == ["d@bank.example"]
    assert site.outbox() == {"sent": 1}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("reply", "status", "counts", "waiting"),
    [
        (None, 0, {"sent": 1}, 0),
        ("550 5.1.1 nobody", 0, {"refused": 1}, 0),
        ("451 4.3.0 later", 1, {"put_off": 1}, 1),
        ("BREAK", 1, {"put_off": 1}, 1),
    ],
)
def test_send(site: Site, reply: str | None, status: int, counts: dict[str, int], waiting: int, as_json: bool) -> None:
    site.count(row())
    site.report("make")
    site.report("check", *CLIENT)
    with SmtpSink(lambda said, _: reply if said == "DATA" else None) as sink:
        site.configure(f'server = "127.0.0.1:{sink.port}"\n')
        found, out, err = site.report("send", "--all", *["--json"] * as_json)
    assert found == status
    zeros = dict.fromkeys(("sent", "put_off", "refused", "suppressed", "expired"), 0)
    if as_json:
        told = json.loads(out)
        assert (told.pop("trouble") is None) is (reply != "BREAK")
        assert told == zeros | counts | {"waiting": waiting}
        assert err == ""
    else:
        numbers = list((zeros | counts).values())
        assert out == "{} sent, {} put off, {} refused, {} suppressed, {} given up; {} wait\n".format(*numbers, waiting)
        assert ("the MTA does not take reports" in err) is (reply == "BREAK")


@pytest.mark.parametrize("name", ["organization", "email", "submitter"])
@pytest.mark.parametrize("command", ["check", "send"])
def test_who_sends_has_to_be_known(site: Site, command: str, name: str) -> None:
    lines = (site.folder / "f.toml").read_text().splitlines(keepends=True)
    (site.folder / "f.toml").write_text("".join(line for line in lines if not line.startswith(name)))
    status, _, err = site.report(command)
    assert (status, f"report.{name} is missing" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "server", "port"),
    [
        ("smtp", "mx.example.org", 25),
        ("submission", "mx.example.org", 587),
        ("submission", "mx.example.org:2525", 2525),
    ],
)
def test_the_mta_of_the_settings(name: str, server: str, port: int) -> None:
    made = transport(config.parse({"report": {"transport": name, "server": server}}).report)
    assert isinstance(made, SmtpTransport)
    assert (made._server.host, made._server.port) == ("mx.example.org", port)
    assert made._server.starttls is (name == "submission")


def test_sendmail_of_the_settings() -> None:
    assert isinstance(transport(config.parse({"report": {"transport": "sendmail"}}).report), SendmailTransport)


def test_a_port_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"report\.server: "):
        transport(config.parse({"report": {"server": "mx.example.org:99999"}}).report)


# suppress, unsuppress, bounce


@pytest.mark.parametrize(
    ("arguments", "is_for_ever"), [((), True), (("--days", "3"), False)], ids=["for ever", "three days"]
)
def test_suppress_and_unsuppress(site: Site, arguments: tuple[str, ...], is_for_ever: bool) -> None:
    assert site.report("suppress", "D@Bank.example", *arguments) == (0, "", "")
    assert site.suppressed(2.9) == ["d@bank.example"]
    assert bool(site.suppressed(3.1)) is is_for_ever
    assert site.report("unsuppress", "d@BANK.example") == (0, "", "")
    assert site.suppressed() == []
    assert site.report("unsuppress", "d@bank.example") == (1, "d@bank.example was not suppressed\n", "")


@pytest.mark.parametrize("text", ["bank.example", "@bank.example", "d@", "d@no domain", ""])
@pytest.mark.parametrize("command", ["suppress", "unsuppress"])
def test_what_is_no_address(site: Site, command: str, text: str) -> None:
    assert site.report(command, text) == (2, "", f"dmarc-milter: {text!r} is no address\n")
    assert site.suppressed() == []


def bounced(action: str) -> bytes:
    return (
        b"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n"
        b"Final-Recipient: rfc822; d@bank.example\nAction: %s\nStatus: 5.1.1\n\n--b--\n" % action.encode()
    )


@pytest.fixture
def bounce_address(site: Site) -> str:
    """Of a report that was sent to d@bank.example."""
    site.count(row())
    site.report("make")
    site.report("check", *CLIENT)
    with SmtpSink() as sink:
        site.configure(f'server = "127.0.0.1:{sink.port}"\n')
        site.report("send")
    return sink.taken[0].mail_from


@pytest.mark.parametrize(
    ("action", "recipient", "said", "is_suppressed"),
    [
        ("failed", None, "d@bank.example gets no reports for a while\n", True),
        ("delayed", None, "not a failure: nothing is noted (", False),
        ("failed", "dmarc+{}@reports.example.org".format("0" * 32), "no such delivery: nothing is noted\n", False),
        ("failed", "dmarc@reports.example.org", "no delivery of a report is named in it: nothing is noted\n", False),
    ],
)
def test_bounce(
    site: Site,
    bounce_address: str,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    recipient: str | None,
    said: str,
    is_suppressed: bool,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bounced(action))))
    status, out, err = site.report("bounce", "--recipient", recipient or bounce_address)
    assert (status, out.startswith(said), err) == (0, True, "")
    assert site.suppressed() == ["d@bank.example"] * is_suppressed
    assert site.outbox() == ({"bounced": 1} if is_suppressed else {"sent": 1})


def test_a_bounce_is_kept_by_the_mta_where_the_database_cannot_be_reached(
    site: Site, bounce_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bounced("failed"))))
    nowhere = f"sqlite:///{site.folder}/nowhere.sqlite"
    status, _, err = site.report("bounce", "--recipient", bounce_address, "--journal", nowhere)
    assert (status, "the journal cannot be read" in err) == (75, True)


# show


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b"", b"", "report     123"),
        (b"<report_id>123</report_id>", b"", "report     ?"),
        (b"<begin>1795651200</begin>", b"", "about      bank.example, ? to 2026-11-26 23:59 UTC"),
        (b"1795737599", b"tomorrow", "about      bank.example, 2026-11-26 00:00 to ? UTC"),
        (b"1795737599", b"9" * 12, "about      bank.example, 2026-11-26 00:00 to ? UTC"),
        (
            b"</report_metadata>",
            b"<error>half of it is lost</error></report_metadata>",
            "error      half of it is lost",
        ),
        (b"<selector>", b"<selector>", "    DKIM pass for bank.example"),
    ],
)
def test_show_of_what_comes_on_standard_input(
    site: Site, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes, line: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(OLD_REPORT.replace(old, new) if old else OLD_REPORT)))
    status, out, _ = site.report("show", "-")
    assert status == 0
    assert line in out.splitlines()


def test_show_of_what_is_no_report(site: Site) -> None:
    (site.folder / "text").write_text("hello")
    status, out, err = site.report("show", site.folder / "text")
    assert (status, out) == (2, "")
    assert err == (
        f"dmarc-milter: {site.folder}/text cannot be read: there is no report in it: neither XML, nor gzip, zip or a "
        "mail with one\n"
    )
    status, _, err = site.report("show", "0" * 32, "--journal", f"sqlite:///{site.folder}/nowhere.sqlite")
    assert (status, "the journal cannot be read" in err) == (2, True)
