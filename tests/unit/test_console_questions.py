"""What operators ask of a month of mail, and what the pages answer: docs/console.md, 'What is where'."""

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.console.access import Gate
from dmarc_milter.console.settings import ConsoleSection
from dmarc_milter.demo.month import month, write
from dmarc_milter.journal.particulars import network_of
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.console import ask, console
from tests.support.journals import copy_journal

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_795_000_000.0
DAY = 86_400
COUNT = 8_000
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(month(COUNT, NOW))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("month") / "journal.sqlite"
    write(DatabaseUrl(f"sqlite:///{path}"), COUNT, NOW)
    return path


@pytest.fixture
def app(filled: Path, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> Gate:
    copy_journal(filled, url)
    monkeypatch.setattr(time, "time", lambda: NOW)
    return console(url)


def words(app: Gate, address: str) -> str:
    """What a page says, without its marks; a cell ends with a bar."""
    text = re.sub(r"(?s)<svg.*?</svg>|<details.*?</details>", "", ask(app, address).text)
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"</t[dh]>", " | ", text)).split())


def table_row(text: str, name: str) -> list[str]:
    """The cells of the row of `name`, from its name on."""
    (found,) = re.findall(rf"\| {re.escape(name)} \|((?: [^|]* \|){{4}})", text)
    return [each.strip() for each in found.split("|")[:4]]


def test_why_did_their_mail_bounce(app: Gate, rows: list[Row]) -> None:
    newest = next(
        each for each in reversed(rows) if (each["author_domain"], each["action"]) == ("bank.example", "reject")
    )
    first = re.findall(r'class="open" href="([^"]+)"', ask(app, "/messages?q=bank.example+refused").text)[0]
    assert first == f"/messages/{newest['uid']}"
    assert "DMARC fails, and bank.example asks for reject" in words(app, first)


@pytest.mark.parametrize("name", ["queue_id", "message_id"])
def test_what_became_of_it(app: Gate, rows: list[Row], name: str) -> None:
    answer = ask(app, f"/messages?q={rows[11][name].replace('<', '%3C').replace('>', '%3E')}")
    assert answer.headers["location"] == f"/messages/{rows[11]['uid']}"


def test_what_if_it_were_enforced(app: Gate, rows: list[Row]) -> None:
    found = [each for each in rows if each["time"] >= NOW - 30 * DAY]
    done = Counter(each["wanted"] for each in found)
    refused, quarantined, deferred = done["reject"], done["quarantine"], done["tempfail"]
    said = f"Mode enforce refused {refused}, quarantined {quarantined}, deferred {deferred} of {len(found)}."
    page = words(app, "/what-if?days=30")
    assert said in page
    assert "slow.example | nobody | " in page
    assert "it could not be judged: its sender tries again" in page
    assert "From names no domain, or several" in page


def test_who_is_spoofed_and_is_that_new(app: Gate, rows: list[Row]) -> None:
    page = words(app, "/")
    now = Counter(each["author_domain"] for each in rows if each["time"] >= NOW - DAY and each["dmarc"] == "fail")
    count, before, network, proves = table_row(page, "invoice.example")
    assert (count, before, network, proves) == (str(now["invoice.example"]), "new", "203.0.113.0/24", "crook.example")
    failing = [each for each in rows if each["author_domain"] == "bank.example" and each["dmarc"] == "fail"]
    networks = Counter(network_of(each["client"]) for each in failing)
    month_long = table_row(words(app, "/?range=30d"), "bank.example")
    # Most of it nobody authenticated, though a forwarder's mail is among it.
    assert month_long[0] == str(len(failing))
    assert month_long[1:3] == [networks.most_common(1)[0][0], "nobody"], "nothing is known of the month before"


def test_an_attack_or_our_dns(app: Gate, rows: list[Row]) -> None:
    page = words(app, "/?range=30d")
    results = Counter(each["dmarc"] for each in rows if each["time"] >= NOW - 30 * DAY)
    assert f"DNS errors {results['temperror']} " in page
    assert f"Fail {results['fail']} " in page


def test_who_sends_as_this_domain(app: Gate) -> None:
    page = words(app, "/domains/bank.example")
    assert "198.51.100.0/24 | own, sent on | " in page
    assert "203.0.113.0/24 | nobody&#39;s | " in page
    assert "crm.example | s2026 | 2048 bits | " in page


def test_which_rules_matter(app: Gate, rows: list[Row]) -> None:
    count = sum(each["rule"] == "old-crm" and each["time"] >= NOW - 7 * DAY for each in rows)
    assert f"old-crm | {count} | " in words(app, "/?range=7d")


def test_which_sealers_matter(url: DatabaseUrl, tmp_path: Path, app: Gate, rows: list[Row]) -> None:
    settings = tmp_path / "filter.toml"
    settings.write_text('[policy.indirect]\ntrusted_sealers = ["alumni.example", ".gone.example"]\n')
    page = words(console(url, ConsoleSection(filter_settings=str(settings))), "/what-if?days=30")
    vouched = Counter(name for each in rows if each["override"] is None for name in each["arc_vouching"] or ())
    spared = sum(each["override"] == "trusted_forwarder" for each in rows)
    fwd, relay, crook = (vouched[f"{name}.example"] for name in ("fwd", "relay", "crook"))
    # Of a phisher's own seal it is said that nobody else signed the header.
    assert f"crook.example | {crook} | 0 | bank.example | - | 0 | no | " in page
    assert f"fwd.example | {fwd} | {fwd} | bank.example, partner.example | relay.example ( {relay} ) | 0 | no" in page
    assert f"relay.example | {relay} | {relay} | partner.example | fwd.example ( {relay} ) | 0 | no" in page
    assert f"alumni.example | 0 | 0 | - | - | {spared} | yes | " in page
    assert ".gone.example | 0 | 0 | - | - | 0 | yes, and it spared nothing" in page
    line = '["alumni.example", ".gone.example", "crook.example", "fwd.example", "relay.example"]'
    assert f"trusted_sealers = {line}".replace('"', "&#34;") in page
    assert "not known | " in words(app, "/what-if?days=30")


def test_did_the_reports_go_out(app: Gate) -> None:
    page = words(app, "/reports")
    assert "sent 25 " in page
    assert "bounced 1 " in page
    assert "no such user here" in words(app, "/reports?state=bounced")
    assert ": open, the DNS did not answer: _dmarc.slow.example" in page
