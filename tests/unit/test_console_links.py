"""Every number of the console's pages leads to as many messages, and the commands and the records say the same."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.console.search import link, within
from dmarc_milter.journal import schema
from dmarc_milter.journal.database import open_engine
from dmarc_milter.settings.database_url import DatabaseUrl
from tests.support.console import ask, console
from tests.support.console_links import (
    NOW,
    PAGES,
    Numbers,
    Row,
    check_numbers,
    counted,
    fill,
    meant,
    of_filter,
    varied,
)
from tests.support.journals import copy_journal

pytestmark = pytest.mark.usefixtures("utc")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    path, found = tmp_path_factory.mktemp("varied") / "journal.sqlite", varied()
    url = DatabaseUrl(f"sqlite:///{path}")
    engine = open_engine(url, create=True)
    schema.prepare(engine)
    fill(engine, url, found)
    engine.dispose()
    return path, found


@pytest.fixture
def rows(filled: tuple[Path, list[Row]], url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    path, found = filled
    copy_journal(path, url)
    monkeypatch.setattr(time, "time", lambda: NOW)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: re.sub(r"[^a-z0-9]+", "-", page).strip("-") or "overview")
def test_numbers_lead_to_as_many_messages(rows: list[Row], url: DatabaseUrl, tmp_path: Path, page: str) -> None:
    check_numbers(rows, url, page, of_filter(tmp_path, url))


def test_a_number_without_a_link_is_found() -> None:
    found = Numbers('<main><p class="aside">In 7 days, 1,204 came (12).</p><a href="/messages?x=1">5</a> 0</main>')
    assert found.bare == [("aside", "7"), ("aside", "1,204"), ("aside", "12")]
    assert found.links == [("/messages?x=1", 5)]


def test_numbers_of_reports_lead_to_as_many_reports(rows: list[Row], url: DatabaseUrl) -> None:
    app = console(url)
    page = ask(app, "/reports").text
    states = re.findall(
        r'<a href="(/reports\?state=\w+)"><span class="label">\w+</span> <strong>([0-9]+)</strong>', page
    )
    assert len(states) > 3
    for address, number in states:
        assert ask(app, address).text.count('<td data-label="state">') == int(number), address


def test_commands_say_the_same(rows: list[Row], url: DatabaseUrl, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*words: str) -> Any:
        assert main([*words, "--config", "/dev/null", "--journal", url, "--json"]) in (0, 1)
        return json.loads(capsys.readouterr().out)

    found = told("summary", "--since", "7d")
    period = within(NOW - 7 * 86_400, NOW)
    figures = [
        ({"judged": "yes", name: result}, figure)
        for name, of in found["results"].items()
        for result, figure in of.items()
    ]
    figures += [({"action": name}, figure) for name, figure in found["actions"].items() if name != "accept"]
    figures += [({"wanted": name, "done": "no"}, figure) for name, figure in found["would_be"].items()]
    figures += [({"spared": name}, figure) for name, figure in found["overrides"].items()]
    figures += [({"rule": each["rule"]}, each) for each in found["rules"]]
    figures += [({"list": each["list_id"]}, each) for each in found["lists"]]
    figures += [({"from": each["domain"] or "none", "failing": "1"}, each) for each in found["domains"]]
    figures += [({"client": each["network"] or "none", "failing": "1"}, each) for each in found["networks"]]
    assert len(figures) > 30
    app = console(url)
    for values, figure in figures:
        address = link("/messages", {**period, **values})
        assert (address, meant(rows, address), counted(app, address)) == (address, *[figure["messages"]] * 2)


def test_mail_from_is_asked_for_by_its_domain(rows: list[Row], url: DatabaseUrl) -> None:
    app = console(url)
    for address in ("/messages?mail_from=bank.example&since=30d", "/messages?mail_from=Any@BANK.example&since=30d"):
        assert counted(app, address) == meant(rows, "?mail_from=bank.example") > 10
    assert counted(app, "/messages?mail_from=bank.example") == meant(rows, "?mail_from=bank.example")


def test_the_command_names_the_sealers_of_the_page(
    rows: list[Row], url: DatabaseUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["what-if", "--journal", url, "--days", "30", "--json"]) == 1
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"sealer"' in each]
    assert [each["sealer"] for each in found] == sorted(
        {name for row in rows for name in row["arc_vouching"] or ()},
        key=lambda name: (
            -meant(rows, f"?failing=sealed&sealer={name}"),
            -meant(rows, f"?spared=trusted_forwarder&sealer={name}"),
            name,
        ),
    )
    assert len(found) > 2
    page = ask(console(url), "/what-if?days=30").text
    period = {"since": within(NOW - 30 * 86_400, NOW)["since"]}
    for each in found:
        for values, count in (
            ({"failing": "sealed"}, each["messages"]),
            ({"failing": "sealed", "kind": "sent_on"}, each["sent_on"]),
            ({"spared": "trusted_forwarder"}, each["spared"]),
        ):
            address = link("/messages", {**period, "sealer": each["sealer"], **values})
            assert (address, meant(rows, address), counted(console(url), address)) == (address, count, count)
        assert each["sealer"] in page
        command = ["trace", "--config", "/dev/null", "--journal", url, "--limit", "999", "--json"]
        assert main([*command, "--sealer", each["sealer"]]) == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(told) == meant(rows, f"?sealer={each['sealer']}")


@pytest.mark.parametrize(
    "words",
    ["as=x", "as=dkim:", "mail_from=!", "failing=2", "wanted=x", "sealer=a.example,,", "passed=a", "reported=!"],
    ids=["as", "empty", "mail-from", "failing", "wanted", "sealer", "signature", "reported"],
)
def test_what_is_asked_for_wrongly_is_said(rows: list[Row], url: DatabaseUrl, words: str) -> None:
    assert ask(console(url), f"/messages?{words}").status == 400
